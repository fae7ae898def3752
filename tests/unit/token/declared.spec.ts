/** Types of claims: which JSON value is of which. */
import { scanJson, scanned } from "../../../assembly/bytes/json";
import { scratch_tape } from "../../../assembly/bytes/tape";
import * as layout from "../../../assembly/policy/layout";
import { isOfType } from "../../../assembly/token/declared";

/** Which types a JSON text is of, each by its first letter; a map by `m`. */
function typesOf(text: string): string {
  const bytes = String.UTF8.encode(text);
  expect(scanJson(changetype<usize>(bytes), bytes.byteLength, scratch_tape, 64)).toBe(scanned, text);
  let found = "";
  if (isOfType(scratch_tape, layout.value_any)) found += "a";
  if (isOfType(scratch_tape, layout.value_string)) found += "s";
  if (isOfType(scratch_tape, layout.value_int)) found += "i";
  if (isOfType(scratch_tape, layout.value_double)) found += "d";
  if (isOfType(scratch_tape, layout.value_bool)) found += "b";
  if (isOfType(scratch_tape, layout.value_list)) found += "l";
  if (isOfType(scratch_tape, layout.value_map)) found += "m";
  return found;
}

describe("types of claims", () => {
  it("tells the kinds of JSON apart", () => {
    expect(typesOf('"a"')).toBe("as");
    expect(typesOf("true")).toBe("ab");
    expect(typesOf("false")).toBe("ab");
    expect(typesOf("[1]")).toBe("al");
    expect(typesOf("{}")).toBe("am");
    expect(typesOf("null")).toBe("a");
  });

  it("takes for an int what 64 bits hold, without point and exponent", () => {
    const ints = ["0", "-0", "7", "-7", "9223372036854775807", "-9223372036854775808"];
    for (let index = 0; index < ints.length; index++) expect(typesOf(ints[index])).toBe("aid", ints[index]);
    const others = ["1.0", "1e0", "9223372036854775808", "-9223372036854775809", "9999999999999999999"];
    for (let index = 0; index < others.length; index++) expect(typesOf(others[index])).toBe("ad", others[index]);
  });
});
