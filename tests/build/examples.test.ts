/** The examples of docs/policy-language.md and docs/policy-tests.md are what they say they are: the policy is sound and its tests pass. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { makeIssuer } from "../../scripts/envoy/issuer.ts";
import { endsInTime, program } from "../support/program.ts";

const root = join(import.meta.dirname, "../..");

/** The YAML block under a heading of a document. */
function exampleUnder(document: string, heading: string): string {
  const text = readFileSync(join(root, document), "utf8");
  const [, section] = text.split(new RegExp(`^##? ${heading}$`, "mu"));
  assert.ok(section !== undefined, `${document} has no heading "${heading}"`);
  const blocks = [...section.split(/^## /mu)[0]!.matchAll(/```yaml\n(.*?)```/gs)];
  assert.equal(blocks.length, 1, `one YAML block stands under "${heading}"`);
  return blocks[0]![1]!;
}

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-documents-"));
  const policy = exampleUnder("docs/policy-language.md", "A policy");
  writeFileSync(join(folder, "policy.yaml"), policy);
  writeFileSync(join(folder, "policy.test.yaml"), exampleUnder("docs/policy-tests.md", "Policy tests"));
  // The document names key sets without showing any.
  const { issuers } = parse(policy) as {
    issuers: Record<string, { issuer: string; audiences: string[]; keys: { file: string } }>;
  };
  for (const { issuer, audiences, keys } of Object.values(issuers)) {
    const { jwks } = await makeIssuer({ issuer, audience: audiences });
    mkdirSync(dirname(join(folder, keys.file)), { recursive: true });
    writeFileSync(join(folder, keys.file), JSON.stringify(jwks));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `sallyport` in the checkout on a file of the document. */
function sallyport(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: root,
    encoding: "utf8",
    ...endsInTime,
  });
  return { status, stdout, stderr };
}

test("the policy is sound", () => {
  const { status, stdout, stderr } = sallyport("check", join(folder, "policy.yaml"), "--format", "json");
  assert.equal(status, 0, stderr);
  // Two trust domains, a rule in shadow mode and one for callers without a certificate are there on purpose, to show them.
  const { errors, warnings } = JSON.parse(stdout) as Record<string, { code: string }[]>;
  assert.deepEqual(
    [errors, warnings!.map(({ code }) => code)],
    [[], ["trust_domains_shared_bundle", "shadow_rule", "anonymous_rule"]],
  );
});

test("its tests pass", () => {
  const { status, stdout, stderr } = sallyport("test", join(folder, "policy.test.yaml"));
  assert.equal(status, 0, stdout + stderr);
});

test("the module can be built", () => {
  const output = join(folder, "sallyport.wasm");
  const { status, stderr } = sallyport("build", join(folder, "policy.yaml"), "-o", output);
  assert.equal(status, 0, stderr);
  assert.doesNotThrow(() => new WebAssembly.Module(new Uint8Array(readFileSync(output))));
});
