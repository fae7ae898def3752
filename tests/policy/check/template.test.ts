/** Issuers with many tenants: what is refused, and what is warned of. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { composeIssuer, parseTemplate, templateClaims } from "../../../scripts/policy/language/template.ts";
import { check, withRule } from "../../support/policy.ts";

/** The codes of what is said of a policy whose issuer is this text, and what more is said of it. */
function say(issuer: string, more = ""): { codes: string[]; words: string } {
  const text = withRule("").replace("issuer: https://issuer.example.org", `issuer: "${issuer}"${more}`);
  const { errors, warnings } = check(text);
  const all = [...errors, ...warnings].filter(({ code }) => !/^(?:any_rule|lifetime_missing|unused)/u.test(code));
  return { codes: all.map(({ code }) => code), words: all.map(({ message }) => message).join("\n") };
}

const line = (text: string): string => `\n    ${text}`;
const known = "https://login.example.org/{tid}/v2.0";

describe("an issuer with `{name}`", () => {
  for (const sound of [
    known,
    "https://login.example.org/{tid}",
    "https://{org-x}.example.org/",
    "http://a.{o}.b/{t}/{u}",
  ])
    test(`sound: ${sound}`, () => assert.deepEqual(say(sound).codes, ["tenants_missing"]));

  const refused: [string, RegExp][] = [
    ["login/{tid}", /`https` URL/],
    ["https://login.example.org/v{tid}", /whole segment/],
    ["https://login.example.org/{tid}x", /whole segment/],
    ["https://login.example.org/{tid}.json", /whole segment/],
    ["https://login.example.org/{a}{b}", /whole segment/],
    ["https://{host}/x", /whole label/],
    ["https://login.{tld}", /whole label/],
    ["https://x{org}.example.org", /whole label/],
    ["https://login.example.org:{port}/", /whole label/],
    ["https://{user}@login.example.org/", /`https` URL/],
    ["https://login.example.org/?t={tid}", /`https` URL/],
    ["https://login.example.org/%2e/{tid}", /`https` URL/],
    ["https://login.example.org/{}", /names no claim/],
    ["https://login.example.org/{a b}", /`https` URL/],
    ["https://login.example.org/{claims.tid}", /names no claim/],
    ["https://login.example.org/{iss}", /cannot say who/],
    ["https://login.example.org/{tid", /a brace stands alone/],
    ["https://login.example.org/tid}/{a}", /a brace stands alone/],
    ["https://login.example.org/{a}/{a}", /stands once/],
    ["https://login.example.org/{tenantid}/v2.0", /the claim is `tid`: write `\{tid\}`/],
  ];
  for (const [issuer, words] of refused) {
    test(`refused: ${issuer}`, () => {
      const said = say(issuer);
      assert.ok(said.codes.includes("invalid_issuer"), said.words);
      assert.match(said.words, words);
    });
  }

  test("more claims than there is room for", () => {
    assert.ok(say("https://login.example.org/{a}/{b}/{c}/{d}/{e}").codes.includes("bound"));
  });

  test("a claim that is declared to be no text", () => {
    assert.match(say(known, line("claims: { tid: int }")).words, /declares it to be an int/);
    assert.deepEqual(say(known, line("claims: { tid: string! }")).codes, ["tenants_missing"]);
  });
});

describe("tenants", () => {
  test("a list and a file", () => {
    assert.deepEqual(say(known, line("tenants: [acme, globex]")).codes, []);
    assert.deepEqual(say(known, line("tenants: { file: keys/tenants.txt }")).codes, []);
  });

  const refused: [string, string, string][] = [
    [known, "tenants: [a/b]", "value"],
    [known, "tenants: [..]", "value"],
    [known, 'tenants: [""]', "value"],
    ["https://{org}.example.org", "tenants: [a.b]", "value"],
    [known, "tenants: [acme, acme]", "duplicate"],
    [known, "tenants: []", "value"],
    [known, "tenants: { file: keys/absent.txt }", "file"],
    ["https://login.example.org/{a}/{b}", "tenants: [acme]", "invalid_issuer"],
    ["https://login.example.org", "tenants: [acme]", "invalid_issuer"],
  ];
  for (const [issuer, more, code] of refused)
    test(`refused: ${issuer} ${more}`, () => assert.ok(say(issuer, line(more)).codes.includes(code)));
});

test("the claims that make an issuer are those it is made of", () => {
  const parts = parseTemplate("https://{org-x}.example.org/{tid}/v2");
  assert.ok(typeof parts !== "string");
  const claims = { "org-x": "acme", tid: "t.1" };
  const iss = composeIssuer(parts, claims);
  assert.equal(iss, "https://acme.example.org/t.1/v2");
  assert.deepEqual(templateClaims(parts, iss), claims);
  for (const other of [
    "https://acme.example.org/t/v2/",
    "https://a.b.example.org/t/v2",
    "https://acme.example.org//v2",
  ])
    assert.equal(templateClaims(parts, other), undefined);
});
