/** What a record says of a request whose headers or query are larger than its rule allows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf } from "../support/plugin.ts";
import { imageOf, Workers } from "../support/workers.ts";

const text = `version: 1
name: sizes
trust: { domains: [example.org] }
rules:
  - { name: headers, callers: [any], allow: [GET /headers], maxHeaderBytes: 1000 }
  - { name: query, callers: [any], allow: [GET /query], maxQueryBytes: 8 }
`;

function ask(path: string, filling: number): Outcome {
  const workers = new Workers(imageOf(text), 1);
  const headers = [["x-filling", "a".repeat(filling)]] as const;
  const request = {
    caller: "spiffe://example.org/x",
    source: "10.0.0.1",
    method: "GET",
    path,
    host: "h",
    headers,
    token: null,
  };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

function refused(outcome: Outcome, detail: string): void {
  const record = recordOf(outcome);
  assert.deepEqual([record.reason, record.detail], ["headers_too_large", detail]);
  assert.equal(outcome.localResponse!.status, 431);
}

test("names and values of headers are counted together", () => {
  assert.equal(ask("/headers", 500).action, "continue");
  refused(ask("/headers", 1000), "header_bytes");
});

test("what stands behind the question mark is counted, and nothing else", () => {
  assert.equal(ask("/query?12345678", 2000).action, "continue");
  refused(ask("/query?123456789", 0), "query_bytes");
});
