/**
 * Texts that are written as regular expressions are, where the language knows none: taken as they are, a deny rule would deny
 * nothing. What real paths have stays what it is: `+` after a letter, `$` before a name, parentheses around a key
 * (`/c++`, `/$metadata`, `/Products(7)`). Percent-encoded, every character is itself.
 */

/** What looks like a regular expression in a path. */
export interface RegexSlip {
  /** How far into the text it is. */
  offset: number;
  message: string;
}

interface Form {
  pattern: RegExp;
  /** @param found what the pattern has matched */
  instead: (found: string, path: string) => string;
}

const encoded = (character: string): string =>
  `\`%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}\``;

/** Each is looked for by itself; the one that stands first in the path is told. */
const forms: readonly Form[] = [
  {
    pattern: /\^/u,
    instead: () =>
      `a path is matched from its beginning anyhow: leave \`^\` out; the character itself is ${encoded("^")}`,
  },
  {
    pattern: /\\(?:[dDwWsS][+*?]?|[.^$*+?()[\]{}|/-])/u,
    instead: (found) =>
      /[dDwWsS]/u.test(found)
        ? "for a segment write `{id}` or `*`, and in `when` what `path.id` may be"
        : `leave the backslash out${/[./-]$/u.test(found) ? "" : `, and write the character itself as ${encoded(found.at(-1)!)}`}`,
  },
  {
    pattern: /\[[^\]/]*\]?(?:[+*?]|\{[\d,]+\})?|\]/u,
    instead: () =>
      `for a segment write \`{id}\` or \`*\`, and in \`when\` what \`path.id\` may be; brackets themselves are ${encoded("[")}, ${encoded("]")}`,
  },
  {
    pattern: /\([^()|]*(?:\|[^()|]*)+\)|\|/u,
    instead: (found, path) => `write an endpoint for each${alternatives(found, path)}; \`|\` itself is ${encoded("|")}`,
  },
  {
    pattern: /(?:(?<=\/)\.|\.(?=\*(?:$|[^.]))|\.(?=\+))[*+]|(?<=\/)\.\*/u,
    instead: (found, path) =>
      path.endsWith(`/${found}`)
        ? "one segment is `*` or `{id}`, any number of them `/**`; a dot itself is `%2E`"
        : "`*` alone stands for any text in a segment, and `/**` for any number of segments; a dot itself is `%2E`",
  },
  {
    pattern: /\(\?|\)(?:[+*?]|\{[\d,]+\})|[}*][+?](?=\/|$)|\{\d+(?:,\d*)?\}/u,
    instead: (found) =>
      `nothing repeats and nothing is optional: write \`{id}\` or \`*\` for a segment, or two endpoints; characters themselves are percent-encoded, as in ${encoded(found[0]!)}`,
  },
  {
    pattern: /(?<=\/)\((?:[^()]*\)(?=\/|$)|(?=[^()/]*\/[^()]*\)))/u,
    instead: (found) =>
      `there are no groups: leave the parentheses out, or write \`{id}\` or \`*\`; parentheses themselves are ${encoded("(")}, ${encoded(")")}${found.includes("*") ? "; any number of segments is `/**`" : ""}`,
  },
  {
    pattern: /\$$/u,
    instead: () => `a path is matched to its end anyhow: leave \`$\` out; the character itself is ${encoded("$")}`,
  },
  {
    pattern: /\?(?=[/$)?]|$)/u,
    instead: () =>
      `nothing is optional: write two endpoints; the character itself is ${encoded("?")}, and paths are matched without the query`,
  },
];

/** What looks like a regular expression in a path, or undefined. */
export function regexInPath(path: string): RegexSlip | undefined {
  let first: (RegexSlip & { found: string }) | undefined;
  for (const { pattern, instead } of forms) {
    const match = pattern.exec(path);
    if (match === null || (first !== undefined && first.offset <= match.index)) continue;
    const [found] = match;
    const message = `\`${found}\` looks like a regular expression, which paths are not: ${instead(found, path)}`;
    first = { offset: match.index, message, found };
  }
  return first && { offset: first.offset, message: first.message };
}

/** What looks like a regular expression in the name of a host or in a segment of an ID, or undefined. */
export function regexInName(name: string): string | undefined {
  return /\\[dDwWsS.][+*?]?|\[[^\]]*\]?[+*?]?|[\^$()|[\]+?\\]+|^\.[*+]|\.\+|\{[\d,]+\}/u.exec(name)?.[0];
}

/** The endpoints that a group of alternatives stands for, where it is simple. */
function alternatives(found: string, path: string): string {
  const isGroup = found.startsWith("(");
  const parts = isGroup ? found.slice(1, -1).split("|") : path.split("|");
  const paths = isGroup ? parts.map((part) => path.replace(found, () => part)) : parts;
  const isPlain = paths.every((one) => /^\/[\w./{}*~-]*$/u.test(one) && !one.includes("//") && !one.endsWith("/"));
  return isPlain ? `: ${paths.map((one) => `\`${one}\``).join(", ")}` : "";
}
