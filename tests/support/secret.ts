/** The secret that an Envoy's tables are hashed under (assembly/host/secret.ts), put there by a test that must know who meets whom. */
import { bucket_sets } from "../../assembly/limits.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import { sipHash } from "./siphash.ts";

export const secretKey = "sallyport:secret:1";
const [k0, k1] = [0x0f1e2d3c4b5a6978n, 0x8796a5b4c3d2e1f0n];

/** Shared data of an Envoy whose secret is the tests'. */
export function knownSecret(): SharedData {
  const sharedData = new SharedData();
  const secret = Buffer.alloc(16);
  secret.writeBigUInt64LE(k0);
  secret.writeBigUInt64LE(k1, 8);
  sharedData.set(secretKey, secret, 0);
  return sharedData;
}

/** Keys of what is shared but the secret. */
export function bucketKeys(sharedData: SharedData): string[] {
  return sharedData.keys().filter((key) => key !== secretKey);
}

/** What tells limits apart. */
export interface LimitIdentity {
  policy: string;
  name: string;
  burst: number;
  intervalNanoseconds: bigint;
}

/** So many callers whose buckets lie in one set: found by trying numbers under a secret that callers do not have. */
export function callersOfOneSet(count: number, limit: LimitIdentity): string[] {
  const sets = new Map<bigint, string[]>();
  for (let number = 0; ; number++) {
    const caller = `spiffe://example.org/c${number}`;
    const set = fingerprintOf(caller, limit) & BigInt(bucket_sets - 1);
    const callers = [...(sets.get(set) ?? []), caller];
    if (callers.length === count) return callers;
    sets.set(set, callers);
  }
}

/** What a caller's bucket is found by under that secret (limit/limit.ts), of a limit by caller. */
export function fingerprintOf(caller: string, limit: LimitIdentity): bigint {
  const identity = Buffer.alloc(16);
  identity.writeUInt32LE(hash32(0, Buffer.from(`${limit.policy}\0${limit.name}`)));
  identity.writeUInt32LE(limit.burst, 4);
  identity.writeBigUInt64LE(limit.intervalNanoseconds, 8);
  return sipHash(k0 ^ sipHash(k0, k1 ^ 0x104n, identity), k1 ^ 0x101n, Buffer.from(caller));
}
