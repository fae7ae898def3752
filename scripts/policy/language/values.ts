/** Small values of the policy language: names, durations, rates, scopes, host names, claims. */
import {
  cluster_name_bytes_max,
  header_name_bytes_max,
  host_bytes_max,
  identity_path_bytes_max,
  limit_rate_per_second_max,
  name_bytes_max,
  pattern_segments_max,
  place_name_bytes_max,
  place_prefix_bytes_max,
  realm_bytes_max,
} from "../../../assembly/limits.ts";
import { claim_pattern, parseClaimPath } from "./claimpath.ts";
import { regexInName } from "./regex.ts";
import { selector_form } from "./selector.ts";
import { parseTimestamp } from "./time.ts";

/** A host a rule is for. */
export interface HostPattern {
  /** `suffix`: any name that ends in a dot and `text`. */
  kind: "exact" | "suffix";
  /** Lower case, without the `*.`. */
  text: string;
}

/** So many tokens in so many seconds. */
export interface Rate {
  tokens: number;
  periodSeconds: number;
}

/** What a header for the upstream says: the caller's ID, its trust domain or its path, or a claim of the verified token. */
export type ForwardValue =
  | { kind: "caller.id" }
  | { kind: "caller.trust_domain" }
  | { kind: "caller.path" }
  /** A segment of the caller's ID by the name that the rule's callers give it. */
  | { kind: "capture"; name: string }
  | { kind: "claim"; path: string[]; as: ForwardForm };

/** How a claim is put into a header: as it is, a list with commas between its elements, JSON, or that in base64url. */
export type ForwardForm = "plain" | (typeof forward_forms)[number];
export const forward_forms = ["comma", "json", "base64url"] as const;

