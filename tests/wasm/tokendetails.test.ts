/** What is wrong with a token beyond its reason, where that takes more than a token: the request, its caller, a JWT-SVID. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DetailName } from "../../scripts/evaluate/details.ts";
import type { ReasonName } from "../../scripts/evaluate/reasons.ts";
import { type Asking, prepare } from "../../scripts/policytest/cases.ts";
import { nowSeconds, recordOf, TestPlugin } from "../support/plugin.ts";

/** A request to a policy of tests with what it carries. */
interface Carried extends Partial<Asking> {
  policy: string;
  path: string;
  /** Changes what is sent. */
  headers?: (sent: [string, string][]) => [string, string][];
}

const web = "spiffe://example.org/web";

function recordWith({ policy: name, path, headers = (sent) => sent, ...asking }: Carried): Record<string, unknown> {
  const plugin = new TestPlugin(name);
  const asked = { source: "10.0.0.1", method: "GET", path, host: "h", headers: [] };
  const who = { caller: web, svid: undefined, token: null, now: nowSeconds * 1000, ...asking };
  const { token, ...sent } = prepare(plugin.policy, asked, who).request;
  const bearer = token === null ? [] : [["authorization", `Bearer ${token}`] as [string, string]];
  return recordOf(plugin.request({ ...sent, headers: headers([...sent.headers, ...bearer].map(([n, v]) => [n, v])) }));
}

const twice = ([...sent]: [string, string][]): [string, string][] => [...sent, ...sent];
const tokenOf = (issuer: string, claims = {}): Asking["token"] => ({ issuer, claims, header: {} });

const cases: Partial<Record<DetailName, [reason: ReasonName, Carried]>> = {
  several_headers: [
    "token_malformed",
    { policy: "bound", path: "/workload", token: tokenOf("workload"), headers: twice },
  ],
  several_tokens: [
    "token_malformed",
    {
      policy: "places",
      path: "/app",
      token: tokenOf("app"),
      headers: (sent) => [...sent, ["cookie", `__Host-app=${sent[0]![1]}`]],
    },
  ],
  scheme: [
    "token_missing",
    {
      policy: "bound",
      path: "/workload",
      token: tokenOf("workload"),
      headers: (sent) => sent.map(([name, value]) => [name, value.replace("Bearer", "DPoP")]),
    },
  ],
  query: ["token_malformed", { policy: "places", path: "/link?a;b", token: tokenOf("link") }],
  cnf_missing: [
    "token_binding",
    { policy: "bound", path: "/device", token: tokenOf("device", { cnf: undefined }), digestOf: () => "aa".repeat(32) },
  ],
  cnf_other: [
    "token_binding",
    { policy: "bound", path: "/device", token: tokenOf("device", { cnf: { "x5t#S256": "A".repeat(43) } }) },
  ],
  certificate_missing: [
    "token_binding",
    { policy: "bound", path: "/open", caller: null, token: tokenOf("device", { cnf: { "x5t#S256": "A".repeat(43) } }) },
  ],
  sub_other: ["token_binding", { policy: "bound", path: "/workload", token: tokenOf("workload", { sub: "alice" }) }],
  typ: [
    "token_malformed",
    {
      policy: "svid",
      path: "/web",
      caller: null,
      svid: { sub: web, claims: {}, header: { typ: "at+jwt" } },
    },
  ],
};

for (const [detail, [reason, carried]] of Object.entries(cases)) {
  test(`${detail} stands in the record of a request that is denied for ${reason}`, () => {
    const { reason: told, detail: found } = recordWith(carried);
    assert.deepEqual({ reason: told, detail: found }, { reason, detail });
  });
}
