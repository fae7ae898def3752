/** Metrics of one VM, as Envoy's Context::defineMetric and incrementMetric keep them. */
import { metricCounter, metricGauge, metricHistogram, WasmResult } from "./abi.ts";

const typeMask = 3;
const idIncrement = 4;

export class Metrics {
  readonly #names = new Map<number, string>();
  readonly #values = new Map<string, bigint>();
  readonly #nextIds = [metricCounter, metricGauge, metricHistogram];

  /** A new id for a metric; the same name gives another id of the same metric. */
  define(type: number, name: string): { status: WasmResult; id: number } {
    const last = this.#nextIds[type];
    if (last === undefined) return { status: WasmResult.BadArgument, id: 0 };
    const id = last + idIncrement;
    this.#nextIds[type] = id;
    this.#names.set(id, name);
    if (!this.#values.has(name)) this.#values.set(name, 0n);
    return { status: WasmResult.Ok, id };
  }

  /** Counters take positive offsets only, gauges any; a histogram cannot be incremented. */
  increment(id: number, offset: bigint): WasmResult {
    const type = id & typeMask;
    if (type !== metricCounter && type !== metricGauge) return WasmResult.BadArgument;
    const name = this.#names.get(id);
    if (name === undefined) return WasmResult.NotFound;
    if (type === metricCounter && offset <= 0n) return WasmResult.BadArgument;
    this.#values.set(name, this.#values.get(name)! + offset);
    return WasmResult.Ok;
  }

  /** The name an id was defined with. */
  name(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** All metrics defined so far with their values; names as given, without Envoy's `wasmcustom.` before them. */
  snapshot(): Map<string, bigint> {
    return new Map(this.#values);
  }
}
