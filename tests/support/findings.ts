/** Policies with one thing in them, and what the compiler must say of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, unmark, withRule } from "./policy.ts";

/** A rule with one endpoint that is allowed. */
export const allow = (endpoint: string): string =>
  withRule(`  - name: a\n    callers: [storefront]\n    allow: [${endpoint}]\n`);
export const caller = (text: string): string => withRule(`  - name: a\n    callers: [${text}]\n    allow: [GET /a]\n`);
export const host = (text: string): string =>
  withRule(`  - name: a\n    callers: [storefront]\n    hosts: [${text}]\n    allow: [GET /a]\n`);
export const rule = (lines: string): string => withRule(`  - name: a\n    callers: [storefront]\n${lines}`);
export const named = (name: string): string =>
  withRule(`  - name: ${name}\n    callers: [storefront]\n    allow: [GET /a]\n`);
export const policy = (from: string, to: string): string => withRule("").replace(from, to);

export const forwarders = (list: string): string => policy("[example.org]", `[example.org]\n  forwarders: ${list}`);
export const forward = (mapping: string): string => policy("rules:", `forward: ${mapping}\nrules:`);
export const many = (count: number, one: (number: number) => string): string =>
  Array.from({ length: count }, (_, number) => one(number)).join(", ");

/** What is wrong, the policy with its place marked, and the finding there. */
export type Case = [what: string, marked: string, code: string, message: RegExp];

/** One test a case: the finding is at its place, and a warning comes without an error. */
export function run(kind: "errors" | "warnings", cases: Case[]): void {
  for (const [what, marked, code, message] of cases) {
    test(`${kind === "errors" ? "refused" : "warned of"}: ${what}`, () => {
      const { text, line, column } = unmark(marked);
      const findings = check(text);
      const found = findings[kind].find((one) => one.code === code && one.line === line && one.column === column);
      assert.ok(found, `no ${code} at ${line}:${column} in ${JSON.stringify(findings[kind], null, 1)}`);
      assert.match(found.message, message);
      if (kind === "warnings") assert.deepEqual(findings.errors, []);
    });
  }
}
