/** Calls in an image, by its records: how their rules are found, and what the engine is told of protocols and of what rules read. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as layout from "../../../assembly/policy/layout.ts";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { call_method, offer_method } from "../../../scripts/policy/language/protocols.ts";
import { rulesInImage } from "../../support/lookup.ts";
import { check } from "../../support/policy.ts";

/** An image, read by the offsets of the layout. */
class Image {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(keys: string, rules: string) {
    const { errors, policy } = check(
      `version: 1\nname: calls\ntrust: { domains: [example.org] }\n${keys}\nrules:\n${rules}`,
    );
    assert.deepEqual(errors, []);
    this.bytes = writeImage(policy!);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  word(at: number): number {
    return this.#view.getUint32(at, true);
  }

  text(at: number): string {
    return Buffer.from(this.bytes.subarray(this.word(at), this.word(at) + this.word(at + 4))).toString();
  }

  count(section: number): number {
    return this.word(layout.sections_at + section * 8 + 4);
  }

  record(section: number, index: number): number {
    return this.word(layout.sections_at + section * 8) + index * layout.sectionRecordBytes(section);
  }

  texts(at: number): string[] {
    const [first, count] = [this.word(at), this.word(at + 4)];
    return Array.from({ length: count }, (_, place) => this.text(this.record(layout.section_texts, first + place)));
  }

  /** The word of the policy's record. */
  policy(at: number): number {
    return this.word(this.record(layout.section_policy, 0) + at);
  }

  rule(name: string): number {
    const all = Array.from({ length: this.count(layout.section_rules) }, (_, index) =>
      this.record(layout.section_rules, index),
    );
    return all.find((rule) => this.text(rule + layout.rule_name_at) === name)!;
  }

  /** The bound on bodies that a rule has; undefined for none. */
  body(name: string): number | undefined {
    const sizes = this.word(this.rule(name) + layout.rule_sizes_at);
    if (sizes === 0) return undefined;
    return this.word(this.record(layout.section_words, sizes - 1 + layout.sizes_body));
  }

  /** Rules that one call meets. */
  meeting(...segments: string[]): string[] {
    return rulesInImage(this.bytes, {
      caller: "spiffe://example.org/web",
      host: "x",
      method: call_method,
      segments,
    });
  }

