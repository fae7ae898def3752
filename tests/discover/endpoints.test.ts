/** Endpoints from usages: what is a value in a path, how its variable is called, and what is no endpoint. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { endpointText, groupUsages, inferTemplates } from "../../scripts/discover/endpoints.ts";
import { encodeName } from "../../scripts/discover/names.ts";
import { pinsOfPolicy } from "../../scripts/discover/pins.ts";
import { slug_names_min } from "../../scripts/discover/templates.ts";
import { parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { check } from "../support/policy.ts";
import { denied, usage } from "./usages.ts";

const texts = (usages: readonly Usage[], pinned: Parameters<typeof inferTemplates>[1] = []): string[] =>
  inferTemplates(usages, pinned).map(endpointText);
const many = (count: number, request: (name: string, at: number) => Usage[]): Usage[] =>
  Array.from({ length: count }, (_, at) => request(`thing-${at}`, at)).flat();

describe("templates", () => {
  test("values of a known form are variables, called by what stands before them", () => {
    const paths: Record<string, string> = {
      "/orders/{number}": "/orders/{orderId}",
      "/orders/{number}/lines/{uuid}": "/orders/{orderId}/lines/{lineId}",
      "/v1/{hash}": "/v1/{id}",
      "/{ulid}/{ulid}": "/{id}/{id2}",
      "/categories/{number}": "/categories/{categoryId}",
      "/addresses/{number}": "/addresses/{addressId}",
      "/status/{number}": "/status/{statusId}",
      "/order-items/{number}": "/order-items/{orderItemId}",
      "/reports/{date}": "/reports/{date}",
      "/people/{email}": "/people/{email}",
      "/files/{other}": "/files/{value}",
      "/": "/",
    };
    for (const [path, template] of Object.entries(paths))
      assert.deepEqual(texts([usage(`GET ${path}`)]), [`GET ${template}`]);
  });

  test("kinds at one place are one variable", () => {
    const seen = [usage("GET /orders/{number}"), usage("GET /orders/{uuid}"), usage("GET /orders/{date}/lines")];
    const found = inferTemplates(seen);
    assert.deepEqual(found.map(endpointText), ["GET /orders/{orderId}", "GET /orders/{orderId}/lines"]);
    assert.deepEqual(found[0]!.segments, ["orders", { variable: "orderId", kinds: ["date", "number", "uuid"] }]);
  });

  test("many names that are alike and rare are values", () => {
    const seen = many(slug_names_min + 1, (name) => [
      usage(`GET /products/${name}`),
      usage(`GET /products/${name}/reviews`),
    ]);
    assert.deepEqual(texts(seen), ["GET /products/{product}", "GET /products/{product}/reviews"]);
    assert.equal(texts(seen.slice(2)).length, 2 * slug_names_min);
  });

  test("names of variables at two places: owners and their repositories", () => {
    const seen = many(60, (name, at) => [
      usage(`GET /repos/${name}/project-${at}`),
      usage(`GET /repos/${name}/project-${at}/issues/{number}`),
    ]);
    assert.deepEqual(texts(seen), ["GET /repos/{repo}/{name}", "GET /repos/{repo}/{name}/issues/{issueId}"]);
  });

  test("what is asked for often, what is not like the others, and words of APIs stay names", () => {
    const seen = [
      ...many(60, (name) => [usage(`GET /users/${name}`)]),
      usage("GET /users/me"),
      usage("POST /users/invitations"),
      usage("GET /users/bob", { count: 1_000 }),
    ];
    assert.deepEqual(texts(seen), ["GET /users/bob", "POST /users/invitations", "GET /users/me", "GET /users/{user}"]);
  });

  test("resources and procedures stay names: they are asked for often, stand before numbers, or are written as names", () => {
    const busy = many(60, (name) => [usage(`GET /api/${name}`, { count: 500 })]);
    assert.equal(texts(busy).length, 60);
    const collections = many(60, (name) => [usage(`GET /api/${name}`), usage(`GET /api/${name}/{number}`)]);
    assert.equal(texts(collections).length, 120);
    const procedures = Array.from({ length: 60 }, (_, at) =>
      usage(`POST /rpc/Get${String.fromCharCode(65 + (at % 26))}${"x".repeat(1 + Math.floor(at / 26))}`),
    );
    assert.equal(texts(procedures).length, 60);
    const thousands = many(600, (name) => [usage(`GET /products/${name}`, { count: 500 })]);
    assert.deepEqual(texts(thousands), ["GET /products/{product}"]);
  });

  test("a day more of the same traffic changes nothing", () => {
    const seen = [
      ...many(55, (name) => [usage(`GET /products/${name}`, { count: 9 })]),
      ...many(55, (name) => [usage(`GET /pages/${name}`, { count: 11 })]),
      ...many(20, (name) => [usage(`GET /tables/${name}`)]),
    ];
    const next = seen.map((one) => ({ ...one, day: "2026-11-21" }));
    assert.deepEqual(texts([...seen, ...next]), texts(seen));
    assert.deepEqual(texts([...next, ...seen].reverse()), texts(seen));
  });

  test("the order of usages has no say", () => {
    const seen = many(60, (name, at) => [
      usage(`GET /a/${name}/b`),
      usage(`GET /a/${name}/{number}`),
      usage(`PUT /a/${at % 7}x`),
    ]);
    const sample = fc.shuffledSubarray(seen, { minLength: seen.length, maxLength: seen.length });
    fc.assert(
      fc.property(sample, (shuffled) => assert.deepEqual(texts(shuffled), texts(seen))),
      { numRuns: 20 },
    );
  });

  test("a template is an endpoint of the language, whatever was asked for", () => {
    const segment = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.constantFrom("..", ".", "", "**", "{x}", ":id", "a;b", "%2e", "(a|b)", "$", "x$", "[", "a+", "\u202e"),
    );
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const path = `/${segments.map((one) => one.replaceAll("/", "")).join("/")}`;
        const [found] = inferTemplates([usage("GET /", { path })]);
        const parsed = parseEndpoint(endpointText(found!));
        assert.equal("segments" in parsed, found!.isNameable, found!.template);
        const hasEmpty = path !== "/" && path.slice(1).split("/").includes("");
        if (!hasEmpty) assert.ok(found!.isNameable, JSON.stringify([path, found!.template, parsed]));
        if ("segments" in parsed)
          assert.deepEqual(
            parsed.segments,
            found!.segments.map((one) => (typeof one === "string" ? one : null)),
          );
      }),
      { numRuns: 2_000 },
    );
  });

  test("names are written as a policy has them, or not at all", () => {
    const names: Record<string, string | undefined> = {
      "a b": "a%20b",
      "Products(7)": "Products(7)",
      $metadata: "$metadata",
      ":id": "%3Aid",
      "*": "%2A",
      é: "%C3%A9",
      x$: "x%24",
      "..": undefined,
      "a;b": undefined,
      "a/b": undefined,
      "\u0000": undefined,
      "a\u001b[2J": undefined,
      "a\u007f": undefined,
      "a\u0085b": undefined,
      "a\u2028b": undefined,
      "\u202ea": undefined,
      "\ud800": undefined,
    };
    for (const [name, text] of Object.entries(names)) assert.equal(encodeName(name), text, name);
  });
});

describe("endpoints", () => {
  test("operations are told apart; gRPC calls by their form, or where the log says so", () => {
    const seen = [
      usage("POST /mcp", { operation: "mcp tools/call search" }),
      usage("POST /mcp", { operation: "mcp tools/list" }),
      usage("POST /shop.v1.Cart/AddItem"),
      usage("POST /Greeter/hello", { operation: "grpc" }),
      usage("POST /pages/about"),
    ];
    assert.deepEqual(
      inferTemplates(seen).map((one) => [endpointText(one), one.operation]),
      [
        ["grpc Greeter/hello", "grpc Greeter/hello"],
        ["POST /mcp", "mcp tools/call search"],
        ["POST /mcp", "mcp tools/list"],
        ["POST /pages/about", ""],
        ["grpc shop.v1.Cart/AddItem", "grpc shop.v1.Cart/AddItem"],
      ],
    );
  });

  test("what was only denied is an attempt on what is known, or noise", () => {
    const { endpoints, attempts, noise } = groupUsages([
      usage("GET /orders/{number}"),
      denied("GET /orders/{number}", "scope_missing"),
      denied("DELETE /orders/{number}", "no_rule"),
      denied("GET /orders/abc", "no_rule"),
      denied("GET /.env", "no_rule"),
      usage("GET /wp-login.php", { status: 404 }),
      denied("POST /a.B/C", "no_rule"),
    ]);
    assert.deepEqual(endpoints.map(endpointText), ["GET /orders/{orderId}"]);
    assert.equal(endpoints[0]!.usages.length, 3);
    assert.deepEqual(attempts.map(endpointText), ["DELETE /orders/{orderId}"]);
    assert.deepEqual(
      noise.map(({ path }) => path),
      ["/.env", "/wp-login.php", "/a.B/C"],
    );
  });

  test("the templates of a policy are taken as they are", () => {
    const { policy } = check(`version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - name: a
    callers: [any]
    allow: ["GET /orders/{order}", GET /orders/export, "GET /files/**", "GET /tables/{t}/{u}"]
  - name: b
    callers: [any]
    hosts: ["*.example.net"]
    allow: ["GET /orders/{elsewhere}"]
`);
    const pins = pinsOfPolicy(policy!);
    const seen = ["/orders/{number}", "/orders/special", "/orders/export", "/files/x/{number}", "/tables/a/b"];
    assert.deepEqual(
      texts(
        seen.map((path) => usage(`GET ${path}`)),
        pins,
      ),
      ["GET /files/x/{xId}", "GET /orders/export", "GET /orders/{order}", "GET /tables/{t}/{u}"],
    );
    const elsewhere = usage("GET /orders/{number}", { host: "a.example.net" });
    assert.deepEqual(texts([elsewhere], pins.slice(-1)), ["GET /orders/{elsewhere}"]);
  });

  test("a hundred thousand paths of a scanner take no longer than they should", () => {
    const seen = Array.from({ length: 100_000 }, (_, at) => denied(`GET /x${at}/y${at % 97}`, "no_rule"));
    const started = performance.now();
    const { endpoints, noise } = groupUsages([usage("GET /"), ...seen]);
    assert.deepEqual([endpoints.length, noise.length], [1, 100_000]);
    assert.ok(performance.now() - started < 5_000, "it takes more than five seconds");
  });
});
