/** assembly/crypto/ alone, compiled as the engine is and instantiated in Node. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";

/** A public key as `verifyInModule` takes it. */
export interface Key {
  bytes: Uint8Array;
  /** Of RSA; 0 for the others. */
  exponent: number;
}

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  start(): number;
  verify(...args: number[]): number;
  hash(size: number, text: number, textSize: number, part: number, target: number): void;
}

/** The options of the engine, without its entries and files. */
async function options(): Promise<string[]> {
  const config = JSON.parse(await readFile("asconfig.json", "utf8"));
  const { outFile: _, textFile: __, ...target } = config.targets.release;
  return Object.entries({ ...config.options, ...target }).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    const values = Array.isArray(value) ? value : [value];
    return values.flatMap((each) => [`--${name}`, String(each)]);
  });
}

export class CryptoModule {
  readonly #exports: Exports;

  private constructor(
    exports: Exports,
    readonly text: string,
    readonly size_bytes: number,
  ) {
    this.#exports = exports;
  }

  static async compile(): Promise<CryptoModule> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-crypto-"));
    try {
      const wasm = join(folder, "module.wasm");
      const wat = join(folder, "module.wat");
      // A configuration of that name does not exist: the one in the working folder would add the engine's entries.
      const files = ["tests/unit/crypto/module.ts", "--config", "none.json", "--outFile", wasm, "--textFile", wat];
      const { error, stderr } = await asc.main([...files, ...(await options())]);
      if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
      const bytes = await readFile(wasm);
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
      const exports = instance.exports as unknown as Exports;
      exports._initialize();
      return new CryptoModule(exports, await readFile(wat, "utf8"), bytes.length);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What `verifyInModule` says. Throws when it traps, or changes what it was given. */
  verify(algorithm: number, key: Key, signature: Uint8Array, text: Uint8Array): boolean {
    const start = this.#exports.start();
    const signatureStart = start + key.bytes.length;
    const textStart = signatureStart + signature.length;
    const memory = new Uint8Array(this.#exports.memory.buffer);
    memory.set(key.bytes, start);
    memory.set(signature, signatureStart);
    memory.set(text, textStart);
    const sizes = [key.bytes.length, signature.length, text.length] as const;
    const { verify } = this.#exports;
    const valid = verify(algorithm, start, sizes[0], key.exponent, signatureStart, sizes[1], textStart, sizes[2]);
    const inputs = Buffer.from(memory.buffer, start, sizes[0] + sizes[1] + sizes[2]);
    if (!inputs.equals(Buffer.concat([key.bytes, signature, text]))) throw new Error("the module wrote to its inputs");
    return valid !== 0;
  }

  /** The hash of `size` bytes: 32, 48 or 64. @param part how many bytes of the text each update takes */
  hash(size: number, text: Uint8Array, part = 1 << 20): Uint8Array {
    const start = this.#exports.start();
    const memory = new Uint8Array(this.#exports.memory.buffer);
    memory.set(text, start + 64);
    this.#exports.hash(size, start + 64, text.length, part, start);
    return memory.slice(start, start + size);
  }
}
