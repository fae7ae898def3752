/** Conditions that are refused, and those that are warned of: each marked where the finding must point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../../support/condition.ts";
import { mark, unmark } from "../../support/policy.ts";

type Case = [marked: string, code: string, message: RegExp];

const syntax: Case[] = [
  ["▸", "condition_syntax", /empty/],
  ["claims.a ▸= 1", "condition_syntax", /write `==`/],
  ["claims.a ▸and claims.b", "condition_syntax", /did you mean `&&`/],
  ["▸not claims.a", "condition_syntax", /`!`/],
  ["claims.a ▸& claims.b", "condition_syntax", /did you mean `&&`/],
  ["claims.a ▸claims.b", "condition_syntax", /operator is missing/],
  ["claims.a &&▸", "condition_syntax", /missing after `&&`/],
  ["claims.a && ▸|| claims.b", "condition_syntax", /value is missing before/],
  ["▸(claims.a", "condition_syntax", /not closed/],
  ["claims.a▸)", "condition_syntax", /closes nothing/],
  ["(claims.a▸]", "condition_syntax", /closed by/],
  ['claims.a == ▸"x', "condition_syntax", /no closing/],
  ["claims.a == ▸“x”", "condition_syntax", /no quote/],
  ['claims.a == "x▸\\q"', "condition_syntax", /`\\\\`/],
  ['claims.a == "▸\\uD800"', "condition_syntax", /no character/],
  ["claims.▸in == 1", "condition_syntax", /reserved/],
  ["claims.a in ▸(1, 2)", "condition_syntax", /`x in \[a, b\]`/],
  ["claims.▸`a-b`", "condition_unsupported", /claims\["…"\]/],
  ["claims.▸?a", "condition_unsupported", /optional/],
  [`▸${"(".repeat(3000)}true${")".repeat(3000)}`, "bound", /nested too deeply/],
];

const unsupported: Case[] = [
  ['claims.a.▸matches("x")', "condition_unsupported", /`startsWith`/],
  ["1 ▸+ 1 == 2", "condition_unsupported", /does not calculate/],
  ['claims.a ▸+ 1 == "a1"', "condition_unsupported", /joins strings.*not for an int/],
  ["1 in [1] ▸+ claims.a", "condition_unsupported", /lists are not joined/],
  ['caller.id ▸- "x" == "y"', "condition_unsupported", /only for timestamps/],
  ['claims.a.▸lowerAscii(1) == "a"', "condition_type", /no argument/],
  ['source.port.▸lowerAscii() == "a"', "condition_type", /for string, not for int/],
  ['claims.a.▸toLowerCase() == "a"', "condition_unsupported", /x\.lowerAscii/],
  ["claims.b in claims.a.▸split()", "condition_type", /takes a separator/],
  ['claims.b in claims.a.▸split(",", 1, 1)', "condition_type", /takes a separator/],
  ['claims.b in source.port.▸split(",")', "condition_type", /for string, not for int/],
  ["claims.b in claims.a.split(▸1)", "condition_type", /a separator is a string/],
  ['claims.b in claims.a.split(",", ▸claims.b)', "condition_type", /written out/],
  [`claims.b in claims.a.split(▸"${"x".repeat(1025)}")`, "condition_value", /1024 bytes/],
  ["claims.b in ▸words(source.port)", "condition_type", /strings and lists/],
  ["claims.b in ▸words(claims.a, claims.b)", "condition_type", /one argument/],
  ['1 ▸in "a b".split(" ")', "condition_type", /an int in a list\(string\)/],
  ["request.▸body.a == 1", "unknown_name", /write `body`/],
  ["destination.▸ip == claims.a", "unknown_name", /`port`/],
  ['request.headers[▸":scheme"] == "https"', "condition_unsupported", /request\.scheme/],
  ["claims.a ▸* 2 == 2", "condition_unsupported", /does not calculate/],
  ["claims.a ▸/ 2 == 2", "condition_unsupported", /`\/`/],
  ["claims.a ▸% 2 == 2", "condition_unsupported", /`%`/],
  ["▸-claims.a == 2", "condition_unsupported", /written out/],
  ["▸-(-claims.a) == 2", "condition_unsupported", /written out/],
  ['▸--claims.a == "x"', "condition_unsupported", /written out/],
  ["▸-(-(1 in [1]))", "condition_unsupported", /written out/],
  ["claims.a == ▸--1", "condition_unsupported", /written out/],
  ['▸!(!claims.a) == "x"', "condition_unsupported", /leave both out/],
  ['claims.b in [▸!!claims.a, "x"]', "condition_unsupported", /leave both out/],
  ["▸!!!claims.a", "condition_unsupported", /leave both out/],
  ["claims.a && ▸! ( (! (claims.b.c[0]) ) )", "condition_unsupported", /leave both out/],
  ["has(▸has(claims.a))", "condition_unsupported", /`has`/],
  ["has((▸has(claims.a)))", "condition_unsupported", /`has`/],
  ["claims.a.exists(e, ▸.e == 1)", "condition_unsupported", /without the dot/],
  ["▸.has(claims.a)", "condition_unsupported", /without the dot/],
  ["claims.a == ▸1u", "condition_unsupported", /`1`/],
  ['claims.a == ▸b"x"', "condition_unsupported", /bytes/],
  ['claims == ▸{"a": 1}', "condition_unsupported", /maps cannot/],
  ["claims.a == ▸Order{id: 1}", "condition_unsupported", /messages cannot/],
  ["claims.a.▸map(x, x) == []", "condition_unsupported", /`exists` or `all`/],
  ["claims.a.▸filter(x, x) == []", "condition_unsupported", /`exists` or `all`/],
  ["claims.a.▸exists_one(x, x)", "condition_unsupported", /`exists`/],
  ["claims.a.▸exists(x)", "condition_unsupported", /a name for the element/],
  ["▸exists(claims.a, x)", "condition_unsupported", /follows a list/],
  ["claims.a.exists(x, x.▸all(y, y))", "condition_unsupported", /inside another/],
  ["▸dyn(1) == 1", "condition_unsupported", /as they are/],
  ["▸type(1) == 1", "condition_unsupported", /another type/],
  ['▸uint("1") == 1', "condition_unsupported", /as they are/],
  ["▸int(now) == 1", "condition_type", /for strings and numbers, not for a timestamp/],
  ["▸int(claims.a, 10) == 1", "condition_type", /one argument/],
  ["▸string(1) == claims.a", "condition_unsupported", /as they are/],
  ["now.▸getHours() == 1", "condition_unsupported", /as a whole/],
  ['claims.a.▸startswith("x")', "condition_unsupported", /did you mean `startsWith`/],
  ['▸startsWith(claims.a, "x")', "condition_unsupported", /x\.startsWith/],
  ["▸has(claims)", "condition_unsupported", /has\(claims\.x\)/],
  ["▸has(caller.id)", "condition_unsupported", /path variables/],
  ['▸cidr("10.0.0.0/8") == claims.a', "condition_unsupported", /containsIP/],
  ["cidr(▸claims.a).containsIP(source.ip)", "condition_unsupported", /written out/],
  ["claims.a == timestamp(▸caller.id)", "condition_unsupported", /seconds since 1970/],
  ["now == now - duration(▸claims.a)", "condition_unsupported", /written out/],
  ['request.headers.x▸-team == "a"', "condition_unsupported", /`request\.headers\["x-team"\]`/],
  ['request.headers.x-team▸-id.startsWith("a")', "condition_unsupported", /`request\.headers\["x-team-id"\]`/],
  ['request.query.a▸-b == "a"', "condition_unsupported", /`request\.query\["a-b"\]`/],
  ["claims.a.b▸-c", "condition_unsupported", /`claims\.a\["b-c"\]`/],
  ["has(claims.a▸-b)", "condition_unsupported", /`"a-b" in claims`/],
  ['request.▸header("x") == "a"', "condition_unsupported", /`request\.headers\["x"\]`/],
  ['request.▸query("x") == "a"', "condition_unsupported", /`request\.query\["x"\]`/],
  ['claims.▸get("x") == "a"', "condition_unsupported", /`claims\["x"\]`/],
  ['claims.▸has("a")', "condition_unsupported", /`has\(claims\.a\)`/],
  ['claims.▸has("a b")', "condition_unsupported", /`"a b" in claims`/],
  ["▸now() == now", "condition_unsupported", /write `now`/],
  ['▸cidr("10.0.0.0/8", "::/0").containsIP(source.ip)', "condition_unsupported", /one network.*`\|\|`/],
  ['▸cidr(["10.0.0.0/8"]).containsIP(source.ip)', "condition_unsupported", /one network/],
];

const names: Case[] = [
  ['▸caler.id == "x"', "unknown_name", /did you mean `caller`.*There are .*`now`/],
  ["▸wombat", "unknown_name", /known: `caller`/],
  ['caller.▸name == "x"', "unknown_name", /`id`/],
  ['request.▸methud == "GET"', "unknown_name", /did you mean `method`/],
  ['▸token.sub == "x"', "unknown_name", /write `claims`/],
  ['▸jwt.sub == "x"', "unknown_name", /write `claims`/],
  ['source.▸address == "x"', "unknown_name", /write `source\.ip`/],
  ["request.▸time == now", "unknown_name", /write `now`/],
  ["▸caller == claims.a", "condition_unsupported", /`caller.id`/],
  ["▸request == claims.a", "condition_unsupported", /no value of its own/],
  ["▸path == claims.a", "condition_unsupported", /`path.id`/],
  ["request.▸headers == claims.a", "condition_unsupported", /\["…"\]/],
  ["size(request.▸query) == 1", "condition_unsupported", /\["…"\]/],
  ["request.headers[▸claims.a] == claims.b", "condition_unsupported", /written out/],
  ["▸claims.a in request.query", "condition_unsupported", /written out/],
  ['request.headers[▸":method"] == "GET"', "condition_unsupported", /request\.method/],
  ['has(request.headers.x) && request.headers.▸host == "a"', "condition_unsupported", /request\.host/],
  ['request.headers[▸"a b"] == "x"', "condition_unsupported", /RFC 9110/],
  [`▸"${"x".repeat(65)}" in request.headers`, "condition_unsupported", /64 bytes/],
  ['path.▸idd == "x"', "unknown_path_variable", /did you mean `id`/],
  ["▸has(path.nothing)", "unknown_path_variable", /known: `id`, `org`/],
];

const types: Case[] = [
  ["caller.id ▸== 1", "condition_type", /string with int/],
  ["1 ▸== 1.0", "condition_type", /int with double.*`1\.0`/],
  ["1 ▸< 1.5", "condition_type", /`<`.*int with double/],
  ['now ▸> "2026-01-01T00:00:00Z"', "condition_type", /timestamp with string.*timestamp\("…"\)/],
  ["now ▸== 1", "condition_type", /timestamp\(…\)/],
  ["caller.id ▸== null", "condition_type", /null_type/],
  ["[1] ▸< [2]", "condition_type", /no order for list\(int\)/],
  ['["a"] ▸== [1]', "condition_type", /list\(string\) with list\(int\)/],
  ["▸caller.id && claims.a", "condition_type", /`&&` is for bool, not for string/],
  ["claims.a || ▸1", "condition_type", /`\|\|`.*int/],
  ["▸!caller.id", "condition_type", /`!`/],
  ["▸caller.id", "condition_type", /a condition is for bool, not for string/],
  ["caller.id ▸in [1]", "condition_type", /look for a string in a list\(int\)/],
  ['claims.a ▸in "abc"', "condition_type", /x\.contains\(y\)/],
  ["1 ▸in claims", "condition_type", /an int in a map/],
  ["▸caller.id ? true : false", "condition_type", /before `\?`/],
  ['(claims.a ? 1 : ▸"a") == 1', "condition_type", /int or string/],
  ['caller.id.▸x == "y"', "condition_type", /no members/],
  ["caller.id▸[0] == claims.a", "condition_type", /cannot be indexed/],
  ["claims[▸1] == 1", "condition_type", /indexed by string/],
  ['[1][▸"a"] == 1', "condition_type", /indexed by int/],
  ["▸size(1) == 1", "condition_type", /strings, lists and maps/],
  ["▸size(claims, 1) == 1", "condition_type", /one argument/],
  ["source.port.▸startsWith(claims.a)", "condition_type", /for string, not for int/],
  ["caller.id.contains(▸1)", "condition_type", /for string, not for int/],
  ["caller.id.▸exists(x, x)", "condition_type", /for lists/],
  ["claims.a.exists(x, ▸now)", "condition_type", /`exists` is for bool/],
  ["now ▸+ now == now", "condition_type", /timestamp \+ timestamp/],
  ['duration("1s") ▸- now == now', "condition_type", /duration - timestamp/],
  ['cidr("::/0").containsIP(▸source.port)', "condition_type", /address/],
  ["▸timestamp(1.5) == now", "condition_type", /an int/],
  ["now < ▸claims.exp", "condition_type", /write `timestamp\(claims\.exp\)`/],
  ['▸claims["exp"] != now', "condition_type", /write `timestamp\(claims\["exp"\]\)`/],
  ["claims.a.exists(x, ▸x > now)", "condition_type", /write `timestamp\(x\)`/],
  ['now - ▸claims.iat < duration("1h")', "condition_type", /write `timestamp\(claims\.iat\)`/],
  ['▸claims.exp - now < duration("1h")', "condition_type", /write `timestamp\(claims\.exp\)`/],
  ["now + ▸claims.a > now", "condition_type", /never a duration/],
  ["▸claims.a + now > now", "condition_type", /never a duration/],
  ["now - timestamp(claims.iat) < ▸claims.max", "condition_type", /never a duration/],
];

const values: Case[] = [
  ['cidr(▸"10.0.0.1/8").containsIP(source.ip)', "condition_value", /`10\.0\.0\.0\/8`/],
  ['cidr(▸"10.0.0.0").containsIP(source.ip)', "condition_value", /`10\.0\.0\.0\/32`/],
  ['cidr(▸"10.0.0.0/33").containsIP(source.ip)', "condition_value", /0 to 32/],
  ['cidr(▸"10.0.0/8").containsIP(source.ip)', "condition_value", /is written/],
  ['cidr(▸"2001:db8::1/32").containsIP(source.ip)', "condition_value", /`2001:db8::\/32`/],
  ['cidr(▸"fe80::1%eth0/64").containsIP(source.ip)', "condition_value", /is written/],
  ['cidr(▸"::ffff:10.0.0.0/104").containsIP(source.ip)', "condition_value", /`10\.0\.0\.0\/8`/],
  ['now < timestamp(▸"2026-02-30T00:00:00Z")', "condition_value", /no such time/],
  ['now < timestamp(▸"tomorrow")', "condition_value", /RFC 3339/],
  ['now - now < duration(▸"1 hour")', "condition_value", /`1h30m`/],
  ['now - now < duration(▸"1d")', "condition_value", /`duration\("24h"\)`/],
  ['now - now < duration(▸"2 weeks")', "condition_value", /`duration\("336h"\)`/],
  ['now - now < duration(▸"999999999h")', "condition_value", /315576000000/],
  ["claims.a == ▸9223372036854775808", "condition_value", /64 bits/],
  ["claims.a == ▸1e999", "condition_value", /too large/],
  [`claims.a.contains(▸"${"x".repeat(1025)}")`, "condition_value", /1024 bytes/],
  [`claims.a == ▸"${"x".repeat(8193)}"`, "bound", /8192 bytes/],
  [`claims.a in ▸[${Array(1025).fill(1).join(", ")}]`, "bound", /1024 elements/],
  [`${"[".repeat(16)}▸[]${"]".repeat(16)} == claims.a`, "bound", /16 deep/],
  [`▸${Array(600).fill("claims.a").join(" && ")}`, "bound", /2048 instructions/],
  ['claims.a.exists(x, x == ▸request.headers["y"])', "condition_cost", /each of up to 1024 elements.*`x in list`/],
  ['claims.a.exists(x, x == ▸"team-" + path.id)', "condition_cost", /the same for each/],
  ["claims.a.exists(x, ▸x in claims.b)", "condition_cost", /at most 65536/],
];

const warnings: Case[] = [
  ['path.▸org == "x"', "path_variable_partial", /has\(path\.org\)/],
  ["▸true", "condition_constant", /always true/],
  ['source.ip == ▸"10.0.0.0/16"', "condition_never", /never holds.*`cidr\("10\.0\.0\.0\/16"\)\.containsIP/],
  ['▸"10.0.0.0/8" != source.ip', "condition_never", /always true/],
  ['source.ip in ["10.1.2.3", "::1", ▸"10.1.2.3:80"]', "condition_never", /no port; write `10\.1\.2\.3`/],
  ['source.ip == ▸"[::1]:80"', "condition_never", /no port; write `::1`/],
  ['source.ip == ▸"2001:DB8:0:0::1"', "condition_never", /shortest form; write `2001:db8::1`/],
  ['source.ip.startsWith(▸"10.0.0.0/8")', "condition_never", /cidr/],
  ['request.host == ▸"API.example.org"', "condition_never", /lower case; write `"api\.example\.org"`/],
  ['request.host == ▸"example.org:443"', "condition_never", /no port; write `"example\.org"`/],
  ['request.host in ["[::1]", ▸"[::1]:80"]', "condition_never", /no port/],
  ['request.host.endsWith(▸".Example.org")', "condition_never", /lower case/],
  ['request.host == ▸"https://example.org"', "condition_never", /without scheme/],
  ['request.host == ▸"*.example.org"', "condition_never", /endsWith\("\.example\.org"\)/],
  ['request.path == ▸"admin"', "condition_never", /begins with `\/`; write `"\/admin"`/],
  ['request.path.startsWith(▸"admin")', "condition_never", /begins with `\/`/],
  ['["/a", ▸"b"].exists(p, request.path.startsWith(p))', "condition_never", /write `"\/b"`/],
  ['request.path == ▸"/a?x=1"', "condition_never", /no query.*`request\.query\["x"\]`/],
  ['request.path.contains(▸"a%20b")', "condition_never", /decoded/],
  ['request.path == ▸"/a/"', "condition_never", /never admitted/],
  ['request.method == ▸"get"', "condition_never", /write `"GET"`/],
  ['caller.id == ▸"web"', "condition_never", /whole SPIFFE ID/],
  ['caller.id == ▸"spiffe://example.org/*"', "condition_never", /startsWith\("spiffe:\/\/example\.org\/"\)/],
  ['caller.trust_domain == ▸"Example.org"', "condition_never", /lower case/],
  ['caller.path == ▸"web"', "condition_never", /write `"\/web"`/],
  ['caller.path.startsWith(▸"spiffe://example.org/web")', "condition_never", /`caller\.id`/],
];

function run(kind: "errors" | "warnings", cases: Case[]): void {
  for (const [marked, code, message] of cases) {
    const shown = marked.length > 80 ? `${marked.slice(0, 79)}…` : marked;
    test(`${kind === "errors" ? "refused" : "warned of"}: ${shown}`, () => {
      const { text, column } = unmark(marked);
      const findings = compile(text);
      assert.deepEqual(
        findings[kind].map((one) => [one.code, one.column]),
        [[code, column]],
        findings[kind][0]?.message,
      );
      assert.match(findings[kind][0]!.message, message);
      assert.equal(findings.condition === undefined, kind === "errors");
    });
  }
}

for (const cases of [syntax, unsupported, names, types, values]) run("errors", cases);
run("warnings", warnings);

test("claims without a token are refused once", () => {
  const { errors } = compile("claims.a == claims.b", { hasToken: false });
  assert.deepEqual(
    errors.map(({ code, column }) => [code, column]),
    [["claims_without_token", 1]],
  );
});

test("a variable without any is told how to get one", () => {
  const { errors } = compile('path.id == "x"', { endpoints: ["GET /a"] });
  assert.match(errors[0]!.message, /write `\{id\}`/);
});

test("a partial variable that is asked for is not warned of", () => {
  assert.deepEqual(compile('has(path.org) && path.org == "x"').warnings, []);
});

test("texts of the form that a name has are not warned of", () => {
  for (const text of [
    'source.ip in ["10.1.2.3", "2001:db8::1", "::", "::ffff:10.1.2.3"] || source.ip.startsWith("fe80:")',
    'request.host in ["example.org", "[::1]"] || request.host.startsWith("api.") || request.host.contains(":")',
    'request.path in ["/", "/a b"] || request.path.startsWith("/a/") || request.path.endsWith("b")',
    'caller.id.startsWith("spiffe://example.org/") || caller.path.endsWith("web") || caller.path == ""',
    'request.method in ["GET", "POST"] || "get" == claims.a || caller.id == claims.b',
  ])
    assert.deepEqual(compile(text).warnings, [], text);
});

test("a method in lower case is only warned of where the rule has none", () => {
  for (const endpoints of [["* /a"], ["GET|custom /a"]])
    assert.deepEqual(compile('request.method == "get"', { endpoints }).warnings, []);
});

test("one run shows every error", () => {
  const { errors } = compile('caler.id == "x" && request.methud == "y" || 1 == 1.0');
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["unknown_name", "unknown_name", "condition_type"],
  );
});

test("names of JavaScript's own objects have no meaning", () => {
  for (const text of ["constructor", "caller.constructor", "claims.a.toString()", "valueOf(1)", "1 constructor 2"]) {
    const { errors } = compile(text);
    assert.equal(errors.length, 1, text);
    assert.doesNotMatch(errors[0]!.message, /native code/, text);
  }
  assert.deepEqual(compile("claims.constructor == 1").errors, []);
});

test("the mark is no part of a condition", () => assert.equal(compile(mark).errors[0]?.code, "condition_syntax"));
