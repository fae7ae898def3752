/** Random policies and requests, and the log that the engine makes of them, as replay has it. */
import * as fc from "fast-check";
import { Engine, EngineError, type Evaluator, type Verdict } from "../../scripts/evaluate/engine.ts";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import { loadEngine, loadPolicyFile } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { BoundError } from "../../scripts/policy/index/bounds.ts";
import type { Policy, Rule } from "../../scripts/policy/language/model.ts";
import type { RecordedRequest } from "../../scripts/traffic/usage.ts";
import type { PolicyText } from "../differential/arbitrary/policies.ts";
import { start_seconds } from "../differential/arbitrary/tokens.ts";
import { readText } from "../differential/product.ts";
import type { Arrived } from "../differential/reference/request.ts";

export const engine = new Engine(loadEngine());
export const module = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);

/** A policy as its files have it; undefined where it passes a bound. */
export function loadText(text: PolicyText, folder: string): Policy | undefined {
  return readText(text, folder, (path) => loadPolicyFile(path).policy);
}

/** The engine with a policy; undefined where it passes a bound, or a change made what no policy says. */
export function start(policy: Policy): Evaluator | undefined {
  try {
    return engine.start(writeImage(policy), start_seconds * 1000);
  } catch (error) {
    if (error instanceof BoundError || error instanceof EngineError) return undefined;
    throw error;
  }
}

/** Asks at a time, milliseconds since 1970. */
export function ask(
  evaluator: Evaluator,
  arrived: Arrived,
  now: number,
): { verdict: Verdict; record: AuditRecord | undefined } {
  evaluator.host.clock = () => BigInt(now) * 1_000_000n;
  const { digest, ...request } = arrived;
  const certificate = digest === null ? {} : { certificateDigest: digest };
  return evaluator.judge({ ...request, ...certificate, token: null });
}

/** What a log has of a request (scripts/traffic/usage.ts). */
export function recordOf(arrived: Arrived, record: AuditRecord, now: number): RecordedRequest {
  const { policy, decision, reason, rule = "", admit, issuer = "" } = record;
  const host = record.host ?? arrived.host.toLowerCase();
  const path = record.path ?? arrived.path.split("?", 1)[0]!;
  return {
    host: /[^0-9a-z._:-]/u.test(host) ? "{other}" : host,
    method: record.method ?? arrived.method,
    path: record.path_bytes === undefined ? path : `${path}*`,
    caller: record.caller?.startsWith("spiffe://") ? record.caller : "",
    source: sourceOf(arrived.source),
    issuer,
    scopes: "",
    decision,
    reason,
    rule,
    admitted: admit,
    count: 1,
    policy,
    firstSeen: now,
    lastSeen: now,
  };
}

function sourceOf(source: string): string {
  const match = /^(\[.*\]|[^:]*):(\d+)$/u.exec(source);
  if (match !== null) return `${match[1]}:${Number(match[2]) === 0 ? 0 : 1}`;
  return source.includes(":") ? `[${source.replace(/^\[|\]$/gu, "")}]:1` : `${source}:1`;
}

/** A policy that is judged by rules alone, as replay does it. */
export function withoutHistory(policy: Policy): Policy {
  const rules = policy.rules.map((rule) => ({
    ...rule,
    limits: [],
    limitVariables: [],
    ownLimits: [],
    // A cost that cannot be calculated denies, limits or not.
    ...(rule.costFrom === undefined && { cost: 1 }),
  }));
  return { ...policy, rules, limits: [], quarantines: [], fleet: undefined };
}

/** How a policy may be changed before a rollout. */
export const someChange: fc.Arbitrary<(policy: Policy) => Policy> = fc
  .array(
    fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 11 })).map(([at, from, kind]) => (policy: Policy): Policy => {
      if (policy.rules.length === 0) return policy;
      const rule = policy.rules[at % policy.rules.length]!;
      const other = policy.rules[from % policy.rules.length]!;
      const changed = changeOf(rule, other, kind);
      const rules = policy.rules.flatMap((one) => (one === rule ? changed : [one]));
      return { ...policy, ...changeOfPolicy(policy, kind, at), rules };
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((changes) => (policy: Policy) => changes.reduce((changed, change) => change(changed), policy));

function changeOf(rule: Rule, other: Rule, kind: number): Rule[] {
  const flipped = rule.action === "allow" ? "deny" : "allow";
  switch (kind) {
    case 0:
      return [];
    case 1:
      return rule.captures.size > 0 ? [rule] : [{ ...rule, callers: other.callers }];
    case 2:
      return rule.condition?.variables.length ? [rule] : [{ ...rule, endpoints: other.endpoints, paths: other.paths }];
    case 3:
      return [{ ...rule, condition: undefined }];
    case 4:
      return rule.condition === undefined || !rule.condition.usesClaims
        ? [{ ...rule, issuers: [], scopes: [], isAnyScope: false, isTokenOptional: false }]
        : [rule];
    case 5:
      return rule.issuers.length > 0
        ? [{ ...rule, scopes: rule.scopes.length > 0 ? [] : ["read"], isAnyScope: false }]
        : [rule];
    case 6:
      return [{ ...rule, mode: rule.mode === "shadow" ? "enforce" : "shadow" }];
    case 7:
      return rule.issuers.length === 0 && rule.scopes.length === 0 && rule.mostBytes === undefined
        ? [{ ...rule, action: flipped }]
        : [rule];
    case 8:
      return [{ ...rule, startsSeconds: rule.startsSeconds === 0 ? start_seconds + 30 : 0 }];
    case 9:
      return [{ ...rule, hosts: other.hosts }];
    default:
      return [rule];
  }
}

function changeOfPolicy({ issuers, trustDomains, sourceAddress }: Policy, kind: number, at: number): Partial<Policy> {
  if (kind === 10) {
    const changed = issuers.map((issuer, index) =>
      index !== at % issuers.length
        ? issuer
        : { ...issuer, ...(at % 2 === 0 ? { leewaySeconds: issuer.leewaySeconds + 1 } : { scopeClaims: [["scp"]] }) },
    );
    return { issuers: changed };
  }
  if (kind !== 11) return {};
  return at % 2 === 0
    ? { trustDomains: trustDomains.length > 1 ? trustDomains.slice(1) : trustDomains }
    : { sourceAddress: sourceAddress === "connection" ? "forwarded" : "connection" };
}
