/**
 * Key sets as servers really send them, fetched by a real Envoy of two workers: those that are one serve, whatever stands around them; what
 * is none is told by its name in Envoy's log, and what a set leaves out is told and counted once.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { makeKey, makeStrangers, type ProviderKey, providerAudience } from "../support/jwks-server.ts";

const caller = "spiffe://example.org/web";
const issuerOf = (name: string): string => `https://idp.example.test/${name}`;

/** What one path answers; the handler is given what was asked. */
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const send =
  (body: string | Buffer, headers: Record<string, string> = {}, status = 200): Handler =>
  (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  };

/** Those that serve, and those that do not with what the log says. */
function answersOf({ jwk }: ProviderKey): [good: Record<string, Handler>, bad: Record<string, [Handler, RegExp]>] {
  const set = (...keys: unknown[]): string => JSON.stringify({ keys });
  const zeros = Buffer.concat([Buffer.alloc(1), Buffer.from(jwk.n!, "base64url")]).toString("base64url");
  const [other] = makeStrangers(1);
  const { kid: _, ...nameless } = jwk;
  const good: Record<string, Handler> = {
    plain: send(set(jwk)),
    html: send(set(jwk), { "content-type": "text/html" }),
    jwkset: (request, response) => {
      const isAccepted = /jwk-set\+json|\*\/\*/u.test(request.headers.accept ?? "");
      send(
        set(jwk),
        { "content-type": "application/jwk-set+json; charset=UTF-8" },
        isAccepted ? 200 : 406,
      )(request, response);
    },
    chunked: (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (const part of set(jwk).match(/.{1,40}/gu)!) response.write(part);
      response.end();
    },
    negotiated: (request, response) => {
      const isGzip = /gzip/u.test(String(request.headers["accept-encoding"] ?? ""));
      (isGzip ? send(gzipSync(set(jwk)), { "content-encoding": "gzip" }) : send(set(jwk)))(request, response);
    },
    agent: (request, response) =>
      send(set(jwk), {}, request.headers["user-agent"] === undefined ? 403 : 200)(request, response),
    bom: send(`\ufeff${set(jwk)}`),
    twice: send(set(jwk, jwk)),
    shared: send(set({ ...other, kid: jwk.kid }, jwk)),
    many: send(set(...makeStrangers(300), jwk)),
    zeros: send(set({ ...jwk, n: zeros })),
    nameless: send(set(nameless)),
    mixed: send(
      set(
        jwk,
        { kty: "RSA", kid: "x5", use: "sig", x5c: ["AAAA"] },
        { kty: "AKP", alg: "ML-DSA-65", kid: "pq", pub: "AA" },
        { ...other, kid: "k".repeat(300) },
        { kty: "oct", kid: "s", k: "AAAA" },
      ),
    ),
  };
  const bad: Record<string, [Handler, RegExp]> = {
    found: [
      send("", { location: "https://localhost/plain" }, 302),
      /redirects.*"https:\/\/localhost\/plain", status 302/u,
    ],
    moved: [send("", { location: "/plain" }, 301), /redirects.*"\/plain", status 301/u],
    gzip: [send(gzipSync(set(jwk)), { "content-encoding": "gzip" }), /compressed, which nobody asked for: "gzip"/u],
    disc: [
      send('{"issuer":"https://idp.example.test/disc","jwks_uri":"https://localhost/plain"}'),
      /a discovery document/u,
    ],
    x509: [send('{"r":"-----BEGIN CERTIFICATE-----\\nAA\\n-----END CERTIFICATE-----\\n"}'), /a map of certificates/u],
    page: [send("<!doctype html><title>Log in</title>", { "content-type": "text/html" }), /HTML or XML, no JSON/u],
    credential: [send('{"kind":"Status","code":401}', {}, 401), /wants a credential.*status 401/u],
    single: [send(JSON.stringify(jwk)), /a single key, no JWKS/u],
  };
  return [good, bad];
}

