/** Requests of so many distinct keys against one limit, at two workers of a host in Node: what shared data and memory come to. */
import { bucket_sets, bucket_ways } from "../../../assembly/limits.ts";
import { SharedData } from "../../../scripts/host/shared.ts";
import { Random } from "../../support/random.ts";
import { Bench, benchRequest } from "../host.ts";

/** What there is after so many keys. */
export interface Footprint {
  keys: number;
  admitted: number;
  /** Shared values, and the bytes of their names and contents. */
  values: number;
  valueBytes: number;
  /** Of both workers' modules. */
  memoryBytes: number;
}

/** The most that one limit and the secret take: each set has a name of 27 bytes. */
export const values_max = bucket_sets + 1;
export const value_bytes_max = bucket_sets * (27 + (bucket_ways + 1) * 16) + 34;

/** One limit by caller and a part of the path, which no key comes back to within an hour. */
export const many_keys_policy = `version: 1
name: many
trust: { domains: [example.org] }
limits: { each: { rate: 1/h, burst: 2, per: [caller, path.id] } }
rules:
  - { name: one, callers: [any], allow: ["GET /orders/{id}"], limit: each }
`;
const callers = 1000;

/** @param every after how many keys `onSample` is told, and after the last */
export function sendManyKeys(
  engine: Uint8Array,
  image: Uint8Array,
  { keys, seed, every }: { keys: number; seed: number; every: number },
  onSample: (sample: Footprint) => void,
): void {
  const sharedData = new SharedData();
  const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
  const workers = [0, 1].map(() => new Bench(module, image, sharedData));
  const random = new Random(seed);
  let admitted = 0;
  for (let key = 1; key <= keys; key++) {
    const caller = `spiffe://example.org/${seed}/${key % callers}`;
    const worker = workers[random.below(workers.length)]!;
    // All keys come in ten hours, so that some buckets have filled and go to others.
    worker.nanoseconds += (BigInt(random.below(72_000)) * 1_000_000_000n) / BigInt(keys);
    for (const one of workers) one.nanoseconds = worker.nanoseconds;
    if (worker.ask(benchRequest(caller, "GET", `/orders/${Math.floor(key / callers)}`))) admitted++;
    if (key % every !== 0 && key !== keys) continue;
    const names = sharedData.keys();
    const valueBytes = names.reduce((sum, name) => sum + name.length + sharedData.get(name)!.value.length, 0);
    const memoryBytes = workers.reduce((sum, one) => sum + one.memoryBytes, 0);
    onSample({ keys: key, admitted, values: names.length, valueBytes, memoryBytes });
  }
}
