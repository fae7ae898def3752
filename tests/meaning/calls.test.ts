/** Calls beside requests where policies are compared: `diff`, warnings about what others cover, and reports. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { comparePolicies, hasGain } from "../../scripts/policy/meaning/difference.ts";
import { reachOf } from "../../scripts/policy/meaning/reach.ts";
import { check } from "../support/policy.ts";

const keys = "mcp: { paths: [/mcp] }\ngraphql: { paths: [/graphql] }";

function load(rules: readonly string[], spoken = keys) {
  const list = rules.map((rule, place) => `  - { name: r${place}, callers: ["spiffe://example.org/web"], ${rule} }`);
  const text = `version: 1\nname: calls\ntrust: { domains: [example.org] }\n${spoken}\nrules:\n${list.join("\n")}\n`;
  const { errors, warnings, policy } = check(text);
  assert.deepEqual(errors, []);
  return { warnings: warnings.map(({ code, message }) => `${code}: ${message}`), policy: policy! };
}

/** What is gained and lost, as endpoints. */
function difference(before: readonly string[], after: readonly string[], spoken = keys) {
  const found = comparePolicies(load(before, spoken).policy, load(after, spoken).policy);
  const endpoints = (changes: typeof found.gained): string[] =>
    changes.flatMap(({ endpoints: all, except }) => [
      ...all,
      ...(except?.endpoints ?? []).map((one) => `except ${one}`),
    ]);
  return { gained: endpoints(found.gained), lost: endpoints(found.lost), hasGain: hasGain(found) };
}

describe("diff", () => {
  test("tells calls in words", () => {
    assert.deepEqual(difference(['allow: ["mcp tools/list"]'], ['allow: ["mcp tools/list", "mcp tools/call get_*"]']), {
      gained: ["mcp tools/call get_* at /mcp"],
      lost: [],
      hasGain: true,
    });
    assert.deepEqual(difference(['allow: ["graphql query a, b"]'], ['allow: ["graphql query b"]']), {
      gained: [],
      lost: ["graphql query a at /graphql"],
      hasGain: false,
    });
    assert.deepEqual(difference(['allow: ["mcp *"]'], ['allow: ["mcp ping", GET /mcp]']).gained, ["GET /mcp"]);
    assert.deepEqual(difference(['allow: ["graphql query a, b"]'], ['allow: ["graphql query b, a"]']), {
      gained: [],
      lost: [],
      hasGain: false,
    });
  });

  test("knows that a rule for the path is one for every call", () => {
    const narrowed = difference(["allow: [POST /mcp]"], ['allow: ["mcp tools/list"]']);
    assert.deepEqual(narrowed.gained, []);
    assert.ok(narrowed.lost.includes("POST /mcp"), narrowed.lost.join());
    const widened = difference(['allow: ["mcp tools/list"]'], ["allow: [POST /mcp]"]);
    assert.equal(widened.hasGain, true);
    assert.ok(widened.gained.includes("POST /mcp"), widened.gained.join());
  });

  test("finds that a deny rule for a call is gone, whichever rule admits the path", () => {
    for (const allow of ["POST /mcp", "* /mcp", "* /**", "POST /{x}", "mcp *"]) {
      const deny = 'deny: ["mcp tools/call drop"]';
      const gone = difference([`allow: ["${allow}"]`, deny], [`allow: ["${allow}"]`]);
      assert.deepEqual(
        gone.gained.filter((one) => one === "mcp tools/call drop at /mcp"),
        ["mcp tools/call drop at /mcp"],
        `${allow}: ${gone.gained.join()}`,
      );
      const come = difference([`allow: ["${allow}"]`], [`allow: ["${allow}"]`, deny]);
      assert.equal(come.hasGain, false, allow);
      assert.ok(come.lost.includes("mcp tools/call drop at /mcp"), come.lost.join());
    }
    // Who may only ask for other paths, or by other methods, gains nothing.
    for (const allow of ["GET /mcp", "POST /orders", "POST /{a}/{b}"])
      assert.equal(
        difference([`allow: ["${allow}"]`, 'deny: ["mcp tools/call drop"]'], [`allow: ["${allow}"]`]).gained.length,
        0,
      );
  });

  test("finds that a deny rule for the path is gone", () => {
    const gone = difference(['allow: ["mcp ping"]', "deny: [POST /mcp]"], ['allow: ["mcp ping"]']);
    assert.deepEqual(gone.gained, ["mcp ping at /mcp"]);
    const get = difference(['allow: ["mcp ping"]', "deny: [GET /mcp]"], ['allow: ["mcp ping"]']);
    assert.deepEqual(get.gained, []);
  });

  test("tells what carries an operation of GraphQL where that matters", () => {
    const gone = difference(['allow: ["graphql query a"]', "deny: [GET /graphql]"], ['allow: ["graphql query a"]']);
    assert.deepEqual(gone.gained, ["graphql query a at /graphql by GET"]);
  });

  test("tells of where protocols are spoken, and of how much a deny rule reads", () => {
    const change = (before: string, after: string) =>
      comparePolicies(load(["allow: [POST /x]"], before).policy, load(["allow: [POST /x]"], after).policy).policy;
    assert.deepEqual(change("", "mcp: { paths: [/mcp] }"), [
      { what: "protocol on /mcp", before: null, after: "MCP, 20 calls at most", gain: false },
    ]);
    assert.equal(change("mcp: { paths: [/mcp] }", "")[0]?.gain, true);
    assert.equal(change("mcp: { paths: [/mcp] }", "jsonrpc: { paths: [/mcp] }")[0]?.gain, true);
    const [one, other] = ["", ", maxBodyBytes: 1000000"].map((more) =>
      load(["allow: [POST /mcp]", `deny: ["mcp tools/call x"]${more}`]),
    );
    assert.equal(hasGain(comparePolicies(one!.policy, other!.policy)), true);
  });
});

