/** The engine's sources as the compiler gets them: texts packed, two characters in one, and nothing else changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packTexts } from "../../scripts/build/sources.ts";

/** What packed texts of a source hold, byte by byte. */
function bytesOf(source: string): string {
  return [...source.matchAll(/\\u([0-9a-f]{2})([0-9a-f]{2})/gu)]
    .flatMap(([, high, low]) => [Number.parseInt(low!, 16), Number.parseInt(high!, 16)])
    .map((byte) => String.fromCharCode(byte))
    .join("");
}

test("two characters in one, a last one alone with zero above it", () => {
  assert.equal(packTexts('f("abcd")'), 'f("\\u6261\\u6463")');
  assert.equal(packTexts('f("abc")'), 'f("\\u6261\\u0063")');
  assert.equal(packTexts('f("")'), 'f("")');
});

test("quotes, escapes and NUL are the characters that they stand for", () => {
  assert.equal(bytesOf(packTexts(`f('{"a":"', "x\\0y", "\\"\\\\\\n\\x41\\u0042")`)), '{"a":"x\0y\0"\\\nAB\0');
});

test("comments, imports and what the compiler reads itself stay, and lines keep their numbers", () => {
  const source = [
    'import { a } from "./a";',
    '// it\'s a `comment` with "quotes"',
    '/* "and" one of',
    "   two lines */",
    'if (!(size == 4)) ERROR("a bound");',
    'const at = offsetof<Token>("claims");',
    'const text = literal("ab");',
  ];
  const packed = packTexts(source.join("\n")).split("\n");
  assert.deepEqual(packed.slice(0, -1), source.slice(0, -1));
  assert.equal(packed.at(-1), 'const text = literal("\\u6261");');
});

test("a text that is not ASCII, or ends in NUL, is refused", () => {
  assert.throws(() => packTexts('f("é")'), /is ASCII/u);
  assert.throws(() => packTexts('f("a\\0")'), /not NUL/u);
  assert.throws(() => packTexts('f("\\d")'), /escape/u);
});
