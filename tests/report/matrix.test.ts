/** The matrix of a report: who may call what, by hand-made policies. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callerOf, endpointText, grantOf, report, says } from "./made.ts";

describe("callers", () => {
  const data = report({
    shop: {
      rules: [
        "name: one, callers: [spiffe://example.org/ns/a/sa/x], allow: [GET /one]",
        "name: all, callers: ['spiffe://example.org/ns/*/sa/x'], allow: [GET /all]",
        "name: inner, callers: ['spiffe://example.org/ns/a/**'], allow: [GET /inner]",
        "name: any, callers: [any], allow: [GET /any]",
        "name: open, callers: [anonymous], allow: [GET /open]",
      ],
    },
  });

  test("one ID has what every pattern around it has", () => {
    for (const path of ["one", "all", "inner", "any", "open"])
      assert.equal(says(data, "ns/a/sa/x", `GET /${path}`), "whole free: without conditions", path);
  });

  test("a pattern has nothing of the narrower ones in it", () => {
    assert.equal(says(data, "ns/a/**", "GET /one"), "nothing");
    assert.equal(says(data, "ns/a/**", "GET /all"), "nothing");
    assert.equal(says(data, "ns/a/**", "GET /inner"), "whole free: without conditions");
    assert.equal(says(data, "ns/*/sa/x", "GET /inner"), "nothing");
    assert.equal(says(data, "ns/*/sa/x", "GET /all"), "whole free: without conditions");
  });

  test("the others of the trust domain, and everybody, are callers too", () => {
    assert.equal(says(data, "**", "GET /any"), "whole free: without conditions");
    assert.equal(says(data, "**", "GET /inner"), "nothing");
    assert.equal(says(data, "anonymous", "GET /any"), "nothing");
    assert.equal(says(data, "anonymous", "GET /open"), "whole free: without conditions");
  });

  test("who names one caller in another policy sees it in each", () => {
    const two = report({
      one: { rules: ["name: a, callers: [spiffe://example.org/x], allow: [GET /one]"] },
      other: { rules: ["name: a, callers: ['spiffe://example.org/*'], allow: [GET /other]"] },
      foreign: {
        domains: "partner.net",
        rules: ["name: a, callers: [any], allow: [GET /foreign]", "name: b, callers: [anonymous], allow: [GET /open]"],
      },
    });
    assert.equal(says(two, "x", "GET /other"), "whole free: without conditions");
    assert.equal(says(two, "x", "GET /foreign"), "nothing");
    assert.equal(says(two, "x", "GET /open"), "whole free: without conditions");
  });

  test("an ID of a renamed trust domain is the ID it has now", () => {
    const two = report({
      renamed: {
        trust: ", aliases: { old.example.net: example.org }",
        rules: ["name: a, callers: [spiffe://example.org/x], allow: [GET /new]"],
      },
      older: {
        domains: "old.example.net",
        rules: ["name: a, callers: [spiffe://old.example.net/x], allow: [GET /old]"],
      },
    });
    const caller = two.callers.findIndex(({ id }) => id === "spiffe://old.example.net/x");
    const reached = two.cells.filter(([one]) => one === caller).map(([, endpoint]) => endpointText(two, endpoint));
    assert.deepEqual(reached.sort(), ["GET /new", "GET /old"]);
  });
});

describe("what is granted", () => {
  const of = (...rules: string[]) =>
    report({ shop: { rules: rules.map((rule, at) => `name: r${at}, callers: [any], ${rule}`) } });

  test("conditions are told, and of several ways each", () => {
    const data = of(
      "allow: [GET /a], token: corp, scopes: [read]",
      "allow: [GET /a], when: source.port > 1024",
      "allow: [GET /b], token: { issuer: corp, optional: true }",
    );
    const [first, second] = says(data, "**", "GET /a").split(" or ");
    assert.match(first!, /^whole conditional: token of corp, scope read$/);
    assert.match(second!, /^when /);
    assert.match(says(data, "**", "GET /b"), /^whole free: /, "a token that may be left out keeps nobody out");
  });

  test("an endpoint that a rule holds some of is admitted in part", () => {
    const data = of("allow: ['* /**']", "allow: [GET /orders/**], token: corp");
    const narrow = report({
      shop: {
        rules: [
          "name: wide, callers: [spiffe://example.org/wide], allow: ['* /**']",
          "name: narrow, callers: [spiffe://example.org/narrow], allow: [GET /orders/**]",
        ],
      },
    });
    assert.equal(says(data, "**", "GET /orders/**"), "whole free: without conditions");
    assert.equal(says(narrow, "narrow", "* /**"), "part free: without conditions");
    assert.deepEqual(grantOf(narrow, "narrow", "* /**")?.parts, ["GET /orders/**"]);
  });

  test("who may GET may ask with HEAD, and not the other way", () => {
    const data = report({
      shop: {
        rules: [
          "name: get, callers: [spiffe://example.org/get], allow: [GET /a]",
          "name: head, callers: [spiffe://example.org/head], allow: [HEAD /a]",
        ],
      },
    });
    assert.equal(says(data, "get", "HEAD /a"), "whole free: without conditions");
    assert.equal(says(data, "head", "GET /a"), "part free: without conditions");
  });

  test("hosts are told apart", () => {
    const data = of(
      "hosts: ['*.example.org'], allow: [GET /a]",
      "hosts: [b.example.org], allow: [GET /a], token: corp",
      "allow: [GET /a], when: source.port > 1",
    );
    assert.equal(says(data, "**", "GET /a on b.example.org"), "whole free: without conditions");
    assert.match(says(data, "**", "GET /a"), /^whole conditional: when /);
  });

  test("times: what has ended is left out, what begins later is a condition", () => {
    const data = of(
      "allow: [GET /ended], expires: 2026-11-01T00:00:00Z",
      "allow: [GET /later], starts: 2027-01-01T00:00:00Z",
      "allow: [GET /begun], starts: 2026-11-01T00:00:00Z, expires: 2026-12-31T00:00:00Z",
    );
    assert.equal(says(data, "**", "GET /later"), "whole conditional: from 2027-01-01T00:00:00Z");
    assert.equal(says(data, "**", "GET /begun"), "whole free: until 2026-12-31T00:00:00Z");
    assert.ok(!data.endpoints.some(({ path }) => path === "/ended"), "an ended rule has no endpoint");
    assert.deepEqual(data.policies[0]!.endedRules, ["r0"]);
  });

  test("rules in shadow mode take no part, and are named", () => {
    const data = of("allow: [GET /a], mode: shadow", "allow: [GET /b]");
    assert.ok(!data.endpoints.some(({ path }) => path === "/a"), "a shadow rule has no endpoint");
    assert.deepEqual(data.policies[0]!.shadowRules, ["r0"]);
  });

  test("upper and lower case: one endpoint, which holds each spelling that is named", () => {
    const data = report({
      shop: {
        rules: [
          "name: folded, callers: [spiffe://example.org/a], allow: [GET /Orders], paths: { case: ignore }",
          "name: exact, callers: [spiffe://example.org/b], allow: [GET /ORDERS]",
        ],
      },
    });
    assert.deepEqual(
      data.endpoints.map(({ path }) => path),
      ["/ORDERS", "/orders"],
    );
    assert.equal(says(data, "a", "GET /ORDERS"), "whole free: case: ignore");
    assert.equal(says(data, "b", "GET /orders"), "nothing");
  });
});

