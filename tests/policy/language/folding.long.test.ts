/** Case folding, against that of the regular expressions of Node (`iu`), which is Unicode's simple one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { foldCase } from "../../../scripts/policy/language/folding.ts";

const last = 0x10ffff;
const isHalf = (point: number): boolean => point >= 0xd800 && point < 0xe000;

test("each character folds to one that Node takes for the same in another case", () => {
  for (let point = 0; point <= last; point++) {
    if (isHalf(point)) continue;
    const letter = String.fromCodePoint(point);
    const folded = foldCase(letter);
    if (folded === letter) continue;
    assert.equal(foldCase(folded), folded, `U+${point.toString(16)} folds twice`);
    // A letter that this Node does not know yet has no other case for it.
    if (/\p{Cn}/u.test(letter)) continue;
    assert.match(folded, new RegExp(`^\\u{${point.toString(16)}}$`, "iu"), `U+${point.toString(16)}`);
  }
});

test("whatever Node takes for the same letter in another case folds alike", () => {
  const letters = Array.from({ length: last + 1 }, (_, point) => point).filter((point) => !isHalf(point));
  const cased = letters
    .map((point) => String.fromCodePoint(point))
    .filter((one) => /\p{L}|\p{M}|\p{N}|\p{S}/u.test(one));
  const changing = cased.filter(
    (one) => one.toLowerCase() !== one || one.toUpperCase() !== one || foldCase(one) !== one,
  );
  const all = changing.join("");
  for (const letter of changing) {
    const point = letter.codePointAt(0)!.toString(16);
    const alike = new Set(Array.from(all.matchAll(new RegExp(`\\u{${point}}`, "giu")), ([one]) => foldCase(one)));
    assert.deepEqual([...alike], [foldCase(letter)], `U+${point}`);
  }
});

test("texts", () => {
  assert.equal(foldCase("/ADMIN/Straße/ΣΊΣΥΦΟΣ/İı"), "/admin/straße/σίσυφοσ/İı");
  assert.equal(foldCase("ſK"), "sk");
});
