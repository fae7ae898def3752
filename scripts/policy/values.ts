/** Small values of the policy language: names, durations, rates, scopes, host names, claims. */
import { host_bytes, json_depth, limit_rate_per_second, name_bytes, pattern_segments } from "../../assembly/limits.ts";

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

/** What a limit keeps a bucket for. */
export type Selector = { kind: "caller" } | { kind: "claim"; path: string[] };

const unit_seconds: Record<string, number> = { s: 1, m: 60, h: 3600 };

/** Why a text cannot be the name of something (it stands in metrics and logs), or undefined. */
export function nameFault(name: string): string | undefined {
  if (name.length > name_bytes) return `a name has at most ${name_bytes} characters`;
  if (/^[A-Za-z0-9_-]+$/u.test(name)) return undefined;
  const fixed = name.replace(/[^A-Za-z0-9_-]+/gu, "-").replace(/^-+|-+$/gu, "");
  const hint = fixed === "" ? "" : `; did you mean \`${fixed}\`?`;
  return `a name has only letters, digits, \`-\` and \`_\`${hint}`;
}

/** Seconds of a duration such as `30s`, `5m`, `1h`; undefined when it is none. */
export function parseDurationSeconds(text: string): number | undefined {
  const match = /^(0|[1-9][0-9]{0,8})([smh])$/u.exec(text);
  return match === null ? undefined : Number(match[1]) * unit_seconds[match[2]!]!;
}

/** Parses `N/s`, `N/m` or `N/h`; in words what is wrong otherwise. */
export function parseRate(text: string): Rate | string {
  const match = /^([1-9][0-9]{0,12})\/([smh])$/u.exec(text);
  if (match === null) {
    return /^0+\//u.test(text)
      ? "a rate of nothing admits nothing; use a `deny` rule"
      : "a rate is a whole number and a unit: `100/s`, `60/m` or `1000/h`";
  }
  const rate = { tokens: Number(match[1]), periodSeconds: unit_seconds[match[2]!]! };
  if (rate.tokens > limit_rate_per_second * rate.periodSeconds) {
    return `a rate is at most ${limit_rate_per_second}/s`;
  }
  return rate;
}

/** Why a text is no scope-token (RFC 6749 §3.3), or undefined. */
export function scopeFault(scope: string): string | undefined {
  if (/^[\x21\x23-\x5b\x5d-\x7e]+$/u.test(scope)) return undefined;
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
  if (lower.includes(":")) return "ports are not compared; leave the port out";
  if (lower === "*") return "every host is what a rule without `hosts` is for; leave `hosts` out";
  const kind = lower.startsWith("*.") ? "suffix" : "exact";
  const name = kind === "suffix" ? lower.slice(2) : lower;
  if (name.endsWith(".")) return "leave out the dot at the end";
  if (name.includes("*")) return "`*` stands only for the first labels, as in `*.example.org`";
  if (name.length > host_bytes) return `a host name has at most ${host_bytes} bytes`;
  const labels = name.split(".");
  for (const label of labels) {
    if (label === "") return "a host name has no empty labels";
    if (label.length > 63) return "a label of a host name has at most 63 bytes (RFC 1035 §2.3.4)";
    if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/u.test(label)) {
      return "a label of a host name has letters, digits, `-` and `_`, and no `-` at its ends; other alphabets as `xn--…`";
    }
  }
  if (kind === "suffix" && labels.length > pattern_segments)
    return `a host pattern has at most ${pattern_segments} labels`;
  return { kind, text: name };
}

/** Parses `caller` or `claims.NAME…`; in words what is wrong otherwise. */
export function parseSelector(text: string): Selector | string {
  if (text === "caller" || text === "caller.id") return { kind: "caller" };
  if (!text.startsWith("claims.")) return "a bucket is kept `per` `caller` or `claims.NAME`, as in `claims.sub`";
  const path = text.split(".").slice(1);
  if (path.length > json_depth) return `a claim lies at most ${json_depth} levels deep`;
  if (path.some((name) => !/^[A-Za-z_][A-Za-z0-9_-]*$/u.test(name))) {
    return "the names of a claim are joined by single dots: letters, digits, `_` and `-`, as in `claims.org.id`";
  }
  return { kind: "claim", path };
}