  find(method: string, ...segments: string[]): string[] {
    return rulesInImage(this.bytes, { caller: "spiffe://example.org/web", host: "x", method, segments });
  }
}

const web = "callers: [spiffe://example.org/web]";
const keys = `mcp: { paths: [/mcp, /v2/mcp], batch: 3 }
graphql: { paths: [/graphql] }
jsonrpc: { paths: [/rpc] }
a2a: { paths: [/a2a] }`;

describe("calls", () => {
  const image = new Image(
    keys,
    `  - { name: tools, ${web}, allow: ["mcp tools/list", "mcp tools/call get_*", "mcp resources/read file:///a/b"] }
  - { name: notices, ${web}, allow: ["mcp notifications/*"] }
  - { name: all, ${web}, allow: ["mcp *", GET /mcp] }
  - { name: plain, ${web}, allow: ["* /mcp", "* /**"] }
  - { name: fields, ${web}, allow: ["graphql query orders, order"] }
  - { name: rpc, ${web}, allow: ["jsonrpc math.*", "a2a message/send"] }
  - { name: other, callers: [spiffe://example.org/other], allow: ["mcp ping"] }
  - { name: denied, callers: [any], deny: ["mcp tools/call Drop*"] }
`,
  );

  test("are found by the path, the method and the name, on every path of their protocol", () => {
    for (const path of [["mcp"], ["v2", "mcp"]]) {
      assert.deepEqual(image.meeting(...path, "tools/list"), ["all", "tools"]);
      assert.deepEqual(image.meeting(...path, "tools/list", "any"), ["all", "tools"]);
      assert.deepEqual(image.meeting(...path, "tools/call", "get_x/y"), ["all", "tools"]);
      assert.deepEqual(image.meeting(...path, "tools/call", "put_x"), ["all"]);
      assert.deepEqual(image.meeting(...path, "tools/call"), ["all"]);
      assert.deepEqual(image.meeting(...path, "resources/read", "file:///a/b"), ["all", "tools"]);
      assert.deepEqual(image.meeting(...path, "notifications/initialized"), ["all", "notices"]);
      assert.deepEqual(image.meeting(...path, "notifications"), ["all"]);
    }
    assert.deepEqual(image.meeting("mcp2", "tools/list"), []);
    assert.deepEqual(image.meeting("graphql", "query", "orders"), ["fields"]);
    assert.deepEqual(image.meeting("graphql", "mutation", "orders"), []);
    assert.deepEqual(image.meeting("rpc", "math.add"), ["rpc"]);
    assert.deepEqual(image.meeting("a2a", "message/send"), ["rpc"]);
    assert.deepEqual(image.meeting("rpc", "message/send"), []);
  });

  test("of deny rules have the case that they have, as those of allow rules", () => {
    assert.deepEqual(image.meeting("mcp", "tools/call", "Drop_all"), ["all", "denied"]);
    assert.deepEqual(image.meeting("mcp", "tools/call", "drop_all"), ["all"]);
  });

  test("are offered at the path itself, and nowhere else", () => {
    assert.deepEqual(image.find(offer_method, "mcp"), ["all", "denied", "notices", "tools"]);
    assert.deepEqual(image.find(offer_method, "v2", "mcp"), ["all", "denied", "notices", "tools"]);
    assert.deepEqual(image.find(offer_method, "graphql"), ["fields"]);
    assert.deepEqual(image.find(offer_method, "mcp", "tools/list"), []);
    assert.deepEqual(image.find(offer_method, "other"), []);
  });

  test("are no requests, and requests are no calls", () => {
    assert.deepEqual(image.find("POST", "mcp"), ["plain"]);
    assert.deepEqual(image.find("GET", "mcp"), ["all", "plain"]);
    assert.deepEqual(image.find("PATCH", "mcp", "tools/list"), ["plain"]);
    const masks = Array.from({ length: image.count(layout.section_entries) }, (_, index) =>
      image.word(image.record(layout.section_entries, index) + layout.entry_methods_at),
    );
    const methods = image.texts(image.record(layout.section_policy, 0) + layout.policy_methods_at);
    const pseudo = (1 << methods.indexOf(call_method)) | (1 << methods.indexOf(offer_method));
    assert.ok(methods.includes(call_method) && methods.includes(offer_method), methods.join());
    assert.ok(masks.includes(~pseudo >>> 0), "every method but these two");
    assert.ok(!masks.includes(0xffffffff), "none has all bits");
  });

  test("have bounds on the body, and tools to tell of", () => {
    const tools = (name: string): string[] => image.texts(image.rule(name) + layout.rule_tools_at);
    assert.deepEqual(tools("tools"), ["get_*"]);
    assert.deepEqual(tools("all"), ["*"]);
    assert.deepEqual(tools("notices"), []);
    assert.deepEqual(tools("plain"), []);
    for (const name of ["tools", "all", "fields", "denied"]) {
      assert.equal(image.word(image.rule(name) + layout.rule_reads_at), layout.reads_endpoint, name);
      assert.equal(image.body(name), 65_536, name);
    }
    assert.equal(image.word(image.rule("plain") + layout.rule_reads_at), 0);
    assert.equal(image.body("plain"), undefined);
    assert.equal(image.policy(layout.policy_body_bytes_at), 65_536);
  });

  test("tell what they need", () => {
    const held = layout.needs_hold | layout.needs_body | layout.needs_ticks;
    assert.equal(image.policy(layout.policy_needs_at), held | layout.needs_answers | layout.needs_response);
    const needs = (rule: string): number =>
      new Image(keys, `  - { name: a, ${web}, ${rule} }\n`).policy(layout.policy_needs_at);
    assert.equal(needs('allow: ["* /mcp"]'), 0);
    assert.equal(needs('allow: ["mcp tools/call *"]'), held);
    assert.equal(needs('allow: ["graphql query *"]'), held);
    assert.equal(needs('allow: ["mcp tools/call x", POST /mcp]'), held | layout.needs_answers | layout.needs_response);
    assert.equal(needs('deny: ["mcp tools/list"]'), held);
  });

  test("are told by path", () => {
    const protocols = Array.from({ length: image.count(layout.section_protocols) }, (_, index) => {
      const at = image.record(layout.section_protocols, index);
      const numbers = [
        layout.protocol_kind_at,
        layout.protocol_calls_at,
        layout.protocol_depth_at,
        layout.protocol_aliases_at,
        layout.protocol_introspection_at,
      ].map((field) => image.word(at + field));
      return [image.text(at + layout.protocol_path_at), ...numbers];
    });
    assert.deepEqual(protocols, [
      ["/a2a", layout.protocol_a2a, 20, 0, 0, 0],
      ["/graphql", layout.protocol_graphql, 5, 10, 20, 0],
      ["/mcp", layout.protocol_mcp, 3, 0, 0, 0],
      ["/rpc", layout.protocol_jsonrpc, 20, 0, 0, 0],
      ["/v2/mcp", layout.protocol_mcp, 3, 0, 0, 0],
    ]);
  });
});

test("the largest body that a rule reads is the policy's", () => {
  const image = new Image(
    keys,
    `  - { name: small, ${web}, allow: ["mcp ping"], maxBodyBytes: 10 }
  - { name: large, ${web}, allow: ["mcp tools/list"], maxBodyBytes: 200000 }
  - { name: plain, ${web}, allow: [POST /upload], maxBodyBytes: 9000000 }
`,
  );
  assert.equal(image.policy(layout.policy_body_bytes_at), 200_000);
  assert.equal(image.body("plain"), 9_000_000);
  assert.equal(image.body("small"), 10);
});

test("calls of one rule beside its own path share an entry, and hosts keep them apart", () => {
  const image = new Image(
    keys,
    `  - { name: hosted, ${web}, hosts: [x], allow: ["mcp ping", POST /mcp] }
  - { name: elsewhere, ${web}, hosts: [y], allow: ["mcp ping"] }
`,
  );
  assert.deepEqual(image.meeting("mcp", "ping"), ["hosted"]);
  assert.deepEqual(image.find(offer_method, "mcp"), ["hosted"]);
  assert.deepEqual(image.find("POST", "mcp"), ["hosted"]);
});

test("persisted documents are told in the order of their IDs, once for all paths", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-persisted-"));
  try {
    const file = join(folder, "hashes.json");
    writeFileSync(file, JSON.stringify({ zeta: "{ z }", é: "{ e }", alpha: "query a { a }", Z: "{ Z }" }));
    const image = new Image(
      `graphql: { paths: [/graphql, /v2], depth: 3, aliases: 0, batch: 1, introspection: allow, persisted: { file: ${JSON.stringify(file)} } }`,
      `  - { name: a, ${web}, allow: ["graphql query a"] }\n`,
    );
    const documents = Array.from({ length: image.count(layout.section_persisted) }, (_, index) => {
      const at = image.record(layout.section_persisted, index);
      return [image.text(at + layout.persisted_id_at), image.text(at + layout.persisted_document_at)];
    });
    assert.deepEqual(documents, [
      ["Z", "{ Z }"],
      ["alpha", "query a { a }"],
      ["zeta", "{ z }"],
      ["é", "{ e }"],
    ]);
    for (const index of [0, 1]) {
      const at = image.record(layout.section_protocols, index);
      const numbers = [
        layout.protocol_calls_at,
        layout.protocol_depth_at,
        layout.protocol_aliases_at,
        layout.protocol_introspection_at,
        layout.protocol_persisted_at,
        layout.protocol_persisted_at + 4,
      ].map((field) => image.word(at + field));
      assert.deepEqual(numbers, [1, 3, 0, 1, 0, 4]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what a rule reads of bodies is told", () => {
  const image = new Image(
    `${keys}\nlimits: { l: { rate: 1/s, burst: 9 } }`,
    `  - { name: body, ${web}, allow: [POST /a], when: body.x == 1, maxBodyBytes: 7 }
  - { name: call, ${web}, allow: [POST /mcp], when: mcp.method == 'ping' }
  - { name: both, ${web}, allow: ["mcp tools/call x"], when: mcp.args.a == body.params.arguments.a }
  - { name: cost, ${web}, allow: [POST /b], limit: l, cost: 'int(body.n)' }
  - { name: none, ${web}, allow: [DELETE /mcp], when: mcp.session != 'x' }
`,
  );
  const reads = (name: string): number => image.word(image.rule(name) + layout.rule_reads_at);
  assert.equal(reads("body"), layout.reads_body);
  assert.equal(reads("call"), layout.reads_call);
  assert.equal(reads("both"), layout.reads_body | layout.reads_call | layout.reads_endpoint);
  assert.equal(reads("cost"), layout.reads_body);
  assert.equal(reads("none"), 0);
  assert.deepEqual(
    ["body", "call", "cost", "none"].map((name) => image.body(name)),
    [7, 65_536, 65_536, undefined],
  );
});

test("conditions of calls count for all calls that a request may have, which share its body", () => {
  const rules = (when: string, count: number): string =>
    Array.from(
      { length: count },
      (_, place) => `  - { name: r${place}, ${web}, allow: ["mcp tools/call x"], when: "${when}" }\n`,
    ).join("");
  const loop = "mcp.args.items.exists(i, i.a == 'x')";
  assert.doesNotThrow(() => new Image("mcp: { paths: [/mcp], batch: 128 }", rules(loop, 1)));
  const passes = (error: Error) => error.name === "BoundError" && /conditions that cost/.test(error.message);
  assert.throws(() => new Image("mcp: { paths: [/mcp], batch: 1 }", rules(loop, 12)), passes);
  // The whole body is read for each call anew.
  assert.doesNotThrow(
    () => new Image("mcp: { paths: [/mcp], batch: 1 }", rules("body.items.exists(i, i.a == 'x')", 1)),
  );
  assert.throws(() => new Image("mcp: { paths: [/mcp] }", rules("body.items.exists(i, i.a == 'x')", 1)), passes);
});
