/** Public keys as a policy has them. */
import type { KeyObject } from "node:crypto";
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
