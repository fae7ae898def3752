/** Trust domains that were renamed (`trust.aliases`): an ID of the old one is the same caller everywhere, and the record has both. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf, TestPlugin } from "../support/plugin.ts";

const web = "spiffe://example.org/web";
const old = "spiffe://old.example.net/web";
const older = "spiffe://older.example.net/web";
const edge = "spiffe://example.org/edge";
const oldEdge = "spiffe://old.example.net/edge";

const plugin = new TestPlugin("aliases");
const ask = (request: Partial<FilterRequest>): Outcome =>
  plugin.request({ method: "GET", path: "/orders", ...request });
const verdict = (request: Partial<FilterRequest>): string => {
  const outcome = ask(request);
  assert.equal(outcome.trapped, false);
  const { reason, caller = "nobody", presented = "-" } = recordOf(outcome);
  return `${reason} ${caller} ${presented}`;
};

test("the record has both IDs, rules and conditions know the new one, also where the caller is known already", () => {
  for (let round = 0; round < 2; round++) {
    assert.equal(verdict({ caller: web }), `allowed ${web} -`);
    assert.equal(verdict({ caller: old }), `allowed ${web} ${old}`);
    assert.equal(verdict({ caller: older }), `allowed ${web} ${older}`);
  }
});

test("a deny rule that names the old domain is for both", () => {
  for (const domain of ["example.org", "old.example.net", "older.example.net"])
    assert.match(verdict({ caller: `spiffe://${domain}/batch`, path: "/all" }), /^rule_denied/u, domain);
});

test("an ID that resembles one is none", () => {
  for (const caller of [
    "spiffe://old.example.net",
    "spiffe://old.example.net/",
    "spiffe://old.example.net//web",
    "spiffe://old.example.net/../web",
  ])
    assert.equal(verdict({ caller }), `identity_malformed ${caller} -`);
  for (const caller of ["spiffe://old.example.net.example.org/web", "spiffe://xold.example.net/web"])
    assert.equal(verdict({ caller }), `identity_untrusted ${caller} -`);
});

test("an ID that would get longer than an ID may be is malformed", () => {
  const idOf = (bytes: number, start: string): string => start + "a".repeat(bytes - start.length);
  assert.match(verdict({ caller: idOf(2048, "spiffe://old.example.net/"), path: "/all" }), /^allowed/u);
  assert.match(verdict({ caller: idOf(2049, "spiffe://old.example.net/"), path: "/all" }), /^identity_malformed/u);
  // `x.example` is two bytes shorter than `example.org`.
  assert.match(verdict({ caller: idOf(2046, "spiffe://x.example/"), path: "/all" }), /^allowed/u);
  assert.match(verdict({ caller: idOf(2047, "spiffe://x.example/"), path: "/all" }), /^identity_malformed/u);
});

test("a limit counts both as one client", () => {
  const limited = new TestPlugin("aliases");
  const reasons = [web, old, older].map(
    (caller) => recordOf(limited.request({ caller, method: "GET", path: "/limited" })).reason,
  );
  assert.deepEqual(reasons, ["allowed", "allowed", "limit_exceeded"]);
});

test("a token bound to the caller may name either", () => {
  for (const sub of [web, old, older]) {
    for (const caller of [web, old]) {
      const token = plugin.token({ sub });
      assert.match(verdict({ caller, method: "POST", token }), /^allowed/u, `${sub} of ${caller}`);
    }
  }
  for (const sub of ["spiffe://old.example.net/other", "spiffe://elsewhere.example/web", "spiffe://old.example.net"])
    assert.match(verdict({ caller: old, method: "POST", token: plugin.token({ sub }) }), /^token_binding/u, sub);
});

test("the upstream is told of the new one", () => {
  assert.deepEqual(
    ask({ caller: old }).headers.filter(([name]) => name === "x-caller"),
    [["x-caller", web]],
  );
});

test("a gateway of either domain speaks for callers of either, and for nobody else", () => {
  const told = (caller: string, xfcc: string): string => {
    const outcome = ask({ caller, headers: [["x-forwarded-client-cert", xfcc]] });
    const { reason, caller: id = "nobody", presented = "-", forwarder = "-" } = recordOf(outcome);
    return `${reason} ${id} ${presented} ${forwarder}`;
  };
  for (const gateway of [edge, oldEdge]) {
    assert.equal(told(gateway, `By=x;Hash=00;URI=${old}`), `allowed ${web} ${old} ${edge}`);
    assert.equal(told(gateway, `By=x;Hash=00;URI=${web}`), `allowed ${web} - ${edge}`);
    // What follows the gateway's own element is of its caller's making, whichever of its names that element has.
    for (const by of [edge, oldEdge])
      assert.match(
        told(gateway, `By=${by};Hash=00;URI=spiffe://example.org/x,By=y;Hash=01;URI=${web}`),
        /^identity_malformed/u,
      );
    assert.equal(told(gateway, "By=x;Hash=00"), `identity_missing nobody - ${edge}`);
  }
  assert.equal(told(web, `By=x;Hash=00;URI=${old}`), `allowed ${web} - -`);
});
