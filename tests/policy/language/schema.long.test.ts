/** The JSON Schemas say what the parser does: they take what it takes, and what they refuse it refuses. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { parse, stringify } from "yaml";
import { schemaTexts } from "../../../scripts/build/schema.ts";
import { languageKeys } from "../../../scripts/policy/language/keys.ts";
import { schemas } from "../../../scripts/policy/language/policy.ts";
import { parameters } from "../../support/arbitrary.ts";
import { check, withRule } from "../../support/policy.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

// Drafts of JSON Schema leave room for keywords of editors; whatever else is unknown would be a slip.
const ajv = new Ajv({ allErrors: true, keywords: ["markdownDescription"] });
const policySchema = ajv.compile(schemas.get("policy.schema.json")!);
const includeSchema = ajv.compile(schemas.get("include.schema.json")!);

/** Everything that this version has, but conditions and other files. */
const everything = `${withRule("")}    maxHeaderBytes: 8192
    maxQueryBytes: 1024
    maxBodyBytes: 65536
    cost: 2
    sensitive: true
    hosts: [a.example.org, "*.svc.example.org"]
    starts: 2026-11-01T00:00:00Z
    paths: { trailingSlash: distinct }
    expires: 2099-12-31T00:00:00+02:00
    mode: shadow
  - name: by-request
    callers: [storefront]
    allow: [GET /page]
    limit: writes
    cost: { value: 'int(request.query["n"])', most: 2 }
  - name: one-scope
    callers: [storefront]
    allow: [GET /one]
    token: corp
    scopes: { any: [read, write] }
  - name: either
    callers: [storefront]
    allow: [GET /either]
    token: { issuer: corp, optional: true }
  - name: calls
    callers: [storefront]
    paths: { case: exact }
    allow: ["mcp tools/call get_*", "a2a message/send", "jsonrpc *", "graphql query orders, order", "graphql mutation"]
  - name: no-deletes
    callers: [any, anonymous, "spiffe://example.org/mobile/**"]
    deny: ["DELETE|PURGE /**", "* /admin/{id}/*", grpc shop.Orders/*]
forward: { x-caller: caller.id, X-User: claims.org.id, x-groups: { value: claims.groups, as: comma } }
fleet: { cluster: ratelimit, domain: shops, deadline: 50ms, replicas: 4 }
lists: { offices: [10.0.0.0/8], revoked: { file: lists/revoked.txt } }
quarantine:
  - name: probing
    per: [caller, source.ip/24]
    when: [no_rule, token_signature]
    denials: 20
    within: 1m
    for: 5m
    max: 1h
    mode: shadow
    release: [spiffe://example.org/web, 10.1.2.3]
    scope: proxy
mode: shadow
mcp: { paths: [/mcp], batch: 1 }
a2a: { paths: [/a2a], batch: 2 }
jsonrpc: { paths: [/rpc], batch: 3 }
graphql: { paths: [/graphql], depth: 10, aliases: 20, batch: 5, introspection: deny, persisted: { file: keys/documents.json } }
service: spiffe://example.org/orders
tokenBytes: 32768
minimumVersion: 12
paths: { trailingSlash: same, encodedSlash: segment, emptySegments: keep, semicolons: keep, case: ignore }
`
  .replace(
    "domains: [example.org]",
    `domains: [example.org]
  identity: either
  aliases: { old.example.net: example.org }
  sourceAddress: connection
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: keys/bundle.json } }
    from: [{ header: x-svid, prefix: "SVID " }]
    leeway: 30s
    forwardToken: true
  forwarders: [spiffe://example.org/edge]`,
  )
  .replace(
    "keys: { file: keys/corp.jwks.json }",
    "keys: { file: keys/corp.jwks.json, url: https://idp.example.org:8443/jwks.json?v=1, cluster: idp, refresh: 5m, header: { name: x-key, file: keys/header.txt, prefix: Key } }",
  )
  .replace(
    "callers:\n  storefront",
    `  found:
    issuer: https://found.example.org
    audiences: [order-api]
    algorithms: [ES256]
    forwardToken: false
    keys: { discovery: true, cluster: found, clusters: { certs.example.org: certs } }
callers:
  storefront`,
  )
  .replace("limits:\n", "limits:\n  open: { concurrency: 20 }\n  loop: { hops: x-hops, most: 8 }\n")
  .replace("per: [caller] }", "per: [caller, caller.id], scope: fleet, fleet: exact, onError: deny, headers: always }")
  .replace(
    "absent: share }",
    "absent: share, mode: shadow, tier: claims.plan, tiers: { gold: { rate: 1000/s, burst: 2000 } } }",
  )
  .replace(
    "    issuer: https",
    '    from: [{ header: Authorization, prefix: "Bearer " }, { cookie: __Host-session }, { query: access_token }]\n    forwardToken: false\n    bind: certificate\n    challenge: { realm: shop, resource_metadata: https://api.example.org/metadata }\n    audienceFrom: client_id\n    scopesFrom: [scope, realm_access.roles]\n    types: [at+jwt]\n    claims: { role!: string, org: { id: int! } }\n    tenants: { file: keys/tenants.txt }\n    issuer: https',
  )
  .replace("issuer: https://issuer.example.org", 'issuer: "https://issuer.example.org/{tid}"');

