/** What limits keep a bucket for: `per`. */
import { header_name_bytes_max } from "../../../assembly/limits.ts";
import { claim_pattern, parseClaimPath, printClaimPath } from "./claimpath.ts";
import { variableOfCapture } from "./condition.ts";

/** What a limit keeps a bucket for. */
export type Selector =
  | { kind: "caller" }
  | { kind: "trust_domain" }
  | { kind: "claim"; path: string[] }
  /** A variable of the rule: `id` for `path.id`, `caller.ns` for a segment of the caller's ID. */
  | { kind: "variable"; name: string }
  /** In lower case. */
  | { kind: "header"; name: string }
  /** So many bits of an IPv4 and of an IPv6 address. */
  | { kind: "source"; fourBits: number; sixBits: number }
  | { kind: Plain };

/** What there is one of in each request, and what policies call it. */
type Plain = keyof typeof plain_names;
const plain_names = { rule: "rule", host: "request.host", method: "request.method" } as const;
const plain_kinds: ReadonlyMap<string, Plain> = new Map([
  ["rule", "rule"],
  ["host", "host"],
  ["request.host", "host"],
  ["request.method", "method"],
]);

const name = "[A-Za-z_][A-Za-z0-9_]*";
const field = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const header_pattern = `request\\.headers(?:\\.${name}|\\["${field}"\\]|\\['${field}'\\])`;
const source_pattern = "source\\.ip(?:/[0-9]{1,3})?";

/** What names one. */
export const selector_form = new RegExp(
  `^(?:${[...plain_kinds.keys()].join("|").replaceAll(".", "\\.")}|caller|(?:caller|path)\\.${name}|${claim_pattern}|${header_pattern}|${source_pattern})$`,
  "u",
);

/** What is kept apart where a network of IPv4 is: the network that one IPv6 site has (RFC 6177). */
const six_bits_of_site = 64;

/** Parses what a limit counts by; in words what is wrong otherwise. */
export function parseSelector(text: string): Selector | string {
  const plain = plain_kinds.get(text);
  if (plain !== undefined) return { kind: plain };
  if (text === "caller" || text === "caller.id") return { kind: "caller" };
  if (text === "caller.trust_domain") return { kind: "trust_domain" };
  if (/^claims[.[]/u.test(text)) {
    const path = parseClaimPath(text);
    return typeof path === "string" ? path : { kind: "claim", path };
  }
  if (text.startsWith("source.ip")) return parseSource(text);
  if (/^request\.headers[.[]/u.test(text)) return parseHeader(text);
  if (!selector_form.test(text) || text === "caller.path")
    return 'a bucket is kept `per` `caller`, `caller.trust_domain`, `claims.NAME`, `path.NAME`, `caller.NAME`, `request.headers["NAME"]`, `source.ip`, `source.ip/24`, `request.host`, `request.method` or `rule`';
  const [space, variable] = text.split(".") as [string, string];
  return { kind: "variable", name: space === "path" ? variable : variableOfCapture(variable) };
}

function parseSource(text: string): Selector | string {
  if (!selector_form.test(text)) return "an address is `source.ip`, or its first bits: `source.ip/24`";
  const [, bits] = text.split("/");
  if (bits === undefined) return { kind: "source", fourBits: 32, sixBits: 128 };
  const count = Number(bits);
  if (count === 0 || count > 128) return "an address has 1 to 32 bits, or to 128 in IPv6, as in `source.ip/24`";
  return count > 32
    ? { kind: "source", fourBits: 32, sixBits: count }
    : { kind: "source", fourBits: count, sixBits: count === 32 ? 128 : six_bits_of_site };
}

function parseHeader(text: string): Selector | string {
  if (!selector_form.test(text))
    return 'a header is named `request.headers["x-tenant"]`, in the characters of RFC 9110 §5.6.2';
  const header = text
    .replace(/^request\.headers(?:\.|\[.)/u, "")
    .replace(/["']\]$/u, "")
    .toLowerCase();
  if (header === "host") return "`host` is not read as a header; write `request.host`";
  if (header.length > header_name_bytes_max) return `the name of a header has at most ${header_name_bytes_max} bytes`;
  return { kind: "header", name: header };
}

/** A selector as a policy writes it: one text for each. */
export function printSelector(selector: Selector): string {
  switch (selector.kind) {
    case "caller":
      return "caller";
    case "trust_domain":
      return "caller.trust_domain";
    case "claim":
      return printClaimPath(selector.path);
    case "variable":
      return printVariable(selector.name);
    case "header":
      return `request.headers["${selector.name}"]`;
    case "source": {
      const { fourBits, sixBits } = selector;
      return fourBits < 32 ? `source.ip/${fourBits}` : sixBits < 128 ? `source.ip/${sixBits}` : "source.ip";
    }
    default:
      return plain_names[selector.kind];
  }
}

/** A variable of a rule as a policy writes it. */
export function printVariable(variable: string): string {
  return variable.startsWith("caller.") ? variable : `path.${variable}`;
}