describe("deny rules", () => {
  const of = (...rules: string[]) =>
    report({ shop: { rules: ["name: all, callers: [any], allow: ['* /**', 'GET /orders/{id}']", ...rules] } });

  test("without a condition they deny", () => {
    const data = of("name: no, callers: [any], deny: ['GET /orders/**']");
    assert.equal(says(data, "**", "GET /orders/{id}"), "whole denied");
    assert.deepEqual(grantOf(data, "**", "GET /orders/{id}")?.denies, ["no"]);
    assert.deepEqual(grantOf(data, "**", "* /**")?.except, ["GET /orders/**"]);
  });

  test("with one, what they deny is conditional", () => {
    const data = of("name: no, callers: [any], deny: ['GET /orders/**'], when: source.port > 1024");
    assert.match(says(data, "**", "GET /orders/{id}"), /^whole conditional: unless 1024 < source.port$/);
    assert.deepEqual(grantOf(data, "**", "* /**")?.except, ["GET /orders/** (conditional)"]);
  });

  test("for some callers they leave the others alone", () => {
    const data = of("name: no, callers: ['spiffe://example.org/bad/**'], deny: ['* /**']");
    assert.equal(says(data, "bad/**", "GET /orders/{id}"), "whole denied");
    assert.equal(says(data, "**", "GET /orders/{id}"), "whole free: without conditions");
  });

  test("of HEAD deny some of what GET stands for", () => {
    const head = of("name: no, callers: [any], deny: ['HEAD /orders/{id}']");
    assert.deepEqual(grantOf(head, "**", "GET /orders/{id}")?.except, ["HEAD /orders/{id}"]);
  });

  test("that begin later deny nothing yet; that end later may deny", () => {
    const later = of("name: no, callers: [any], deny: ['GET /orders/{id}'], starts: 2027-01-01T00:00:00Z");
    assert.equal(says(later, "**", "GET /orders/{id}"), "whole free: without conditions");
    const ending = of("name: no, callers: [any], deny: ['GET /orders/{id}'], expires: 2027-01-01T00:00:00Z");
    assert.match(says(ending, "**", "GET /orders/{id}"), /^whole conditional: unless until/);
  });
});

test("what a sensitive rule's endpoints hold is sensitive for every rule", () => {
  const data = report({
    shop: {
      rules: [
        "name: marked, callers: [spiffe://example.org/a], deny: ['GET /admin/**'], sensitive: true",
        "name: wide, callers: [spiffe://example.org/b], allow: ['* /**']",
        "name: inner, callers: [spiffe://example.org/b], allow: [GET /admin/users]",
        "name: other, callers: [spiffe://example.org/b], allow: [POST /admin/users, GET /shop]",
      ],
    },
  });
  const sensitive = data.endpoints.flatMap(({ sensitive: is }, at) => (is ? [endpointText(data, at)] : []));
  assert.deepEqual(sensitive, ["* /**", "GET /admin/**", "GET /admin/users"]);
});

test("callers of services and gateways are callers though no rule names them", () => {
  const data = report({
    shop: {
      service: "shop",
      trust: ", forwarders: [spiffe://example.org/edge]",
      rules: ["name: a, callers: [any], allow: [GET /a]"],
    },
  });
  assert.deepEqual(data.callers[callerOf(data, "shop")]!.guards, [0]);
  assert.equal(says(data, "edge", "GET /a"), "whole free: without conditions");
  assert.match(data.policies[0]!.notes.join(), /may name any caller: spiffe:\/\/example.org\/edge/);
});