/** What texts of each kind look like. The functions below hold them against it, and the JSON Schema says it to editors. */
export const forms = {
  name: new RegExp(`^[A-Za-z0-9_-]{1,${name_bytes_max}}$`, "u"),
  /** The ID of one workload. */
  spiffeId: /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/u,
  duration: /^(0|[1-9][0-9]{0,8})([smh])$/u,
  deadline: /^([1-9][0-9]{0,3})(ms|s)$/u,
  rate: /^([1-9][0-9]{0,12})\/([smhd])$/u,
  time: /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(Z|([+-])(\d\d):(\d\d))$/u,
  /** RFC 6749 §3.3. */
  scope: /^[\x21\x23-\x5b\x5d-\x7e]+$/u,
  selector: selector_form,
  forward: new RegExp(`^(?:caller\\.[A-Za-z][A-Za-z0-9_]*|claims|${claim_pattern})$`, "u"),
  /** A field name (RFC 9110 §5.1) without the characters that upstreams read in several ways. */
  header: new RegExp(`^[A-Za-z0-9-]{1,${header_name_bytes_max}}$`, "u"),
  /** `https` with host, port, path and query, in the characters of RFC 3986. */
  url: /^(https?):\/\/([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(\/[\w.~!$&'()*+,;=:@%/-]*)?(\?[\w.~!$&'()*+,;=:@%/?-]*)?$/u,
  cluster: new RegExp(`^[!-~]{1,${cluster_name_bytes_max}}$`, "u"),
  /** A key of Envoy's filter state. Those under `wasm.` are what Wasm filters write, this one among them. */
  filterState: new RegExp(`^(?!wasm\\.)[!-~]{1,${identity_path_bytes_max - "filter_state.".length}}$`, "u"),
  /** A token (RFC 9110 §5.6.2): the name of a header that carries a token, or of a cookie (RFC 6265 §4.1.1). */
  field: new RegExp(`^[!#$%&'*+.^_\`|~0-9A-Za-z-]{1,${place_name_bytes_max}}$`, "u"),
  /** Unreserved characters (RFC 3986 §2.3), which need no encoding in a query. */
  parameter: new RegExp(`^[A-Za-z0-9._~-]{1,${place_name_bytes_max}}$`, "u"),
  /** What stands between quotes in a challenge (RFC 9110 §5.6.4), without what would have to be escaped there. */
  realm: new RegExp(`^[ !#-[\\]-~]{1,${realm_bytes_max}}$`, "u"),
  /** A media type (RFC 6838 §4.2), or its subtype alone. */
  type: /^(?:[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}\/)?[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}$/u,
  prefix: new RegExp(`^[ -~]{0,${place_prefix_bytes_max}}$`, "u"),
} as const;

const unit_seconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds since 1970 of an RFC 3339 §5.6 time in whole seconds, such as `2026-11-01T00:00:00Z`; in words what is wrong otherwise. */
export function parseTimestampSeconds(text: string): number | string {
  const match = forms.time.exec(text);
  if (/^\d{4}-\d\d-\d\d$/u.test(text)) {
    const midnight = `${text}T00:00:00Z`;
    const value = parseTimestampSeconds(midnight);
    return typeof value === "string" ? value : `a time has an hour and a zone; write \`${midnight}\``;
  }
  if (match === null) return "a time is written `2026-11-01T00:00:00Z`, or with an offset such as `+02:00` for `Z`";
  const nanoseconds = parseTimestamp(text);
  if (typeof nanoseconds === "string") return nanoseconds;
  if (Number(match[1]) < 1971) return "a time lies after 1970";
  return Number(nanoseconds / 1_000_000_000n);
}

/** Why a text cannot be the name of something (it stands in metrics and logs), or undefined. */
export function nameFault(name: string): string | undefined {
  if (name.length > name_bytes_max) return `a name has at most ${name_bytes_max} characters`;
  if (forms.name.test(name)) return undefined;
  const fixed = name.replace(/[^A-Za-z0-9_-]+/gu, "-").replace(/^-+|-+$/gu, "");
  const hint = fixed === "" ? "" : `; did you mean \`${fixed}\`?`;
  return `a name has only letters, digits, \`-\` and \`_\`${hint}`;
}

/** Seconds of a duration such as `30s`, `5m`, `1h`; undefined when it is none. */
export function parseDurationSeconds(text: string): number | undefined {
  const match = forms.duration.exec(text);
  return match === null ? undefined : Number(match[1]) * unit_seconds[match[2]!]!;
}

/** A duration as a policy writes it, in the largest unit that it is a whole number of. */
export function printDuration(seconds: number): string {
  if (seconds === 0 || seconds % 60 !== 0) return `${seconds}s`;
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : `${seconds / 60}m`;
}

/** Milliseconds of a deadline such as `50ms` or `1s`; undefined when it is none. */
export function parseDeadlineMilliseconds(text: string): number | undefined {
  const match = forms.deadline.exec(text);
  return match === null ? undefined : Number(match[1]) * (match[2] === "s" ? 1000 : 1);
}

/** Parses `N/s`, `N/m`, `N/h` or `N/d`; in words what is wrong otherwise. */
export function parseRate(text: string): Rate | string {
  const match = forms.rate.exec(text);
  if (/^[1-9][0-9]{0,12}$/u.test(text)) return `a rate has a unit, as in \`100/s\`; write \`${text}/s\``;
  if (match === null) {
    return /^0+\//u.test(text)
      ? "a rate of nothing admits nothing; use a `deny` rule"
      : "a rate is a whole number and a unit: `100/s`, `60/m`, `1000/h` or `10000/d`";
  }
  const rate = { tokens: Number(match[1]), periodSeconds: unit_seconds[match[2]!]! };
  if (rate.tokens > limit_rate_per_second_max * rate.periodSeconds) {
    return `a rate is at most ${limit_rate_per_second_max}/s`;
  }
  return rate;
}

/** Why a text is no scope-token (RFC 6749 §3.3), or undefined. */
export function scopeFault(scope: string): string | undefined {
  if (forms.scope.test(scope)) return undefined;
  if (scope.includes(" ")) return `one scope has no spaces; list them: \`[${scope.trim().split(/ +/u).join(", ")}]\``;
  return scope === ""
    ? "a scope is empty"
    : 'a scope has only visible ASCII characters without `"` and `\\` (RFC 6749 §3.3)';
}

/** Parses a host name, `[IPv6 address]` or `*.name`; in words what is wrong otherwise. */
export function parseHost(text: string): HostPattern | string {
  const lower = text.toLowerCase();
  if (lower.includes("/")) return "a host is a name alone, without scheme and path";
  if (/^\[[0-9a-f:.]+\]$/u.test(lower)) return { kind: "exact", text: lower };
  const slip = regexInName(lower);
  if (slip !== undefined)
    return `\`${slip}\` looks like a regular expression, which hosts are not: write each name, or \`*.example.org\` for the names below one`;
  if (lower.includes(":")) return "ports are not compared; leave the port out";
  if (lower === "*") return "every host is what a rule without `hosts` is for; leave `hosts` out";
  const kind = lower.startsWith("*.") ? "suffix" : "exact";
  const name = kind === "suffix" ? lower.slice(2) : lower;
  if (name.endsWith(".")) return "leave out the dot at the end";
  if (name.includes("*")) return "`*` stands only for the first labels, as in `*.example.org`";
  if (name.length > host_bytes_max) return `a host name has at most ${host_bytes_max} bytes`;
  const labels = name.split(".");
  for (const label of labels) {
    if (label === "") return "a host name has no empty labels";
    if (label.length > 63) return "a label of a host name has at most 63 bytes (RFC 1035 §2.3.4)";
    if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/u.test(label)) {
      return "a label of a host name has letters, digits, `-` and `_`, and no `-` at its ends; other alphabets as `xn--…`";
    }
  }
  if (kind === "suffix" && labels.length > pattern_segments_max)
    return `a host pattern has at most ${pattern_segments_max} labels`;
  return { kind, text: name };
}

/** Parses what a header for the upstream says; in words what is wrong otherwise. @param as the form of a claim, where one is said */
export function parseForwardValue(text: string, as: ForwardForm = "plain"): ForwardValue | string {
  if (text === "caller.id" || text === "caller.trust_domain" || text === "caller.path")
    return as === "plain" ? { kind: text } : `\`as\` is for claims; \`${text}\` is a text as it is`;
  const [, name] = /^caller\.([A-Za-z][A-Za-z0-9_]*)$/u.exec(text) ?? [];
  if (name !== undefined)
    return as === "plain" ? { kind: "capture", name } : `\`as\` is for claims; \`${text}\` is a text as it is`;
  if (text === "claims") {
    return as === "json" || as === "base64url"
      ? { kind: "claim", path: [], as }
      : "all claims go into a header as JSON: write `{ value: claims, as: json }`, or `as: base64url`";
  }
  if (!/^claims[.[]/u.test(text))
    return "a header is set from `caller.id`, `caller.trust_domain`, `caller.path`, `caller.NAME` or `claims.NAME`, as in `claims.sub`";
  const path = parseClaimPath(text);
  return typeof path === "string" ? path : { kind: "claim", path, as };
}
