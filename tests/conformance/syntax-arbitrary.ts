/** Random texts of CEL's whole grammar, types aside: every operator, literal, escape and macro, with blanks and parentheses. */
import * as fc from "fast-check";

const digits = fc.stringMatching(/^[0-9]{1,20}$/u);
const number = fc.oneof(
  digits,
  fc.stringMatching(/^0x[0-9a-fA-F]{1,16}$/u),
  fc.stringMatching(/^[0-9]{0,3}\.[0-9]{1,3}([eE][+-]?[0-9]{1,3})?$/u),
  fc.stringMatching(/^[0-9]{1,3}[eE][+-]?[0-9]{1,2}$/u),
  fc.stringMatching(/^[0-9]{1,3}[uU]$/u),
);
const character = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(..."abrux07/ .é😀`") },
  fc.constantFrom(..."abfnrtv\\?\"'`".split("").map((one) => `\\${one}`)),
  fc.constantFrom("\\x41", "\\XfF", "\\u00e9", "\\u20AC", "\\U0001F600", "\\101", "\\377", "\\xc3\\xa9"),
  fc.constantFrom("\\q", "\\8", "\\x4", "\\uD800", "\\U00110000", "//", "\n"),
);
const quoted = fc
  .tuple(
    fc.constantFrom("", "", "", "r", "R", "b", "br", "rb"),
    fc.constantFrom('"', "'", '"""', "'''"),
    fc.array(character, { maxLength: 4 }),
    fc.constantFrom("", "", "", '"', "'", '""'),
  )
  .map(([prefix, quote, characters, inner]) => prefix + quote + inner + characters.join("") + quote);
const name = fc.constantFrom("a", "claims", "x", "_y1", "has", "exists", "size", "if", "in", "nullable", "truth");
const blank = fc.constantFrom("", "", " ", "  ", "\n", " // a note\n");

/** Texts with what may stand between their words. */
const words = (...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
  fc
    .tuple(blank, ...parts.map((part) => (typeof part === "string" ? fc.constant(part) : part)))
    .map(([between, ...texts]) => texts.join(between));

const { expression } = fc.letrec<{ expression: string }>((tie) => {
  const one = tie("expression");
  const list = (most: number): fc.Arbitrary<string> => fc.array(one, { maxLength: most }).map((all) => all.join(","));
  const operators = ["&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", " in "];
  return {
    expression: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      name,
      number,
      quoted,
      fc.constantFrom("true", "false", "null"),
      words(one, fc.constantFrom(...operators), one),
      fc
        .tuple(one, fc.constantFrom(" && ", "||"), fc.array(one, { minLength: 2, maxLength: 5 }))
        .map(([first, op, others]) => [first, ...others].join(op)),
      words(fc.constantFrom("!", "!!", "!!!", "-", "--", "- ", "! "), one),
      words("(", one, ")"),
      words("!", "(", one, ")"),
      words("-", "(", one, ")"),
      words(one, "?", one, ":", one),
      words(one, ".", name),
      words(one, ".", name, "(", list(2), ")"),
      words(one, ".", fc.constantFrom("exists", "all", "map", "filter"), "(", name, ",", one, ")"),
      words(one, "[", one, "]"),
      words("[", list(3), fc.constantFrom("", ","), "]"),
      words(name, "(", list(2), ")"),
      words("has", "(", one, ".", name, ")"),
      words("has", "(", one, ")"),
      words("has", "(", one, "[", quoted, "]", ")"),
      words(".", name),
      words("{", one, ":", one, "}"),
      words(name, "{", name, ":", one, "}"),
    ),
  };
});

/** A text that is an expression, or nearly one. */
export const someSyntax: fc.Arbitrary<string> = expression;
