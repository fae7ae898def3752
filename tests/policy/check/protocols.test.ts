/** Where protocols are spoken, what of their documents is persisted, and what is wrong with either. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { check } from "../../support/policy.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-protocols-"));
after(() => rmSync(folder, { recursive: true }));

function policy(keys: string, rules = '[{ name: a, callers: ["spiffe://example.org/web"], allow: [GET /a] }]') {
  return check(`version: 1\nname: spoken\ntrust: { domains: [example.org] }\n${keys}\nrules: ${rules}\n`);
}

/** The code and the message of the first error. */
const fault = (keys: string): string => {
  const [error] = policy(keys).errors;
  return `${error?.code}: ${error?.message}`;
};

test("what is not said has its default", () => {
  const { errors, policy: checked } = policy(`mcp: { paths: [/mcp, /v2/mcp] }
a2a: { paths: [/a2a], batch: 1 }
graphql: { paths: [/] }`);
  assert.deepEqual(errors, []);
  assert.deepEqual(checked!.protocols, [
    { name: "mcp", segments: ["mcp"], calls: 20 },
    { name: "mcp", segments: ["v2", "mcp"], calls: 20 },
    { name: "a2a", segments: ["a2a"], calls: 1 },
    {
      name: "graphql",
      segments: [],
      calls: 5,
      graphql: { depth: 10, aliases: 20, introspection: "deny", persisted: [] },
    },
  ]);
  assert.equal(policy("").policy!.protocols, undefined);
});

test("paths are written out, each for one protocol", () => {
  assert.match(fault("mcp: { paths: [/mcp, /mcp] }"), /^duplicate: `\/mcp` stands already in line 4/);
  assert.match(fault("mcp: { paths: [/mcp] }\njsonrpc: { paths: [/%6Dcp] }"), /^duplicate/);
  assert.match(fault('mcp: { paths: ["/{x}/mcp"] }'), /^value: a path of a protocol is written out/);
  assert.match(fault('mcp: { paths: ["/**"] }'), /^value/);
  assert.match(fault("mcp: { paths: [mcp] }"), /^invalid_endpoint: .*`\/mcp`/);
  assert.match(fault("mcp: { paths: [/mcp/] }"), /^path_ambiguous/);
  assert.match(fault("mcp: { paths: [] }"), /^value: `paths` is empty/);
  assert.match(fault("mcp: {}"), /^missing_key/);
  assert.match(fault("mcp: { paths: [/mcp], depth: 3 }"), /^unknown_key/);
  assert.match(fault("jsonrpc: { paths: [/rpc], batch: 129 }"), /^value/);
  assert.match(fault("graphql: { paths: [/graphql], introspection: maybe }"), /^value/);
  assert.match(fault(`mcp: { paths: [${"/a".repeat(127)}] }`), /^bound/);
});

