/** Hops that requests have made: believed of callers that are trusted alone, counted on, and refused beyond a limit. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, Workers } from "../support/workers.ts";

const text = `version: 1
name: hops
trust: { domains: [example.org] }
limits:
  loop: { hops: X-Request-Hops, most: 8 }
rules:
  - { name: calls, callers: [anonymous], allow: [GET /calls], limit: loop }
  - { name: free, callers: [anonymous], allow: [GET /free] }
`;
const inside = "spiffe://example.org/x";
type Headers = (readonly [string, string])[];

function ask(headers: Headers, caller: string | null = inside, path = "/calls", policy = text): Outcome {
  const workers = new Workers(imageOf(policy), 1);
  const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

/** What goes on under names that upstreams could read as the header's. */
function goesOn({ headers, action }: Outcome): string[] {
  assert.equal(action, "continue");
  return headers.filter(([name]) => /^x[-_]request[-_]hops$/u.test(name)).map((pair) => pair.join(": "));
}

const said = (...values: string[]): Headers => values.map((value) => ["x-request-hops", value] as const);

describe("a caller from inside", () => {
  for (const [values, next] of [
    [[], "1"],
    [["0"], "1"],
    [["1"], "2"],
    [["8"], "9"],
    [["0008"], "9"],
  ] as const) {
    test(`${JSON.stringify(values)} goes on as ${next}`, () => {
      assert.deepEqual(goesOn(ask(said(...values))), [`x-request-hops: ${next}`]);
    });
  }

  for (const values of [
    ["9"],
    ["1001"],
    ["99999"],
    ["4294967297"],
    [""],
    ["-1"],
    ["1.0"],
    [" 1"],
    ["1,1"],
    ["1", "1"],
    ["x"],
  ]) {
    test(`${JSON.stringify(values)} is over`, () => {
      const outcome = ask(said(...values));
      const { reason, limit, detail } = recordOf(outcome);
      assert.deepEqual([reason, limit, detail], ["limit_exceeded", "loop", "hops"]);
      assert.equal(outcome.localResponse!.status, 429);
      const names = outcome.localResponse!.headers.map(([name]) => name);
      assert.ok(!names.includes("retry-after") && !names.includes("ratelimit"), String(names));
    });
  }

  test("is counted on by rules without the limit, too, and what cannot be read stays beyond it", () => {
    assert.deepEqual(goesOn(ask(said("3"), inside, "/free")), ["x-request-hops: 4"]);
    assert.deepEqual(goesOn(ask(said("x"), inside, "/free")), ["x-request-hops: 1002"]);
  });
});

describe("anybody else", () => {
  for (const caller of [null, "spiffe://elsewhere.example/x", "spiffe://example.org", "https://example.org/x"]) {
    test(`${caller} says what it likes, and begins at none`, () => {
      for (const value of ["0", "7", "9", "x"])
        assert.deepEqual(goesOn(ask(said(value), caller)), ["x-request-hops: 1"]);
    });
  }
});

test("names that are read alike do not come through", () => {
  const headers: Headers = [
    ["x_request_hops", "0"],
    ["x-request-hops", "2"],
    ["x_request-hops", "5"],
  ];
  assert.deepEqual(goesOn(ask(headers)), ["x-request-hops: 3"]);
});

test("in shadow mode the header counts on where the request would be denied, so that the end of a loop shows", () => {
  const outcome = ask(said("9"), inside, "/calls", text.replace("name: hops", "name: hops\nmode: shadow"));
  assert.deepEqual(goesOn(outcome), ["x-request-hops: 10"]);
  assert.equal(recordOf(outcome).reason, "limit_exceeded");
});

test("a host that does not change headers denies", () => {
  for (const call of ["remove_header_map_value", "replace_header_map_value"]) {
    const workers = new Workers(imageOf(text), 1);
    workers.hosts[0]!.faults = [{ call, result: WasmResult.InternalFailure }];
    const request = {
      caller: inside,
      source: "10.0.0.1",
      method: "GET",
      path: "/calls",
      host: "h",
      headers: said("2"),
      token: null,
    };
    const outcome = workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
    assert.deepEqual([outcome.action, recordOf(outcome).cause], ["pause", call]);
  }
});
