/** What was seen as an OpenAPI document: it is one by a validator, whatever the log says, and says what the log does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import fc from "fast-check";
import { parse } from "yaml";
import { documentOf } from "../../scripts/discover/document.ts";
import { inventoryOf } from "../../scripts/discover/inventory.ts";
import { openApiYaml } from "../../scripts/discover/openapi.ts";
import { compareDocument } from "../../scripts/discover/spec.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { denied, usage } from "./usages.ts";

/** The document of usages, which has to be one. */
async function documentFor(usages: readonly Usage[]): Promise<{ text: string; document: ReturnType<typeof parse> }> {
  const text = openApiYaml(inventoryOf(usages));
  const document = parse(text);
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.equal(valid, true, `${JSON.stringify(errors)}\n${text}`);
  for (const [path, item] of Object.entries<{ parameters?: { name: string }[] }>(document.paths)) {
    const variables = [...path.matchAll(/\{([^{}]*)\}/gu)].map(([, name]) => name);
    assert.deepEqual(
      (item.parameters ?? []).map(({ name }) => name),
      variables,
    );
  }
  return { text, document };
}

test("paths, parameters, answers, tokens and certificates", async () => {
  const issuer = "https://issuer.example.org/realm";
  const { document } = await documentFor([
    usage("GET /orders/{uuid}", { issuer, scopes: "orders:read profile", parameters: ["page"] }),
    usage("GET /orders/{uuid}", { issuer, scopes: "orders:read", status: 500 }),
    usage("DELETE /orders/{uuid}", { issuer: "corp", caller: "" }),
    usage("PROPFIND /orders/{uuid}"),
    usage("GET /status", { host: "other.example.org", caller: "" }),
    usage("POST /mcp", { operation: "mcp tools/list", caller: "" }),
    usage("POST /mcp", { operation: "mcp tools/call x", caller: "" }),
    usage("POST /shop.v1.Cart/Add"),
    denied("GET /.env", "no_rule"),
    denied("PUT /orders/{uuid}", "no_rule"),
    usage("GET /trailing/"),
  ]);
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.servers, [{ url: "https://other.example.org" }, { url: "https://shop.example.org" }]);
  assert.deepEqual(Object.keys(document.paths), ["/status", "/mcp", "/orders/{orderId}", "/shop.v1.Cart/Add"]);
  const orders = document.paths["/orders/{orderId}"];
  assert.deepEqual(Object.keys(orders), ["servers", "parameters", "delete", "get", "x-other-methods"]);
  assert.deepEqual(orders.parameters, [
    { name: "orderId", in: "path", required: true, schema: { type: "string", format: "uuid" } },
  ]);
  assert.deepEqual(orders.get, {
    parameters: [{ name: "page", in: "query", required: false, schema: { type: "string" } }],
    responses: { "200": { description: "OK" }, "500": { description: "Internal Server Error" } },
    security: [{ mtls: [], "issuer.example.org-realm": ["orders:read"] }],
  });
  assert.deepEqual(orders.delete.security, [{ corp: [] }]);
  assert.deepEqual(document.components.securitySchemes["issuer.example.org-realm"], {
    type: "openIdConnect",
    openIdConnectUrl: `${issuer}/.well-known/openid-configuration`,
  });
  assert.deepEqual(Object.keys(document.components.securitySchemes), ["corp", "issuer.example.org-realm", "mtls"]);
  assert.equal(document.paths["/mcp"].post.description, "Operations that were seen: mcp tools/call x, mcp tools/list");
  assert.equal(document.paths["/status"].get.security, undefined);
});

test("nothing that was seen is a document too", async () => {
  assert.deepEqual((await documentFor([])).document.paths, {});
});

test("what it says of traffic holds for the traffic: nothing is shadow, and nothing dead", async () => {
  const usages = [
    usage("GET /orders/{number}"),
    usage("POST /orders", { parameters: ["a"] }),
    usage("GET /x y/{date}/{email}"),
  ];
  const { text } = await documentFor(usages);
  const { shadow, dead, parameters } = compareDocument(usages, documentOf(text, "made.yaml"));
  assert.deepEqual([shadow, dead, parameters], [[], [], []]);
});

test("whatever a log says, it is text of a valid document, and nothing that steers a terminal", async () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "\u202eevil",
      "a: b\n- c",
      "*x",
      "&a",
      "!!js/function",
      "<script>",
      "{{x}}",
      "__proto__",
      "constructor",
      "toString",
      "'\"",
      "%",
      "{id}",
      "~",
      "null",
      "\u2028",
      "\ud800",
      "mtls",
      "# x",
      "{number}",
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          path: fc.array(hostile),
          host: hostile,
          method: fc.oneof(fc.constantFrom("GET", "POST"), hostile),
          issuer: hostile,
          scopes: hostile,
          operation: hostile,
          parameters: fc.array(hostile, { maxLength: 2 }),
        }),
        { maxLength: 4 },
      ),
      async (given) => {
        const usages = given.map(({ path, parameters, ...one }) =>
          usage("GET /", { ...one, parameters: [...new Set(parameters)], path: `/${path.join("/")}` }),
        );
        const { text } = await documentFor(usages);
        assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cs}\u202a-\u202e\u2028\u2029\u2066-\u2069]/u);
      },
    ),
    { numRuns: 200 },
  );
});
