/** Requests that a policy and an upstream may read differently, and policies that pass the compiler but not a request. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { candidate_rules_max } from "../../assembly/limits.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { type Diagnostic, PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { engine } from "../support/plugin.ts";

const head = "version: 1\nname: attack\ntrust: { domains: [example.org] }\n";

test("a deny rule holds however the method is written (Envoy passes `delete` on over HTTP/2)", () => {
  const local = localOf(`${head}rules:
  - { name: all, callers: [any], allow: ["* /**"] }
  - { name: no-deletes, callers: [any], deny: ["DELETE /**"] }
`);
  assert.equal(local("DELETE", "/orders/7", "h").action, "pause");
  for (const method of ["delete", "Delete"]) assert.equal(local(method, "/orders/7", "h").action, "pause", method);
});

test("a deny rule for a host holds for that name with two dots at its end", () => {
  const local = localOf(`${head}rules:
  - { name: all, callers: [any], allow: ["* /**"] }
  - { name: no-admin, callers: [any], hosts: [admin.example.org], deny: ["* /**"] }
`);
  assert.equal(local("GET", "/", "admin.example.org.").action, "pause");
  assert.equal(local("GET", "/", "admin.example.org..").action, "pause");
});

/** A caller in so many sets, which ten rules each name for one path. */
function crowd(sets: number): string {
  const callers = Array.from({ length: sets }, (_, set) => `  s${set}: [spiffe://example.org/x]`);
  const rules = Array.from(
    { length: sets * 10 },
    (_, rule) => `  - { name: r${rule}, callers: [s${rule % sets}], allow: [GET /x] }`,
  );
  return `${head}callers:\n${callers.join("\n")}\nrules:\n${rules.join("\n")}\n`;
}

test("a policy that compiles has no request that meets a bound of the engine", () => {
  const most = Math.floor(candidate_rules_max / 10);
  assert.throws(
    () => localOf(crowd(most + 1)),
    (error) => {
      assert.ok(error instanceof PolicyError);
      const [{ code, line, column, message }] = error.diagnostics as [Diagnostic];
      // The last rule of s99, which of the sets, all of ten rules, is the last in byte order.
      assert.deepEqual([code, line, column], ["bound", 1135, 5], message);
      return true;
    },
  );
  const { action, localResponse } = localOf(crowd(most))("GET", "/x", "h");
  assert.equal(action, "continue", localResponse?.details);
});

function localOf(yaml: string): (method: string, path: string, host: string) => Outcome {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-attack-"));
  try {
    const file = join(folder, "policy.yaml");
    writeFileSync(file, yaml);
    const host = PluginHost.load(engine);
    const { ok, rootContext } = host.startPlugin(pluginConfiguration(compilePolicyFile(file).image));
    assert.equal(ok, true);
    return (method, path, authority) =>
      host.request(rootContext, {
        headers: [
          [":method", method],
          [":path", path],
          [":authority", authority],
        ],
        properties: { "connection.uri_san_peer_certificate": "spiffe://example.org/x" },
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
