/**
 * Shared data as in proxy-wasm-cpp-host's src/shared_data.cc: one store for all workers of a process. Hosts given the same
 * store are workers that share it.
 */
import { WasmResult } from "./abi.ts";

interface Entry {
  value: Uint8Array;
  cas: number;
}

export class SharedData {
  readonly #entries = new Map<string, Entry>();
  #lastCas = 0;

  /** How many keys there are. No call removes one, so this bounds what a module can make the proxy hold. */
  get size(): number {
    return this.#entries.size;
  }

  /** Keys as one character a byte, in the order they were first set. */
  keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** @param key one character a byte */
  get(key: string): Readonly<Entry> | undefined {
    return this.#entries.get(key);
  }

  /**
   * Sets a value. A `cas` of 0 sets it whatever is there; another must be the entry's own. Where no entry is, `cas` is not
   * looked at: two workers that both saw nothing both succeed.
   */
  set(key: string, value: Uint8Array, cas: number): WasmResult {
    const entry = this.#entries.get(key);
    if (entry !== undefined && cas !== 0 && cas !== entry.cas) return WasmResult.CasMismatch;
    this.#entries.set(key, { value: value.slice(), cas: this.#nextCas() });
    return WasmResult.Ok;
  }

  #nextCas(): number {
    this.#lastCas = (this.#lastCas + 1) >>> 0;
    if (this.#lastCas === 0) this.#lastCas = 1;
    return this.#lastCas;
  }
}
