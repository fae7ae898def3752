/** What the demo prints, in words a newcomer can follow. */

import type { Painter } from "../common/screen.ts";
import { reasonWords } from "../evaluate/reasons.ts";
import type { AuditRecord } from "../evaluate/record.ts";

/** The filter's account of a request as a sentence. */
export function explain(record: AuditRecord | undefined, details: string | undefined): string {
  if (record === undefined) return `Envoy itself: ${details ?? "no account"}`;
  const rule = record.rule ? `rule "${record.rule}"` : "no rule";
  if (record.decision === "allow") return `admitted by ${rule}`;
  return `${record.reason}: ${reasonWords(record.reason)}${record.rule ? ` (${rule})` : ""}`;
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
export function tell(told: Told, paint: Painter): string {
  const mark = told.ok ? paint("green", "✓") : paint("red", "✗");
  const asked = `${paint("bold", told.who.padEnd(whoWidth))} ${told.what.padEnd(whatWidth)} ${told.withWhat}`;
  const got = paint(told.ok ? "green" : "red", told.got);
  return `${mark} ${asked}\n    expected ${told.expected}, got ${got}  ${paint("dim", `· ${told.why}`)}`;
}
