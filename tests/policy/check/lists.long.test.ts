/** Named lists: what each is a list of, who looks into it, and what the compiler says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../../scripts/evaluate/engine.ts";
import { compilePolicyFile, loadEngine } from "../../../scripts/policy/build.ts";
import type { Diagnostic, PolicyError } from "../../../scripts/policy/source/diagnostic.ts";
import { check, unmark } from "../../support/policy.ts";

const head = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://a.example", audiences: [api], algorithms: [RS256], keys: { file: keys/corp.jwks.json }, leeway: 30s, maxLifetime: 1h }
`;

/** A policy with these lists, and a rule for each condition. */
function policyWith(lists: string, ...conditions: string[]): string {
  const rules = conditions.map(
    (when, number) => `  - name: r${number}
    callers: [spiffe://example.org/web]
    allow: [GET /${number}]
    token: corp
    scopes: [read]
    when: |
      ${when}
`,
  );
  return `${head}${lists}\nrules:\n${rules.join("")}`;
}

const offices = 'lists: { offices: [10.0.0.0/8, "2001:db8::/32"] }';
const names = "lists: { known: [a, b] }";
const addresses = "lists: { hosts: [10.1.2.3, 192.0.2.7] }";

const refused: [what: string, text: string, code: string, message: RegExp][] = [
  ["no such list", policyWith(names, "claims.a in lists.▸knwon"), "unknown_list", /did you mean `known`/],
  ["no list at all", policyWith("", "claims.a in lists.▸revoked"), "unknown_list", /lists: \{ revoked: \{ file: revoked\.txt/],
  ["a text in networks", policyWith(offices, "claims.ip in lists.▸offices"), "condition_type", /lists\.offices\.containsIP/],
  ["an address in texts", policyWith(names, "lists.▸known.containsIP(source.ip)"), "condition_type", /x in lists\.known/],
  ["the caller's address as a text", policyWith(addresses, "source.ip ▸in lists.hosts"), "condition_type", /lists\.hosts\.containsIP\(source\.ip\)/],
  ["a number in texts", policyWith(names, "1 ▸in lists.known"), "condition_type", /an int in a list of texts/],
  ["both in one condition", policyWith(addresses, "claims.ip in lists.hosts || lists.▸hosts.containsIP(source.ip)"), "condition_type", /two lists/],
  ["both in two conditions", policyWith(addresses, "claims.ip in lists.hosts", "lists.hosts.containsIP(source.ip)").replace(/(\n {4}when: )(\|\n {6}lists)/u, "$1▸$2"), "condition_type", /line 1[0-9].*two lists/],
  ["a list as a value", policyWith(names, "size(lists.▸known) == 1"), "condition_unsupported", /a list is only for/],
  ["a loop over one", policyWith(names, 'lists.▸known.exists(e, e == "a")'), "condition_unsupported", /a list is only for/],
  ["an empty one", policyWith("lists: { ▸known: [] }", "claims.a in lists.known"), "value", /is empty/],
  ["a file that is not there", policyWith("lists: { known: { file: ▸nowhere.txt } }", "claims.a in lists.known"), "file", /no such file/],
  ["a network with bits beyond its prefix", policyWith("lists: { offices: [▸10.0.0.1/8] }", "lists.offices.containsIP(source.ip)"), "condition_value", /10\.0\.0\.0\/8/],
  ["an entry with a control character", policyWith('lists: { known: [▸"a\\tb"] }', "claims.a in lists.known"), "value", /control characters/],
  ["a long entry", policyWith(`lists: { known: [▸${"x".repeat(1025)}] }`, "claims.a in lists.known"), "value", /1024 bytes/],
  ["two of one name", policyWith("lists: { known: [a], ▸known: [b] }", "claims.a in lists.known"), "duplicate", /known/],
  ["networks written out in a loop", policyWith("", '["10.0.0.0/8"].exists(n, cidr(▸n).containsIP(source.ip))'), "condition_unsupported", /lists\.offices\.containsIP\(source\.ip\)/],
  ["too many written out", policyWith("", `claims.a in ▸[${Array(1025).fill('"a"').join(", ")}]`), "bound", /x in lists\.known/],
]; // biome-ignore format: one case a line

for (const [what, marked, code, message] of refused) {
  test(`refused: ${what}`, () => {
    const { text, line, column } = unmark(marked);
    const { errors } = check(text);
    assert.deepEqual(
      errors.map((one) => [one.code, one.line, one.column]),
      [[code, line, column]],
      JSON.stringify(errors, null, 1),
    );
    assert.match(errors[0]!.message, message);
  });
}

const sound: [what: string, text: string][] = [
  ["texts", policyWith(names, "claims.a in lists.known", '!(claims.b.lowerAscii() in lists["known"])')],
  ["networks", policyWith(offices, "lists.offices.containsIP(source.ip)")],
  ["addresses as networks", policyWith(addresses, "lists.hosts.containsIP(source.ip)")],
  ["addresses as texts", policyWith(addresses, "claims.ip in lists.hosts")],
  ["a name with a dash", policyWith("lists: { on-site: [a] }", 'claims.a in lists["on-site"]')],
  ["a file", policyWith("lists: { revoked: { file: lists/revoked.txt } }", "claims.jti in lists.revoked")],
];
for (const [what, text] of sound) {
  test(`sound: ${what}`, () => {
    const { errors, warnings } = check(text);
    assert.deepEqual([errors, warnings], [[], []]);
  });
}

test("warned of: a list that no condition looks into, and an entry twice", () => {
  const { text, line, column } = unmark(policyWith("lists: { ▸known: [a] }", "claims.a == 'x'"));
  const place = ({ code, line: of, column: at }: Diagnostic) => [code, of, at];
  assert.deepEqual(check(text).warnings.map(place), [["unused_list", line, column]]);
  // A condition that is wrong may look into it.
  const wrong = check(policyWith("lists: { known: [a] }", "claims.a in lists.known && 1 == 'x'"));
  assert.equal(wrong.errors[0]?.code, "condition_type");
  assert.deepEqual(wrong.warnings, []);
  const twice = unmark(policyWith("lists: { known: [a, b, ▸a] }", "claims.a in lists.known"));
  assert.deepEqual(check(twice.text).warnings.map(place), [["list_duplicate", twice.line, twice.column]]);
});

test("a condition that was compiled before knows which lists there are", () => {
  assert.deepEqual(check(policyWith(names, "claims.a in lists.known")).errors, []);
  const { errors } = check(policyWith(offices.replace("offices", "known"), "claims.a in lists.known"));
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["condition_type"],
  );
  const both = check(
    policyWith(addresses, "claims.ip in lists.hosts", "claims.ip in lists.hosts", "lists.hosts.containsIP(source.ip)"),
  );
  assert.deepEqual(
    both.errors.map(({ code }) => code),
    ["condition_type"],
  );
});

test("a list of an included file is found from there, and of a file of many texts each is found", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-lists-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const count = 50_000;
  const texts = Array.from({ length: count }, (_, number) => `id-${number * 7}`);
  const networks = Array.from(
    { length: count },
    (_, number) => `10.${number >> 9}.${(number >> 1) & 255}.${(number & 1) * 128}/26`,
  );
  write("teams.yaml", `lists:\n  ids: { file: ids.txt }\n  nets: { file: nets.txt }\n`);
  write("ids.txt", `\ufeff# all of them\r\n${texts.join("\r\n")}\r\n`);
  write("nets.txt", networks.join("\n"));
  const allow = "callers: [spiffe://example.org/web], allow:";
  write(
    "policy.yaml",
    `version: 1
name: shop
trust: { domains: [example.org] }
include: [teams.yaml]
rules:
  - { name: texts, ${allow} ["GET /texts/{id}"], when: path.id in lists.ids }
  - { name: nets, ${allow} ["GET /nets/{id}"], when: lists.nets.containsIP(path.id) }
`,
  );
  const evaluator = new Engine(loadEngine()).start(compilePolicyFile(join(folder, "policy.yaml")).image);
  const ask = (path: string): string =>
    evaluator.ask({
      caller: "spiffe://example.org/web",
      source: "10.0.0.1",
      method: "GET",
      path,
      host: "h",
      headers: [],
      token: null,
    }).reason;
  for (let number = 0; number < count; number += 997) {
    assert.equal(ask(`/texts/id-${number * 7}`), "allowed");
    assert.equal(ask(`/texts/id-${number * 7 + 1}`), "condition_false");
    const network = networks[number]!.replace(/\.[0-9]+\/26$/u, "");
    const half = (number & 1) * 128;
    assert.equal(ask(`/nets/${network}.${half + 63}`), "allowed");
    assert.equal(ask(`/nets/${network}.${half + 64}`), "condition_false");
  }
});

test("faults of a file are told at their lines", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-lists-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "policy.yaml");
  writeFileSync(join(folder, "nets.txt"), "10.0.0.0/8\n  10.0.0.1/9\n");
  const rule =
    "{ name: r, callers: [spiffe://example.org/web], allow: [GET /], when: lists.nets.containsIP(source.ip) }";
  writeFileSync(
    path,
    `version: 1\nname: shop\ntrust: { domains: [example.org] }\nlists: { nets: { file: nets.txt } }\nrules: [${JSON.stringify(rule).slice(1, -1)}]\n`,
  );
  assert.throws(
    () => compilePolicyFile(path),
    (error: PolicyError) => {
      const [{ file, line, column, code }] = error.diagnostics as [Diagnostic];
      assert.deepEqual([file, line, column, code], [join(folder, "nets.txt"), 2, 3, "condition_value"]);
      return true;
    },
  );
});
