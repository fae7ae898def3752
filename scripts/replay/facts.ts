/**
 * What a record says of a request beyond what it has of it: a rule that admitted held, with all that it asks for; where none did, none
 * held; and a deny rule that matched would have decided. So a rule that both policies have is judged as it was, whatever it reads.
 */
import type { RecordedRequest } from "../traffic/usage.ts";
import type { Judgement } from "./judge.ts";
import { type Facts, isDenial, no_facts, type OpenRule, outcomeOf } from "./settle.ts";

/** How a record and the old policy go together. */
export type Standing =
  /** The old policy decides so, as far as is known. */
  | "reproduced"
  /** It does not: another version of it decided, or what the log has of the request is not what the filter saw. */
  | "contradicted"
  /** What was before the rules, or beside them, decided: limits, quarantines, sizes, keys that were not there. */
  | "beside"
  /** The log has no record. */
  | "unrecorded";

/** Reasons for which a request is denied that rules may admit. */
const beside_reasons = new Set([
  "quarantined",
  "keys_unavailable",
  "internal",
  "headers_too_large",
  "body_too_large",
  "request_malformed",
]);

/** Whether the record says that rules admit: what a limit had no room for has met all else. */
export function isAdmittedByRules({ decision, reason }: RecordedRequest): boolean {
  return decision === "allow" || (decision === "deny" && reason === "limit_exceeded");
}

/** Whether something before the rules, or beside them, decided. */
export function isBeside({ decision, reason }: RecordedRequest): boolean {
  return decision === "wait" || beside_reasons.has(reason);
}

/** @param judgement the old policy's */
export function factsOf(recorded: RecordedRequest, judgement: Judgement): { standing: Standing; facts: Facts } {
  const { decision, reason, rule } = recorded;
  if (decision === "") return { standing: "unrecorded", facts: no_facts };
  if (isAdmittedByRules(recorded)) return factsOfAdmitted(recorded, judgement);
  if (isBeside(recorded)) return { standing: "beside", facts: no_facts };
  if (judgement.plain.decision === "allow") return { standing: "contradicted", facts: no_facts };
  if (reason === "rule_denied") {
    const matched = judgement.open.find(({ derived }) => isDenial(derived) && derived.rule.name === rule);
    if (matched !== undefined)
      return { standing: "reproduced", facts: { ...no_facts, holds: matched.derived.guard, reason, rule } };
    const isSame = judgement.decision.reason === "rule_denied" && judgement.decision.rule === rule;
    return { standing: isSame ? "reproduced" : "contradicted", facts: no_facts };
  }
  if (judgement.decision.reason === "rule_denied") return { standing: "contradicted", facts: no_facts };
  return { standing: "reproduced", facts: { ...no_facts, fails: failsOf(recorded, judgement), reason, rule } };
}

function factsOfAdmitted(
  { rule, issuer }: RecordedRequest,
  { open, admitting, plain }: Judgement,
): { standing: Standing; facts: Facts } {
  // Where a limit of the rule that comes first had no room, another one admitted.
  const held = open.find((one) => !isDenial(one.derived) && one.derived.rule.name === rule && outcomeOf(one) !== false);
  const isSame = admitting !== undefined && (admitting.rule.name === rule || admitting.rule.limits.length > 0);
  if (plain.decision === "deny" || (held === undefined && !isSame))
    return { standing: "contradicted", facts: no_facts };
  const admitted = held?.derived.rule;
  const isWithToken =
    admitted !== undefined &&
    admitted.issuers.length > 0 &&
    (!admitted.isTokenOptional || admitted.issuers.includes(issuer));
  const isWithout = admitted === undefined ? issuer === "" : !isWithToken;
  // Rules without a token are asked last, and only where no optional one was bad.
  const unrefused = open.filter(({ derived }) => isWithout && derived.mayRefuse);
  const denials = open.filter(({ derived }) => isDenial(derived));
  if (held === undefined && denials.length + unrefused.length === 0) return { standing: "reproduced", facts: no_facts };
  return {
    standing: "reproduced",
    facts: {
      ...no_facts,
      holds: held?.derived.guard ?? -1,
      holdsWithToken: isWithToken,
      fails: guardsOf(denials),
      unrefused: guardsOf(unrefused),
    },
  };
}

/** Guards of the rules that did not hold: all that were for the request, but those that a bad optional token kept from being asked. */
function failsOf({ reason, rule }: RecordedRequest, { open }: Judgement): ReadonlySet<number> {
  const closest = open.find(({ derived }) => derived.rule.name === rule);
  const mayHaveRefused = reason.startsWith("token_") && (closest === undefined || closest.derived.rule.isTokenOptional);
  const failed = open.filter(
    ({ derived }) =>
      isDenial(derived) || !mayHaveRefused || (derived.rule.issuers.length > 0 && !derived.rule.isTokenOptional),
  );
  return guardsOf(failed);
}

const nothing: ReadonlySet<number> = new Set();

function guardsOf(rules: readonly OpenRule[]): ReadonlySet<number> {
  return rules.length === 0 ? nothing : new Set(rules.map(({ derived }) => derived.guard));
}
