/** Embedding: the module still is one, carries the image where the engine looks, and gives it back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { trailer_bytes, trailer_magic } from "../../../assembly/policy/layout.ts";
import { loadEngine } from "../../../scripts/policy/build.ts";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import type { Policy } from "../../../scripts/policy/language/model.ts";
import { strict_paths } from "../../../scripts/policy/language/pathoptions.ts";
import { embedImage, extractImage } from "../../../scripts/policy/module/embed.ts";
import { page_bytes, signedAddress, unsigned, WasmError, WasmReader } from "../../../scripts/policy/module/wasm.ts";

/** An image of at least so many bytes. */
function imageOf(bytes: number): Uint8Array {
  const policy: Policy = {
    name: "p",
    mode: "enforce",
    tokenBytes: 16384,
    trustDomains: ["x".repeat(bytes)],
    aliases: new Map(),
    identity: "mtls",
    svids: [],
    sourceAddress: "connection",
    forwarders: [],
    forwards: [],
    paths: strict_paths,
    issuers: [],
    callerSets: [],
    limits: [],
    quarantines: [],
    lists: [],
    rules: [],
  };
  return writeImage(policy);
}

interface Shape {
  most?: number;
  dataCount?: boolean;
  data?: [address: number, text: string][];
  exports?: string[];
}

/** The smallest module that passes for the engine: one page, one function that does nothing. */
function moduleOf({ most, dataCount = false, data = [], exports = ["sallyport_inspect"] }: Shape): Uint8Array {
  const section = (id: number, body: number[]): number[] => [id, ...unsigned(body.length), ...body];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const entries = [[...name("memory"), 2, 0], ...exports.map((text) => [...name(text), 0, 0])];
  const segments = data.map(([address, text]) => [0, 0x41, ...signedAddress(address), 0x0b, ...name(text)]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(5, most === undefined ? [1, 0, 1] : [1, 1, 1, ...unsigned(most)]),
    ...section(7, [entries.length, ...entries.flat()]),
    ...(dataCount ? section(12, [data.length]) : []),
    ...section(10, [1, 2, 0, 0x0b]),
    ...(data.length > 0 ? section(11, [data.length, ...segments.flat()]) : []),
    ...section(0, [...name("note"), 1, 2, 3]),
  ]);
}

const shapes: [what: string, shape: Shape][] = [
  ["without data", {}],
  ["with a maximum", { most: 1 }],
  ["with one segment", { data: [[8, "hello"]] }],
  [
    "with several segments and their count",
    {
      dataCount: true,
      data: [
        [8, "hello"],
        [65530, "world!"],
      ],
    },
  ],
  ["with a count of none", { dataCount: true }],
];

/** A memory, with what its declaration in scripts/host/wasm.d.ts leaves out. */
type GrowableMemory = WebAssembly.Memory & { grow(pages: number): number };

/** What stands at the end of a module's memory once it is instantiated. */
function readTrailer(module: Uint8Array): { image: Uint8Array; distance: number; memory: GrowableMemory } {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>), {});
  const memory = exports.memory as GrowableMemory;
  const view = new DataView(memory.buffer);
  const trailer = memory.buffer.byteLength - trailer_bytes;
  assert.equal(view.getUint32(trailer, true), trailer_magic);
  const distance = view.getUint32(trailer + 8, true);
  const start = memory.buffer.byteLength - distance;
  assert.equal(start % 8, 0);
  return { image: new Uint8Array(memory.buffer, start, view.getUint32(trailer + 12, true)), distance, memory };
}

for (const [what, shape] of shapes) {
  test(`a module ${what} starts with the image at its memory's end`, () => {
    for (const size of [1, 5000, page_bytes - 200, page_bytes * 3]) {
      const image = imageOf(size);
      const module = embedImage(moduleOf(shape), image);
      const found = readTrailer(module);
      assert.deepEqual(Buffer.from(found.image), Buffer.from(image));
      assert.equal(found.memory.buffer.byteLength, page_bytes * (1 + Math.ceil(found.distance / page_bytes)));
      for (const [address, text] of shape.data ?? []) {
        assert.equal(Buffer.from(found.memory.buffer, address, text.length).toString(), text);
      }
      assert.deepEqual(Buffer.from(extractImage(module)!), Buffer.from(image));
    }
  });
}

test("a maximum keeps the room that was left", () => {
  const { memory } = readTrailer(embedImage(moduleOf({ most: 3 }), imageOf(1)));
  assert.equal(memory.grow(2), 2);
  assert.throws(() => memory.grow(1), RangeError);
});

test("the engine carries an image, and is otherwise what it was", () => {
  const engine = loadEngine();
  const image = imageOf(100_000);
  const module = embedImage(engine, image);
  const before = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
  const after = new WebAssembly.Module(module as Uint8Array<ArrayBuffer>);
  const names = (module: WebAssembly.Module) => WebAssembly.Module.exports(module).map(({ name }) => name);
  assert.deepEqual(
    names(after),
    names(before).filter((name) => !["proxy_on_request_body", "proxy_on_response_headers"].includes(name)),
  );
  assert.deepEqual(WebAssembly.Module.imports(after), WebAssembly.Module.imports(before));
  assert.deepEqual(Buffer.from(extractImage(module)!), Buffer.from(image));
  assert.equal(extractImage(engine), undefined);
});

const refused: [what: string, module: Uint8Array, message: RegExp][] = [
  ["a text", Buffer.from("hello, world"), /no WebAssembly module/],
  ["nothing", new Uint8Array(), /no WebAssembly module/],
  ["half a module", moduleOf({}).subarray(0, 30), /cut short/],
  ["another filter", moduleOf({ exports: ["proxy_on_configure"] }), /exports no `sallyport_inspect`/],
  ["a module with an image", embedImage(moduleOf({}), imageOf(1)), /already/],
];

for (const [what, module, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => embedImage(module, imageOf(1)),
      (error) => error instanceof WasmError && message.test(error.message),
    );
  });
}

test("only an image is embedded", () => {
  assert.throws(() => embedImage(moduleOf({}), Buffer.from("version: 1")), /no policy image/);
  assert.throws(() => embedImage(moduleOf({}), imageOf(10).subarray(0, -4)), /cut short/);
});

test("addresses are written as they are read", () => {
  for (const address of [0, 1, 63, 64, 127, 128, 8191, 8192, 65536, 2 ** 27, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 8]) {
    assert.equal(new WasmReader(Uint8Array.from(signedAddress(address))).address(), address);
    assert.equal(new WasmReader(Uint8Array.from(unsigned(address))).unsigned(), address);
  }
});
