/** Why a request was decided as it was, rule by rule, put together from what the engine itself says while inspected. */
import type { Issuer, Limit, Quarantine, Rule } from "../policy/language/model.ts";
import type { Evaluator, FilterRequest, Verdict } from "./engine.ts";
import { termsHint } from "./hints.ts";
import type { ImageIndex, ImageRule } from "./image.ts";
import { type ReasonName, reasonNumber, reasons } from "./reasons.ts";
import type { AuditRecord } from "./record.ts";
import { decodeToken, judgeToken } from "./token.ts";
import { type FullLimit, fullLimit, toldWords } from "./told.ts";
import { type TracedTerm, termsOf } from "./trace.ts";

/** Parts of a rule, in the order in which they are looked at. */
export const part_names = [
  "caller",
  "host",
  "path",
  "method",
  "size",
  "time",
  "token",
  "scopes",
  "body",
  "when",
  "limit",
] as const;
type PartName = (typeof part_names)[number];

/** Which part of an explanation tells of a rule's property; undefined: none. */
const part_of: Record<keyof Rule, PartName | undefined> = {
  name: undefined,
  file: undefined,
  line: undefined,
  column: undefined,
  action: undefined,
  callers: "caller",
  hosts: "host",
  endpoints: "path",
  paths: undefined,
  issuers: "token",
  isTokenOptional: undefined,
  scopes: "scopes",
  isAnyScope: undefined,
  condition: "when",
  captures: undefined,
  limits: "limit",
  limitVariables: undefined,
  ownLimits: undefined,
  forwardVariables: undefined,
  cost: undefined,
  costFrom: undefined,
  mode: undefined,
  isSensitive: undefined,
  mostBytes: "size",
  startsSeconds: "time",
  expiresSeconds: "time",
};

/** Whether a property asks for something: an empty list, 0 and undefined do not. */
function isAsked(value: Rule[keyof Rule]): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

/** The parts that a rule has. An endpoint is a path and a method. */
function partNamesOf(rule: Rule): PartName[] {
  const properties = Object.keys(part_of) as (keyof Rule)[];
  const asked = new Set(properties.filter((property) => isAsked(rule[property])).map((property) => part_of[property]));
  return part_names.filter((part) => part === "method" || asked.has(part));
}

/** One part of a rule, and whether it holds; undefined where it was not looked at. */
export interface RulePart {
  part: PartName;
  holds: boolean | undefined;
  /** For `when`: it could not be evaluated. A deny rule matches then, an allow rule does not. For `limit`: the cost could not be. */
  error?: true;
  /** For `limit`: what the request costs, where that is calculated. */
  cost?: number;
  /** And what that came to, where it costs the most or the least that it may in its place. */
  cameTo?: number;
  /** For `limit`: which one had no room, where that is known. */
  full?: FullLimit;
  /** For the `token` of a deny rule, which may match without a good one: why it was not good. */
  reason?: ReasonName;
  /** For `when`, and for the cost of a `limit`: what it was made of. */
  terms?: TracedTerm[];
}

/** How far a rule got, and the reason; for `not_applicable` what does not fit: `caller`, `host`, `path` or `method`, or the `call`. */
type Reached =
  | { outcome: "allowed" | "denied" | "failed" | "not_reached"; reason: ReasonName }
  | { outcome: "not_applicable"; reason: PartName | "call" };

/** What became of a rule. */
export type RuleExplanation = Reached & {
  rule: string;
  /**
   * `allowed`: an allow rule whose every part holds; `denied`: a deny rule that matches; `failed`: it speaks of this request
   * but some part does not hold, so that it neither allows nor denies; `not_applicable`: it speaks of other requests; `not_reached`: the request was refused
   * before any rule was looked at.
   */
  outcome: Reached["outcome"];
  /** What did not fit, where a reader cannot see it from the request: its host, or the clock. */
  detail?: string;
  action: Rule["action"];
  /** Those the rule has. */
  parts: RulePart[];
  /** The rule is in shadow mode: this is what it would have done. */
  shadow?: true;
};

export interface Explanation {
  verdict: Verdict;
  /** What exactly is wrong with the token, which limit had no room, or what failed, in one line; null where the verdict's reason says all there is. */
  detail: string | null;
  /** The call that decided, such as `mcp tools/call get_weather`, or the only one; left out where there is none. */
  operation?: string;
  /** Whom the request counts as from, where a gateway speaks for its caller. */
  forwarded?: { caller: string | null; forwarder: string };
  /** The quarantines that count denials for this reason; left out where there are none. */
  quarantines?: string[];
  /** Every rule of the policy, in the order of their names. */
  rules: RuleExplanation[];
}