test("the schemas in the repository are those of the language; if not, `npm run build` writes them anew", () => {
  for (const [name, text] of schemaTexts()) assert.equal(read(name), text, name);
});

/** Visits a schema's keys at every depth. */
function visitKeys(schema: unknown, visit: (path: string, key: Record<string, unknown>) => void, path = ""): void {
  if (typeof schema !== "object" || schema === null) return;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "properties") {
      for (const [name, key] of Object.entries(value as Record<string, Record<string, unknown>>)) {
        visit(`${path}/${name}`, key);
        visitKeys(key, visit, `${path}/${name}`);
      }
    } else visitKeys(value, visit, path);
  }
}

test("every key has a description, and takes its own examples and default", () => {
  for (const [file, schema] of schemas) {
    assert.equal(schema.additionalProperties, false);
    visitKeys(schema, (path, { description, default: fallback, examples = [], ...rest }) => {
      assert.equal(typeof description, "string", file + path);
      for (const value of [...(examples as unknown[]), ...(fallback === undefined ? [] : [fallback])])
        assert.ok(ajv.validate(rest, value), `${file}${path}: ${JSON.stringify(value)}`);
    });
  }
});

const initial = /const policy_text = `(.*?)\n`;/su.exec(read("scripts/commands/init.ts"))![1]!.replaceAll("\\`", "`");
const examples = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].flatMap((document) =>
  [...read(document).matchAll(/```yaml\n(.*?)```/gs)]
    .map(([, text]) => text!)
    .filter((text) => /^version: 1$/mu.test(text))
    .map((text) => [document, text] as const),
);
/** What traffic suggested, with gaps that a person has to fill in. */
const isToFill = (text: string): boolean => text.includes("# FILL IN: ");
const accepted: (readonly [string, string])[] = [
  ["everything", everything],
  ["sallyport init", initial],
  ["the demo", read("scripts/demo/policy/policy.yaml")],
  ...readdirSync(join(import.meta.dirname, "../policies"))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => [name, read(`tests/policy/policies/${name}`)] as const),
  ...examples.filter(([, text]) => !isToFill(text)),
];

for (const [what, text] of accepted) {
  test(`accepted: ${what}`, () => {
    const isPart = !/^trust:/mu.test(text);
    const validate = isPart ? includeSchema : policySchema;
    assert.ok(validate(parse(text)), ajv.errorsText(validate.errors));
  });
}

for (const [document, text] of examples.filter(([, text]) => isToFill(text))) {
  test(`refused until it is filled in: ${document}`, () => {
    assert.equal(policySchema(parse(text)), false);
  });
}

test("everything is a sound policy, and the policy that `init` writes says where its schema is", () => {
  assert.deepEqual(check(everything).errors, []);
  assert.match(initial, /^# yaml-language-server: \$schema=node_modules\/sallyport\/policy\.schema\.json\n/u);
});

test("everything has every key but conditions and other files", () => {
  // What stands at several places, such as where keys are, need not stand at each.
  const end = (path: string): string => path.split(".").slice(-2).join(".");
  const found = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, `${path}[]`);
    else if (typeof value === "object" && value !== null)
      for (const [name, below] of Object.entries(value)) {
        for (const step of [name, "<name>"]) {
          const own = path === "" ? step : `${path}.${step}`;
          found.add(end(own));
          visit(below, own);
        }
      }
  };
  visit(parse(everything), "");
  assert.deepEqual(
    languageKeys().flatMap(({ path }) => (found.has(end(path)) ? [] : [path])),
    // One thing says who the caller is, and files are put together before this.
    ["trust.filterState", "include", "rules[].when"],
  );
});

