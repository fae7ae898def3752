/** Values of a token that cannot be had exactly, inside lists and maps: a comparison that hangs on one is an error. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { makeKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { engine, recordOf } from "../support/plugin.ts";
import { caller, imageOf, jwks } from "../support/workers.ts";

const key = await makeKey("one");
let nested: unknown = 1;
for (let depth = 0; depth < 20; depth++) nested = [nested];
const token = await key.token({
  far: [1e300, 7],
  same: [1e300, 7],
  other: [1e300, 8],
  map: { a: 1e300 },
  sameMap: { a: 1e300 },
  otherMap: { a: 1e300, b: 1 },
  deep: nested,
  sameDeep: nested,
});

const errors = [
  "5 in claims.far",
  "claims.far == [5, 7]",
  "claims.far == claims.same",
  "claims.map == claims.sameMap",
  "claims.deep == claims.sameDeep",
  "[claims.map] == [claims.sameMap]",
  "claims.map in [claims.sameMap]",
];
const decided: [when: string, holds: boolean][] = [
  ["7 in claims.far", true],
  // What differs elsewhere differs, whatever cannot be read.
  ["claims.far == [5, 6]", false],
  ["claims.far == claims.other", false],
  ["claims.far == [5]", false],
  ["claims.map == claims.otherMap", false],
  ["claims.far == 5", false],
];

/** What an allow rule and a deny rule with a condition make of the token. */
function judge(when: string): [allow: string, deny: string] {
  const text = `version: 1
name: far
trust: { domains: [example.org] }
issuers:
  idp: { issuer: ${providerIssuer}, audiences: [${providerAudience}], algorithms: [ES256], keys: { file: keys.json } }
rules:
  - { name: a, callers: [any], allow: [GET /a], token: idp, when: '${when}' }
  - { name: b, callers: [any], allow: [GET /b] }
  - { name: c, callers: [any], deny: [GET /b], token: idp, when: '${when}' }
`;
  const host = PluginHost.load(engine);
  const { rootContext } = host.startPlugin(pluginConfiguration(imageOf(text, { "keys.json": jwks(key) })));
  const reasonOf = (path: string): string => {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token };
    return (recordOf(host.request(rootContext, hostRequest(request))) as { reason: string }).reason;
  };
  return [reasonOf("/a"), reasonOf("/b")];
}

for (const when of errors) {
  test(`${when} is an error, and so is the opposite`, () => {
    for (const one of [when, `!(${when})`, when.replace("==", "!=")])
      assert.deepEqual(judge(one), ["condition_error", "rule_denied"], one);
  });
}

for (const [when, holds] of decided) {
  test(`${when} is ${holds}`, () => {
    assert.deepEqual(judge(when), holds ? ["allowed", "rule_denied"] : ["condition_false", "allowed"]);
    assert.deepEqual(judge(`!(${when})`), holds ? ["condition_false", "allowed"] : ["allowed", "rule_denied"]);
  });
}