/** What the engine's inspection lines say. */
interface Inspection {
  groups: Set<number>;
  hosts: Set<number>;
  /** Rules whose path fits but not the method. */
  pathOnly: Set<number>;
  /** How each candidate was judged. */
  judged: Map<number, Judgement>;
}

interface Judgement {
  reason: ReasonName;
  /** What became of its condition; undefined where it was not evaluated. */
  condition: string | undefined;
  /** What the instructions of its condition left. */
  values: Map<number, string>;
  /** What it costs, where that was calculated, 0 where it could not be; and what the instructions of that left. */
  cost: number | undefined;
  costValues: Map<number, string>;
}

/**
 * The lines of what decided: of a request that is denied for one of its calls those of that call, which is the last that was looked at; of
 * any other all of them. The engine names the caller's groups when it begins to match a call.
 */
function decidingLines(lines: readonly string[], { decision }: Verdict): readonly string[] {
  if (decision === "allow") return lines;
  const isGroup = (line: string | undefined): boolean => line?.startsWith("inspect group ") ?? false;
  const first = lines.findLastIndex((line, index) => isGroup(line) && !isGroup(lines[index - 1]));
  return lines.slice(Math.max(first, 0));
}

/** Reads the lines of one request. */
function readLines(lines: readonly string[]): Inspection {
  const inspection: Inspection = { groups: new Set(), hosts: new Set(), pathOnly: new Set(), judged: new Map() };
  let judged = emptyJudgement();
  let values = new Map<number, string>();
  // Values come before the line of what they were for.
  const takeValues = (): Map<number, string> => {
    const taken = values;
    values = new Map();
    return taken;
  };
  for (const line of lines) {
    const [, kind = "", first = "", rest = ""] = /^inspect (\S+) (\S+)(?: (.*))?$/su.exec(line) ?? [];
    if (kind === "group") inspection.groups.add(Number(first));
    else if (kind === "host") inspection.hosts.add(Number(first));
    else if (kind === "entry") inspection.pathOnly.add(Number(first));
    else if (kind === "value") values.set(Number(first), shownValue(rest));
    else if (kind === "condition") judged = { ...judged, condition: rest, values: takeValues() };
    else if (kind === "cost") judged = { ...judged, cost: Number(rest), costValues: takeValues() };
    else if (kind === "rule") {
      keepFurthest(inspection, Number(first), { ...judged, reason: rest as ReasonName });
      judged = emptyJudgement();
    }
  }
  return inspection;
}

function emptyJudgement(): Judgement {
  return { reason: "allowed", condition: undefined, values: new Map(), cost: undefined, costValues: new Map() };
}

/** A rule whose path variables can be bound in several ways is judged once for each; it got as far as the one that got furthest. */
function keepFurthest({ judged }: Inspection, rule: number, judgement: Judgement): void {
  const { reason } = judgement;
  const known = judged.get(rule);
  const isFinal = known?.reason === "allowed" || known?.reason === "rule_denied";
  const isFurther = known === undefined || reasonNumber(reason) >= reasonNumber(known.reason);
  if (!isFinal && (isFurther || reason === "allowed" || reason === "rule_denied")) judged.set(rule, judgement);
}

/** `string "x"` is `"x"` to a reader, `int 3` is `3`, and of times the seconds since 1970 are shown as dates. */
function shownValue(text: string): string {
  const [type, ...words] = text.split(" ");
  const value = words.join(" ");
  if (type === "timestamp") return date(Number(value));
  if (type === "duration") return `${value}s`;
  return value === "" ? text : value;
}

function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

/**
 * Asks about one request and explains every rule.
 * @param policy the rules of the image, in the same order
 * @param issuers those of the policy, whose terms are told where a token does not meet them
 */
