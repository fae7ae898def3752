/**
 * Keys of the test runner's own, one for each algorithm, made when first asked for and kept for the run. They stand in for
 * an issuer's, so that a test can have any token it likes without anybody's private key.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { algorithmHash } from "../../assembly/token/algorithms.ts";
import { algorithm_names, curveOf } from "../policy/algorithms.ts";

/** A stand-in key of one algorithm. */
export interface StandIn {
  /** Its number in assembly/token/algorithms.ts. */
  algorithm: number;
  /** `alg`. */
  name: string;
  kid: string;
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array;
  /** The JWS signature of a signing input (RFC 7515 §5.1), ECDSA as r and s side by side (RFC 7518 §3.4). */
  sign(input: string): Uint8Array;
}

const standIns = new Map<number, StandIn>();

/** The runner's key for an algorithm's number. */
export function standInKey(algorithm: number): StandIn {
  const known = standIns.get(algorithm);
  if (known !== undefined) return known;
  const curve = curveOf(algorithm);
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } =
    curve === undefined
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: curve });
  const name = algorithm_names[algorithm]!;
  const made: StandIn = {
    algorithm,
    name,
    kid: `sallyport-test-${name}`,
    spki: publicKey.export({ format: "der", type: "spki" }),
    sign: (input) => sign(algorithmHash(algorithm), Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }),
  };
  standIns.set(algorithm, made);
  return made;
}
