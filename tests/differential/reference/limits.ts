/** Token buckets as the book has them: so many tokens, more with time, never more than the burst. */
import { networkOf } from "./address.ts";
import { claimAt, type Json, Unread } from "./json.ts";
import type { Limit } from "./policy.ts";
import { type Arrived, readSource } from "./request.ts";
import type { Claims } from "./token.ts";

/** Who asks, and what there is of the request to count by. */
interface Who {
  rule: string;
  /** In lower case, without port. */
  host: string;
  caller: string | null;
  claims: Claims | undefined;
  arrived: Arrived;
  /** Whether the caller's address may be what a header says. */
  takesForwardedAddress: boolean;
}

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
    who: Who,
    nowNanoseconds: bigint,
    dry: boolean,
  ): boolean {
    const buckets = limits.map(([name, limit]) => ({ limit, bucket: this.#filled(name, limit, who, nowNanoseconds) }));
    if (buckets.some(({ limit, bucket }) => bucket.units < cost * limit.periodNanoseconds)) return false;
    if (!dry) for (const { limit, bucket } of buckets) bucket.units -= cost * limit.periodNanoseconds;
    return true;
  }

  /** Gives back what was taken at the same time. */
  giveBack(limits: readonly (readonly [name: string, limit: Limit])[], cost: bigint, who: Who, now: bigint): void {
    for (const [name, limit] of limits) this.#filled(name, limit, who, now).units += cost * limit.periodNanoseconds;
  }

  #filled(name: string, limit: Limit, who: Who, now: bigint): Bucket {
    const rate = [limit.tokens, limit.periodNanoseconds, limit.burst];
    const key = [name, ...rate, ...limit.per.map((what) => keyOf(what, who))].join("\n");
    const full = limit.burst * limit.periodNanoseconds;
    const bucket = this.#buckets.get(key) ?? { units: full, atNanoseconds: now };
    const grown = bucket.units + (now - bucket.atNanoseconds) * limit.tokens;
    bucket.units = grown < full ? grown : full;
    bucket.atNanoseconds = now;
    this.#buckets.set(key, bucket);
    return bucket;
  }
}

/** The limit with the rate and burst of the tier that the request has: the text that chooses it stands there once. */
export function inTier(limit: Limit, who: Who): Limit {
  const key = limit.tier === undefined ? "absent" : keyOf(limit.tier, who);
  const text = key.startsWith("text ") ? key.slice(5) : key.startsWith('"') ? (JSON.parse(key) as string) : undefined;
  return { ...limit, ...(text === undefined ? undefined : limit.tiers.get(text)) };
}

/** Whether the limit denies the request for what it lacks. */
export function isKeyless({ deniesAbsent, per }: Limit, who: Who): boolean {
  return deniesAbsent && per.some((what) => keyOf(what, who) === "absent");
}

/** What a bucket is kept for, as a text that tells different values apart: "1" from 1, and "" from none; but not 1 from 1.0. */
function keyOf(what: string, { rule, host, caller, claims, arrived, takesForwardedAddress }: Who): string {
  if (what === "rule") return `text ${rule}`;
  if (what === "host" || what === "request.host") return `text ${host}`;
  if (what === "request.method") return `text ${arrived.method}`;
  if (what === "caller" || what === "caller.id") return caller === null ? "absent" : JSON.stringify(caller);
  if (what === "caller.trust_domain") return caller === null ? "absent" : `text ${caller.split("/")[2]}`;
  const [, header] = /^request\.headers\["(.*)"\]$/u.exec(what) ?? [];
  if (header !== undefined) {
    const [value, second] = arrived.headers.filter(([name]) => name === header).map(([, one]) => one);
    return value === undefined || second !== undefined ? "absent" : `text ${value}`;
  }
  if (what.startsWith("source.ip")) {
    const { ip, port } = readSource(arrived.source);
    const [, bits] = what.split("/");
    if (port === 0 && !takesForwardedAddress) return "absent";
    return networkOf(ip, bits === undefined ? undefined : Number(bits));
  }
  const value = claimAt(what, claims);
  return value === undefined ? "absent" : textOf(value);
}

function textOf(value: Json): string {
  if (value instanceof Unread) return `beyond ${value.text}`;
  if (value instanceof Map) return `{${[...value].map(([name, one]) => `${JSON.stringify(name)}:${textOf(one)}`)}}`;
  if (Array.isArray(value)) return `[${value.map(textOf)}]`;
  if (typeof value === "number") return Number.isInteger(value) ? String(BigInt(value)) : String(value);
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}
