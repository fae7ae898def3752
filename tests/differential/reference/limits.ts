/** Token buckets as the book has them: so many tokens, more with time, never more than the burst. */
import type { Json } from "./json.ts";
import type { Limit } from "./policy.ts";
import type { Claims } from "./token.ts";

/** In units of one token by the length of the period, so that nothing is ever rounded. */
interface Bucket {
  units: bigint;
  atNanoseconds: bigint;
}

/** All buckets of a policy. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();

  /** Whether all limits have room for the cost; takes it from each of them if so, unless it is only to be seen. */
  take(
    limits: readonly (readonly [name: string, limit: Limit])[],
    cost: bigint,
    who: { caller: string | null; claims: Claims | undefined },
    nowNanoseconds: bigint,
    dry: boolean,
  ): boolean {
    const buckets = limits.map(([name, limit]) => ({ limit, bucket: this.#filled(name, limit, who, nowNanoseconds) }));
    if (buckets.some(({ limit, bucket }) => bucket.units < cost * limit.periodNanoseconds)) return false;
    if (!dry) for (const { limit, bucket } of buckets) bucket.units -= cost * limit.periodNanoseconds;
    return true;
  }

  #filled(name: string, limit: Limit, who: { caller: string | null; claims: Claims | undefined }, now: bigint): Bucket {
    const key = [name, ...limit.per.map((what) => keyOf(what, who))].join("\n");
    const full = limit.burst * limit.periodNanoseconds;
    const bucket = this.#buckets.get(key) ?? { units: full, atNanoseconds: now };
    const grown = bucket.units + (now - bucket.atNanoseconds) * limit.tokens;
    bucket.units = grown < full ? grown : full;
    bucket.atNanoseconds = now;
    this.#buckets.set(key, bucket);
    return bucket;
  }
}

/** What a bucket is kept for, as a text that tells different values apart: "1" from 1, and "" from none; but not 1 from 1.0. */
function keyOf(what: string, { caller, claims }: { caller: string | null; claims: Claims | undefined }): string {
  if (what === "caller" || what === "caller.id") return caller === null ? "nobody" : JSON.stringify(caller);
  let value: Json | undefined = claims;
  for (const name of what.split(".").slice(1)) value = value instanceof Map ? value.get(name) : undefined;
  return value === undefined ? "absent" : textOf(value);
}

function textOf(value: Json): string {
  if (value instanceof Map) return `{${[...value].map(([name, one]) => `${JSON.stringify(name)}:${textOf(one)}`)}}`;
  if (Array.isArray(value)) return `[${value.map(textOf)}]`;
  if (typeof value === "number") return Number.isInteger(value) ? String(BigInt(value)) : String(value);
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}
