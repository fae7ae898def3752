/** Compiles the guard's scan by itself, as the engine is, and feeds it texts. */
import { readFile } from "node:fs/promises";
import asc from "assemblyscript/asc";
import { detectorNames } from "../../assembly/guard/detector.ts";
import { readEngineSource } from "../../scripts/build/sources.ts";

/** What assembly/scan.ts exports. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  chunkAt(): number;
  tableAt(): number;
  start(low: number, high: number, tableBytes: number): number;
  feed(size: number, isLast: boolean): void;
  next(): number;
  end(): void;
  detector(): number;
  address(): number;
  offset(): number;
  size(): number;
  pattern(): number;
  isContinued(): number;
  decidedStart(): number;
  decidedSize(): number;
  steps(): number;
}

/** A finding in a text: the name of its detector, where it is and how long, in bytes; for a pattern, which. */
export interface Found {
  detector: string;
  offset: number;
  size: number;
  pattern?: number;
}

/** What a scan came to: findings with their parts joined, what was let go on its way, in order, and the most that was held. */
export interface Scanned {
  found: Found[];
  text: Uint8Array;
  held: number;
}

/** What a scan does with the bytes of a finding. */
export type Change = (bytes: Uint8Array, found: Found) => void;

/** The guard's scan, with the detectors and the table of patterns that it was made for. */
export class Scanner {
  readonly #exports: Exports;
  readonly #low: number;
  readonly #high: number;
  readonly #tableBytes: number;

  constructor(module: WebAssembly.Module, detectors?: readonly string[], table?: Uint8Array) {
    this.#exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    this.#exports._initialize();
    let wanted = 0n;
    for (const name of detectors ?? detectorNames) wanted |= 1n << BigInt(detectorNames.indexOf(name));
    this.#low = Number(wanted & 0xffff_ffffn);
    this.#high = Number(wanted >> 32n);
    this.#tableBytes = table?.length ?? 0;
    if (table) new Uint8Array(this.#exports.memory.buffer).set(table, this.#exports.tableAt());
  }

  /** Scans chunks as one stream. What is found may be changed in place. */
  scan(chunks: Iterable<Uint8Array>, change?: Change): Scanned {
    const { memory, ...call } = this.#exports;
    if (!call.start(this.#low, this.#high, this.#tableBytes)) throw new Error("the table of patterns is not sound");
    const parts: Uint8Array[] = [];
    const found: Found[] = [];
    let held = 0;
    const feed = (chunk: Uint8Array, isLast: boolean): void => {
      const bytes = new Uint8Array(memory.buffer);
      bytes.set(chunk, call.chunkAt());
      call.feed(chunk.length, isLast);
      while (call.next()) {
        const one: Found = { detector: detectorNames[call.detector()]!, offset: call.offset(), size: call.size() };
        if (one.detector === "pattern") one.pattern = call.pattern();
        change?.(bytes.subarray(call.address(), call.address() + one.size), one);
        const last = found.at(-1);
        if (call.isContinued() && last) last.size += one.size;
        else found.push(one);
      }
      call.end();
      held = Math.max(held, this.#heldAfter(chunk.length));
      parts.push(bytes.slice(call.decidedStart(), call.decidedStart() + call.decidedSize()));
    };
    for (const chunk of chunks) feed(chunk, false);
    feed(new Uint8Array(0), true);
    return { found, text: Buffer.concat(parts), held };
  }

  /** How many bytes stand behind what is decided. */
  #heldAfter(size: number): number {
    const { chunkAt, decidedStart, decidedSize } = this.#exports;
    return chunkAt() + size - (decidedStart() + decidedSize());
  }

  /** What is found in one text. */
  find(text: string | Uint8Array): Found[] {
    return this.scan([Buffer.from(text)]).found;
  }

  /** Scans bytes that are already there, as one chunk, and says how many findings there are: what the bench times. */
  count(bytes: Uint8Array): () => number {
    const { memory, ...call } = this.#exports;
    new Uint8Array(memory.buffer).set(bytes, call.chunkAt());
    return () => {
      call.start(this.#low, this.#high, this.#tableBytes);
      call.feed(bytes.length, true);
      let count = 0;
      while (call.next()) count++;
      call.end();
      return count;
    };
  }

  /** What detectors have looked at so far, in bytes; 0 in a module that does not count it. */
  get steps(): number {
    return this.#exports.steps() >>> 0;
  }
}

/** Compiles the scan once. `counting` makes it count its steps. Throws with what the compiler has against it. */
export async function compileScan(
  counting = false,
): Promise<{ module: WebAssembly.Module; bytes: Uint8Array; text: string }> {
  const config = JSON.parse(await readFile("asconfig.json", "utf8"));
  const enabled = config.options.enable.flatMap((name: string) => ["--enable", name]);
  const uses = `abort=,PACKED=1${counting ? ",COUNT_STEPS=1" : ""}`;
  const flags = ["--runtime", "stub", "--noAssert", "--exportStart", "_initialize", "--use", uses, ...enabled];
  const levels = ["--optimizeLevel", "3", "--shrinkLevel", "2", "--converge"];
  const files = ["--outFile", "scan.wasm", "--textFile", "scan.wat"];
  const written = new Map<string, string | Uint8Array>();
  const { error, stderr } = await asc.main(["tests/guard/assembly/scan.ts", ...flags, ...levels, ...files], {
    // The configuration beside is the whole engine's.
    readFile: async (name, folder) => (name === "asconfig.json" ? null : readEngineSource(name, folder)),
    writeFile: (name, contents) => void written.set(name, contents),
  });
  if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
  const bytes = written.get("scan.wasm") as Uint8Array<ArrayBuffer>;
  return { module: new WebAssembly.Module(bytes), bytes, text: written.get("scan.wat") as string };
}
