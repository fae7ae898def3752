/**
 * What a reload does to buckets: nothing, unless it changes what they are found by; then they begin full. `diff` tells of those limits,
 * and of no others.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SharedData } from "../../scripts/host/shared.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { comparePolicies } from "../../scripts/policy/meaning/difference.ts";
import { Limited } from "../support/limited.ts";
import { imageOf } from "../support/workers.ts";

interface Given {
  policy?: string;
  name?: string;
  rate?: string;
  burst?: number;
  per?: string;
  cost?: number;
  /** More lines under `limits`, and rules. */
  limits?: string;
  rules?: string;
}

function text({
  policy = "shop",
  name = "writes",
  rate = "60/h",
  burst = 5,
  per = "caller, source.ip",
  ...more
}: Given = {}) {
  return `version: 1
name: ${policy}
trust: { domains: [example.org] }
limits:
  ${name}: { rate: ${rate}, burst: ${burst}, per: [${per}] }
${more.limits ?? ""}rules:
  - { name: one, callers: [any], allow: [GET /one], limit: ${name}, cost: ${more.cost ?? 1} }
${more.rules ?? ""}`;
}

/** Whether `diff` says of the limit that it counts anew. */
function saysAnew(before: string, after: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-limitreloads-"));
  try {
    const [was, is] = [before, after].map((policy, number) => {
      const path = join(folder, `${number}.yaml`);
      writeFileSync(path, policy);
      return compilePolicyFile(path).policy;
    });
    return comparePolicies(was!, is!).policy.some(({ what }) => what.endsWith(": counts"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Takes over a policy on every worker, as Envoy does: the new configuration first, then the old one goes. */
function reload(proxy: Limited, policy: string): void {
  const image = imageOf(policy);
  for (const [worker, host] of proxy.hosts.entries()) {
    const old = proxy.roots[worker]!;
    proxy.roots[worker] = proxy.start(host, image);
    host.deleteContext(old);
  }
}

const changes: [what: string, change: Given, kept: boolean][] = [
  ["nothing", {}, true],
  ["the same rate in other words", { rate: "1/m" }, true],
  ["what it counts by in another order", { per: "source.ip, caller" }, true],
  ["a rule more", { rules: "  - { name: two, callers: [any], allow: [GET /two] }\n" }, true],
  ["a limit more, before it by name", { limits: "  all: { rate: 1/h, burst: 1 }\n" }, true],
  ["its rate", { rate: "61/h" }, false],
  ["its burst", { burst: 6 }, false],
  ["its name", { name: "changes" }, false],
  ["the policy's name", { policy: "market" }, false],
  ["what it counts by", { per: "caller" }, false],
];

for (const [what, change, kept] of changes) {
  test(`a reload that changes ${what} ${kept ? "keeps" : "begins with full"} buckets, and diff says so`, () => {
    const proxy = new Limited(text(), 2);
    assert.equal(proxy.drain(0), 5);
    assert.equal(proxy.drain(0, "spiffe://example.org/y"), 5);
    proxy.pass(120);
    reload(proxy, text(change));
    const burst = change.burst ?? 5;
    assert.equal(proxy.drain(1), kept ? 2 : burst, "neither refilled nor forgotten");
    // What the old one had taken is found again, with what time has brought.
    reload(proxy, text());
    proxy.pass(60);
    assert.equal(proxy.drain(0, "spiffe://example.org/y"), 3);
    assert.equal(saysAnew(text(), text(change)), !kept);
    assert.equal(saysAnew(text(change), text()), !kept);
  });
}

describe("buckets that workers reserve tokens of", () => {
  const large = text({ rate: "1/h", burst: 5000 });

  test("outlive a hundred reloads under requests, with what is reserved", () => {
    const proxy = new Limited(large, 2);
    let admitted = 0;
    for (let turn = 0; turn < 100; turn++) {
      for (let count = 0; count < 37; count++) if (proxy.admits((turn + count) % 2)) admitted++;
      reload(proxy, large);
    }
    admitted += proxy.drain(0) + proxy.drain(1);
    assert.equal(admitted, 5000);
  });

  test("outlive VMs that are built anew, and what those had reserved is gone, not given twice", () => {
    const sharedData = new SharedData();
    let admitted = 0;
    for (let vm = 0; vm < 20; vm++) {
      const proxy = new Limited(large, 1, sharedData);
      for (let count = 0; count < 100; count++) if (proxy.admits(0)) admitted++;
    }
    const last = new Limited(large, 1, sharedData);
    admitted += last.drain(0);
    // Each VM takes six at a time.
    assert.ok(admitted <= 5000 && admitted >= 5000 - 20 * 5, `${admitted}`);
  });
});

test("while the old configuration goes on beside the new one, both take from the same buckets", () => {
  const proxy = new Limited(text(), 1);
  const old = proxy.roots[0]!;
  const now = proxy.start(
    proxy.hosts[0]!,
    imageOf(text({ rules: "  - { name: two, callers: [any], allow: [GET /two] }\n" })),
  );
  let admitted = 0;
  for (let turn = 0; turn < 20; turn++) {
    proxy.roots[0] = turn % 2 === 0 ? old : now;
    if (proxy.admits(0)) admitted++;
  }
  assert.equal(admitted, 5);
});
