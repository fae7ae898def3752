/** Public keys as a policy has them. */
import type { KeyObject } from "node:crypto";
import { key_candidates_max } from "../../../assembly/limits.ts";
import type { KeySet, PolicyKey } from "./model.ts";

/** A key set of these keys and no others. */
export function embeddedKeys(keys: PolicyKey[]): KeySet {
  return { use: "sig", keys, source: undefined };
}

/** A public key as the image has it. @param algorithms the mask of those it fits */
export function policyKey(key: KeyObject, kid: string, algorithms: number): PolicyKey {
  const { n, e, x, y } = key.export({ format: "jwk" });
  const raw = n === undefined ? [x, y] : [n];
  const parts = raw.map((part) => Buffer.from(part ?? "", "base64url"));
  return {
    kid,
    algorithms,
    spki: new Uint8Array(key.export({ type: "spki", format: "der" })),
    raw: new Uint8Array(Buffer.concat(parts)),
    exponent: e === undefined ? 0 : Number.parseInt(Buffer.from(e, "base64url").toString("hex"), 16),
  };
}

/** Whether two keys are the very same, whatever is said of them. */
export function isSameKey(one: PolicyKey, other: PolicyKey): boolean {
  return Buffer.compare(one.spki, other.spki) === 0;
}

/** What a token says of its key: an ID, none at all, or an ID that no key has. */
export type NamedKey = { kid: string } | "none" | "other";

/**
 * The keys that a token is tried with (assembly/keys/find.ts): the very same key counts once, and too many are none.
 * @param algorithm the bit of the token's algorithm
 */
export function keysToTry(keys: readonly PolicyKey[], named: NamedKey, algorithm: number): PolicyKey[] {
  const of = (kid: string): PolicyKey[] => keys.filter((key) => key.kid === kid);
  const ofId = typeof named === "object" ? of(named.kid) : [];
  const those = named === "none" ? keys : ofId.length > 0 ? ofId : of("");
  const fitting = those.filter((key) => (key.algorithms & algorithm) !== 0);
  const different = fitting.filter((key, index) => fitting.findIndex((other) => isSameKey(key, other)) === index);
  return different.length > key_candidates_max ? [] : different;
}