describe("persisted documents", () => {
  const query = "query orders { orders { id } }";
  const hash = createHash("sha256").update(query).digest("hex");
  let files = 0;
  const read = (text: string) => {
    const path = join(folder, `${++files}.json`);
    writeFileSync(path, text);
    const {
      errors,
      warnings,
      policy: checked,
    } = policy(`graphql: { paths: [/graphql], persisted: { file: ${JSON.stringify(path)} } }`);
    const [error] = errors;
    return {
      error:
        error &&
        `${error.file === path ? "" : "elsewhere "}${error.line}:${error.column} ${error.code}: ${error.message}`,
      code: error?.code,
      warnings: warnings.map(({ code }) => code),
      documents: checked?.protocols?.[0]?.graphql?.persisted,
    };
  };

  test("are a map from IDs to documents, in the order of the IDs", () => {
    const { error, documents, warnings } = read(JSON.stringify({ zeta: "{ a }", [hash]: query }));
    assert.equal(error, undefined);
    assert.deepEqual(
      documents,
      [
        { id: hash, document: query },
        { id: "zeta", document: "{ a }" },
      ].sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
    assert.deepEqual(warnings, []);
  });

  test("are Apollo's manifest", () => {
    const operations = [
      { id: hash, body: query, name: "orders", type: "query" },
      { id: "b", body: "mutation m { x }", name: "m", type: "mutation" },
    ];
    const manifest = { format: "apollo-persisted-query-manifest", version: 1, operations };
    assert.deepEqual(
      read(JSON.stringify(manifest))
        .documents?.map(({ document }) => document)
        .sort(),
      operations.map(({ body }) => body).sort(),
    );
    assert.match(read(JSON.stringify({ ...manifest, format: "other" })).error ?? "", /^1:\d+ persisted: the format/);
    assert.match(read(JSON.stringify({ ...manifest, version: 2 })).error ?? "", /value/);
    assert.match(read('{ "operations": [{ "id": "a" }] }').error ?? "", /persisted: .*`id` and a `body`/);
  });

  test("have errors at their places", () => {
    assert.match(read("{").error ?? "", /persisted: a file of persisted documents is JSON/);
    assert.match(read("[]").error ?? "", /type/);
    assert.equal(read("{}").code, "persisted");
    assert.match(read("{}").error ?? "", /1:1 persisted: the file has no documents/);
    assert.match(read('{\n  "a": "{ a }",\n  "a": "{ b }"\n}').error ?? "", /^3:3 duplicate/);
    assert.match(read('{\n  "a": 7\n}').error ?? "", /^2:8 type/);
    assert.match(read('{\n  "a": " "\n}').error ?? "", /^2:8 persisted: a document is not empty/);
    assert.match(read('{\n  "": "{ a }"\n}').error ?? "", /^2:3 persisted/);
    assert.match(read(`{ "${"i".repeat(257)}": "{ a }" }`).error ?? "", /bound/);
    assert.match(read(`{ "${hash.toUpperCase()}": "{ a }" }`).error ?? "", /lower case/);
    assert.match(
      read(`{ "operations": [{ "id": "a", "body": "{ a }" }, { "id": "a", "body": "{ b }" }] }`).error ?? "",
      /duplicate/,
    );
    const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, number) => [`id${number}`, "{ a }"]));
    assert.match(read(JSON.stringify(many)).error ?? "", /^elsewhere .*bound/);
    assert.match(fault("graphql: { paths: [/graphql], persisted: { file: absent.json } }"), /^file/);
  });

  test("under a hash that is another document's are warned of", () => {
    const { error, warnings } = read(JSON.stringify({ [hash]: "{ a }" }));
    assert.equal(error, undefined);
    assert.deepEqual(warnings, ["persisted_hash"]);
  });
});

test("a form of a protocol's path must be no way around a deny rule for calls", () => {
  const faults = (allow: string, paths: string, denied = "mcp tools/call x"): (string | undefined)[] =>
    policy(
      "mcp: { paths: [/api/mcp] }\na2a: { paths: [/a2a] }",
      `[{ name: a, callers: [any], allow: ["${allow}"], paths: { ${paths} } }, { name: b, callers: [any], deny: ["${denied}"] }]`,
    ).errors.map(({ code }) => code);
  for (const [allow, paths] of [
    ["POST /api/mcp", "trailingSlash: same"],
    ["POST /api/mcp/", "trailingSlash: distinct"],
    ["* /API/**", "case: ignore"],
    ["POST /api/{x}", "semicolons: keep"],
    ["POST /api//mcp", "emptySegments: keep"],
    ["POST /{x}", "encodedSlash: segment"],
  ] as const)
    assert.deepEqual(faults(allow, paths), ["call_forms"], `${allow} ${paths}`);
  for (const [allow, paths, denied] of [
    ["GET /api/mcp", "trailingSlash: same", undefined],
    ["POST /orders/{x}", "trailingSlash: same", undefined],
    ["POST /api/mcp", "trailingSlash: same", "a2a message/send"],
    ["POST /api/mcp", "trailingSlash: refuse", undefined],
  ] as const)
    assert.deepEqual(faults(allow, paths, denied), [], `${allow} ${paths}`);
});

test("the examples of the document are sound", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/policy-language.md"), "utf8");
  for (const title of ["Bodies", "MCP, A2A and JSON-RPC", "GraphQL"]) {
    const [, section = ""] = new RegExp(`^## ${title}\n(.*?)^## `, "msu").exec(text) ?? [];
    const [, example] = /```yaml\n(.*?)```/su.exec(section) ?? [];
    assert.ok(example !== undefined, title);
    const path = JSON.stringify(join(import.meta.dirname, "../keys/documents.json"));
    const { errors, warnings } = check(
      `version: 1\nname: documents\ntrust: { domains: [example.org] }\n${example.replace("hashes.json", path)}`,
    );
    assert.deepEqual(errors, [], title);
    assert.deepEqual(
      warnings.filter(({ code }) => code !== "write_without_token"),
      [],
      title,
    );
  }
});
