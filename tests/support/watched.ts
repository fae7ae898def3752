/** Shared data that lets a test act right after a value was set: what another worker does in between. */
import { WasmResult } from "../../scripts/host/abi.ts";
import { SharedData } from "../../scripts/host/shared.ts";

export class Watched extends SharedData {
  onSet: (() => void) | undefined;

  override set(key: string, value: Uint8Array, cas: number): WasmResult {
    const result = super.set(key, value, cas);
    if (result === WasmResult.Ok) this.onSet?.();
    return result;
  }

  /** Acts after the next value that is set. */
  once(act: () => void): void {
    this.onSet = () => {
      this.onSet = undefined;
      act();
    };
  }
}
