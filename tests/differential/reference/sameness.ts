/**
 * What `==`, `!=` and `in` are about values of which a part cannot be read; @bufbuild/cel knows errors beside values, not
 * inside them, and gives up the whole list. docs/policy-language.md: what differs or is found decides, as with `&&` and `||`.
 */
import {
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celMethod,
  isCelList,
  isCelMap,
  listType,
  parse,
  plan,
} from "@bufbuild/cel";

/** An element that cannot be read. Bytes are of no use in the policy language: each operation on them is an error. */
export const unreadable: CelValue = new Uint8Array();

const { BOOL, BYTES, DYN, INT } = CelScalar;

function refuse(): never {
  throw new Error("it cannot be read");
}

/** Undefined: nothing shows that they differ, and a part of one cannot be read. */
type Sameness = boolean | undefined;

const plainly = plan(celEnv(), parse("left == right"));

function sameness(left: CelValue, right: CelValue): Sameness {
  if (left === unreadable || right === unreadable) return undefined;
  if (isCelList(left) && isCelList(right)) return samenessOfLists(left, right);
  if (isCelMap(left) && isCelMap(right)) return samenessOfMaps(left, right);
  return plainly({ left, right } as never) === true;
}

function samenessOfLists(left: CelList, right: CelList): Sameness {
  if (left.size !== right.size) return false;
  const others = [...right];
  return all([...left].map((one, index) => sameness(one, others[index]!)));
}

function samenessOfMaps(left: CelMap, right: CelMap): Sameness {
  if (left.size !== right.size) return false;
  const others = new Map(right.entries());
  return all([...left.entries()].map(([name, one]) => others.has(name) && sameness(one, others.get(name)!)));
}

function all(parts: Sameness[]): Sameness {
  if (parts.includes(false)) return false;
  return parts.includes(undefined) ? undefined : true;
}

function any(parts: Sameness[]): Sameness {
  if (parts.includes(true)) return true;
  return parts.includes(undefined) ? undefined : false;
}

function known(answer: Sameness): boolean {
  return answer ?? refuse();
}

/** In place of the library's own. */
export const functions = [
  celFunc("_==_", [DYN, DYN], BOOL, (left, right) => known(sameness(left, right))),
  celFunc("_!=_", [DYN, DYN], BOOL, (left, right) => !known(sameness(left, right))),
  celFunc("@in", [DYN, listType(DYN)], BOOL, (value, list) => known(any([...list].map((one) => sameness(one, value))))),
  ...["_<_", "_<=_", "_>_", "_>=_"].map((order) => celFunc(order, [BYTES, BYTES], BOOL, refuse)),
  celFunc("_+_", [BYTES, BYTES], BYTES, refuse),
  celFunc("size", [BYTES], INT, refuse),
  celMethod("size", BYTES, [], INT, refuse),
];
