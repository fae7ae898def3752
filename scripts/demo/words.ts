/** What the demo prints, in words a newcomer can follow. */
import type { AuditRecord } from "../envoy/accesslog.ts";

/** Colours, on a terminal only, and not where `NO_COLOR` is set. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  strong(text: string): string;
  faint(text: string): string;
}

/** The painter for standard output. */
export function makePaint(colour: boolean): Paint {
  const wrap = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { good: wrap(32), bad: wrap(31), strong: wrap(1), faint: wrap(2) };
}

/** One sentence for each reason code the demo meets. */
const reasons: Record<string, string> = {
  no_rule: "no rule lets this caller do that",
  rule_denied: "a deny rule forbids it to everyone",
  token_missing: "the rule wants a token, and there is none",
  token_expired: "the token is past its time",
  token_signature: "the token is not signed by the issuer's key",
  token_algorithm: "the token is signed with an algorithm the issuer does not use",
  token_malformed: "that is not a well-formed token",
  scope_missing: "the token lacks the scope the rule asks for",
  path_ambiguous: "the path could be read in two ways",
  limit_exceeded: "the caller has used up its limit",
};

/** The filter's account of a request as a sentence. */
export function explain(record: AuditRecord | undefined, details: string | undefined): string {
  if (record === undefined) return `Envoy itself: ${details ?? "no account"}`;
  const rule = record.rule ? `rule "${record.rule}"` : "no rule";
  if (record.decision === "allow") return `admitted by ${rule}`;
  const reason = record.reason ?? "unknown";
  return `${reason}: ${reasons[reason] ?? "denied"}${record.rule ? ` (${rule})` : ""}`;
}

/** Envoy's own words for a refused handshake, as a sentence. */
export function explainTls(failure: string): string {
  return /PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(failure)
    ? "no certificate, no entry: Envoy ends the connection before any request"
    : `Envoy refuses the connection: ${failure}`;
}

/** One step of the story and how it went, over two lines. */
export interface Told {
  ok: boolean;
  /** The short name of the service that asks. */
  who: string;
  /** For example `POST /orders`. */
  what: string;
  /** For example `an expired token`. */
  withWhat: string;
  /** For example `401`, or `5 admitted, then 429`. */
  got: string;
  /** In the same words. */
  expected: string;
  /** The reason, in words. */
  why: string;
}

const whoWidth = 16;
const whatWidth = 29;

/** The lines for one step: what was asked, then what was expected, what came, and why. */
export function tell(told: Told, paint: Paint): string {
  const mark = told.ok ? paint.good("✓") : paint.bad("✗");
  const asked = `${paint.strong(told.who.padEnd(whoWidth))} ${told.what.padEnd(whatWidth)} ${told.withWhat}`;
  const got = told.ok ? paint.good(told.got) : paint.bad(told.got);
  return `${mark} ${asked}\n    expected ${told.expected}, got ${got}  ${paint.faint(`· ${told.why}`)}`;
}
