/** The examples of diagnostics: a policy about which there is nothing to say, and what the compiler says of it once changed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import type { Example } from "../../scripts/policy/source/codeentry.ts";
import { type Diagnostic, PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { loadTestPolicy } from "../../scripts/policytest/policy.ts";

/** What the parts of the policy, and of a test of it, have unless an example says something else. */
const plain = {
  trust: "domains: [example.org]",
  issuer: `issuer: https://issuer.example.org
audiences: [order-api]
algorithms: [RS256]
keys: { file: keys.json }
leeway: 30s
maxLifetime: 1h`,
  limit: "rate: 100/s",
  rule: `name: orders
callers: [spiffe://example.org/web]
allow: [GET /orders]
token: corp
scopes: [orders:read]
limit: writes`,
  test: `name: a test
caller: spiffe://example.org/web
request: GET /orders
expect: deny`,
};

const { keys } = JSON.parse(readFileSync(join(import.meta.dirname, "../policy/keys/corp.jwks.json"), "utf8"));
const key = { ...keys[0], kid: "plain" };

/** What is said about an example. */
export interface Said {
  errors: Diagnostic[];
  warnings: Diagnostic[];
}

/** The text with the keys of another in place of its own. */
function changed(text: string, by = ""): string {
  const names = [...by.matchAll(/^[A-Za-z]+(?=:)/gmu)].map(([name]) => name);
  const isKept = (line: string): boolean => !names.includes(/^[A-Za-z]+(?=:)/u.exec(line)?.[0] ?? "");
  // A key is its line and the indented ones after it.
  const blocks = text.split(/\n(?=\S)/u).filter(isKept);
  return [...blocks, ...(by === "" ? [] : [by])].join("\n");
}

/** A mapping, or an item of a list, below a key. */
const below = (text: string, first = "  "): string =>
  text
    .split("\n")
    .map((line, number) => (number === 0 ? first : " ".repeat(first.length)) + line)
    .join("\n");

/** The text of an example's policy. */
function policyText({ policy, trust, issuer, limit, rule }: Example): string {
  const parts = [
    "version: 1",
    "name: shop",
    `trust:\n${below(changed(plain.trust, trust))}`,
    `issuers:\n  corp:\n${below(changed(plain.issuer, issuer), "    ")}`,
    `limits:\n  writes:\n${below(changed(plain.limit, limit), "    ")}`,
    `rules:\n${below(changed(plain.rule, rule), "  - ")}`,
  ];
  return `${changed(parts.join("\n"), policy)}\n`;
}

/** What the compiler says about an example, or the test runner where it is one of tests. */
export function sayOf(example: Example): Said {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-example-"));
  const path = (name: string): string => join(folder, name);
  const added = example.key === undefined ? [] : [{ ...key, kid: "added", ...JSON.parse(`{${example.key}}`) }];
  writeFileSync(path("keys.json"), JSON.stringify({ keys: [key, ...added] }));
  writeFileSync(path("policy.yaml"), policyText(example));
  const tests = `policy: policy.yaml\ntests:\n${below(changed(plain.test, example.test), "  - ")}\n`;
  // A key of a file of tests stands in place of all that it has.
  writeFileSync(path("tests.yaml"), example.tests ?? tests);
  try {
    if (example.test === undefined && example.tests === undefined) {
      const { warnings } = compilePolicyFile(path("policy.yaml"), { exampleKeys: "refuse" });
      return { errors: [], warnings };
    }
    const file = readTestFile(path("tests.yaml"));
    concreteTests(file, loadTestPolicy(file.policy));
    return { errors: [], warnings: [...file.warnings] };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { errors: error.diagnostics, warnings: error.warnings };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
