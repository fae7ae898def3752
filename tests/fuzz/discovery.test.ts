/**
 * Spoilt discovery documents, and spoilt images of policies that discover their keys, against the release engine: it never traps, and no
 * document has anything asked that the policy does not name. The seed is printed; SEED brings a run back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as layout from "../../assembly/policy/layout.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { engine } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { imageOf } from "../support/workers.ts";
import { mutateSections, reseal } from "./mutate.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
const cases = 3000;

const image = imageOf(
  `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [ES256]
    keys: { discovery: true, cluster: idp, clusters: { "certs.example.net:8443": certs }, header: { name: x-key, file: secret } }
    challenge: { realm: shop, resource_metadata: "https://api.example.com/m" }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: idp }
`,
  { secret: "s3cret" },
);
const allowed = ["idp idp.example.org", "certs certs.example.net:8443"];

let nanoseconds = BigInt(Date.now()) * 1_000_000n;
function start(bytes: Uint8Array): { host: PluginHost; root: number; ok: boolean } {
  const host = PluginHost.load(module, { clock: () => nanoseconds, clusters: ["idp", "certs"] });
  const { ok, trapped, error, rootContext } = host.startPlugin(pluginConfiguration(bytes));
  assert.equal(trapped, false, error?.message);
  return { host, root: rootContext, ok };
}

const uris = [
  "https://idp.example.org/keys",
  "https://certs.example.net:8443/keys?a=b",
  "https://IDP.example.org:443/keys",
  "https://idp.example.org@evil.example/keys",
  "https://evil.example/https://idp.example.org/keys",
  "http://idp.example.org/keys",
  "https://idp.example.org:8443/keys",
  "https:///keys",
  "https://",
];
const pieces = [
  "\\u002f",
  "@",
  "#",
  "\\\\",
  ":",
  ":443",
  "/",
  "//",
  "?",
  "%00",
  "\\n",
  "idp.example.org",
  "evil.example",
  "\u0000",
  '"',
  "}",
];

/** A document that is good, or nearly so. */
function documentOf(random: Random): string {
  const issuer = random.below(8) === 0 ? `${providerIssuer}/` : providerIssuer;
  let text = JSON.stringify({ issuer, jwks_uri: random.pick(uris), more: { a: [1, "x"] } });
  for (let times = random.below(4); times > 0; times--) {
    const at = random.below(text.length);
    text = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.below(3));
  }
  return text;
}

test("no document has anything asked that the policy does not name", () => {
  let followed = 0;
  const { host, root } = start(image);
  for (let number = 0; number < cases; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    nanoseconds += 400_000_000_000n;
    host.tick(root);
    assert.equal(host.calls.length, 1);
    const body = documentOf(random);
    const turn = host.answer(host.calls[0]!.token, { body });
    assert.equal(turn.trapped, false, `SEED=${seed}, case ${number}: ${body}`);
    const [next] = host.calls;
    if (next === undefined) continue;
    followed++;
    const headers = new Map(next.headers);
    assert.ok(allowed.includes(`${next.cluster} ${headers.get(":authority")}`), body);
    assert.match(headers.get(":path")!, /^\/[!-~]*$/u, body);
    assert.deepEqual([headers.get(":scheme"), headers.get("x-key")], ["https", "s3cret"]);
    assert.equal(host.answer(next.token, { body: '{"keys":[]}' }).trapped, false);
  }
  assert.ok(followed > cases / 20, `only ${followed} of ${cases} were followed`);
});

test("images are refused, or what they have asked is sound", () => {
  let loaded = 0;
  const sections = [layout.section_key_sets, layout.section_key_sets, layout.section_texts, layout.section_issuers];
  for (let number = 0; number < cases; number++) {
    const random = new Random(seed ^ Math.imul(number + 1, 0x85ebca6b));
    const bytes = reseal(mutateSections(random, image, sections));
    const { host, root, ok } = start(bytes);
    if (!ok) continue;
    loaded++;
    for (let call = 0; call < 3; call++) {
      const turn = host.tick(root);
      assert.equal(turn.trapped, false, `SEED=${seed}, case ${number}: ${turn.error?.message}`);
      nanoseconds += 3_000_000_000n;
      const [waiting] = host.calls;
      if (waiting === undefined) continue;
      const answered = host.answer(waiting.token, { body: documentOf(random) });
      assert.equal(answered.trapped, false, `SEED=${seed}, case ${number}: ${answered.error?.message}`);
    }
  }
  assert.ok(loaded > cases / 50, `only ${loaded} of ${cases} were taken`);
});
