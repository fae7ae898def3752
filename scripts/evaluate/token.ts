/** Judging one token as the filter would, its signature and its claims apart. */

import { token_bytes_max } from "../../assembly/limits.ts";
import { reasonName } from "../../assembly/reason.ts";
import type { Issuer, Policy, PolicyKey } from "../policy/language/model.ts";
import { strict_paths } from "../policy/language/pathoptions.ts";
import { usual_terms } from "../policy/language/terms.ts";
import { claimWords, type DetailName, detailWords } from "./details.ts";
import type { Evaluator } from "./engine.ts";
import type { ReasonName } from "./reasons.ts";

/** Whether the signature fits, as far as it can be told. `unsupported`: `alg` is none the issuer and its key may use. */
export type SignatureState = "valid" | "invalid" | "unsupported" | "malformed";

/** What there is to say of a token. */
export interface TokenReport {
  signature: SignatureState;
  /** The payload, where it is a JSON object. */
  claims: Record<string, unknown> | null;
  /** The reason code the filter would deny with; null where the token is good. */
  reason: ReasonName | null;
  /** What exactly is wrong, in one line; null where the reason says all there is. */
  detail: string | null;
  /** The JOSE header, where it is a JSON object. */
  header: Record<string, unknown> | null;
}

/** The parts of a token as far as they can be read. For showing and for finding the issuer; the engine judges. */
export function decodeToken(token: string): Pick<TokenReport, "header" | "claims"> {
  const [header, payload] = token.split(".");
  return { header: decodePart(header), claims: decodePart(payload) };
}

function decodePart(part: string | undefined): Record<string, unknown> | null {
  if (part === undefined) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(part, "base64url"));
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Judges a token against one issuer of a policy the evaluator runs. @param issuer the issuer's index in the image */
export function judgeToken(evaluator: Evaluator, issuer: number, token: string): TokenReport {
  return inspectToken(evaluator, issuer, token).report;
}

/** How the engine begins to say which claim is not what it is declared to be. */
const claim_line = "inspect claim ";

/** A token as it was judged. */
export interface InspectedToken {
  report: TokenReport;
  /** Nobody has a key that could tell whether the signature fits. */
  isKeyless: boolean;
}

/** As `judgeToken`; besides, whether the issuer has no key that could tell whether the signature fits. */
export function inspectToken(evaluator: Evaluator, issuer: number, token: string): InspectedToken {
  const { reason, lines } = evaluator.inspectToken(issuer, Buffer.from(token, "utf8"));
  const detail = lines.findLast((line) => line.startsWith("inspect detail "))?.split(" ")[2] as
    | DetailName
    | "none"
    | undefined;
  const claim = lines.findLast((line) => line.startsWith(claim_line))?.slice(claim_line.length);
  const { signature, isKeyless } = signatureOf(lines);
  const report: TokenReport = {
    signature,
    ...decodeToken(token),
    reason: reason === 0 ? null : (reasonName(reason) as ReasonName),
    detail:
      claim !== undefined ? claimWords(claim) : detail === undefined || detail === "none" ? null : detailWords(detail),
  };
  return { report, isKeyless };
}

/** What the engine's lines say of a token's signature. */
export function signatureOf(
  lines: readonly string[],
): Pick<InspectedToken, "isKeyless"> & Pick<TokenReport, "signature"> {
  const state = lines.findLast((line) => line.startsWith("inspect signature "))?.split(" ")[2];
  return { signature: signatureState(state), isKeyless: state === "key_unknown" };
}

/** No key to verify with means that nobody vouches for the signature: the reason tells it from a forged one. */
function signatureState(state: string | undefined): SignatureState {
  switch (state) {
    case "valid":
    case "unsupported":
    case "malformed":
      return state;
    default:
      return "invalid";
  }
}

/** Stand in for an issuer or an audience where the token names none. */
const placeholder = "https://unknown.invalid";
const defaultLeewaySeconds = 60;

/** A policy of one issuer, made to fit what the token says of itself, so that only its signature and times can fail. */
export function policyForToken(claims: TokenReport["claims"], keys: PolicyKey[], algorithms: string[]): Policy {
  const audience = Array.isArray(claims?.aud) ? claims.aud[0] : claims?.aud;
  const issuer: Issuer = {
    name: "issuer",
    issuer: text(claims?.iss),
    audiences: [text(audience)],
    ...usual_terms,
    algorithms,
    keySet: { use: "sig", keys, source: undefined },
    leewaySeconds: defaultLeewaySeconds,
    maxLifetimeSeconds: 0,
    places: [{ kind: "header", name: "authorization", prefix: "Bearer " }],
    forwardToken: true,
    bind: "none",
    claims: [],
    template: [],
    tenants: undefined,
  };
  return {
    name: "token",
    mode: "enforce",
    tokenBytes: token_bytes_max,
    trustDomains: ["unknown.invalid"],
    aliases: new Map(),
    identity: "mtls",
    svids: [],
    sourceAddress: "connection",
    forwarders: [],
    forwards: [],
    paths: strict_paths,
    issuers: [issuer],
    callerSets: [],
    limits: [],
    quarantines: [],
    lists: [],
    rules: [],
  };
}

function text(value: unknown): string {
  return typeof value === "string" && value !== "" ? value : placeholder;
}