describe("warnings", () => {
  const said = (...rules: string[]): string[] => load(rules).warnings.filter((one) => /^(?:rule|endpoint)_/.test(one));

  test("say of calls what others cover, and nothing of what they do not", () => {
    assert.match(said('allow: ["mcp ping"]', 'allow: ["mcp *"]')[0] ?? "", /^rule_covered: `r0` adds nothing/);
    assert.match(said("allow: [POST /mcp]", 'allow: ["mcp ping"]')[0] ?? "", /^rule_covered: `r1` adds nothing/);
    // The one that comes first by name holds bodies to its bound.
    assert.deepEqual(said('allow: ["mcp ping"]', "allow: [POST /mcp]"), []);
    assert.match(said('allow: ["mcp ping"]', "deny: [POST /mcp]")[0] ?? "", /^rule_unreachable: `r0`/);
    assert.match(said('allow: ["mcp ping"]', 'deny: ["mcp *"]')[0] ?? "", /^rule_unreachable: `r0`/);
    assert.match(
      said('allow: ["mcp ping", "mcp *"]')[0] ?? "",
      /^endpoint_covered: `mcp ping` of `r0` adds nothing: `mcp \*` holds/,
    );
    assert.match(
      said('allow: [POST /mcp, "mcp ping"]')[0] ?? "",
      /^endpoint_covered: `mcp ping` of `r0` adds nothing: endpoint 1/,
    );
    for (const other of ["* /{a}/{b}", "* /tools/**", "GET /mcp", "* /ping/**", "graphql *"])
      assert.deepEqual(said('allow: ["mcp ping"]', `allow: ["${other}"]`), [], other);
    for (const other of ["* /{a}/{b}", "GET /mcp", "mcp tools/*"])
      assert.deepEqual(said('allow: ["mcp ping"]', `deny: ["${other}"]`), [], other);
    assert.deepEqual(said("allow: [POST /mcp]", 'allow: ["mcp *"]', 'deny: ["mcp ping"]').slice(1), []);
    assert.deepEqual(said("allow: [POST /mcp]", 'deny: ["mcp *"]'), []);
  });
});

test("reports have calls beside paths, each once", () => {
  const { policy } = load([
    'allow: ["mcp tools/call get_*", "graphql query a", GET /mcp]',
    'deny: ["mcp tools/call get_b"]',
  ]);
  const { endpoints, groups } = reachOf(policy, [], 0);
  assert.deepEqual(
    endpoints.map(({ method, path }) => `${method} ${path}`),
    [
      ":mcp POST /mcp /tools%2Fcall/get_*",
      ":graphql POST /graphql /query/a",
      "GET /mcp",
      ":mcp POST /mcp /tools%2Fcall/get_b",
    ],
  );
  const grants = groups.find(({ callers }) => callers.includes("spiffe://example.org/web"))!.grants;
  assert.deepEqual(
    grants.map(({ level, except }) => [level, except]),
    [
      ["free", ["mcp tools/call get_b at /mcp"]],
      ["free", []],
      ["free", []],
      ["denied", []],
    ],
  );
});
