/** Images made to be accepted and then misread: sealed anew after the change, as one who can write images would. */
import assert from "node:assert/strict";
import { test } from "node:test";
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

test("a header that would end early", () => {
  const changed = image("limits");
  const header = changed.at(layout.section_limits, 0) + layout.limit_header_at;
  changed.bytes.set(Buffer.from("\r\n"), changed.view.getUint32(header, true) + 1);
  assert.match(changed.refusal() ?? "accepted", /limit header/);
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