export function explain(
  evaluator: Evaluator,
  index: ImageIndex,
  policy: readonly Rule[],
  request: FilterRequest,
  issuers: readonly Issuer[] = [],
  quarantines: readonly Quarantine[] = [],
  limits: readonly Limit[] = [],
): Explanation {
  const { verdict, lines, ...left } = evaluator.inspect(request);
  const full = fullLimit(left, limits);
  const inspection = readLines(decidingLines(lines, verdict));
  // The engine names the hosts a request is for, 0 at the least, when it begins to match; before that no rule has been looked at.
  const reached = inspection.hosts.size > 0;
  const decided = policy.find(({ name }) => name === verdict.rule);
  const refusing =
    verdict.decision === "deny" && decided?.isTokenOptional && decided.action === "allow" ? decided : undefined;
  const rules = index.rules.map((placed, number): RuleExplanation => {
    const rule = policy[number]!;
    const judged = inspection.judged.get(number);
    const { failed, ...how } = !reached
      ? { outcome: "not_reached" as const, reason: verdict.reason, failed: undefined }
      : outcomeOf(judged, () => mismatch(placed, number, inspection));
    const told = namingCall(how, rule, left.record?.operation);
    const isUnanswered = how.reason === "internal" && left.record?.cause === "rate_limit_service";
    const stopped = isUnanswered ? "limit" : failed;
    const fullOne =
      how.reason !== "limit_exceeded" ? undefined : rule.name === verdict.rule ? full : onlyLimit(rule, limits);
    const tokenReason =
      judged !== undefined && rule.action === "deny" ? tokenFault(evaluator, index, rule, request) : undefined;
    const parts = partsOf(rule, how.outcome, stopped, judged, tokenReason, fullOne);
    const isHeld = how.outcome === "allowed" && refusing !== undefined && !placed.isShadow;
    const detail = isHeld
      ? `the token that \`${refusing.name}\` takes is there and not good, so no rule admits without one`
      : (detailOf(rule, how.reason, request, evaluator) ?? askedOf(rule, how.reason, request, issuers));
    const shadow = placed.isShadow && { shadow: true as const };
    return {
      rule: rule.name,
      ...told,
      ...(detail !== undefined && { detail }),
      action: rule.action,
      parts,
      ...shadow,
    };
  });
  const forwarded = forwardedCaller(left.record);
  const detail = toldWords(left, limits, policy);
  const counting = quarantines.filter(({ when }) => when.includes(verdict.reason)).map(({ name }) => name);
  const counted = counting.length > 0 && { quarantines: counting };
  const operation = left.record?.operation;
  return {
    verdict,
    detail,
    ...(operation !== undefined && { operation }),
    ...(forwarded && { forwarded }),
    ...counted,
    rules,
  };
}

/** The one limit that could be full, where a rule has one that denies: of others than the one that decided nothing more is known. */
function onlyLimit(rule: Rule, limits: readonly Limit[]): FullLimit | undefined {
  const denying = limits.filter(({ name, mode }) => rule.limits.includes(name) && mode !== "shadow");
  return denying.length === 1 ? { limit: denying[0]!.name } : undefined;
}

/** Whom the engine's own record names where a forwarder told of the caller. */
function forwardedCaller(record: AuditRecord | undefined): Explanation["forwarded"] {
  if (record?.forwarder === undefined) return undefined;
  return { caller: record.caller ?? null, forwarder: record.forwarder };
}

/** Why no issuer of the rule vouches for the token; undefined where one does, or where no token was given as such. */
function tokenFault(
  evaluator: Evaluator,
  index: ImageIndex,
  rule: Rule,
  request: FilterRequest,
): ReasonName | undefined {
  const token = request.token ?? request.placedToken ?? null;
  if (rule.issuers.length === 0) return undefined;
  if (token === null) return request.headers.some(([name]) => name === "authorization") ? undefined : "token_missing";
  const found = rule.issuers.map((name) => {
    const issuer = index.issuers.findIndex((one) => one.name === name);
    return judgeToken(evaluator, issuer, token).reason;
  });
  if (found.includes(null)) return undefined;
  // Of several issuers the one that the token names has more to say than the others.
  return found.find((reason) => reason !== "token_issuer") ?? found[0] ?? undefined;
}

/** What the issuers of a rule ask for that its token does not have. */
function askedOf(
  rule: Rule,
  reason: Reached["reason"],
  request: FilterRequest,
  issuers: readonly Issuer[],
): string | undefined {
  if (!reason?.startsWith("token_")) return undefined;
  const token = request.token ?? request.placedToken ?? tokenIn(request);
  if (token === undefined) return undefined;
  const { claims } = decodeToken(token);
  const asked = issuers.filter(({ name }) => rule.issuers.includes(name));
  const itsOwn = asked.filter(({ issuer }) => issuer === claims?.iss);
  const hints = (itsOwn.length === 0 ? asked : itsOwn).map((issuer) =>
    termsHint({ reason: reason as ReasonName, claims }, issuer),
  );
  const told = [...new Set(hints)].filter((hint) => hint !== undefined);
  return told.length === 0 ? undefined : told.join("; ");
}

