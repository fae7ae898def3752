/** What several workers of one Envoy share: a limit holds for all of them together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestEnvoy } from "../support/envoy.ts";

const policyYaml = `
version: 1
name: workers
trust: { domains: [example.org] }
limits:
  few: { rate: 1/h, burst: 12, per: [caller], scope: proxy }
rules:
  - name: limited
    callers: ["spiffe://example.org/*"]
    allow: [GET /orders]
    limit: few
`;

test("a burst over many connections is admitted once, not once a worker", async () => {
  const concurrency = 4;
  const local = await startTestEnvoy({ policyYaml, concurrency });
  try {
    const statuses = async (caller: string): Promise<number[]> => {
      const sent = Array.from({ length: 60 }, () => local.request({ caller, path: "/orders" }));
      return (await Promise.all(sent)).map(({ status }) => status);
    };
    const first = await statuses("spiffe://example.org/first");
    const count = (list: number[], status: number): number => list.filter((one) => one === status).length;
    assert.equal(count(first, 200), 12);
    assert.equal(count(first, 429), 48);
    // Another caller has a bucket of its own.
    assert.equal(count(await statuses("spiffe://example.org/second"), 200), 12);

    const stats = await local.stats();
    const perWorker = Array.from({ length: concurrency }, (_, worker) =>
      stats.get(`listener.127.0.0.1_0.worker_${worker}.downstream_cx_total`),
    );
    const busy = perWorker.filter((connections) => connections !== undefined && connections > 0);
    assert.ok(busy.length > 1, `only one worker had connections: ${perWorker}`);
    assert.equal(local.upstreamRequests.length, 24);
  } finally {
    await local.stop();
  }
});
