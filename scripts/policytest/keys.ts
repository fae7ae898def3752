/**
 * Keys of the test runner's own, one for each algorithm, made when first asked for and kept for the run. They stand in for
 * an issuer's, so that a test can have any token it likes without anybody's private key.
 */
import { constants, type KeyObject, sign } from "node:crypto";
import { algorithm_eddsa, algorithmHash } from "../../assembly/crypto/algorithms.ts";
import { type KeyPair, makeKeyPair } from "../common/keypair.ts";
import { algorithm_names, algorithmNumber, curveOf } from "../policy/language/algorithms.ts";
import type { PolicyKey } from "../policy/language/model.ts";
import { policyKey } from "../policy/language/publickey.ts";

/** A stand-in key of one algorithm. */
export interface StandIn extends PolicyKey {
  /** Its number in assembly/crypto/algorithms.ts. */
  algorithm: number;
  /** `alg`. */
  name: string;
  /** The JWS signature of a signing input (RFC 7515 §5.1), ECDSA as r and s side by side (RFC 7518 §3.4). */
  sign(input: string): Uint8Array;
}

const standIns = new Map<number, StandIn>();
/** What all algorithms of RSA share, since making a key takes its time. */
let rsa: KeyPair | undefined;

/** The runner's key for an algorithm's number. */
export function standInKey(algorithm: number): StandIn {
  const known = standIns.get(algorithm);
  if (known !== undefined) return known;
  const { publicKey, privateKey } = makePair(algorithm);
  const name = algorithm_names[algorithm]!;
  const made: StandIn = {
    ...policyKey(publicKey, `sallyport-test-${name}`, 1 << algorithm),
    algorithm,
    name,
    sign: (input) => signWith(privateKey, algorithm, Buffer.from(input)),
  };
  standIns.set(algorithm, made);
  return made;
}

/** The runner's keys for `alg` values, as a policy's issuer would have them. */
export function standInKeys(algorithms: readonly string[]): PolicyKey[] {
  return algorithms.flatMap((name) => {
    const number = algorithmNumber(name);
    if (number === undefined) return [];
    const { kid, algorithms, spki, raw, exponent } = standInKey(number);
    return [{ kid, algorithms, spki, raw, exponent }];
  });
}

function makePair(algorithm: number): KeyPair {
  const namedCurve = curveOf(algorithm);
  if (namedCurve !== undefined) return makeKeyPair("ec", { namedCurve });
  if (algorithm === algorithm_eddsa) return makeKeyPair("ed25519");
  rsa ??= makeKeyPair("rsa", { modulusLength: 2048 });
  return rsa;
}

function signWith(key: KeyObject, algorithm: number, input: Uint8Array): Uint8Array {
  if (algorithm === algorithm_eddsa) return sign(null, input, key);
  const hash = algorithmHash(algorithm);
  if (algorithm_names[algorithm]!.startsWith("PS")) {
    const salt = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return sign(hash, input, { key, ...salt });
  }
  return sign(hash, input, { key, dsaEncoding: "ieee-p1363" });
}
