/** OpenAPI documents: what is read of them, what is wrong with others, and traffic beside one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ApiDocument, DocumentError, documentOf } from "../../scripts/discover/document.ts";
import { compareDocument } from "../../scripts/discover/spec.ts";
import { denied, usage } from "./usages.ts";

const read = (text: string): ApiDocument => documentOf(text, "api.yaml");
const document = (paths: string, head = ""): ApiDocument =>
  read(`openapi: 3.1.0\ninfo: { title: Shop, version: "1" }\n${head}paths:\n${paths}`);
const operation = "responses: { '200': { description: OK } }";

describe("reading", () => {
  test("operations with the paths of their servers, in YAML and in JSON, 3.0 and 3.1", () => {
    const { operations, title, notes } = document(
      `  /orders/{order-id}:
    parameters: [{ name: full, in: query }, { $ref: "#/components/parameters/page" }]
    get: { deprecated: true, ${operation} }
    delete: { servers: [{ url: "https://{region}.example.org:8443/v2/" }], parameters: [{ name: full, in: query, required: true }], ${operation} }
  /files/{name}.json:
    $ref: "#/components/pathItems/file"
  x-other: nothing
`,
      `servers: [{ url: https://Shop.example.org/v1 }, { url: /inside }]
components:
  parameters: { page: { name: page, in: query, required: true } }
  pathItems: { file: { put: { ${operation} } } }
`,
    );
    assert.deepEqual([title, notes], ["Shop", []]);
    const shop = [{ kind: "exact", text: "shop.example.org" }];
    assert.deepEqual(
      operations.map(({ method, path, hosts, isDeprecated }) => [method, path, hosts, isDeprecated]),
      [
        ["GET", "/v1/orders/{order-id}", shop, true],
        ["GET", "/inside/orders/{order-id}", [], true],
        ["DELETE", "/v2/orders/{order-id}", [], false],
        ["PUT", "/v1/files/{name}.json", shop, false],
        ["PUT", "/inside/files/{name}.json", [], false],
      ],
    );
    assert.deepEqual(operations[0]!.parameters, [
      { name: "full", isRequired: false },
      { name: "page", isRequired: true },
    ]);
    assert.deepEqual(operations[2]!.parameters[0], { name: "full", isRequired: true });
    assert.deepEqual(operations[0]!.variables, [undefined, undefined, "order_id"]);
    assert.deepEqual(operations[3]!.pattern.segments, ["v1", "files", { prefix: "", suffix: ".json", least: 1 }]);
    const json = JSON.stringify({ openapi: "3.0.3", info: {}, paths: { "/": { get: {} } } });
    assert.deepEqual(
      read(json).operations.map(({ method, path }) => [method, path]),
      [["GET", "/"]],
    );
  });

  test("what is no document is told with a way out", () => {
    const wrong: [string, RegExp][] = [
      ["", /no OpenAPI document: it begins with `openapi/u],
      ["[1]", /no OpenAPI document/u],
      ["swagger: '2.0'", /Swagger 2.0: convert it/u],
      ["openapi: 2.9.0", /`2.9.0`: versions 3.0 and 3.1/u],
      ["info: {}", /`openapi` is missing/u],
      ["openapi: 3.1.0\npaths: [", /no YAML and no JSON/u],
      ["openapi: 3.1.0\npaths: 7", /`paths` is no mapping/u],
      ["openapi: 3.1.0\npaths: { orders: {} }", /`orders` does not begin with/u],
      [
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]",
        /cannot be read/u,
      ],
    ];
    for (const [text, message] of wrong) {
      assert.throws(
        () => read(text),
        (error) =>
          error instanceof DocumentError && message.test(error.message) && error.message.startsWith("api.yaml: "),
        text,
      );
    }
  });

  test("references that lead elsewhere, nowhere or to themselves are told", () => {
    const { operations, notes } = document(`  /a: { $ref: "other.yaml#/a" }
  /b: { $ref: "#/paths/~1c" }
  /c: { $ref: "#/paths/~1b" }
  /d: { $ref: "#/nothing/__proto__/x" }
  /e: { get: {}, __proto__: { put: {} } }
`);
    assert.deepEqual(
      operations.map(({ method, path }) => [method, path]),
      [["GET", "/e"]],
    );
    assert.deepEqual(notes, [
      "paths of /a: the reference other.yaml#/a was not followed",
      "paths of /b: the reference #/paths/~1c was not followed",
      "paths of /c: the reference #/paths/~1b was not followed",
      "paths of /d: #/nothing/__proto__/x leads nowhere",
    ]);
  });
});

describe("comparing", () => {
  const shop = document(`  /orders:
    get: { parameters: [{ name: page, in: query }], ${operation} }
    post: { ${operation} }
  /orders/{id}:
    get: { ${operation} }
    put: { deprecated: true, ${operation} }
  /orders/export:
    get: { parameters: [{ name: format, in: query, required: true }], ${operation} }
  /files/{name}.json:
    get: { ${operation} }
`);

  test("shadow, zombie, dead and parameters that differ", () => {
    const report = compareDocument(
      [
        usage("GET /orders", { parameters: ["debug", "page"] }),
        usage("HEAD /orders"),
        usage("OPTIONS /orders"),
        denied("POST /orders", "no_rule", { count: 7 }),
        usage("GET /orders/{number}"),
        usage("GET /orders/special"),
        usage("PUT /orders/{number}"),
        usage("DELETE /orders/{number}"),
        usage("GET /orders/export", { parameters: ["since"] }),
        usage("GET /files/a.json"),
        usage("GET /internal/debug"),
        denied("GET /.env", "no_rule"),
      ],
      shop,
    );
    const name = ({ endpoint }: { endpoint: { method: string; template: string } }) =>
      `${endpoint.method} ${endpoint.template}`;
    assert.deepEqual(
      report.shadow.map((one) => [name(one), one.documentedMethods]),
      [
        ["GET /internal/debug", []],
        ["DELETE /orders/{id}", ["GET", "PUT"]],
      ],
    );
    assert.deepEqual(report.zombie.map(name), ["PUT /orders/{id}"]);
    assert.deepEqual(
      report.dead.map((one) => [one.operation.method, one.operation.path, one.denied]),
      [["POST", "/orders", 7]],
    );
    assert.deepEqual(
      report.parameters.map((one) => [name(one), one.undocumented, one.neverSeen]),
      [
        ["GET /orders", ["debug"], []],
        ["GET /orders/export", ["since"], ["format"]],
      ],
    );
    assert.deepEqual([report.documented, report.used, report.areHostsIgnored], [6, 5, false]);
  });

  test("an operation that the log does not tell from others is not called dead", () => {
    const two = document(
      `  /2/users: { get: { ${operation} }, post: { ${operation} } }\n  /list/users: { get: { ${operation} } }\n`,
    );
    const report = compareDocument([usage("GET /{number}/users"), denied("POST /{number}/users", "no_rule")], two);
    const name = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
    assert.deepEqual(report.unclear.map(name), ["GET /2/users"]);
    assert.deepEqual(
      report.dead.map(({ operation: one }) => name(one)),
      ["POST /2/users", "GET /list/users"],
    );
  });

  test("hosts are compared, unless none of the document's is in the log", () => {
    const paths = `  /a: { get: { ${operation} } }\n`;
    const api = document(paths, "servers: [{ url: https://api.example.org }]\n");
    const inside = compareDocument([usage("GET /a", { host: "orders.shop.svc" })], api);
    assert.deepEqual([inside.areHostsIgnored, inside.shadow.length, inside.dead.length], [true, 0, 0]);
    const outside = compareDocument(
      [usage("GET /a", { host: "api.example.org" }), usage("GET /a", { host: "old.example.org" })],
      api,
    );
    assert.deepEqual(
      outside.shadow.map(({ endpoint }) => endpoint.host),
      ["old.example.org"],
    );
  });
});
