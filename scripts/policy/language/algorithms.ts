/** The engine's signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) as tools need them: one table for issuers, key sets and test keys. */
import {
  algorithm_count,
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithmName,
  eddsa_other_name,
  svid_algorithms,
} from "../../../assembly/crypto/algorithms.ts";

/** `alg` values an issuer may name; an algorithm's place is its number in the engine. */
export const algorithm_names: readonly string[] = Array.from({ length: algorithm_count }, (_, number) =>
  algorithmName(number),
);

/** What an `alg` may say, in tokens, keys and policies: EdDSA has two names. */
export const algorithm_values: readonly string[] = [...algorithm_names, eddsa_other_name];

/** The curves of ECDSA, each with its one algorithm (RFC 7518 §3.4) and the size of a coordinate. */
export const curves: Readonly<Record<string, { algorithm: number; coordinateBytes: number }>> = {
  "P-256": { algorithm: algorithm_es256, coordinateBytes: 32 },
  "P-384": { algorithm: algorithm_es384, coordinateBytes: 48 },
  "P-521": { algorithm: algorithm_es512, coordinateBytes: 66 },
};

/** The curve of an algorithm's EC keys; undefined for other algorithms. */
export function curveOf(algorithm: number): string | undefined {
  return Object.keys(curves).find((name) => curves[name]!.algorithm === algorithm);
}

/** The numbers of the algorithms an RSA key fits. */
export const rsa_algorithms: readonly number[] = algorithm_names
  .map((_, number) => number)
  .filter((number) => curveOf(number) === undefined && number !== algorithm_eddsa);

/** The `alg` values a JWT-SVID may have. */
export const svid_algorithm_names: readonly string[] = algorithm_names.filter(
  (_, number) => ((svid_algorithms >> number) & 1) === 1,
);

/** The number of an `alg` value, by either of its names; undefined for one that the engine does not know. */
export function algorithmNumber(name: string): number | undefined {
  const number = name === eddsa_other_name ? algorithm_eddsa : algorithm_names.indexOf(name);
  return number < 0 ? undefined : number;
}

/** A set of known algorithms as the image has it: bit n for algorithm n. */
export function algorithmMask(names: readonly string[]): number {
  let mask = 0;
  for (const name of names) mask |= 1 << algorithm_names.indexOf(name);
  return mask;
}
