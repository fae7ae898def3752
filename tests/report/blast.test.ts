/** What a stolen identity is worth, on graphs made by hand. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callerOf, id, reachOf, report, short, wayOf } from "./made.ts";

/** A policy that guards a service, with a rule for each line `caller endpoint[, more of the rule]`. */
const guarding = (service: string, ...lines: string[]) => ({
  service,
  rules: lines.map((line, at) => {
    const [, caller, endpoint, more = ""] = /^(\S+) (\S+ [^,]+)(,.*)?$/u.exec(line)!;
    const named = ["any", "anonymous"].includes(caller!) ? caller : `"${id(caller!)}"`;
    return `name: r${at}, callers: [${named}], allow: ["${endpoint}"]${more}`;
  }),
});

describe("a chain of services", () => {
  const data = report({
    web: guarding("web", "user GET /page"),
    orders: guarding("orders", "web POST /orders, token: corp, scopes: [write]", "web GET /orders"),
    pay: guarding("pay", "orders POST /charge, token: corp, sensitive: true"),
  });

  test("what is reached itself, and through services", () => {
    const { direct, reach, free } = data.blast.identities[callerOf(data, "user")]!;
    assert.deepEqual(direct, { policies: 1, endpoints: 1, sensitive: 0 });
    assert.deepEqual(reach, { policies: 3, endpoints: 4, sensitive: 1 });
    assert.deepEqual(free, { policies: 2, endpoints: 2, sensitive: 0 }, "without tokens it ends at the orders");
    assert.deepEqual(reachOf(data, "pay"), { policies: 0, endpoints: 0, sensitive: 0 });
  });

  test("the shortest way, with what each hop asks for", () => {
    assert.equal(
      wayOf(data, "user", "POST /charge"),
      "conditional: user GET /page > web GET /orders > orders POST /charge?",
    );
    assert.equal(wayOf(data, "orders", "POST /charge"), "conditional: orders POST /charge?");
    const hop = data.blast.paths.find(({ hops }) => hops.length === 1)!.hops[0]!;
    assert.deepEqual(
      hop.ways.map((way) => data.ways[way]!.words),
      [{ token: ["corp"] }],
    );
  });

  test("who is worth most stands first", () => {
    assert.deepEqual(
      data.blast.dangerous.map((caller) => short(data, caller)),
      ["user", "web", "orders"],
    );
  });

  test("what a quarantine and a deny rule cut", () => {
    const quarantine = data.blast.quarantines.find(({ caller }) => caller === callerOf(data, "web"))!;
    assert.deepEqual(quarantine, { caller: callerOf(data, "web"), pairs: 6, sensitivePairs: 2, others: 1 });
    const deny = data.blast.denies.find(({ caller, policy }) => caller === callerOf(data, "orders") && policy === 2)!;
    assert.deepEqual(deny, { caller: callerOf(data, "orders"), policy: 2, pairs: 3, sensitivePairs: 3, others: 2 });
  });
});

test("a cycle ends", () => {
  const data = report({
    a: guarding("a", "c POST /a", "user POST /a"),
    b: guarding("b", "a POST /b"),
    c: guarding("c", "b POST /c", "c POST /c, sensitive: true"),
  });
  for (const one of ["user", "a", "b", "c"]) assert.equal(reachOf(data, one).endpoints, 3, one);
  assert.equal(wayOf(data, "user", "POST /c"), "free: user POST /a > a POST /b > b POST /c");
});

test("of ways that are as short, one that asks for less", () => {
  const data = report({
    a: guarding("a", "user GET /a"),
    b: guarding("b", "user GET /b"),
    end: guarding("end", "a GET /end, token: corp, sensitive: true", "b GET /end, sensitive: true"),
  });
  assert.equal(wayOf(data, "user", "GET /end"), "free: user GET /b > b GET /end");
});

test("a shorter way is shorter, whatever it asks for", () => {
  const data = report({
    a: guarding("a", "user GET /a"),
    end: guarding("end", "a GET /end, sensitive: true", "user GET /end, token: corp"),
  });
  assert.equal(wayOf(data, "user", "GET /end"), "conditional: user GET /end?");
});

test("members of a pattern reach what it reaches, and the service in it more", () => {
  const data = report({
    a: guarding("ns/a", "ns/* GET /a"),
    b: guarding("b", "ns/a GET /b, sensitive: true"),
  });
  assert.equal(wayOf(data, "ns/*", "GET /b"), "free: ns/* GET /a > ns/a GET /b");
  assert.equal(wayOf(data, "ns/a", "GET /b"), "free: ns/a GET /b");
});

