/** Random conditions of every kind the language has, sound in their types, and what kinds a condition is of. */
import * as fc from "fast-check";

const some = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const join = (...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => (typeof part === "string" ? fc.constant(part) : part)))
    .map((texts) => texts.join(""));
const either = (...arbitraries: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> => fc.oneof(...arbitraries);

const texts = some(
  '"a"',
  '"b"',
  '""',
  '"alice"',
  '"é"',
  '"1"',
  '"healthy"',
  '"10.1.2.3"',
  '"GET"',
  '"/a"',
  '"example.org"',
);
const equality = some(" == ", " != ");
const order = some(" < ", " <= ", " > ", " >= ");
const comparison = either(equality, order);
const network = some('"10.0.0.0/8"', '"10.1.2.3/32"', '"10.1.2.2/31"', '"192.0.2.0/25"', '"0.0.0.0/0"');
const network6 = some('"2001:db8::/32"', '"2001:db8::1/128"', '"2001:db8::/127"', '"::/0"', '"2001:db8::/30"');
const time = some(
  'timestamp("2026-11-21T10:00:00Z")',
  'timestamp("2026-11-21T10:00:00.500Z")',
  'timestamp("2026-11-21T12:00:07+02:00")',
  'timestamp("2026-11-21T10:01:00Z")',
  'timestamp("2030-01-01T00:00:00Z")',
);
const span = some(
  'duration("1s")',
  'duration("1m")',
  'duration("1h")',
  'duration("0s")',
  'duration("-1m")',
  'duration("500ms")',
);

const plain_strings = some(
  "caller.id",
  "caller.trust_domain",
  "caller.path",
  "request.method",
  "request.path",
  "request.host",
  "request.scheme",
  'request.headers["x-a"]',
  'request.headers["x-b"]',
  'request.query["q"]',
  'request.query["r"]',
  "source.ip",
  "path.id",
  "path.x",
);
/** Those that may be looked for in a list of texts: the caller's address may not. */
const listed_strings = some(
  "caller.id",
  "caller.path",
  "request.method",
  "request.scheme",
  'request.headers["x-a"]',
  'request.query["q"]',
  "path.id",
  "path.x",
);
const claim_strings = some(
  "claims.sub",
  "claims.device.posture",
  "claims.device.os.name",
  "claims.org.id",
  'claims["x-y"]',
  'claims["https://x.example/roles"].name',
  'claims["sub"]',
  'claims["device"].posture',
  "claims.scope",
  "claims.absent",
  "claims.groups[0]",
);

const separator = some('","', '" "', '""', '", "', '"a"', '"none"', "path.id");
const limit = some("", "", ", 2", ", 1", ", 0", ", -1");
/** Texts made of others. */
const composed = (string: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  either(
    join("(", either(texts, string), " + ", either(texts, string), ")"),
    join('("a" + ', string, ' + "b")'),
    join(string, ".lowerAscii()"),
    join("(", string, " + ", texts, ").lowerAscii()"),
    join(string, ".split(", separator, limit, ")[0]"),
  );
const split = (string: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  either(join(string, ".split(", separator, limit, ")"), join("words(", string, ")"));

/** What conditions may be made of: with a token there are claims. */
function atoms(hasClaims: boolean): fc.Arbitrary<string> {
  const string = hasClaims ? either(plain_strings, claim_strings) : plain_strings;
  const word = either(texts, string);
  const listed = hasClaims ? either(listed_strings, claim_strings) : listed_strings;
  const plain = [
    join(string, comparison, word),
    join(word, equality, string),
    join(composed(string), comparison, word),
    join(word, equality, composed(string)),
    join(composed(string), some(".startsWith(", ".endsWith(", ".contains("), word, ")"),
    join(word, " in ", split(string)),
    join("size(", split(string), ")", comparison, some("0", "1", "2")),
    join(split(string), some(".exists(", ".all("), "w, w", equality, either(texts, join(texts, " + ", texts)), ")"),
    join(split(string), equality, some("[]", '["a"]', '["a", "b"]', '["b", "a"]')),
    join(
      either(some("source.port", "destination.port"), join("size(", string, ")")),
      comparison,
      some("0", "1", "2", "3", "443", "9090", "40000"),
    ),
    join(string, " in ", some('["a", "b"]', '["alice", "/a", "GET"]', '["10.1.2.3", "1"]', '["example.org"]')),
    join(some('"x-a"', '"x-b"', '"x-none"'), " in request.headers"),
    join(some('"q"', '"r"'), " in request.query"),
    some("has(path.id)", "has(path.x)", "has(request.query.q)", "has(request.query.r)"),
    join(string, some(".startsWith(", ".endsWith(", ".contains("), word, ")"),
    join("cidr(", network, ").containsIP(", either(some("source.ip", 'request.headers["x-a"]')), ")"),
    join("cidr(", network6, ").containsIP(source.ip)"),
    join(either(listed, composed(string)), " in ", some("lists.words", 'lists["other-words"]')),
    join("lists.nets.containsIP(", either(some("source.ip", 'request.headers["x-a"]')), ")"),
    join("int(", string, ")", comparison, some("0", "1", "2", "-1")),
    join("now", order, time),
    join("now", some(" + ", " - "), span, comparison, time),
    join("now - ", time, order, span),
    join('["a", "b", "alice"].', some("exists", "all"), "(x, x", equality, string, ")"),
    join("(has(caller.s) && caller.s", equality, either(texts, plain_strings), ")"),
    some("true", "false"),
  ];
  if (!hasClaims) return either(...plain);
  const level = some("claims.level", "claims.device.level");
  const size = some("size(claims.groups)", "size(claims.device)", "size(claims.sub)");
  const any = either(claim_strings, level, some("claims.admin", "claims.groups", "claims.device", "claims.org"));
  const element = either(
    join("g", comparison, either(texts, some("path.id", "claims.sub"))),
    join("g.", some("startsWith", "endsWith", "contains"), '("a")'),
    some('g in ["a", "b"]', "g == null", "g == 1", 'g.lowerAscii() == "a"', '"x-" + g == "x-a"'),
  );
  return either(
    ...plain,
    join(level, comparison, either(some("0", "1", "2", "1.5", "-1", "9007199254740993"), level, size)),
    join(size, comparison, either(some("0", "1", "2"), size)),
    join("int(", level, ")", comparison, some("0", "1", "2", "-1")),
    join(claim_strings, comparison, word),
    join(any, equality, some("null", "1", "1.0", "true", '"a"', '["a", "b"]', "[]")),
    join(any, equality, any),
    some(
      "has(claims.sub)",
      "has(claims.absent)",
      'has(claims["x-y"])',
      'has(claims["https://x.example/roles"].name)',
      'has(claims.org["id"])',
      "has(claims.device.posture)",
      "has(claims.device.os.name)",
      "has(claims.org.id)",
      '"sub" in claims',
      '"posture" in claims.device',
      '"a" in claims.groups',
      "1 in claims.groups",
      "claims.sub in claims.groups",
      "path.id in claims.groups",
    ),
    some("claims.admin", "claims.device.posture", "!claims.admin"),
    join(some("claims.groups", "claims.device", "claims.scp"), some(".exists(", ".all("), "g, ", element, ")"),
    join(
      either(texts, claim_strings),
      " in words(",
      some("claims.groups", "claims.scp", "claims.scope", "claims.level", "claims.absent"),
      ")",
    ),
    join(some("claims.groups", "claims.level", "claims.sub"), " + ", either(claim_strings, level), equality, texts),
    join("cidr(", either(network, network6), ").containsIP(claims.ip)"),
    join("lists.nets.containsIP(claims.ip)"),
    join(level, " in lists.words"),
    join(
      some("claims.groups", "claims.device", "words(claims.groups)"),
      some(".exists(", ".all("),
      "g, g in lists.words)",
    ),
    join("now", order, "timestamp(claims.since)"),
    join("now - timestamp(claims.since)", order, span),
    join("timestamp(claims.exp) - now", order, span),
  );
}

/** A condition of some atoms, each composite in brackets. */
function conditions(hasClaims: boolean): fc.Arbitrary<string> {
  const atom = atoms(hasClaims);
  const string = hasClaims ? either(texts, claim_strings, plain_strings) : either(texts, plain_strings);
  return fc.letrec<{ condition: string; operand: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      { arbitrary: atom, weight: 4 },
      { arbitrary: join(tie("operand"), " && ", tie("operand")), weight: 2 },
      { arbitrary: join(tie("operand"), " || ", tie("operand")), weight: 2 },
      // Two of them around one expression are refused.
      { arbitrary: tie("condition").map((text) => (text.startsWith("!") ? text : `!(${text})`)), weight: 1 },
      { arbitrary: join(tie("operand"), " ? ", tie("operand"), " : ", tie("operand")), weight: 1 },
      { arbitrary: join("(", tie("operand"), " ? ", string, " : ", string, ") == ", string), weight: 1 },
    ),
    operand: tie("condition").map((text) => `(${text})`),
  })).condition;
}

