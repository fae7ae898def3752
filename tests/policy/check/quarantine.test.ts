/** Quarantines: what the compiler makes of them, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, unmark } from "../../support/policy.ts";

/** A policy with these quarantines. */
function policyWith(...quarantines: string[]): string {
  return `version: 1
name: shop
trust: { domains: [example.org], aliases: { old.example.net: example.org } }
quarantine:
${quarantines.map((one) => `  - { ${one} }\n`).join("")}rules:
  - { name: a, callers: [spiffe://example.org/web], allow: [GET /a] }
`;
}
const numbers = "denials: 20, within: 1m, for: 5m";
const sound = `name: a, when: [no_rule], ${numbers}`;
const bad = (per: string): string => policyWith(`${sound}, per: [▸${per}]`);

const refused: [what: string, text: string, code: string, message: RegExp][] = [
  ["a reason that is none", policyWith(`name: a, when: [▸no_rul], ${numbers}`), "quarantine", /did you mean `no_rule`.*token_signature/],
  ["an admission", policyWith(`name: a, when: [▸allowed], ${numbers}`), "quarantine", /no denial/],
  ["a failure of ours", policyWith(`name: a, when: [no_rule, ▸internal], ${numbers}`), "quarantine", /no caller can help/],
  ["keys that have not come", policyWith(`name: a, when: [▸keys_unavailable], ${numbers}`), "quarantine", /no caller can help/],
  ["its own denials", policyWith(`name: a, when: [▸quarantined], ${numbers}`), "quarantine", /nobody would leave/],
  ["no reason", policyWith(`name: a, ▸when: [], ${numbers}`), "value", /nothing is counted/],
  ["a claim", bad("claims.sub"), "quarantine", /before a rule is found.*`caller`/],
  ["a path variable", bad("path.id"), "quarantine", /before a rule is found/],
  ["a segment of the ID", bad("caller.ns"), "quarantine", /before a rule is found/],
  ["a header", bad("'request.headers[\"x-a\"]'"), "quarantine", /before a rule is found/],
  ["a host", bad("request.host"), "quarantine", /callers choose/],
  ["nobody", policyWith(`${sound}, ▸per: []`), "value", /leave it out/],
  ["no denials", policyWith(`name: a, when: [no_rule], denials: ▸0, within: 1m, for: 5m`), "value", /from 1 to 1000/],
  ["too many", policyWith(`name: a, when: [no_rule], denials: ▸1001, within: 1m, for: 5m`), "value", /from 1 to 1000/],
  ["a long window", policyWith(`name: a, when: [no_rule], denials: 20, within: ▸2h, for: 5m`), "bound", /3600s/],
  ["no window", policyWith(`name: a, when: [no_rule], denials: 20, within: ▸0s, for: 5m`), "bound", /from 1s/],
  ["a long time", policyWith(`name: a, when: [no_rule], denials: 20, within: 1m, for: ▸25h`), "bound", /86400s/],
  ["a longest time that is shorter", policyWith(`${sound}, max: ▸1m`), "quarantine", /`max: 5m`/],
  ["a time without a unit", policyWith(`${sound}, max: ▸60`), "type", /a number and a unit: write `60m`/],
  ["a text without a unit", policyWith(`${sound}, max: ▸'60'`), "invalid_duration", /write `60m`/],
  ["a unit in words", policyWith(`${sound}, max: ▸10 min`), "invalid_duration", /write `10m`/],
  ["days", policyWith(`${sound}, max: ▸1d`), "invalid_duration", /write `24h`/],
  ["a slip in what it is kept per", bad("callr"), "quarantine", /did you mean `caller`\?; .*`source\.ip\/24`/],
  ["bits that no address has", bad("source.ip/200"), "quarantine", /1 to 32 bits/],
  ["a number to be kept per", bad("5"), "type", /must be `caller`, `caller\.trust_domain`, `source\.ip` or `source\.ip\/24`/],
  ["a pattern let out", policyWith(`${sound}, release: [▸"spiffe://example.org/*"]`), "quarantine", /one by one/],
  ["a network let out", policyWith(`${sound}, release: [▸10.0.0.0/8]`), "quarantine", /one address/],
  ["a domain let out that is not kept", policyWith(`${sound}, release: [▸example.org]`), "quarantine", /caller\.trust_domain/],
  ["another domain let out", policyWith(`${sound}, per: [caller.trust_domain], release: [▸exmaple.org]`), "quarantine", /`example\.org`/],
  ["a caller let out that is not kept", policyWith(`${sound}, per: [source.ip], release: [▸"spiffe://example.org/web"]`), "quarantine", /`per` has `caller`/],
  ["two of one name", policyWith(sound, `name: ▸a, when: [no_rule], ${numbers}`), "duplicate", /`a`/],
  ["a ninth", policyWith(...Array.from({ length: 9 }, (_, number) => sound.replace("a,", `q${number},`))).replace("- { name: q8", "- ▸{ name: q8"), "bound", /at most 8/],
  ["a scope that is none", policyWith(`${sound}, scope: ▸cluster`), "value", /`proxy` or `fleet`/],
  ["a fleet's time that is shorter than its window", policyWith("name: a, when: [no_rule], denials: 20, within: 1h, for: ▸5m, scope: fleet"), "quarantine", /`within`.*`for: 1h`/],
  ["a fleet's time that is too short to be told", policyWith("name: a, when: [no_rule], denials: 20, within: 1s, for: ▸10s, scope: fleet"), "quarantine", /`for: 20s`/],
  ["a fleet's longest time that is far longer", policyWith("name: a, when: [no_rule], denials: 20, within: 1m, for: 1m, max: ▸33m, scope: fleet"), "bound", /32 times.*`max: 32m`/],
  ["a mapping", policyWith(sound).replace(/quarantine:\n {2}- \{/u, "quarantine:\n  ▸{"), "type", /list/],
]; // biome-ignore format: one case a line

for (const [what, marked, code, message] of refused) {
  test(`refused: ${what}`, () => {
    const { text, line, column } = unmark(marked);
    const { errors } = check(text);
    const found = errors.find((error) => error.code === code && error.line === line && error.column === column);
    assert.ok(found, `no ${code} at ${line}:${column} in ${JSON.stringify(errors, null, 1)}`);
    assert.match(found.message, message);
  });
}

test("what is not said is by caller, enforced, and never doubled", () => {
  const { policy, errors } = check(policyWith(sound));
  assert.deepEqual(errors, []);
  assert.deepEqual(policy!.quarantines, [
    {
      ...{ name: "a", mode: "enforce", per: [{ kind: "caller" }], when: ["no_rule"] },
      ...{ denials: 20, withinSeconds: 60, forSeconds: 300, maxSeconds: 300, releases: [] },
      scope: "proxy",
    },
  ]);
});

test("who is let out is named in any way in which it is kept", () => {
  const per = "per: [caller, source.ip/24, caller.trust_domain]";
  const release = 'release: ["spiffe://old.example.net/web", 10.1.2.3, example.org, "2001:db8::1"]';
  const { policy, errors } = check(policyWith(`${sound}, ${per}, ${release}`));
  assert.deepEqual(errors, []);
  const [quarantine] = policy!.quarantines;
  const texts = quarantine!.releases.map((one) => (typeof one === "string" ? one : [...one].join(".")));
  const [site, whole] = [
    [0x20, 1, 0xd, 0xb8, ...Array(12).fill(0)],
    [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1],
  ];
  assert.deepEqual(texts, [
    "spiffe://example.org/web",
    ...["10.1.2.3", "10.1.2.0"],
    "example.org",
    ...[whole, site].map((bytes) => bytes.join(".")),
  ]);
});

test("a quarantine in shadow mode is warned of at its name", () => {
  const { text, line, column } = unmark(policyWith(`${sound}, mode: shadow`.replace("a,", "▸a,")));
  const { warnings, errors } = check(text);
  assert.deepEqual(errors, []);
  const found = warnings.find(({ code }) => code === "shadow_quarantine");
  assert.deepEqual([found?.line, found?.column], [line, column]);
  assert.match(found!.message, /`a` shuts nobody out/);
  assert.ok(!check(policyWith(sound)).warnings.some(({ code }) => code === "shadow_quarantine"));
});

test("what else is wrong with a quarantine or a limit of the fleet does not leave the fleet unused", () => {
  const fleet = policyWith(`${sound}, scope: fleet`).replace("trust:", "fleet: { cluster: rls }\ntrust:");
  const limits = fleet.replace(/quarantine:\n.*\n/u, "limits: { l: { rate: 10/x, scope: fleet } }\n");
  for (const text of [fleet.replace("for: 5m", "for: 5"), limits]) {
    const { errors, warnings } = check(text);
    assert.notEqual(errors.length, 0);
    assert.ok(!warnings.some(({ code }) => code === "unused_fleet"), text);
  }
  const unused = check(fleet.replace(", scope: fleet", ""));
  assert.ok(unused.warnings.some(({ code }) => code === "unused_fleet"));
});

test("a longest time is held against the first one as it has to be", () => {
  const { errors } = check(
    policyWith("name: a, when: [no_rule], denials: 20, within: 90s, for: 10s, max: 10h, scope: fleet"),
  );
  assert.deepEqual(
    errors.map(({ message }) => /write `([^`]*)`/u.exec(message)?.[1]),
    ["for: 90s", "max: 48m"],
  );
});
