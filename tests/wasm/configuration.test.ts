/** Plugin configurations: what is invalid is refused with exactly one line that says what and where. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checksum_at, image_version, sections_at } from "../../assembly/policy/layout.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import { imageChecksum } from "../../scripts/policy/image/image.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { engine, policyNamed } from "../support/plugin.ts";

const image = policyNamed("shop").image;
const healthz = {
  headers: [
    [":method", "GET"],
    [":path", "/healthz"],
    [":authority", "h"],
  ] as const,
};

/** The image with some bytes changed, its checksum made to fit again. */
function resealed(change: (bytes: Buffer) => void): Uint8Array {
  const bytes = Buffer.from(image);
  change(bytes);
  bytes.writeUInt32LE(hash32(0, bytes, sections_at), checksum_at);
  return bytes;
}

const configurations: [name: string, configuration: string | Uint8Array, says: RegExp][] = [
  ["no JSON", "policy", /no valid JSON.*byte 0/],
  ["JSON cut short", '{"policy":', /no valid JSON.*byte 10/],
  ["a list", "[]", /not a JSON object/],
  ["text", '"policy"', /not a JSON object/],
  ["an unknown key", '{"polciy":"x"}', /unknown key.*byte 2/],
  ["a key given twice", '{"mode":"shadow","mode":"enforce"}', /JSON.*byte|twice/],
  ["an unknown mode", '{"mode":"off"}', /`mode`.*`enforce`.*`shadow`.*byte 2/],
  ["a mode that is a number", '{"mode":1}', /`mode`/],
  ["a policy that is no text", '{"policy":{}}', /base64.*byte 2/],
  ["an empty policy", '{"policy":""}', /base64.*byte 2/],
  ["a policy that is no base64", '{"policy":"%%%%"}', /base64/],
  ["a policy with white space in it", '{"policy":"AA AA"}', /base64/],
  ["no policy at all", "{}", /no policy/],
  ["an empty configuration", "", /no policy/],
  ["bytes that are no UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /no valid JSON/],
  ["a NUL after the JSON", "{}\0", /no valid JSON.*byte 2/],
  ["an empty image", pluginConfiguration(new Uint8Array(4)), /size out of bounds/],
  ["no image", pluginConfiguration(new Uint8Array(1000)), /not a policy image/],
  ["an image cut short", pluginConfiguration(image.subarray(0, image.length - 4)), /cut short/],
  ["an image too long", pluginConfiguration(Buffer.concat([image, Buffer.alloc(4)])), /too long/],
  ["a damaged image", pluginConfiguration(Buffer.from(image).fill(image[300]! ^ 1, 300, 301)), /checksum/],
  ["a later version", pluginConfiguration(resealed((bytes) => bytes.writeUInt32LE(image_version + 1, 4))), /version/],
  [
    "a section out of bounds",
    pluginConfiguration(resealed((bytes) => bytes.writeUInt32LE(0x7ffffffc, 16 + 8))),
    /section/,
  ],
];

describe("refused", () => {
  for (const [name, configuration, says] of configurations) {
    test(name, () => {
      const host = PluginHost.load(engine);
      const started = host.startPlugin(configuration);
      assert.equal(started.ok, false);
      assert.equal(started.trapped, false);
      assert.equal(started.logs.length, 1, JSON.stringify(started.logs));
      assert.equal(started.logs[0]!.level, 4);
      assert.match(started.logs[0]!.message, /^sallyport: configuration refused: /);
      assert.match(started.logs[0]!.message, says);
      assert.equal(host.request(started.rootContext, healthz).action, "pause");
    });
  }

  test("a host that does not hand the configuration over", () => {
    const host = PluginHost.load(engine, {
      faults: [{ call: "get_buffer_bytes", result: WasmResult.InternalFailure }],
    });
    const started = host.startPlugin("{}");
    assert.equal(started.ok, false);
    assert.equal(started.logs.length, 1);
  });
});

describe("accepted", () => {
  test("white space and both keys, in any order", () => {
    const base64 = Buffer.from(image).toString("base64");
    for (const [text, said] of [
      [` { "policy" : "${base64}" }\n`, /enforced$/],
      [`{"mode":"enforce","policy":"${base64}"}`, /enforced$/],
      [`{"policy":"${base64}","mode":"shadow"}`, /shadow mode: every request passes$/],
    ] as const) {
      const started = PluginHost.load(engine).startPlugin(text);
      assert.equal(started.ok, true, started.logs[0]?.message);
      // One line says what is in force from now on.
      assert.equal(started.logs.length, 1);
      assert.match(
        started.logs[0]!.message,
        /^sallyport: policy \w+ in force, \d+ rules, image [0-9a-f]{8}, of the configuration/,
      );
      assert.ok(started.logs[0]!.message.includes(`image ${imageChecksum(image)}, `));
      assert.match(started.logs[0]!.message, said);
    }
  });

  test("an embedded policy needs no configuration", () => {
    const module = embedImage(engine, image);
    for (const configuration of [undefined, "", "{}"]) {
      const host = PluginHost.load(module);
      const started = host.startPlugin(configuration);
      assert.equal(started.ok, true, started.logs[0]?.message);
      assert.equal(host.request(started.rootContext, healthz).action, "continue");
    }
  });

  test("JSON may begin with a line break, and have escapes in it", () => {
    for (const before of ["", " ", "\n", "\r\n"]) {
      const text = pluginConfiguration(image).replaceAll("/", "\\/").replace('"policy"', '"polic\\u0079"');
      const { ok, logs } = PluginHost.load(engine).startPlugin(before + text);
      assert.equal(ok, true, JSON.stringify(before) + logs[0]?.message);
    }
  });

  test("a configured policy takes the place of the embedded one", () => {
    const host = PluginHost.load(embedImage(engine, image));
    const { rootContext, ok } = host.startPlugin(pluginConfiguration(policyNamed("callers").image));
    assert.equal(ok, true);
    assert.equal(host.request(rootContext, healthz).action, "pause");
    const embedded = host.startPlugin();
    assert.equal(host.request(embedded.rootContext, healthz).action, "continue");
  });

  test("mode alone changes the embedded policy's mode", () => {
    const host = PluginHost.load(embedImage(engine, image));
    const { rootContext, ok } = host.startPlugin('{"mode":"shadow"}');
    assert.equal(ok, true);
    const headers = [
      [":method", "GET"],
      [":path", "/nowhere"],
      [":authority", "h"],
    ] as const;
    assert.equal(host.request(rootContext, { headers }).action, "continue");
  });
});
