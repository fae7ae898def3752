/** `headers: always` in a real Envoy: answers of the upstream, of Envoy itself and of ours, over HTTP/1.1, with one worker. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const web = "spiffe://example.org/web";
const other = "spiffe://example.org/other";
const policyYaml = `
version: 1
name: told
trust: { domains: [example.org] }
limits:
  few: { rate: 1/h, burst: 3, per: [caller], headers: always }
  quiet: { rate: 1/h, burst: 3, per: [caller] }
rules:
  - { name: told, callers: [${web}], allow: [GET /told], limit: few }
  - { name: own, callers: [${other}], allow: [GET /own], limit: few }
  - { name: quiet, callers: [${web}], allow: [GET /quiet], limit: quiet }
`;

describe("what answers tell of a limit", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({
      policyYaml,
      adjust: (bootstrap) => {
        const [host] = managerOf(bootstrap).route_config.virtual_hosts;
        host.routes.unshift({ match: { path: "/own" }, direct_response: { status: 418 } });
      },
    });
  });
  after(() => envoy?.stop());

  const ask = async (path: string, caller = web) => {
    const { status, headers } = await envoy.request({ caller, method: "GET", path });
    return { status, told: headers.ratelimit, policy: headers["ratelimit-policy"], retry: headers["retry-after"] };
  };

  test("admitted requests are told once what is left, and denied ones that nothing is", async () => {
    assert.deepEqual(await ask("/told"), {
      status: 200,
      told: '"few";r=2;t=3600',
      policy: '"few";q=3;w=10800',
      retry: undefined,
    });
    assert.match(String((await ask("/told")).told), /^"few";r=1;t=7\d{3}$/u);
    assert.match(String((await ask("/told")).told), /^"few";r=0;t=10\d{3}$/u);
    const denied = await ask("/told");
    assert.equal(denied.status, 429);
    assert.match(String(denied.told), /^"few";r=0;t=3\d{3}$/u);
    assert.equal(denied.policy, '"few";q=3;w=10800');
  });

  test("so are those that Envoy answers itself", async () => {
    const { status, told, policy } = await ask("/own", other);
    assert.deepEqual({ status, told, policy }, { status: 418, told: '"few";r=2;t=3600', policy: '"few";q=3;w=10800' });
  });

  test("limits without `headers: always` tell of themselves in denials alone", async () => {
    for (let count = 0; count < 3; count++) {
      const { status, told, policy } = await ask("/quiet");
      assert.deepEqual([status, told, policy], [200, undefined, undefined]);
    }
    assert.match(String((await ask("/quiet")).told), /^"quiet";r=0;/u);
  });
});
