/** Images made to be accepted and then misread: sealed anew after the change, as one who can write images would. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as code from "../../assembly/policy/instructions.ts";
import * as layout from "../../assembly/policy/layout.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { engine, TestPlugin } from "../support/plugin.ts";
import { check } from "../support/policy.ts";

/** An image open for changes, by section and record. */
class Image {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
    this.view = new DataView(this.bytes.buffer);
  }

  count(section: number): number {
    return this.view.getUint32(layout.sections_at + section * 8 + 4, true);
  }

  at(section: number, record: number): number {
    const offset = this.view.getUint32(layout.sections_at + section * 8, true);
    return offset + record * layout.sectionRecordBytes(section);
  }

  /** What the engine says of it: undefined when it is accepted. */
  refusal(): string | undefined {
    this.view.setUint32(layout.checksum_at, hash32(0, this.bytes.subarray(layout.sections_at)), true);
    const { ok, logs } = PluginHost.load(engine).startPlugin(pluginConfiguration(this.bytes));
    return ok ? undefined : logs.map(({ message }) => message).join("\n");
  }
}

const image = (name: string) => new Image(new TestPlugin(name).policy.standInImage);

/** An image with a place of the index that has more edges than are looked at one by one. */
function crowded(): Image {
  const paths = Array.from({ length: layout.scanned_edges_max + 1 }, (_, number) => `GET /${number}`);
  const rule = `rules: [{ name: many, callers: [any], allow: [${paths.join(", ")}] }]`;
  const { policy } = check(`version: 1\nname: crowded\ntrust: { domains: [example.org] }\n${rule}\n`);
  return new Image(writeImage(policy!));
}

test("an image that is only sealed anew is accepted", () => {
  assert.equal(image("shop").refusal(), undefined);
});

for (const [name, slots, records] of [
  ["callers", layout.section_caller_slots, layout.section_callers],
  ["hosts", layout.section_host_slots, layout.section_hosts],
  ["roots", layout.section_root_slots, layout.section_roots],
  ["edges", layout.section_edge_slots, layout.section_edges],
] as const) {
  test(`${name} that a lookup would not find`, () => {
    const changed = name === "edges" ? crowded() : image("shop");
    const words = Array.from({ length: changed.count(slots) }, (_, slot) =>
      changed.view.getUint32(changed.at(slots, slot), true),
    );
    words.unshift(words.pop()!);
    for (const [slot, word] of words.entries()) changed.view.setUint32(changed.at(slots, slot), word, true);
    assert.match(changed.refusal() ?? "accepted", /a lookup does not find/);
  });

  test(`the same of the ${name} twice`, () => {
    const changed = image(records === layout.section_callers ? "callers" : "endpoints");
    assert.ok(changed.count(records) >= 2, `the policy has too few ${name} to have one twice`);
    const size = layout.sectionRecordBytes(records);
    changed.bytes.copyWithin(changed.at(records, 1), changed.at(records, 0), changed.at(records, 0) + size);
    assert.match(changed.refusal() ?? "accepted", /a lookup does not find|edge/);
  });
}

test("a list of networks whose ranges stand in no order", () => {
  const changed = image("conditions");
  assert.ok(changed.count(layout.section_ranges) > 2);
  const [first, second] = [changed.at(layout.section_ranges, 0), changed.at(layout.section_ranges, 1)];
  const size = layout.range_record_bytes;
  const swapped = Buffer.concat([
    changed.bytes.subarray(second, second + size),
    changed.bytes.subarray(first, first + size),
  ]);
  changed.bytes.set(swapped, first);
  assert.match(changed.refusal() ?? "accepted", /order of ranges/);
});

test("a condition that looks into a list that is none", () => {
  for (const op of [code.op_in_texts, code.op_in_networks]) {
    const changed = image("conditions");
    for (let index = 0; index < changed.count(layout.section_instructions); index++) {
      const instruction = changed.at(layout.section_instructions, index);
      if (changed.view.getUint32(instruction, true) === op) changed.view.setUint32(instruction + 4, 2, true);
    }
    assert.match(changed.refusal() ?? "accepted", /instruction/);
  }
});

