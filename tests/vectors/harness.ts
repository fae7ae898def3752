/** assembly/crypto/ alone, compiled as the engine is and instantiated in Node. */
import { compileModule } from "../support/compile.ts";

/** A public key as `verifyInModule` takes it. */
export interface Key {
  bytes: Uint8Array;
  /** Of RSA; 0 for the others. */
  exponent: number;
}

interface Exports {
  memory: WebAssembly.Memory;
  start(): number;
  verify(...args: number[]): number;
  hash(size: number, text: number, textSize: number, part: number, target: number): void;
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
    const { instance, text, size_bytes } = await compileModule("tests/unit/crypto/module.ts");
    return new CryptoModule(instance.exports as unknown as Exports, text, size_bytes);
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
