/** Requests that a policy and an upstream may read differently, and policies that pass the compiler but not a request. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { engine } from "./door.ts";

const head = "version: 1\nname: attack\ntrust: { domains: [example.org] }\n";

test("a deny rule holds however the method is written (Envoy passes `delete` on over HTTP/2)", () => {
  const door = doorOf(`${head}rules:
  - { name: all, callers: [any], allow: ["* /**"] }
  - { name: no-deletes, callers: [any], deny: ["DELETE /**"] }
`);
  assert.equal(door("DELETE", "/orders/7", "h").action, "pause");
  for (const method of ["delete", "Delete"]) assert.equal(door(method, "/orders/7", "h").action, "pause", method);
});

test("a deny rule for a host holds for that name with two dots at its end", () => {
  const door = doorOf(`${head}rules:
  - { name: all, callers: [any], allow: ["* /**"] }
  - { name: no-admin, callers: [any], hosts: [admin.example.org], deny: ["* /**"] }
`);
  assert.equal(door("GET", "/", "admin.example.org.").action, "pause");
  assert.equal(door("GET", "/", "admin.example.org..").action, "pause");
});

test("a policy that compiles has no request that meets a bound of the engine", () => {
  const sets = Array.from({ length: 110 }, (_, set) => `  s${set}: [spiffe://example.org/x]`);
  const rules = Array.from(
    { length: 1100 },
    (_, rule) => `  - { name: r${rule}, callers: [s${rule % 110}], allow: [GET /x] }`,
  );
  let door: ReturnType<typeof doorOf>;
  try {
    door = doorOf(`${head}callers:\n${sets.join("\n")}\nrules:\n${rules.join("\n")}\n`);
  } catch {
    return; // refused where it is written
  }
  const { action, localResponse } = door("GET", "/x", "h");
  assert.equal(action, "continue", localResponse?.details);
});

function doorOf(yaml: string): (method: string, path: string, host: string) => Outcome {
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
