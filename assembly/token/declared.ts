/** The claims of a token held against what its issuer's `claims` declare them to be (policy/layout.ts, CLAIMS). */
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Finding, findingOfClaim, good } from "../finding";
import * as layout from "../policy/layout";
import { memberAt, Policy, recordAt } from "../policy/policy";

/** The first claim that is of another type, or is missing and must be there. */
export function checkTypes(policy: Policy, issuer: usize, claims: usize): Finding {
  const first = load<u32>(issuer, layout.issuer_claims_at);
  const count = load<u32>(issuer, layout.issuer_claims_at + 4);
  for (let index = first; index < first + count; index++) {
    const declared = recordAt(policy, layout.section_claims, index);
    const value = memberAt(policy, declared + layout.claim_path_at, claims);
    const fits =
      value == json.absent
        ? load<u32>(declared, layout.claim_required_at) == 0
        : isOfType(value, load<u32>(declared, layout.claim_type_at));
    if (!fits) return findingOfClaim(index);
  }
  return good;
}

/** Whether a value is of a type (policy/layout.ts). `null` is of no type but `any`. */
export function isOfType(value: usize, type: u32): bool {
  const kind = json.kindOf(value);
  switch (type) {
    case layout.value_any:
      return true;
    case layout.value_string:
      return kind == Kind.STRING;
    case layout.value_int:
      return kind == Kind.NUMBER && isInt(json.startOf(value), json.sizeOf(value));
    case layout.value_double:
      return kind == Kind.NUMBER;
    case layout.value_bool:
      return kind == Kind.TRUE || kind == Kind.FALSE;
    case layout.value_list:
      return kind == Kind.ARRAY;
    default:
      return kind == Kind.OBJECT;
  }
}

/** Whether a number is written without point and exponent, and 64 bits hold it: what is an int in a condition (condition/number.ts). */
function isInt(start: usize, size: u32): bool {
  const isNegative = load<u8>(start) == 0x2d;
  const first: u32 = isNegative ? 1 : 0;
  if (size - first > 19) return false;
  let value: u64 = 0;
  for (let index = first; index < size; index++) {
    const digit = <u32>load<u8>(start + index) - 0x30;
    if (digit >= 10) return false;
    value = value * 10 + <u64>digit;
  }
  return value <= <u64>i64.MAX_VALUE + (isNegative ? 1 : 0);
}
