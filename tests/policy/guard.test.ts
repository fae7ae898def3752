/** Literals and bounded patterns: what is refused, and that their automaton finds what regular expressions find. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAutomaton } from "../../scripts/policy/guard/automaton.ts";
import { parseLiteral, parsePattern } from "../../scripts/policy/guard/expression.ts";
import { compilePatterns } from "../../scripts/policy/guard/table.ts";

/** The size of the longest match at the beginning of a text, where no word goes on. */
function matched(source: string, text: string): number {
  const automaton = makeAutomaton([parsePattern(source)]);
  const bytes = Buffer.from(text);
  let state = 2;
  let size = 0;
  for (const [index, byte] of bytes.entries()) {
    state = automaton.states[state]!.next[automaton.classes[byte]!]!;
    if (state === 0) break;
    const { accepts, acceptsAtEnd } = automaton.states[state]!;
    if (accepts >= 0 || (acceptsAtEnd >= 0 && !/^[A-Za-z0-9]/.test(text.slice(index + 1)))) size = index + 1;
  }
  return size;
}

const patterns = [
  "EMP-\\d{6}",
  "(foo|bar){1,3}x?",
  "[A-Z]{2,4}-[^a-z]{2}[\\w.-]{0,5}",
  "(?i)secret[ _-]?plan",
  "a(b|cd){2,3}e{0,2}",
  "\\x41\\.\\s\\S{2}",
  "\\bid:[0-9a-f]{4,8}\\b",
];
const texts = [
  "EMP-123456",
  "EMP-12345",
  "foobarfoox",
  "barx",
  "AB-01x.y",
  "ABCD-::",
  "Secret_PLAN",
  "secretplan",
  "abcdbee",
  "acdcdcde",
  "A. xy",
  "id:0123abcd",
  "id:0123abcdz",
  "id:012",
];

test("matches are those of a regular expression, the longest", () => {
  for (const source of patterns) {
    const flags = source.startsWith("(?i)") ? "i" : "";
    const body = source.replace(/^\(\?i\)/, "");
    for (const text of texts) {
      const wanted = Array.from({ length: text.length }, (_, index) => text.length - index).find((size) =>
        new RegExp(`^(?:${body})(?<=^[^]{${size}})`, flags).test(text),
      );
      assert.equal(matched(source, text), wanted ?? 0, `${source} in ${text}`);
    }
  }
});

test("a literal is its bytes", () => {
  const { states } = makeAutomaton([parseLiteral("a.b{2}")]);
  assert.equal(states.length, 3 + 6);
});

test("what has no bound, looks around, or is too short or large, is refused", () => {
  const refused: [string, RegExp][] = [
    ["abc*", /no bound/],
    ["abc+", /no bound/],
    ["abc{2,}", /no bound/],
    ["(?=abc)", /looks around/],
    ["ab\\bc", /beginning or the end/],
    ["abc\\k", /not known/],
    ["a?bc", /at least 3/],
    ["[ab", /no `\]`/],
    ["abc)", /closes no group/],
    ["(abc", /no `\)`/],
    ["abc{129}", /1 to 128/],
    ["(abcd){64}", /at most 128/],
    ["abc??", /stands here already/],
    ["(.{0,40}x.{0,40}y){1}zzz", /states/],
  ];
  for (const [pattern, message] of refused) assert.throws(() => compilePatterns([{ pattern }]), message, pattern);
});
