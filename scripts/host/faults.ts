/** Failures a test orders: the host then answers with a result of the test's choice instead of doing what was asked. */
import type { WasmResult } from "./abi.ts";

export interface Fault {
  /** The call's name without `proxy_`; left out: any call. */
  call?: string;
  /** Which of the matching calls of one callback, counted from 1; left out: all of them. */
  nth?: number;
  /** What the call returns. Nothing else happens: no argument is read, no result is written. */
  result: WasmResult;
}

/** Counts the calls of one callback and tells which of them fail. */
export class FaultCounter {
  readonly #faults: readonly Fault[];
  readonly #seen: number[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
    this.#seen = faults.map(() => 0);
  }

  /** The result ordered for the next call of that name, if any. */
  next(call: string): WasmResult | undefined {
    let result: WasmResult | undefined;
    this.#faults.forEach((fault, index) => {
      if (fault.call !== undefined && fault.call !== call) return;
      this.#seen[index]! += 1;
      if (fault.nth === undefined || fault.nth === this.#seen[index]) result ??= fault.result;
    });
    return result;
  }
}
