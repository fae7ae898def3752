/** `sallyport explain`. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { folderOf, policyText, sallyport } from "./program.ts";

const keys = readFileSync(fileURLToPath(new URL("../policy/keys/corp.jwks.json", import.meta.url)), "utf8");
/** Rules that stop for reasons which a request alone does not show. */
const conditions = `version: 1
name: conditions
trust: { domains: [example.org], forwarders: [spiffe://example.org/edge] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: keys.json } }
rules:
  - { name: barred, callers: [any], deny: [GET /secret], token: corp, when: claims.clearance == "low" }
  - { name: outside, callers: [any], allow: [GET /net], when: "!cidr('10.0.0.0/8').containsIP(source.ip)" }
  - { name: dated, callers: [any], allow: [GET /dated], token: corp, when: timestamp(claims.at) < now }
  - { name: port, callers: [any], allow: [GET /metrics], when: destination.port == 9090 }
  - { name: own, callers: [any], allow: ["GET /own/{id}"], token: corp, when: '("user:" + path.id).lowerAscii() in words(claims.of)' }
  - { name: cancel, callers: [any], allow: ["POST /orders/{id}:cancel", "POST /store/**/cart"] }
  - { name: past, callers: [any], allow: [GET /past], expires: 2020-01-01T00:00:00Z }
  - { name: paid, callers: [any], allow: [GET /paid], when: source.port > 0, limit: few, cost: 'has(request.query["n"]) ? int(request.query["n"]) : 2' }
quarantine:
  - { name: probing, when: [no_rule], denials: 5, within: 1m, for: 5m }
limits:
  few: { rate: 1/h, burst: 5, per: [caller] }
`;
const folder = folderOf({
  "policy.yaml": policyText,
  "conditions.yaml": conditions,
  "keys.json": keys,
  "calls.yaml": readFileSync(fileURLToPath(new URL("../policy/policies/calls.yaml", import.meta.url)), "utf8"),
  "call.json": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather"}}',
  "token.txt": "a.b.c\n",
});
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
    assert.deepEqual(verdictOf(16385), { decision: "deny", status: 431, reason: "headers_too_large", rule: "orders" });
    assert.deepEqual(verdictOf(200_000), { decision: "deny", status: 431, reason: "headers_too_large", rule: null });
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
    assert.match(stdout, /^ {2}elsewhere +does not apply: another host: the request is for `localhost`$/m);
    assert.equal(stdout.includes("\u001b"), false, "colour is for terminals");
  });

  describe("conditions", () => {
    const run = (...args: string[]) => sallyport(["explain", folder.path("conditions.yaml"), ...checkout, ...args]);

    test("a deny rule whose condition could not be evaluated says so, and why its token was not good", () => {
      const { stdout } = run("--request", "GET /secret", "--token", "{issuer: corp, claims: {exp: 1}}");
      assert.match(stdout, /^ {2}barred +denies: its `when` could not be evaluated, so it matches$/m);
      assert.match(stdout, / · token \(token_expired\) {3}! when$/m);
      assert.match(stdout, /error: `claims` is absent: there is no good token$/m);
      assert.match(run("--request", "GET /secret").stdout, / · token \(token_missing\) {3}! when$/m);
      const good = run("--request", "GET /secret", "--token", "{issuer: corp}", "--format", "json");
      const rule = JSON.parse(good.stdout).rules.find((one: { rule: string }) => one.rule === "barred");
      const [token, when] = rule.parts.slice(-2);
      assert.deepEqual([token, when.holds, when.error], [{ part: "token" }, true, true]);
      assert.equal(when.terms[0].operands[0].note, "absent");
      const matched = run("--request", "GET /secret", "--token", "{issuer: corp, claims: {clearance: low}}");
      assert.match(matched.stdout, /barred +denies: every part of it holds\n.* · token {3}✓ when$/m);
    });

    test("a negated term stands below the whole that it turns", () => {
      const { stdout } = run("--request", "GET /net", "--source", "10.1.1.1");
      assert.match(
        stdout,
        /✗ when\n +!cidr\('10\.0\.0\.0\/8'\)\.containsIP\(source\.ip\) +false\n +cidr\(.*\) +true\n/,
      );
    });

    test("an error names the part in which it began", () => {
      const dated = (claims: string) => run("--request", "GET /dated", "--token", `{issuer: corp, claims: ${claims}}`);
      assert.match(dated("{}").stdout, /timestamp\(claims\.at\) +error: `claims\.at` is absent$/m);
      assert.match(dated("{at: []}").stdout, /timestamp\(claims\.at\) +error: absent or of a wrong type$/m);
    });

    test("a denial that a quarantine counts says so", () => {
      const { stdout } = sallyport(["explain", folder.path("conditions.yaml"), ...checkout, "--request", "GET /none"]);
      assert.match(stdout, /^DENY 403 no_rule.*\nsuch denials count towards quarantine: probing\n/u);
      const other = sallyport(["explain", folder.path("conditions.yaml"), ...checkout, "--request", "GET /dated"]);
      assert.doesNotMatch(other.stdout, /quarantine/u);
    });

    test("the port that the request comes to", () => {
      const { stdout } = run("--request", "GET /metrics", "--destination", "9090");
      assert.match(stdout, /✓ when\n +destination\.port == 9090 +true\n +destination\.port +9090$/m);
      const missing = run("--request", "GET /metrics").stdout;
      assert.match(missing, /destination\.port +error: not given; `--destination` says the port/);
    });

    test("texts that a condition composes", () => {
      const { stdout } = run("--request", "GET /own/A7", "--token", "{issuer: corp, claims: {of: 'x  user:a7'}}");
      assert.match(stdout, /\("user:" \+ path\.id\)\.lowerAscii\(\) +"user:a7"$/m);
      assert.match(stdout, /words\(claims\.of\) +list$/m);
    });

    test("what a request costs, and of what that was made", () => {
      const { stdout } = run("--request", "GET /paid?n=4");
      assert.match(stdout, /✓ when {3}✓ limit \(cost 4\)$/m);
      assert.match(stdout, /int\(request\.query\["n"\]\) +4\n +request\.query\["n"\] +"4"$/m);
      assert.match(run("--request", "GET /paid").stdout, /✓ limit \(cost 2\)$/m);
      const failing = run("--request", "GET /paid?n=x").stdout;
      assert.match(failing, /^DENY 403 condition_error/);
      assert.match(failing, /✓ when {3}! limit$/m);
      assert.match(failing, /int\(request\.query\["n"\]\) +error: no whole number$/m);
    });

    test("text around a variable, and `/**` in the middle", () => {
      for (const path of ["/orders/7:cancel", "/store/a/b/cart"])
        assert.match(run("--request", `POST ${path}`).stdout, /^ALLOW 200 allowed \(rule cancel\)/);
      assert.match(run("--request", "GET /orders/7:cancel").stdout, /cancel +does not apply: another method/);
      assert.match(run("--request", "POST /orders/7").stdout, /cancel +does not apply: another path/);
    });

    test("a grant that has ended says when, and what the clock says", () => {
      const { stdout } = run("--request", "GET /past", "--at", "2026-11-21T10:00:00Z");
      assert.match(stdout, /: it expires 2020-01-01T00:00:00Z, and the clock says 2026-11-21T10:00:00Z$/m);
    });

    test("the caller whom a forwarder speaks for", () => {
      const header = "x-forwarded-client-cert: URI=spiffe://example.org/web";
      const { stdout } = run("--caller", "spiffe://example.org/edge", "--header", header, "--request", "GET /net");
      const first =
        /^ALLOW .*; for spiffe:\/\/example\.org\/web, as the forwarder spiffe:\/\/example\.org\/edge says\n/;
      assert.match(stdout, first);
    });
  });

  test("a caller by its JWT-SVID: one that is made, and one as it is", () => {
    const policy = "tests/policy/policies/either.yaml";
    const run = (...args: string[]) => sallyport(["explain", policy, "--request", "GET /web", ...args]).stdout;
    assert.match(run("--svid", "spiffe://example.org/web"), /^ALLOW 200 allowed \(rule web\)/);
    assert.match(run("--svid", "spiffe://example.org/mobile"), /^DENY 403 no_rule/);
    assert.match(run("--svid", "eyJhbGciOiJub25lIn0.e30."), /^DENY 401 token_algorithm/);
    const both = run("--caller", "spiffe://example.org/mobile", "--svid", "spiffe://example.org/web");
    assert.match(both, /^DENY 403 no_rule/, "the certificate comes first");
  });

  test("a JWT-SVID made from its claims, and what is wrong with it", () => {
    const policy = "tests/policy/policies/either.yaml";
    const run = (svid: string, ...args: string[]) =>
      sallyport(["explain", policy, "--request", "GET /web", "--svid", svid, ...args]).stdout;
    assert.match(run("{sub: spiffe://example.org/web, claims: {a: b}}"), /^ALLOW 200 allowed \(rule web\)/);
    const other = "{sub: spiffe://example.org/web, claims: {aud: [other]}}";
    assert.match(run(other), /^DENY 401 token_audience: its JWT-SVID: `aud` names none of the accepted audiences$/m);
    assert.equal(JSON.parse(run(other, "--format", "json")).detail, null);
    const endless = "{sub: spiffe://example.org/web, claims: {exp: null}}";
    assert.match(run(endless), /^DENY 401 token_malformed: its JWT-SVID: .*: there is no `exp`: .*for ever$/m);
    const { verdict, detail } = JSON.parse(run(endless, "--format", "json"));
    assert.deepEqual(verdict, { decision: "deny", status: 401, reason: "token_malformed", rule: null });
    assert.equal(detail, "there is no `exp`: the token would be good for ever");
  });

  test("what exactly is wrong with the token of a rule", () => {
    const args = ["explain", folder.path("policy.yaml"), ...checkout, "--request", "POST /orders", "--token", "a.b"];
    const { stdout } = sallyport(args);
    assert.match(stdout, /^DENY 401 token_malformed \(rule orders\): the token is not .*: it is not of three parts/);
    assert.equal(JSON.parse(sallyport([...args, "--format", "json"]).stdout).verdict.detail, undefined);
  });

  test("a raw token goes where the issuer that it names takes its tokens", () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const run = (path: string, iss: string) => {
      const token = `${part({ alg: "none" })}.${part({ iss })}.`;
      const policy = "tests/policy/policies/places.yaml";
      const args = ["explain", policy, ...checkout, "--request", `GET ${path}`, "--token", token];
      return sallyport(args).stdout.split(" ")[2];
    };
    assert.equal(run("/app", "https://app.example.org"), "token_algorithm");
    assert.equal(run("/browser", "https://browser.example.org"), "token_algorithm");
    assert.equal(run("/link", "https://link.example.org"), "token_algorithm");
    assert.equal(run("/link", "https://app.example.org"), "token_missing");
    assert.equal(run("/app", "https://nobody.example.org"), "token_algorithm", "the first place of the first issuer");
  });

  test("the caller is who an outer listener says, where the policy goes by filter state", () => {
    const policy = "tests/policy/policies/filterstate.yaml";
    const ask = (...args: string[]) => sallyport(["explain", policy, "--request", "GET /web", ...args]);
    const web = ask("--caller", "spiffe://example.org/ns/shop/sa/web");
    assert.match(web.stdout, /^ALLOW 200 allowed \(rule web\)/u);
    assert.match(ask().stdout, /^DENY 403 identity_missing/u);
    const told = ask("--header", "x-forwarded-client-cert: URI=spiffe://example.org/ns/shop/sa/web");
    assert.match(told.stdout, /^DENY 403 identity_missing/u);
    const { code, stderr } = ask("--svid", "spiffe://example.org/ns/shop/sa/web");
    assert.equal(code, 2);
    assert.match(stderr, /by filter state: give `--caller`, or write `identity: either`/u);
  });

  test("no JWT-SVID for a policy that goes by certificates, nor what is none: 2", () => {
    const either = "tests/policy/policies/either.yaml";
    const mtls = folder.path("policy.yaml");
    for (const [policy, svid, says] of [
      [mtls, "spiffe://example.org/web", /by their certificates: give `--caller`, or write `identity: either`/],
      [mtls, "a.b.c", /by their certificates: give `--caller`/],
      [either, "web", /neither a SPIFFE ID nor a token/],
      [either, "a.b", /neither a SPIFFE ID nor a token/],
      [either, "spiffe://example.org/", /no SPIFFE ID: .*slash/],
      [either, "spiffe://example.org/**", /no SPIFFE ID: it is a pattern/],
      [either, "{claims: {}}", /`svid` needs `sub`/],
      [either, "{sub: spiffe://example.org/web, header: {alg: HS256}}", /--svid: .*cannot sign/],
    ] as const) {
      const { code, stderr } = sallyport(["explain", policy, "--svid", svid, "--request", "GET /web"]);
      assert.equal(code, 2, svid);
      assert.match(stderr, says);
    }
  });

  test("slips in the caller and in the path are warned of", () => {
    const run = (...args: string[]) => sallyport(["explain", folder.path("policy.yaml"), ...args]);
    assert.match(
      run("--caller", "example.org/x", "--request", "GET /").stderr,
      /^warning: --caller: `example\.org\/x` .*identity_malformed/,
    );
    assert.match(run(...checkout, "--request", "GET healthz").stderr, /^warning: --request: .* begins with `\/`$/m);
    assert.equal(run(...checkout, "--request", "GET /healthz").stderr, "");
  });

  test("wrong usage and unusable policies: 2", () => {
    const policy = folder.path("policy.yaml");
    for (const args of [
      [policy],
      [policy, "--request", "POST"],
      [policy, "--request", "grpc a b"],
      [policy, "--request", "grpc a"],
      [policy, "--request", "GET /", "--source", "banana"],
      [policy, "--request", "GET /", "--destination", "65536"],
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

describe("calls", () => {
  const asked = (...args: string[]) => {
    const web = ["--caller", "spiffe://example.org/web"];
    return sallyport(["explain", folder.path("calls.yaml"), ...web, ...args]);
  };
  const told = (...args: string[]): string[] => asked(...args).stdout.split("\n");

  test("says which call was decided, by which rule, and why the others stayed out of it", () => {
    const lines = told("--mcp", 'tools/call get_weather {"city":"Ulm"}');
    assert.match(lines[0]!, /^ALLOW 200 allowed \(rule tools\)/u);
    assert.equal(lines[1], "the call: mcp tools/call get_weather");
    const other = told("--mcp", "tools/call drop_table");
    assert.match(other[0]!, /^DENY 403 no_rule/u);
    assert.ok(other.includes("  tools      does not apply: another call"), other.join("\n"));
    assert.ok(other.includes("  operators  does not apply: another caller"), other.join("\n"));
  });

  test("of a batch it is the one that was denied", () => {
    const batch = ["tools/list", "tools/call"].map((method, id) => ({
      jsonrpc: "2.0",
      id,
      method,
      params: { name: "x" },
    }));
    const lines = told("--request", "POST /mcp", "--body", JSON.stringify(batch));
    assert.equal(lines[1], "the call: mcp tools/call x");
    assert.ok(lines.includes("  tools      does not apply: another call"), lines.join("\n"));
  });

  test("a body from a file, from standard input, and of GraphQL", () => {
    assert.match(told("--request", "POST /mcp", "--body", `@${folder.path("call.json")}`)[1]!, /get_weather$/u);
    const query = JSON.stringify({ query: "{ orders { id } }" });
    const explanation = JSON.parse(asked("--request", "POST /graphql", "--body", query, "--format", "json").stdout);
    assert.deepEqual([explanation.verdict.rule, explanation.operation], ["fields", "graphql query orders"]);
  });

  test("without a body that rules may read, a note says how to give one", () => {
    assert.match(asked("--request", "POST /mcp").stderr, /--body or --mcp/u);
    assert.equal(asked("--request", "GET /mcp").stderr, "");
  });

  test("what cannot be asked so is told", () => {
    assert.match(asked("--mcp", "tools/call x {a").stderr, /METHOD NAME/u);
    assert.match(asked("--mcp", "ping", "--body", "x").stderr, /exclude each other/u);
    assert.match(asked().stderr, /--request/u);
  });
});
