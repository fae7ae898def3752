/**
 * Keys of the test runner's own, one for each algorithm, made when first asked for and kept for the run. They stand in for
 * an issuer's, so that a test can have any token it likes without anybody's private key.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  algorithm_count,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithmHash,
  algorithmName,
} from "../../assembly/token/algorithms.ts";

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

const curves: Readonly<Record<number, string>> = {
  [algorithm_es256]: "P-256",
  [algorithm_es384]: "P-384",
  [algorithm_es512]: "P-521",
};

const standIns = new Map<number, StandIn>();

/** The runner's key for an algorithm's number. */
export function standInKey(algorithm: number): StandIn {
  const known = standIns.get(algorithm);
  if (known !== undefined) return known;
  const curve = curves[algorithm];
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } =
    curve === undefined
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: curve });
  const name = algorithmName(algorithm);
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

/** The number of an `alg` value; undefined for one that the engine does not know. */
export function algorithmNumber(name: string): number | undefined {
  for (let number = 0; number < algorithm_count; number++) if (algorithmName(number) === name) return number;
  return undefined;
}
