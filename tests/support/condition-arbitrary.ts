/** Random well-typed conditions, of a rule with a token and the path variable `id`. */
import * as fc from "fast-check";

const binary = (operand: fc.Arbitrary<string>, ...operators: string[]): fc.Arbitrary<string> =>
  fc.tuple(operand, fc.constantFrom(...operators), operand).map(([left, op, right]) => `(${left}) ${op} (${right})`);

const expressions = fc.letrec<Record<"bool" | "int" | "double" | "text" | "time" | "span" | "dyn" | "list", string>>(
  (tie) => {
    const text = tie("text");
    const any = tie("dyn");
    return {
      bool: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom(
          "true",
          "false",
          "has(claims.a)",
          "has(path.id)",
          '"x" in claims',
          '"q" in request.query',
          "has(request.headers.h)",
        ),
        fc.array(tie("bool"), { minLength: 2, maxLength: 4 }).map((all) => all.map((one) => `(${one})`).join(" && ")),
        fc.array(tie("bool"), { minLength: 2, maxLength: 4 }).map((all) => all.map((one) => `(${one})`).join(" || ")),
        // Two of them around one expression are refused.
        tie("bool").map((one) => (one.startsWith("!") ? one : `!(${one})`)),
        fc.tuple(tie("bool"), tie("bool"), tie("bool")).map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
        binary(tie("int"), "==", "!=", "<", "<=", ">", ">="),
        binary(tie("double"), "==", "<="),
        binary(text, "==", "<", ">"),
        binary(tie("time"), "==", "<", ">="),
        binary(tie("span"), "==", "<", ">="),
        fc.tuple(any, tie("int")).map(([one, other]) => `(${one}) == (${other})`),
        fc.tuple(any, tie("list")).map(([one, other]) => `(${one}) in (${other})`),
        fc
          .tuple(text, fc.constantFrom("startsWith", "endsWith", "contains"), text)
          .map(([one, name, other]) => `(${one}).${name}(${other})`),
        text.map((one) => `cidr("10.0.0.0/8").containsIP(${one})`),
        fc
          .tuple(
            fc.constantFrom("claims.list", "[1, 2, 3]", '["a", claims.b]', "claims"),
            fc.constantFrom("exists", "all"),
            fc.constantFrom("e == claims.x", 'e in [1, "k"]', "e != e && has(claims.a) || true"),
          )
          .map(([range, name, body]) => `${range}.${name}(e, ${body})`),
      ),
      int: fc.oneof(
        { maxDepth: 3 },
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
        fc.constantFrom("source.port", "destination.port"),
        text.map((one) => `size(${one})`),
      ),
      double: fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((one) => (/[.e]/u.test(String(one)) ? String(one) : `${one}.0`)),
      text: fc.oneof(
        { maxDepth: 3 },
        fc.string({ unit: "grapheme", maxLength: 8 }).map((one) => JSON.stringify(one)),
        fc.constantFrom(
          "caller.id",
          "caller.trust_domain",
          "path.id",
          "request.method",
          "request.host",
          "request.scheme",
          "source.ip",
          'request.headers["a-b"]',
          "request.query.q",
        ),
        fc.tuple(tie("bool"), text, text).map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
        fc.tuple(text, text).map(([a, b]) => `(${a}) + (${b})`),
        text.map((one) => `(${one}).lowerAscii()`),
        text.map((one) => `(${one}).split(",", 3)[0]`),
        any.map((one) => `(${one}) + "!"`),
      ),
      time: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom("now", 'timestamp("2026-01-02T03:04:05.678Z")', "timestamp(claims.iat)"),
        fc
          .tuple(tie("time"), fc.constantFrom("+", "-"), tie("span"))
          .map(([one, op, other]) => `(${one}) ${op} (${other})`),
      ),
      span: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom('duration("1h")', 'duration("-1.5s")'),
        fc.tuple(tie("time"), tie("time")).map(([one, other]) => `(${one}) - (${other})`),
      ),
      dyn: fc.constantFrom("claims.a", 'claims["b c"]', "claims.a.b[0]", '[1, "a", null][2]', "claims.n"),
      list: fc.oneof(
        fc.array(any, { maxLength: 3 }).map((all) => `[${all.join(", ")}]`),
        any,
        any.map((one) => `words(${one})`),
        text.map((one) => `(${one}).split(" ")`),
      ),
    };
  },
);

/** A bool expression. */
export const someCondition: fc.Arbitrary<string> = expressions.bool;