const refused: [what: string, from: string, to: string][] = [
  ["an unknown key of a policy", "name: shop", "name: shop\nnmae: shop"],
  ["an unknown key of trust", "identity:", "identify: a\n  identity:"],
  ["an unknown key of JWT-SVIDs", "    bundles:", "    bundels: {}\n    bundles:"],
  ["an unknown word for the identity", "identity: either", "identity: jwt"],
  ["a bundle of no trust domain", "bundles: { example.org:", "bundles: { Example Org:"],
  ["an unknown key of an issuer", "bind:", "bnd: none\n    bind:"],
  ["an unknown key of a place", "{ cookie:", "{ cookei: a, cookie:"],
  ["a place of an unknown form", "cookie: __Host-session", 'cookie: "a b"'],
  ["a URL of another scheme", "url: https:", "url: ftp:"],
  ["an unknown key of keys", "{ file:", "{ fiel: a, file:"],
  ["an unknown key of a limit", "{ rate:", "{ brust: 1, rate:"],
  ["an unknown key of a rule", "    cost: 2", "    cost: 2\n    cots: 2"],
  ["no version", "version: 1\n", ""],
  ["another version", "version: 1", "version: 2"],
  ["a number as name", "name: shop", "name: 7"],
  ["a text as list", "hosts: [a.example.org, ", 'hosts: a.example.org # ["'],
  ["a text as number", "burst: 200", 'burst: "200"'],
  ["a list as cost", "cost: 2", "cost: [2]"],
  ["a cost without a value", "cost: 2", "cost: { most: 2 }"],
  ["an unknown word", "mode: shadow\n", "mode: dry-run\n"],
  ["a rate without a unit", "rate: 100/s", 'rate: "100"'],
  ["a duration without a unit", "leeway: 30s", "leeway: 30 s"],
  ["a path without a method", "[GET /everything]", "[/everything]"],
  ["a date as time", "starts: 2026-11-01T00:00:00Z", "starts: 2026-11-01"],
  ["a shared secret", "[RS256, ES256]", "[HS256]"],
  ["an empty list", "domains: [example.org]", "domains: []"],
  ["a header with a space", "x-caller:", '"x caller":'],
  ["what a header says", "caller.id, X-User", "caller.na-me, X-User"],
  ["denials as a text", "denials: 20", 'denials: "20"'],
  ["an unknown word of an issuer", "bind: certificate", "bind: key"],
  ["an unknown word of a quarantine", "scope: proxy", "scope: cluster"],
];

for (const [what, from, to] of refused) {
  test(`refused: ${what}`, () => {
    const text = everything.replace(from, to);
    assert.notEqual(text, everything);
    assert.ok(!policySchema(parse(text)));
    assert.notDeepEqual(check(text).errors, []);
  });
}

test("keys of the main policy are refused in an included file", () => {
  assert.ok(includeSchema({ rules: [] }));
  for (const key of ["name", "mode", "trust", "issuers", "forward", "include"])
    assert.ok(!includeSchema({ rules: [], [key]: (parse(everything) as Record<string, unknown>)[key] ?? [] }), key);
});

type Tree = { [key: string]: Tree } | Tree[] | string | number | boolean | null;

/** Every place of a tree, as the keys that lead there. */
function places(tree: Tree, path: (string | number)[] = []): (string | number)[][] {
  if (typeof tree !== "object" || tree === null) return [path];
  const below = Array.isArray(tree) ? tree.entries() : Object.entries(tree);
  return [path, ...[...below].flatMap(([key, value]) => places(value, [...path, key]))];
}

const others: Tree[] = [
  null,
  "",
  "a",
  "GET /a",
  0,
  1,
  1.5,
  -1,
  true,
  false,
  [],
  ["a"],
  [[]],
  {},
  { a: "a" },
  "100/s",
  "1h",
  "claims.",
  "a b",
];

test("what the schema refuses, the parser refuses", () => {
  const tree = parse(everything) as Tree;
  const change = fc.record({
    place: fc.constantFrom(...places(tree).slice(1)),
    how: fc.constantFrom("drop", "rename", "replace", "replace"),
    by: fc.constantFrom(...others),
    name: fc.constantFrom("a", "file", "name", "rules", "when", "url", "X_Y", "é", "constructor"),
  });
  let both = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const policy = structuredClone(tree);
      for (const { place, how, by, name } of changes) {
        let parent = policy as Record<string | number, Tree>;
        for (const key of place.slice(0, -1)) parent = (parent?.[key] ?? {}) as Record<string | number, Tree>;
        const key = place.at(-1)!;
        if (typeof parent !== "object" || !(key in parent)) continue;
        const value = parent[key]!;
        const isList = Array.isArray(parent);
        if (how !== "replace") delete parent[key];
        // An element of a list can only become something else.
        if (how === "replace" || isList) Object.assign(parent, { [key]: by });
        else if (how === "rename") Object.assign(parent, { [name]: value });
      }
      // A condition has a compiler of its own.
      const text = stringify(policy, (key: unknown, value: unknown) => (key === "when" ? undefined : value));
      const validated = policySchema(parse(text));
      const { errors } = check(text);
      if (!validated && errors.length > 0) both++;
      assert.ok(validated || errors.length > 0, `${ajv.errorsText(policySchema.errors)}\n${text}`);
    }),
    { numRuns: 120, ...parameters },
  );
  assert.ok(both > 30, "most changes are refused");
});
