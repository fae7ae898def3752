/** Logs that do not say who called, and logs that were read in part: what the verbs make of them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { parse } from "yaml";
import { folderOf, type Run, sallyport } from "./program.ts";

const web = "spiffe://example.org/web";

/** A week of Envoy's default text, which has no caller. */
const text = Array.from({ length: 7 * 24 }, (_, n) => {
  const time = new Date(Date.UTC(2026, 10, 24) + n * 3_600_000).toISOString();
  return `[${time}] "GET /orders/${n} HTTP/1.1" 200 - 0 5 3 2 "10.0.0.1" "curl/8" "${n}" "orders.example.org" "10.1.1.1:80"\n`;
}).join("");
/** A quote in a header hides the host. */
const quoted = `[2026-11-30T12:00:00.000Z] "GET /carts HTTP/1.1" 200 - 0 5 3 2 "10.0.0.1" "a"b" "1" "orders.example.org" "10.1.1.1:80"\n`;

const policy = `version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: orders, callers: [${web}], allow: ["GET /orders/{id}"] }
  - { name: carts, callers: [${web}], allow: [GET /carts] }
`;
const files = folderOf({ "text.log": text, "quoted.log": text + quoted, "policy.yaml": policy, "taken.yaml": "{}\n" });
after(files.remove);
writeFileSync(files.path("cut.gz"), gzipSync(text).subarray(0, -200));
const run = (command: string): Run => sallyport(command.split(" "), { cwd: files.path("") });

describe("a log that does not say who called", () => {
  test("discover says so", () => {
    const { code: status, stderr } = run("discover text.log");
    assert.equal(status, 0);
    assert.equal(
      stderr,
      "168 of 168 requests that were let in name no caller and have no record: who called is not known\n",
    );
  });

  test("what it suggests is for nobody until somebody fills in who it is for", () => {
    const { code: status, stdout } = run("discover quoted.log --suggest suggested.yaml --headroom 0");
    assert.equal(status, 0);
    assert.match(stdout, /it does not build until you have filled in what `check` names:/u);
    assert.match(stdout, /GET \/carts by nobody known: the log does not say for which host/u);
    const { rules } = parse(readFileSync(files.path("suggested.yaml"), "utf8"));
    assert.deepEqual(rules, [
      { name: "unknown-orders", callers: [], hosts: ["orders.example.org"], allow: ["GET /orders/{orderId}"] },
    ]);
    const check = run("check suggested.yaml");
    assert.equal(check.code, 2);
    assert.match(check.stderr, /`callers` is empty, so the rule is for nobody/u);
  });

  test("a rule that it may have used stays, and counts as used", () => {
    const { code: status, stdout, stderr } = run("discover text.log --tighten policy.yaml --days 7");
    assert.equal(status, 0);
    assert.deepEqual(
      stdout.split("\n").filter((line) => /^-[^-]/u.test(line)),
      [`-  - { name: carts, callers: [${web}], allow: [GET /carts] }`],
    );
    assert.match(stderr, /rule orders stays as it is: 168 requests may have used it/u);
    assert.match(run("discover text.log --policy policy.yaml").stdout, /^ {2}orders +allow +168/mu);
  });
});

describe("a log that is cut off", () => {
  test("is named by all verbs that read it, and says nothing of what is unused", () => {
    for (const command of [
      "discover cut.gz",
      "report policy.yaml --log cut.gz",
      "replay policy.yaml policy.yaml --log cut.gz",
    ]) {
      const { stdout, stderr } = run(command);
      assert.match(stdout + stderr, /^cut\.gz: read in part: /mu, command);
    }
    const { code: status, stderr } = run("discover cut.gz --tighten policy.yaml --days 5");
    assert.equal(status, 2);
    assert.match(stderr, /cut\.gz could be read in part alone/u);
  });
});

test("a file that is not written over: the way out names no option that the verb does not have", () => {
  const { code: status, stderr } = run("discover text.log --openapi taken.yaml");
  assert.equal(status, 2);
  assert.match(
    stderr,
    /taken\.yaml exists and is no OpenAPI document of `discover`; it was left as it is, give another name\n/u,
  );
});

test("what a person wrote in the same form is not written over", () => {
  const documents = {
    "own.yaml": "openapi: 3.1.0\ninfo: { title: shop, version: 1.0.0 }\npaths: {}\n",
    "own-policy.yaml": "# Support's policy\nversion: 1\n",
  };
  for (const [name, text] of Object.entries(documents)) writeFileSync(files.path(name), text);
  assert.equal(run("discover text.log --openapi own.yaml").code, 2);
  assert.equal(run("discover text.log --suggest own-policy.yaml").code, 2);
  for (const [name, text] of Object.entries(documents)) assert.equal(readFileSync(files.path(name), "utf8"), text);
});
