/** Routes by a header that `forward` sets, in a real Envoy: the verified claim decides where a request goes, and what a caller writes does not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { LocalIssuer } from "../../scripts/envoy/issuer.ts";
import { makeCorpIssuer, managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const web = "spiffe://example.org/web";
const policyYaml = `
version: 1
name: route
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: keys/corp.jwks.json } }
forward: { x-dept: claims.my-dept }
rules:
  - { name: with-token, callers: [${web}], allow: ["GET /**"], token: corp }
  - { name: without, callers: [${web}], allow: [GET /open] }
`;

describe("a route by a claim", () => {
  let corp: LocalIssuer;
  let envoy: TestEnvoy;
  before(async () => {
    corp = await makeCorpIssuer();
    envoy = await startTestEnvoy({
      policyYaml,
      issuers: { corp },
      adjust: (bootstrap) => {
        const [host] = managerOf(bootstrap).route_config.virtual_hosts;
        const { route } = host.routes.at(-1);
        const to = (name: string, match: object): object => ({
          match: { prefix: "/", ...match },
          route,
          request_headers_to_add: [{ header: { key: "x-route", value: name } }],
        });
        const isSales = { headers: [{ name: "x-dept", string_match: { exact: "sales" } }] };
        const hasAny = { headers: [{ name: "x-dept", present_match: true }] };
        host.routes = [to("sales", isSales), to("some", hasAny), to("none", {})];
      },
    });
  });
  after(() => envoy?.stop());

  /** The route that a request took. */
  async function routeOf(claims: Record<string, unknown> | undefined, headers: Record<string, string>, path = "/a") {
    const token = claims && (await corp.token({ claims, algorithm: "ES256" }));
    for (const http2 of [false, true]) {
      const { status } = await envoy.request({ caller: web, path, headers, http2, ...(token && { token }) });
      assert.equal(status, 200);
    }
    const [one, two] = envoy.upstreamRequests.slice(-2).map((request) => request.headers["x-route"]);
    assert.equal(one, two);
    return one;
  }

  test("the claim leads to its route", async () => {
    assert.equal(await routeOf({ "my-dept": "sales" }, {}), "sales");
    assert.equal(await routeOf({ "my-dept": "hr" }, {}), "some");
    assert.equal(await routeOf({}, {}), "none");
  });

  test("a header of the caller's leads nowhere, with another claim, without one, or without a token", async () => {
    for (const name of ["x-dept", "X-Dept"]) {
      const spoofed = { [name]: "sales" };
      assert.equal(await routeOf({ "my-dept": "hr" }, spoofed), "some");
      assert.equal(await routeOf({}, spoofed), "none");
      assert.equal(await routeOf(undefined, spoofed, "/open"), "none");
      assert.equal(await routeOf({ "my-dept": "sales" }, { [name]: "hr" }), "sales");
    }
  });
});