for (const [what, section, field, value, refusal] of [
  ["a fork of another node", layout.section_nodes, layout.node_fork_at, (word: number) => word + 1, /node's fork/],
  ["a way back to where it came from", layout.section_forks, layout.fork_backward_at, () => 1, /way back/],
  ["a way back out of the image", layout.section_forks, layout.fork_backward_at, () => 1e6, /way back/],
  ["more shapes than a request may try", layout.section_forks, layout.fork_shapes_at + 4, () => 33, /fork's shapes/],
  ["shapes of another fork", layout.section_forks, layout.fork_shapes_at, (word: number) => word + 1, /fork's shapes/],
  ["longer text than there is room for", layout.section_shapes, layout.shape_prefix_bytes_at, () => 256, /shape/],
  ["a shape that fits shorter segments", layout.section_shapes, layout.shape_least_bytes_at, () => 0, /shape/],
  ["another shape's edges", layout.section_shapes, layout.shape_edges_at, (word: number) => word - 1, /shape's edges/],
  [
    "a shape of other sizes",
    layout.section_shapes,
    layout.shape_suffix_bytes_at,
    (word: number) => word + 1,
    /shape|find/,
  ],
] as const) {
  test(what, () => {
    const changed = image("patterns");
    const records = Array.from({ length: changed.count(section) }, (_, record) => changed.at(section, record));
    const at = records.map((record) => record + field).find((word) => changed.view.getUint32(word, true) !== 0)!;
    changed.view.setUint32(at, value(changed.view.getUint32(at, true)), true);
    assert.match(changed.refusal() ?? "accepted", refusal);
  });
}

test("an edge of a shape that leads back", () => {
  const changed = image("patterns");
  const edges = changed.view.getUint32(changed.at(layout.section_shapes, 0) + layout.shape_edges_at, true);
  changed.view.setUint32(changed.at(layout.section_edges, edges) + layout.edge_child_at, 0, true);
  assert.match(changed.refusal() ?? "accepted", /shape's edges/);
});

test("a variable that is cut by what no text has", () => {
  const changed = image("patterns");
  const entries = Array.from({ length: changed.count(layout.section_entries) }, (_, entry) =>
    changed.view.getUint32(changed.at(layout.section_entries, entry) + layout.entry_binding_at, true),
  );
  const word = changed.at(layout.section_words, entries.find((first) => first !== 0)!);
  changed.view.setUint32(word, 1 << 30, true);
  assert.match(changed.refusal() ?? "accepted", /path variables/);
});

test("a header that would end early", () => {
  const changed = image("limits");
  const header = changed.at(layout.section_limits, 0) + layout.limit_header_at;
  changed.bytes.set(Buffer.from("\r\n"), changed.view.getUint32(header, true) + 1);
  assert.match(changed.refusal() ?? "accepted", /limit header/);
});

for (const [what, field, value, refusal] of [
  ["a limit that gives a token in a lifetime", layout.limit_interval_nanoseconds_at, 2n ** 61n, /limit rate/],
  ["a burst that comes back after the time ends", layout.limit_burst_tokens_at, 1_000_000n, /limit rate/],
  ["a limit that counts by nine parts", layout.limit_per_at, 9n << 32n, /too many selectors/],
] as const) {
  test(what, () => {
    const rate =
      "rate: 1/d, burst: 2, per: [rule, host, request.method, source.ip, source.ip/8, caller, caller.trust_domain]";
    const rules = "[{ name: a, callers: [any], allow: [GET /a], limit: [x, y] }]";
    const { policy } = check(
      `version: 1\nname: a\ntrust: { domains: [example.org] }\nlimits: { x: { ${rate} }, y: { ${rate} } }\nrules: ${rules}\n`,
    );
    const changed = new Image(writeImage(policy!));
    assert.equal(changed.refusal(), undefined);
    const at = changed.at(layout.section_limits, 0) + field;
    if (field === layout.limit_burst_tokens_at) changed.view.setUint32(at, Number(value), true);
    else changed.view.setBigUint64(at, value, true);
    assert.match(changed.refusal() ?? "accepted", refusal);
  });
}

for (const [what, section, field, value] of [
  ["a tier that is no limit", layout.section_tiers, layout.tier_limit_at, 99],
  ["a tier that is a limit with tiers", layout.section_tiers, layout.tier_limit_at, 0],
  ["tiers that nothing chooses", layout.section_limits, layout.limit_tier_at, 0],
  ["tiers that are chosen by what is not there", layout.section_limits, layout.limit_tier_at, 99],
  ["tiers that are not there", layout.section_limits, layout.limit_tiers_at, 9],
  ["what chooses no tier", layout.section_limits, layout.limit_tiers_at + 4, 0],
] as const) {
  test(what, () => {
    const limits = "limits: { x: { rate: 1/s, tier: rule, tiers: { a: 2/s } } }";
    const rules = "rules: [{ name: a, callers: [any], allow: [GET /a], limit: x }]";
    const { policy } = check(`version: 1\nname: a\ntrust: { domains: [example.org] }\n${limits}\n${rules}\n`);
    const changed = new Image(writeImage(policy!));
    assert.equal(changed.refusal(), undefined);
    changed.view.setUint32(changed.at(section, 0) + field, value, true);
    assert.match(changed.refusal() ?? "accepted", /tiers of a limit|more than a limit holds/);
  });
}

test("a rule that takes more from a limit than it ever holds", () => {
  const changed = image("limits");
  changed.view.setUint32(changed.at(layout.section_rules, 0) + layout.rule_cost_at, 4, true);
  assert.match(changed.refusal() ?? "accepted", /cost of more than a limit holds/);
});

test("a challenge that would end its quotes", () => {
  const changed = image("shop");
  const rules = Array.from({ length: changed.count(layout.section_rules) }, (_, rule) =>
    changed.at(layout.section_rules, rule),
  );
  const challenge = rules
    .map((rule) => rule + layout.rule_challenge_at)
    .find((text) => changed.view.getUint32(text + 4, true) > 0)!;
  changed.bytes.set(Buffer.from('"'), changed.view.getUint32(challenge, true));
  assert.match(changed.refusal() ?? "accepted", /rule challenge/);
});

test("a place with more rules than a request may have to judge", () => {
  const changed = image("shop");
  const node = changed.at(layout.section_nodes, 0);
  changed.view.setUint32(node + layout.node_ends_at + 4, 1025, true);
  assert.match(changed.refusal() ?? "accepted", /entries that end/);
});

test("a rule that reads scopes from no token", () => {
  const changed = image("shop");
  for (let rule = 0; rule < changed.count(layout.section_rules); rule++) {
    changed.view.setUint32(changed.at(layout.section_rules, rule) + layout.rule_issuers_at + 4, 0, true);
  }
  assert.match(changed.refusal() ?? "accepted", /scopes without an issuer/);
});

test("bounds on sizes whose words end before they are all there, and those of a deny rule", () => {
  const changed = image("sizes");
  const field = changed.at(layout.section_rules, 0) + layout.rule_sizes_at;
  const words = changed.count(layout.section_words);
  for (const first of [words - layout.sizes_words + 2, words + 1, 0xffffffff]) {
    changed.view.setUint32(field, first, true);
    assert.match(changed.refusal() ?? "accepted", /rule sizes/, `${first} of ${words}`);
  }
  changed.view.setUint32(field, words - layout.sizes_words + 1, true);
  assert.equal(changed.refusal(), undefined);
  changed.view.setUint32(changed.at(layout.section_rules, 0) + layout.rule_action_at, layout.action_deny, true);
  assert.match(changed.refusal() ?? "accepted", /rule sizes/);
});
