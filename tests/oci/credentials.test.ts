/** Credentials as `docker login` leaves them: in the file, with helper programs, and what is said where they are of no use. */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findCredentials } from "../../scripts/oci/credentials.ts";
import { folderWith } from "../cli/program.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const password = (username: string, password: string) => ({ kind: "password", username, password });

/** Looks them up in a folder with this config.json, and these helpers on PATH. */
function lookUp(context: TestContext, registry: string, config: unknown, helpers: Record<string, string> = {}) {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  const folder = folderWith(context, { "config.json": text });
  for (const [name, body] of Object.entries(helpers)) {
    const path = join(folder, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }
  return findCredentials(registry, { DOCKER_CONFIG: folder, PATH: `${folder}:/usr/bin:/bin` });
}

test("no file: none, and where one would be", (context) => {
  const folder = folderWith(context);
  const { credentials, source } = findCredentials("r.example.org", { HOME: folder });
  assert.equal(credentials, undefined);
  assert.equal(source, `${join(folder, ".docker/config.json")}, which is not there`);
});

test("a user and a password, by the registry's name alone", (context) => {
  const auths = {
    "evil-r.example.org": { auth: base64("no:no") },
    "r.example.org.evil": { auth: base64("no:no") },
    "https://r.example.org/v2/": { auth: base64("ann:pass:word") },
  };
  assert.deepEqual(lookUp(context, "r.example.org", { auths }).credentials, password("ann", "pass:word"));
  assert.equal(lookUp(context, "r.example.org:5000", { auths }).credentials, undefined);
});

test("a refresh token goes before a password", (context) => {
  const auths = { "r.example.org": { auth: base64("ann:"), identitytoken: "refresh" } };
  assert.deepEqual(lookUp(context, "r.example.org", { auths }).credentials, { kind: "identity", token: "refresh" });
});

test("Docker Hub by the name that Docker has for it", (context) => {
  const auths = { "https://index.docker.io/v1/": { auth: base64("ann:x") } };
  for (const registry of ["docker.io", "index.docker.io"])
    assert.deepEqual(lookUp(context, registry, { auths }).credentials, password("ann", "x"));
});

test("a helper of the registry goes before the store, and the store before the file", (context) => {
  const answer = (user: string): string => `read server; echo '{"Username":"${user}","Secret":"'$server'"}'`;
  const config = {
    credHelpers: { "r.example.org": "one" },
    credsStore: "two",
    auths: { "r.example.org": { auth: base64("file:x") }, "other.example.org": {} },
  };
  const helpers = { one: answer("one"), two: answer("two") };
  assert.deepEqual(lookUp(context, "r.example.org", config, helpers).credentials, password("one", "r.example.org"));
  assert.deepEqual(
    lookUp(context, "other.example.org", config, helpers).credentials,
    password("two", "other.example.org"),
  );
  assert.deepEqual(
    lookUp(context, "docker.io", config, helpers).credentials,
    password("two", "https://index.docker.io/v1/"),
  );
});

test("a helper that knows nobody leaves it to the file; <token> is a refresh token", (context) => {
  const config = { credsStore: "one", auths: { "r.example.org": { auth: base64("file:x") } } };
  const none = { one: "echo 'credentials not found in native keychain'; exit 1" };
  assert.deepEqual(lookUp(context, "r.example.org", config, none).credentials, password("file", "x"));
  const token = { one: `echo '{"Username":"<token>","Secret":"refresh"}'` };
  assert.deepEqual(lookUp(context, "r.example.org", config, token).credentials, { kind: "identity", token: "refresh" });
});

test("what is of no use is named, and no secret is in the message", (context) => {
  const said = (config: unknown, helpers?: Record<string, string>): string => {
    try {
      lookUp(context, "r.example.org", config, helpers);
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  assert.match(said('{"auths": {"r.example.org": {"auth": "c2VjcmV0'), /config\.json is no JSON object.*docker login/u);
  assert.match(
    said({ auths: { "r.example.org": { auth: base64("secret") } } }),
    /entry of r\.example\.org.*docker login/u,
  );
  assert.match(said({ credsStore: "gone" }), /^docker-credential-gone is not on PATH/u);
  assert.match(said({ credsStore: "../x" }), /no name of a credential helper/u);
  assert.match(said({ credsStore: "one" }, { one: "echo the keychain is locked; exit 1" }), /the keychain is locked/u);
  assert.match(said({ credsStore: "one" }, { one: "echo secret" }), /answered with no JSON/u);
  for (const config of [
    '{"auths": {"r.example.org": {"auth": "c2VjcmV0',
    { auths: { "r.example.org": { auth: base64("secret") } } },
  ])
    assert.doesNotMatch(said(config), /secret|c2VjcmV0/u);
});

test("a helper that fails after it has answered: not a word of that", (context) => {
  const body = 'read server; echo \'{"Username":"ann","Secret":"pass"}\'; exit 1';
  assert.throws(
    () => lookUp(context, "r.example.org", { credsStore: "half" }, { half: body }),
    /docker-credential-half has no credentials for r\.example\.org: exit 1$/u,
  );
});

test("values of other types than Docker writes are none", (context) => {
  for (const config of [
    { auths: null, credHelpers: null, credsStore: 5 },
    { auths: { "r.example.org": { auth: {}, username: ["ann"], password: {}, identitytoken: 7 } } },
    { auths: { "r.example.org": "ann" } },
    { auths: "r.example.org", credHelpers: "r.example.org" },
  ])
    assert.equal(lookUp(context, "r.example.org", config).credentials, undefined, JSON.stringify(config));
});