describe("deny rules", () => {
  const denying = (deny: string) => {
    const end = guarding("end", "a GET /end, sensitive: true");
    return report({ a: guarding("a", "user GET /a"), end: { ...end, rules: [...end.rules, deny] } });
  };

  test("cut the way", () => {
    const data = denying("name: no, callers: [spiffe://example.org/a], deny: ['* /**']");
    assert.equal(wayOf(data, "user", "GET /end"), undefined);
    assert.equal(reachOf(data, "user").endpoints, 1);
  });

  test("with a condition leave it conditional", () => {
    const data = denying("name: no, callers: [spiffe://example.org/a], deny: ['* /**'], when: source.port > 1024");
    assert.equal(wayOf(data, "user", "GET /end"), "conditional: user GET /a > a GET /end?");
    assert.equal(data.blast.identities[callerOf(data, "user")]!.free.endpoints, 1);
  });
});

test("a gateway may be anybody", () => {
  const data = report({
    a: {
      ...guarding("a", "admin POST /admin, sensitive: true", "edge GET /a"),
      trust: ", forwarders: [spiffe://example.org/edge]",
    },
  });
  assert.equal(wayOf(data, "edge", "POST /admin"), "free: edge as admin POST /admin");
  assert.equal(reachOf(data, "edge").endpoints, 2);
});

test("a policy in shadow mode lets everybody through", () => {
  const data = report({
    a: { ...guarding("a", "admin POST /admin, token: corp, sensitive: true"), whole: "mode: shadow\n" },
    b: guarding("b", "a GET /b, sensitive: true", "user GET /user"),
  });
  assert.equal(wayOf(data, "anonymous", "POST /admin"), "free: anonymous POST /admin (shadow)");
  assert.equal(wayOf(data, "user", "GET /b"), "free: user POST /admin (shadow) > a GET /b");
  assert.match(data.policies[0]!.notes.join(), /shadow mode/);
});

test("a call that anybody may make is a way in, unless it is asked to be none", () => {
  const policies = {
    a: guarding("a", "anonymous GET /health", "user GET /a"),
    b: guarding("b", "a GET /b, sensitive: true", "other GET /other"),
  };
  const wide = report(policies);
  assert.equal(wayOf(wide, "other", "GET /b"), "free: other GET /health > a GET /b");
  const narrow = report(policies, { openFootholds: false });
  assert.equal(wayOf(narrow, "other", "GET /b"), undefined);
  assert.equal(wayOf(narrow, "user", "GET /b"), "free: user GET /a > a GET /b");
  assert.equal(reachOf(narrow, "other").endpoints, 2, "what anybody may call is reached all the same");
  assert.equal(
    narrow.blast.edges.find(({ caller, policy }) => caller === callerOf(narrow, "other") && policy === 0)?.isOpen,
    true,
  );
});

test("a policy whose service is not known leads nowhere, and says so", () => {
  const data = report({
    a: { rules: ["name: r, callers: [spiffe://example.org/user], allow: [GET /a]"] },
    b: guarding("b", "a GET /b"),
  });
  assert.deepEqual(reachOf(data, "user"), { policies: 1, endpoints: 1, sensitive: 0 });
  assert.match(data.policies[0]!.notes.join(), /is not known/);
});

test("ten identities at most are the most dangerous, sensitive endpoints first", () => {
  const names = Array.from({ length: 14 }, (_, at) => `u${at}`);
  const data = report({
    a: {
      rules: [
        ...names.map(
          (name, at) =>
            `name: r${at}, callers: [${id(name)}], allow: [${names
              .slice(0, at + 1)
              .map((_, place) => `GET /${place}`)
              .join(", ")}]`,
        ),
        `name: worst, callers: [${id("quiet")}], allow: [GET /secret], sensitive: true`,
      ],
    },
  });
  assert.equal(data.blast.dangerous.length, 10);
  assert.deepEqual(
    data.blast.dangerous.slice(0, 3).map((caller) => short(data, caller)),
    ["quiet", "u13", "u12"],
  );
});

test("anybody is told of, and is no identity that can be stolen", () => {
  const data = report({ a: guarding("a", "anonymous GET /a", "user GET /b") });
  assert.equal(reachOf(data, "anonymous").endpoints, 1);
  assert.ok(!data.blast.dangerous.includes(0), "anonymous is among the most dangerous");
});
