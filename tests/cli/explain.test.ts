/** `sallyport explain`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { folderOf, policyText, sallyport } from "./program.ts";

const keys = readFileSync(fileURLToPath(new URL("../policy/keys/corp.jwks.json", import.meta.url)), "utf8");
const folder = folderOf({ "policy.yaml": policyText, "keys.json": keys, "token.txt": "a.b.c\n" });
after(folder.remove);

const checkout = ["--caller", "spiffe://example.org/checkout"];
const made = '{issuer: corp, claims: {scope: "orders:write"}}';

function explain(...args: string[]) {
  const run = sallyport(["explain", folder.path("policy.yaml"), ...args, "--format", "json"]);
  assert.equal(run.code, 0, run.stderr);
  return JSON.parse(run.stdout) as { verdict: unknown; rules: { rule: string; outcome: string; reason: string }[] };
}

const outcomes = ({ rules }: ReturnType<typeof explain>) =>
  rules.map(({ rule, outcome, reason }) => `${rule} ${outcome} ${reason}`);

describe("sallyport explain", () => {
  test("an admitted request, and why each other rule stayed out of it", () => {
    const explanation = explain(...checkout, "--request", "POST /orders", "--token", made);
    assert.deepEqual(explanation.verdict, { decision: "allow", status: 200, reason: "allowed", rule: "orders" });
    assert.deepEqual(outcomes(explanation), [
      "elsewhere not_applicable host",
      "no-deletes not_applicable method",
      "orders allowed allowed",
    ]);
  });

  test("a rule that fails says where", () => {
    const explanation = explain(...checkout, "--request", "POST /orders");
    assert.deepEqual(explanation.verdict, { decision: "deny", status: 401, reason: "token_missing", rule: "orders" });
    assert.deepEqual(outcomes(explanation)[2], "orders failed token_missing");
    const scope = explain(...checkout, "--request", "POST /orders", "--token", "{issuer: corp}");
    assert.deepEqual(outcomes(scope)[2], "orders failed scope_missing");
  });

  test("a deny rule, and what would have been allowed without it", () => {
    const explanation = explain(...checkout, "--request", "DELETE /orders/7");
    assert.deepEqual(outcomes(explanation), [
      "elsewhere not_applicable host",
      "no-deletes denied rule_denied",
      "orders not_applicable method",
    ]);
  });

  test("caller, host, path", () => {
    const explanation = explain(
      "--caller",
      "spiffe://example.org/x",
      "--request",
      "GET /orders/8",
      "--host",
      "Other.example.org:443",
    );
    assert.deepEqual(outcomes(explanation), [
      "elsewhere not_applicable path",
      "no-deletes not_applicable method",
      "orders not_applicable caller",
    ]);
    assert.deepEqual(
      outcomes(explain("--request", "GET /orders/8")).map((line) => line.split(" ")[2]),
      ["caller", "caller", "caller"],
    );
  });

  test("a request refused before any rule", () => {
    const explanation = explain(...checkout, "--request", "GET /orders//7");
    assert.deepEqual(explanation.verdict, { decision: "deny", status: 400, reason: "path_ambiguous", rule: null });
    assert.ok(
      explanation.rules.every(({ outcome, reason }) => outcome === "not_reached" && reason === "path_ambiguous"),
    );
  });

  test("tokens from a file and from standard input, times and headers", () => {
    const fromFile = explain(...checkout, "--request", "GET /orders/7", "--token", `@${folder.path("token.txt")}`);
    assert.deepEqual(outcomes(fromFile)[2], "orders failed token_malformed");
    const args = [
      "explain",
      folder.path("policy.yaml"),
      ...checkout,
      "--request",
      "GET /orders/7",
      "--token",
      "-",
      "--format",
      "json",
    ];
    assert.equal(JSON.parse(sallyport(args, { input: "a.b.c" }).stdout).verdict.reason, "token_malformed");
    const header = explain(...checkout, "--request", "GET /orders/7", "--header", "Authorization: Basic eDp5");
    assert.deepEqual(outcomes(header)[2], "orders failed token_missing");
    const expired = `{issuer: corp, claims: {exp: 1}}`;
    const late = explain(...checkout, "--request", "GET /orders/7", "--token", expired, "--at", "2030-01-01T00:00:00Z");
    assert.deepEqual(outcomes(late)[2], "orders failed token_expired");
  });

  test("a token larger than the engine's memory: the verdict that Envoy would meet", () => {
    const verdictOf = (bytes: number) => {
      writeFileSync(folder.path("large.txt"), "a".repeat(bytes));
      return explain(...checkout, "--request", "POST /orders", "--token", `@${folder.path("large.txt")}`).verdict;
    };
    assert.deepEqual(verdictOf(8193), { decision: "deny", status: 401, reason: "token_too_large", rule: "orders" });
    assert.deepEqual(verdictOf(200_000), { decision: "deny", status: 503, reason: "internal", rule: null });
  });

  test("text for people", () => {
    const { code, stdout } = sallyport([
      "explain",
      folder.path("policy.yaml"),
      ...checkout,
      "--request",
      "POST /orders",
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /^DENY 401 token_missing \(rule orders\): there is no token$/m);
    assert.match(stdout, /^ {2}orders +does not allow: token_missing/m);
    assert.match(stdout, /^ {2}elsewhere +does not apply: another host$/m);
    assert.equal(stdout.includes("\u001b"), false, "colour is for terminals");
  });

  test("wrong usage and unusable policies: 2", () => {
    const policy = folder.path("policy.yaml");
    for (const args of [
      [policy],
      [policy, "--request", "POST"],
      [policy, "--request", "grpc a b"],
      [policy, "--request", "grpc a"],
      [policy, "--request", "GET /", "--source", "banana"],
      [policy, "--request", "GET /", "--at", "yesterday"],
      [policy, "--request", "GET /", "--header", "nothing"],
      [policy, "--request", "GET /", "--token", "@/nowhere"],
      [policy, "--request", "GET /", "--token", "{issuer: crop}"],
      [folder.path("gone.yaml"), "--request", "GET /"],
    ]) {
      const { code, stderr } = sallyport(["explain", ...args]);
      assert.equal(code, 2, args.join(" "));
      assert.notEqual(stderr, "");
    }
  });
});
