/**
 * SPIFFE IDs as the SPIFFE ID standard has them (https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/ §2), and the
 * patterns a policy names callers by.
 */
import { pattern_segments_max, spiffe_id_bytes_max, trust_domain_bytes_max } from "../../../assembly/limits.ts";

/** A caller, or a family of callers. */
export interface CallerPattern {
  /** `child`: one more path segment than `text`; `descendants`: one or more. */
  kind: "exact" | "child" | "descendants";
  /** The ID, or the pattern without its `/*` or `/**`. */
  text: string;
  trustDomain: string;
  /** Path segments of `text`. */
  segments: number;
}

const scheme = "spiffe://";

/** Why a text is no trust domain name (SPIFFE-ID §2.1), or undefined. */
export function trustDomainFault(name: string): string | undefined {
  if (name.startsWith(scheme)) return `write the name alone: \`${name.slice(scheme.length).replace(/\/.*$/su, "")}\``;
  if (name.length === 0) return "a trust domain needs a name, as in `example.org`";
  if (name.length > trust_domain_bytes_max) return `a trust domain has at most ${trust_domain_bytes_max} bytes`;
  if (/^[a-z0-9._-]+$/u.test(name)) return undefined;
  const lower = name.toLowerCase();
  if (/^[a-z0-9._-]+$/u.test(lower)) return `trust domains are lower-case: \`${lower}\``;
  return "a trust domain has only lower-case letters, digits, `.`, `-` and `_` (no port, no user)";
}

/**
 * Parses an exact SPIFFE ID, or one that ends in `/*` or `/**`.
 * @returns the pattern, or in words why it is none
 */
export function parseCaller(text: string): CallerPattern | string {
  if (!text.startsWith(scheme)) {
    return /^spiffe:/iu.test(text)
      ? "a SPIFFE ID begins with `spiffe://`, in lower case"
      : "a SPIFFE ID begins with `spiffe://`";
  }
  let kind: CallerPattern["kind"] = "exact";
  let id = text;
  if (text.endsWith("/**")) {
    kind = "descendants";
    id = text.slice(0, -3);
  } else if (text.endsWith("/*")) {
    kind = "child";
    id = text.slice(0, -2);
  }
  if (id.length > spiffe_id_bytes_max) return `a SPIFFE ID has at most ${spiffe_id_bytes_max} bytes`;
  const slash = id.indexOf("/", scheme.length);
  const trustDomain = slash < 0 ? id.slice(scheme.length) : id.slice(scheme.length, slash);
  if (trustDomain.includes("*")) return "the trust domain cannot be a pattern; name each one";
  const fault = trustDomainFault(trustDomain);
  if (fault !== undefined) return fault;
  const segments = slash < 0 ? [] : id.slice(slash + 1).split("/");
  for (const segment of segments) {
    if (segment === "") {
      return slash === id.length - 1 || id.endsWith("/")
        ? "a SPIFFE ID has no slash at its end"
        : "a SPIFFE ID has no empty segments (`//`)";
    }
    if (segment === "." || segment === "..") return "a SPIFFE ID has no `.` or `..` segments";
    if (segment.includes("*")) return "`*` stands only for the whole last segment (`/*`), `/**` for any deeper path";
    if (!/^[a-zA-Z0-9._-]+$/u.test(segment)) {
      return "a segment of a SPIFFE ID has only letters, digits, `.`, `-` and `_` (no query, no percent-encoding)";
    }
  }
  if (kind === "exact" && segments.length === 0) {
    return `this names a trust domain, not a caller; \`${scheme}${trustDomain}/**\` is everyone in it`;
  }
  if (kind !== "exact" && segments.length >= pattern_segments_max) {
    return `a pattern has at most ${pattern_segments_max - 1} segments before its \`*\``;
  }
  return { kind, text: id, trustDomain, segments: segments.length };
}

/** The pattern as it is written in a policy. */
export function callerText(pattern: CallerPattern): string {
  return pattern.text + (pattern.kind === "exact" ? "" : pattern.kind === "child" ? "/*" : "/**");
}
