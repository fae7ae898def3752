/** The names of algorithms as bytes, to compare `alg` of tokens and keys with. */
import { Literal, literal } from "../bytes/literal";
import { isLiteral } from "../bytes/span";
import { algorithm_count, algorithmName } from "./algorithms";

const names: usize = memory.data(algorithm_count * 4, 4);
for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
  store<u32>(names + ((<usize>algorithm) << 2), <u32>changetype<usize>(literal(algorithmName(algorithm))));
}

/** The number of the algorithm with this exact name, or `algorithm_count`. */
export function algorithmNamed(start: usize, size: u32): u32 {
  for (let algorithm: u32 = 0; algorithm < algorithm_count; algorithm++) {
    const name = changetype<Literal>(<usize>load<u32>(names + ((<usize>algorithm) << 2)));
    if (isLiteral(start, size, name)) return algorithm;
  }
  return algorithm_count;
}
