/** The names of algorithms as bytes, to compare `alg` of tokens and keys with. */
import { Literal, literal } from "../bytes/literal";
import { isLiteral } from "../bytes/span";
import { algorithm_count, algorithm_eddsa, algorithmName, eddsa_other_name } from "./algorithms";

const names: usize = memory.data(algorithm_count * 4, 4);
for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
  store<u32>(names + ((<usize>algorithm) << 2), <u32>changetype<usize>(literal(algorithmName(algorithm))));
}

const ed25519_name = literal(eddsa_other_name);

/** The number of the algorithm with this exact name, or `algorithm_count`. EdDSA has two: RFC 9864 §2.2 calls it by its curve. */
export function algorithmNamed(start: usize, size: u32): u32 {
  for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
    const name = changetype<Literal>(<usize>load<u32>(names + ((<usize>algorithm) << 2)));
    if (isLiteral(start, size, name)) return algorithm;
  }
  return isLiteral(start, size, ed25519_name) ? algorithm_eddsa : algorithm_count;
}
