/**
 * Metrics of one VM, as Envoy's Context::defineMetric, incrementMetric, recordMetric and getMetric keep them. Ids are the VM's own, values
 * belong to the whole process: workers given the same values count together.
 */
import { metricCounter, metricGauge, metricHistogram, WasmResult } from "./abi.ts";

const typeMask = 3;
const idIncrement = 4;

export class Metrics {
  readonly #names = new Map<number, string>();
  readonly #values: Map<string, bigint>;
  readonly #nextIds = [metricCounter, metricGauge, metricHistogram];

  /** @param values the values by name, to share with other workers */
  constructor(values = new Map<string, bigint>()) {
    this.#values = values;
  }

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

  /** Sets a gauge, adds to a counter; of a histogram this host keeps the last value only. */
  record(id: number, value: bigint): WasmResult {
    const name = this.#names.get(id);
    if (name === undefined) return WasmResult.NotFound;
    const before = (id & typeMask) === metricCounter ? this.#values.get(name)! : 0n;
    this.#values.set(name, before + BigInt.asUintN(64, value));
    return WasmResult.Ok;
  }

  /** What a counter or a gauge stands at, for the whole process. A histogram has no value. */
  read(id: number): { result: WasmResult; value: bigint } {
    const type = id & typeMask;
    if (type !== metricCounter && type !== metricGauge) return { result: WasmResult.BadArgument, value: 0n };
    const value = this.#values.get(this.#names.get(id) ?? "");
    if (value === undefined) return { result: WasmResult.NotFound, value: 0n };
    return { result: WasmResult.Ok, value: BigInt.asUintN(64, value) };
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