/** What a request may cost. It reads no variables: of several endpoints that fit a request, any may be the one that admits. */
export const someCost = some(
  'request.query["q"] == "a" ? 3 : 1',
  'has(request.query["q"]) ? int(request.query["q"]) : 1',
  'int(request.query["r"])',
  'int(request.headers["x-a"])',
  "source.port == 443 ? -5 : 2",
  'size(request.query["q"])',
  "source.port",
  "claims.level",
  "int(claims.level)",
  "has(claims.device.level) ? int(claims.device.level) : size(claims.sub)",
  "claims.admin == true ? 9223372036854775807 : 2",
);

export const plainCondition = conditions(false);
export const claimsCondition = conditions(true);

/** Kinds by what stands in a condition's text, once the contents of its strings are taken out. */
const kinds: Record<string, RegExp> = {
  "==": /==/u,
  "!=": /!=/u,
  "<": /<(?!=)/u,
  "<=": /<=/u,
  ">": />(?!=)/u,
  ">=": />=/u,
  "&&": /&&/u,
  "||": /\|\|/u,
  "!": /!(?!=)/u,
  "?:": /\?/u,
  in: / in /u,
  has: /has\(/u,
  size: /size\(/u,
  startsWith: /startsWith/u,
  endsWith: /endsWith/u,
  contains: /\.contains\(/u,
  exists: /exists/u,
  all: /\.all\(/u,
  "+ of texts": /\+ (?!duration|timestamp)|(?<!now) \+/u,
  lowerAscii: /lowerAscii/u,
  int: /\bint\(/u,
  split: /split\(/u,
  words: /words\(/u,
  cidr: /cidr/u,
  "in list": /in lists/u,
  "list of networks": /lists\.nets/u,
  "cidr v6": /cidr\("6"/u,
  headers: /request\.headers/u,
  query: /request\.query/u,
  "path variable": /path\.(?:id|x)\b(?<!caller\.path)/u,
  "caller segment": /caller\.s\b/u,
  claims: /claims\.\w+/u,
  "claims nested": /claims\.\w+\.\w+/u,
  "claims by index": /claims\[|groups\[/u,
  timestamp: /timestamp\(/u,
  duration: /duration\(/u,
  now: /now/u,
  "source.ip": /source\.ip/u,
  "source.port": /source\.port/u,
  "destination.port": /destination\.port/u,
  "caller.*": /caller\./u,
  "request.*": /request\.(?:method|path|host|scheme)/u,
};

export const kindNames = Object.keys(kinds);

/** What kinds a condition is of. */
export function kindsOf(condition: string): string[] {
  const blank = condition.replace(/"([^"]*)"/gu, (_, text: string) => (text.includes("::") ? '"6"' : '""'));
  return kindNames.filter((kind) => kinds[kind]!.test(blank));
}
