/** What `diff` says of named lists whose entries change: how many come and go, and whether that may let more through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePolicies, hasGain } from "../../scripts/policy/meaning/difference.ts";
import { check } from "../support/policy.ts";

function policyWith(list: string, action: "allow" | "deny", when: string, mode = "enforce") {
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
lists: { x: ${list} }
rules:
  - { name: open, callers: [any], allow: [GET /a] }
  - { name: r, callers: [any], ${action}: ["GET /a/{id}"], mode: ${mode}, when: ${JSON.stringify(when)} }
`;
  const { policy, errors } = check(text);
  assert.deepEqual(errors, []);
  return policy!;
}

const words = "path.id in lists.x";
const cases: [what: string, before: string, after: string, action: "allow" | "deny", when: string, gain: boolean][] = [
  ["an entry more admits more", "[a]", "[a, b]", "allow", words, true],
  ["an entry less admits less", "[a, b]", "[a]", "allow", words, false],
  ["an entry more denies more", "[a]", "[a, b]", "deny", words, false],
  ["an entry less denies less", "[a, b]", "[a]", "deny", words, true],
  ["an entry more, negated", "[a]", "[a, b]", "allow", `!(${words})`, false],
  ["an entry less, negated", "[a, b]", "[a]", "allow", `has(path.id) && !(request.method == "GET" && ${words})`, true],
  ["one for another", "[a]", "[b]", "allow", words, true],
  ["one for another, denied", "[a]", "[b]", "deny", words, true],
  ["compared, so that it could be either", "[a, b]", "[a]", "allow", `(${words}) == (path.id in ["x"])`, true],
  ["a network more", "[10.0.0.0/8]", "[10.0.0.0/8, 192.0.2.0/24]", "allow", "lists.x.containsIP(source.ip)", true],
  ["a network less", "[10.0.0.0/8, 192.0.2.0/24]", "[10.0.0.0/8]", "allow", "lists.x.containsIP(source.ip)", false],
];
for (const [what, before, after, action, when, gain] of cases) {
  test(what, () => {
    const difference = comparePolicies(policyWith(before, action, when), policyWith(after, action, when));
    assert.deepEqual(
      difference.policy.map((one) => [one.what, one.gain]),
      [["list x", gain]],
    );
    assert.equal(hasGain(difference), gain);
  });
}

test("how many entries come and go is told, and where who gains cannot be told, that too", () => {
  const [change] = comparePolicies(
    policyWith("[a, b]", "allow", words),
    policyWith("[b, c, d]", "allow", words),
  ).policy;
  assert.deepEqual([change!.before, change!.after], ["2 entries", "3 entries (+2 −1)"]);
  const open = `(${words}) == (path.id in ["x"])`;
  const [unclear] = comparePolicies(policyWith("[a]", "allow", open), policyWith("[b]", "allow", open)).policy;
  assert.match(unclear!.after!, /^1 entry \(\+1 −1; who gains by that cannot be told\)$/u);
});

test("the same entries in another order, and the same addresses in other networks, are no difference", () => {
  const nets = "lists.x.containsIP(source.ip)";
  for (const [before, after, when] of [
    ["[a, b]", "[b, a]", words],
    ["[10.0.0.0/8]", "[10.128.0.0/9, 10.0.0.0/9]", nets],
  ] as const) {
    assert.deepEqual(comparePolicies(policyWith(before, "allow", when), policyWith(after, "allow", when)).policy, []);
  }
});

test("in a rule in shadow mode a list admits nothing", () => {
  const [before, after] = ["[a]", "[a, b]"].map((list) => policyWith(list, "allow", words, "shadow"));
  assert.deepEqual(
    comparePolicies(before!, after!).policy.map(({ what, gain }) => [what, gain]),
    [["list x", false]],
  );
});
