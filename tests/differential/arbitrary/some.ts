/** Ways to choose. */
import * as fc from "fast-check";

/** Data as YAML has it. */
export type Mapping = Record<string, unknown>;

/** One of these. */
export const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
export const few = <T>(one: fc.Arbitrary<T>, maxLength: number, minLength = 1): fc.Arbitrary<T[]> =>
  fc.uniqueArray(one, { minLength, maxLength });
/** One time in `often`, else nothing. */
export const sometimes = <T>(one: fc.Arbitrary<T>, often: number): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: often - 1 }, { arbitrary: one, weight: 1 });