describe("key sets as servers send them", () => {
  let key: ProviderKey;
  let good: Record<string, Handler>;
  let bad: Record<string, [Handler, RegExp]>;
  let server: Server;
  let envoy: TestEnvoy;

  before(async () => {
    key = await makeKey("r", "RS256");
    [good, bad] = answersOf(key);
    const authority = await makeAuthority({ trustDomain: "idp.example" });
    const { certificatePem, privateKeyPem } = await authority.issue({
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1"],
    });
    server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
      const name = request.url!.slice(1);
      (good[name] ?? bad[name]?.[0] ?? send("", {}, 404))(request, response);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const names = [...Object.keys(good), ...Object.keys(bad)];
    const issuers = names.map(
      (name) =>
        `  ${name}: { issuer: "${issuerOf(name)}", audiences: [${providerAudience}], algorithms: [RS256], keys: { url: "https://127.0.0.1:${port}/${name}", cluster: mock, refresh: 1h } }`,
    );
    const rules = names.map(
      (name) => `  - { name: r-${name}, callers: [${caller}], allow: ["GET /${name}"], token: ${name} }`,
    );
    envoy = await startTestEnvoy({
      policyYaml: `version: 1\nname: fetched\ntrust: { domains: [example.org] }\nissuers:\n${issuers.join("\n")}\nrules:\n${rules.join("\n")}\n`,
      concurrency: 2,
      keyClusters: {
        mock: {
          host: "127.0.0.1",
          port,
          tls: { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem: authority.certificatePem },
        },
      },
    });
  });
  after(async () => {
    await envoy?.stop();
    server?.close();
  });

  const ask = async (name: string): Promise<string> => {
    const token = await key.token({ iss: issuerOf(name) });
    const { status, record } = await envoy.judge({ caller, path: `/${name}`, token });
    return `${status} ${record?.reason}`;
  };
  const log = (): string => envoy.local.envoy.log();
  const linesOf = async (words: RegExp): Promise<string[]> => {
    for (let tries = 0; tries < 100; tries++) {
      const lines = log()
        .split("\n")
        .filter((line) => words.test(line));
      if (lines.length > 0) return lines;
      await sleep(50);
    }
    return [];
  };

  test("those that are one serve", async () => {
    for (const name of Object.keys(good)) assert.equal(await ask(name), "200 allowed", name);
  });

  test("what is none is told by its name, and its tokens are nobody's fault", async () => {
    for (const [name, [, words]] of Object.entries(bad)) {
      assert.equal(await ask(name), "503 keys_unavailable", name);
      const [line] = await linesOf(new RegExp(`key set ${name} not fetched: `, "u"));
      assert.match(line ?? log(), words, name);
    }
  });

  test("what a set leaves out is told once, and counted", async () => {
    assert.equal(await ask("mixed"), "200 allowed");
    const told = (await linesOf(/key set mixed leaves out/u)).map((line) =>
      / key (\S+) \((\w+)\)/u.exec(line)!.slice(1),
    );
    const long = `"${"k".repeat(64)}"`;
    assert.deepEqual(told, [
      ['"x5"', "certificate"],
      ['"pq"', "type"],
      [long, "kid"],
      ['"s"', "secret"],
    ]);
    assert.deepEqual(
      log()
        .split("\n")
        .filter((line) => / leaves out /u.test(line) && !line.includes("mixed")),
      [],
    );
    // Counts are handed over within a second.
    await sleep(1_500);
    const counted = (await envoy.prometheus()).filter((line) => /sallyport_key_set_left_out\{.* 1$/u.test(line));
    assert.equal(counted.length, 4, counted.join("\n"));
    for (const reason of ["certificate", "type", "kid", "secret"]) {
      assert.ok(
        counted.some((line) => line.includes(`sallyport_reason="${reason}"`) && line.includes('sallyport_set="mixed"')),
        `${reason}: ${counted.join("\n")}`,
      );
    }
  });
});