/** The only text of a request that looks like a token. */
function tokenIn({ headers, path }: FilterRequest): string | undefined {
  const texts = [path, ...headers.map(([, value]) => value)];
  const tokens = new Set(texts.flatMap((text) => text.match(/eyJ[\w-]+\.[\w-]+\.[\w-]*/gu) ?? []));
  return tokens.size === 1 ? [...tokens][0] : undefined;
}

function detailOf(
  rule: Rule,
  reason: Reached["reason"],
  request: FilterRequest,
  evaluator: Evaluator,
): string | undefined {
  if (reason === "host") return `the request is for \`${request.host}\``;
  if (reason !== "grant_inactive") return undefined;
  const { startsSeconds, expiresSeconds } = rule;
  const now = Number(evaluator.host.clock() / 1_000_000_000n);
  const limits = [
    ...(startsSeconds > 0 ? [`starts ${date(startsSeconds)}`] : []),
    ...(expiresSeconds > 0 ? [`expires ${date(expiresSeconds)}`] : []),
  ];
  return `it ${limits.join(" and ")}, and the clock says ${date(now)}`;
}

function outcomeOf(
  judged: Judgement | undefined,
  mismatchOf: () => PartName,
): Reached & { failed: PartName | undefined } {
  if (judged === undefined) {
    const failed = mismatchOf();
    return { outcome: "not_applicable", reason: failed, failed };
  }
  const { reason, cost } = judged;
  if (reason === "allowed") return { outcome: "allowed", reason, failed: undefined };
  if (reason === "rule_denied") return { outcome: "denied", reason, failed: undefined };
  return { outcome: "failed", reason, failed: cost === 0 ? "limit" : reasons[reason].part };
}

function partsOf(
  rule: Rule,
  outcome: RuleExplanation["outcome"],
  failed: PartName | undefined,
  judged: Judgement | undefined,
  tokenReason: ReasonName | undefined,
  full: FullLimit | undefined,
): RulePart[] {
  const failedAt = failed === undefined ? part_names.length : part_names.indexOf(failed);
  const isKnown = outcome === "allowed" || outcome === "denied" || failed !== undefined;
  return partNamesOf(rule).map((part) => {
    const place = part_names.indexOf(part);
    // A deny rule matches whether or not its token is good.
    const isOpen = !isKnown || place > failedAt || (part === "token" && rule.action === "deny");
    const holds = isOpen ? undefined : place < failedAt;
    if (part === "token" && tokenReason !== undefined) return { part, holds, reason: tokenReason };
    if (part === "limit") return { part, holds, ...costOf(rule, judged), ...(full && { full }) };
    return part === "when" ? { part, holds, ...whenOf(rule, judged) } : { part, holds };
  });
}

/** What a request costs a rule, where that is calculated. */
function costOf(
  { costFrom }: Rule,
  judged: Judgement | undefined,
): Pick<RulePart, "cost" | "cameTo" | "error" | "terms"> {
  if (costFrom === undefined || judged?.cost === undefined) return {};
  const { cost, costValues } = judged;
  // The last value that was left is that of the whole.
  const last = cost === 0 ? "error" : [...costValues.values()].at(-1);
  const terms = termsOf(costFrom, costValues, last);
  if (cost === 0) return { error: true, terms };
  const cameTo = Number(last);
  return { cost, ...(Number.isSafeInteger(cameTo) && cameTo !== cost && { cameTo }), terms };
}

/** What became of a rule's condition, and of what. */
function whenOf({ condition }: Rule, judged: Judgement | undefined): Pick<RulePart, "error" | "terms"> {
  if (condition === undefined || judged === undefined || judged.values.size === 0) return {};
  const terms = termsOf(condition, judged.values, judged.condition);
  return { ...(judged.condition === "error" && { error: true as const }), terms };
}

/** Of a rule for other calls of the protocol than the one that was made, it is the call that does not fit. */
function namingCall(how: Reached, { endpoints }: Rule, operation: string | undefined): Reached {
  if (how.outcome !== "not_applicable" || operation === undefined) return how;
  const protocol = operation.split(" ", 1)[0];
  const isOther = how.reason === "path" || how.reason === "method";
  return isOther && endpoints.some(({ call }) => call?.protocol === protocol) ? { ...how, reason: "call" } : how;
}

/** The first thing that does not fit, in the order in which the engine looks: caller, host, path, method. */
function mismatch(rule: ImageRule, number: number, { groups, hosts, pathOnly }: Inspection): PartName {
  const ofCaller = rule.places.filter(({ group }) => groups.has(group));
  if (ofCaller.length === 0) return "caller";
  if (!ofCaller.some(({ host }) => hosts.has(host))) return "host";
  return pathOnly.has(number) ? "method" : "path";
}
