/** From what the engine says of a request, and what its record says besides, to a decision, or to what it hangs on. */
import type { LeanDecision } from "../host/lean.ts";
import type { DerivedRule } from "./derive.ts";

/** A rule that is for a request, with a part that is not known, and what the engine says of the rest of it. */
export interface OpenRule {
  derived: DerivedRule;
  reason: string;
}

/** What the engine says of a request: by the rules that are known as a whole, which of those admits, and the others that are for it. */
export interface Answer {
  decision: LeanDecision;
  admitting: DerivedRule | undefined;
  open: readonly OpenRule[];
}

/** What the record of a request says of rules by the parts that are not in the log. */
export interface Facts {
  /** The guard that held; -1 where none is known to have. */
  holds: number;
  /** Whether it held with a token. */
  holdsWithToken: boolean;
  /** Guards that did not hold. */
  fails: ReadonlySet<number>;
  /** Guards of rules with an optional token, none of which was there and bad. */
  unrefused: ReadonlySet<number>;
  /** What a request was denied for that no rule admitted. */
  reason: string;
  rule: string;
}

const nothing: ReadonlySet<number> = new Set();
export const no_facts: Facts = {
  holds: -1,
  holdsWithToken: false,
  fails: nothing,
  unrefused: nothing,
  reason: "",
  rule: "",
};

/** A rule that may decide, and what it reads that is not known. */
export interface Doubt {
  rule: string;
  reads: readonly string[];
}

export interface Settled {
  decision: "allow" | "deny" | "unknown";
  /** A reason code; "" where the decision is not known. */
  reason: string;
  /** The rule that decided or came closest; "" without one. */
  rule: string;
  doubts: readonly Doubt[];
}

const no_doubts: readonly Doubt[] = [];

export function isDenial({ rule }: DerivedRule): boolean {
  return rule.action === "deny";
}

/** Whether an allow rule is out, whatever is not known of it; true: it holds, whatever that is. */
export function outcomeOf({ derived, reason }: OpenRule): boolean | undefined {
  if (reason === "allowed") return derived.parts.length === 0 ? true : undefined;
  if (reason === "internal") return undefined;
  return reason === "condition_error" && derived.reads.length > 0 ? undefined : false;
}

/**
 * The decision, where it is one whatever is not known: a deny rule that may match keeps requests from being admitted for sure, and an
 * allow rule that may hold from being denied for sure.
 */
export function settle({ decision, admitting, open }: Answer, facts: Facts): Settled {
  const { reason, rule } = decision;
  if (reason === "internal") return unknown([{ rule, reads: ["a bound of the engine"] }]);
  if (reason === "rule_denied" || (open.length === 0 && admitting === undefined))
    return { decision: "deny", reason, rule, doubts: no_doubts };
  if (open.length === 0) return { decision: "allow", reason, rule, doubts: no_doubts };
  let holder = admitting?.rule.name ?? "";
  let hasToken = admitting?.takesToken ?? false;
  let isDeniedAsBefore = false;
  const mayAdmit: Doubt[] = [];
  const mayDeny: Doubt[] = [];
  const mayRefuse: Doubt[] = [];
  for (const one of open) {
    const { derived } = one;
    const { guard } = derived;
    const told = guard === facts.holds ? true : facts.fails.has(guard) ? false : undefined;
    if (isDenial(derived)) {
      if (told === true) return { decision: "deny", reason: "rule_denied", rule: derived.rule.name, doubts: no_doubts };
      if (told === undefined) mayDeny.push(doubtOf(derived));
      continue;
    }
    if (derived.mayRefuse && one.reason !== "grant_inactive" && !facts.unrefused.has(guard))
      mayRefuse.push({ rule: derived.rule.name, reads: derived.parts });
    const own = outcomeOf(one);
    const holds = own ?? told;
    if (own === undefined && told === false) isDeniedAsBefore = true;
    if (holds === true) {
      const isWithToken = told === true && own === undefined ? facts.holdsWithToken : derived.takesToken;
      if (holder === "" || (isWithToken && !hasToken)) holder = derived.rule.name;
      hasToken ||= isWithToken;
    } else if (holds === undefined) mayAdmit.push(doubtOf(derived));
  }
  if (holder === "") {
    if (mayAdmit.length > 0) return unknown([...mayAdmit, ...mayDeny]);
    // Of several reasons the closest is told, which may be one that only the record knows.
    const isTold = isDeniedAsBefore && facts.reason !== "";
    return {
      decision: "deny",
      reason: isTold ? facts.reason : reason,
      rule: isTold ? facts.rule : rule,
      doubts: no_doubts,
    };
  }
  const refuses = hasToken ? [] : mayRefuse;
  if (mayDeny.length > 0 || refuses.length > 0) return unknown([...mayDeny, ...refuses]);
  return { decision: "allow", reason: "allowed", rule: holder, doubts: no_doubts };
}

function doubtOf({ rule, parts, reads }: DerivedRule): Doubt {
  return { rule: rule.name, reads: [...parts, ...reads] };
}

export function unknown(doubts: readonly Doubt[]): Settled {
  return { decision: "unknown", reason: "", rule: "", doubts };
}
