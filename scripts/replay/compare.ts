/** What a log comes to under two policies: counts, and groups of requests whose decision changes, or cannot be told. */
import type { RecordedRequest } from "../traffic/usage.ts";
import type { Standing } from "./facts.ts";
import type { Replayed } from "./replay.ts";

/** So many groups of a kind are told apart; requests of further ones are counted only. */
export const groups_max = 10_000;

/** Requests that changed alike. */
export interface ChangedRequests {
  caller: string;
  method: string;
  host: string;
  /** With its values replaced by their kind: `/orders/{number}`. */
  path: string;
  /** The rule that decided or came closest before and after; "" without one, or where it is not known. */
  oldRule: string;
  newRule: string;
  /** The reason of the new decision; of a request that is admitted now that of the old one. "" where it is not known. */
  reason: string;
  count: number;
}

/** What a decision hangs on. */
export interface UnknownPart {
  /** Which policy's decision. */
  policy: "old" | "new";
  /** "" where every rule does. */
  rule: string;
  reads: readonly string[];
  /** Requests of which this alone, or this too, is not known. */
  count: number;
}

/** What a rule comes to under both policies: requests that it admits, or denies where it is a deny rule. */
export interface RuleCounts {
  rule: string;
  before: number;
  after: number;
  /** Requests that it decides now, and did not; the other way about. */
  gained: number;
  lost: number;
}

interface Groups {
  count: number;
  groups: ChangedRequests[];
}

export interface Comparison {
  /** Requests of the log, and how many kinds of them were decided. */
  requests: number;
  distinct: number;
  /** Of other policies than the old one: left out. */
  otherPolicies: number;
  same: number;
  /** Admitted by the old policy, denied by the new one; and the other way about. */
  denied: Groups;
  admitted: Groups;
  /** Requests of which one of the decisions is not known. */
  unknown: Groups & {
    /** Of them: that may be denied by the new policy and admitted by the old one; the other way about. Some may be either. */
    mayBeDenied: number;
    mayBeAdmitted: number;
    parts: UnknownPart[];
  };
  rules: RuleCounts[];
  /** How the records go together with what the old policy decides. */
  standing: Record<Standing, number>;
  contradicted: ChangedRequests[];
  /** Requests that a limit had no room for: judged as if it had. */
  limited: number;
}

/** Gathers what `Replay` says. */
export class Gathering {
  readonly #policy: string;
  readonly #shapeOf: (path: string) => string;
  readonly #groups = {
    denied: new GroupMap(),
    admitted: new GroupMap(),
    unknown: new GroupMap(),
    contradicted: new GroupMap(),
  };
  readonly #parts = new Map<string, UnknownPart>();
  readonly #rules = new Map<string, RuleCounts>();
  readonly #standing: Comparison["standing"] = { reproduced: 0, contradicted: 0, beside: 0, unrecorded: 0 };
  #requests = 0;
  #distinct = 0;
  #otherPolicies = 0;
  #same = 0;
  #mayBeDenied = 0;
  #mayBeAdmitted = 0;
  #limited = 0;

  /** @param policy the name of the old policy @param shapeOf a path with its values replaced */
  constructor(policy: string, shapeOf: (path: string) => string) {
    this.#policy = policy;
    this.#shapeOf = shapeOf;
  }

  /** Whether a request is one that the old policy may have judged; others are counted, and left out. */
  takes({ policy, count }: RecordedRequest): boolean {
    if (policy === "" || policy === this.#policy) return true;
    this.#otherPolicies += count;
    return false;
  }

  add(recorded: RecordedRequest, { before, after, standing }: Replayed): void {
    const { count } = recorded;
    this.#requests += count;
    this.#distinct++;
    this.#standing[standing] += count;
    if (recorded.reason === "limit_exceeded") this.#limited += count;
    if (standing === "contradicted")
      this.#addGroup("contradicted", recorded, recorded.rule, before.rule, recorded.reason);
    this.#countRule(before.rule, after.rule, before.decision !== "unknown", after.decision !== "unknown", {
      before: decides(before),
      after: decides(after),
      count,
    });
    if (before.decision === "unknown" || after.decision === "unknown") {
      const mayBeDenied = before.decision !== "deny" && after.decision !== "allow";
      const mayBeAdmitted = before.decision !== "allow" && after.decision !== "deny";
      if (mayBeDenied) this.#mayBeDenied += count;
      if (mayBeAdmitted) this.#mayBeAdmitted += count;
      for (const [policy, { doubts }] of [["old", before] as const, ["new", after] as const]) {
        for (const { rule, reads } of doubts) this.#addPart(policy, rule, reads, count);
      }
      const first = (after.doubts[0] ?? before.doubts[0])?.rule ?? "";
      this.#addGroup("unknown", recorded, before.rule, after.rule || first, after.reason);
    } else if (before.decision === after.decision) this.#same += count;
    else if (after.decision === "deny") this.#addGroup("denied", recorded, before.rule, after.rule, after.reason);
    else this.#addGroup("admitted", recorded, before.rule, after.rule, before.reason);
  }

  comparison(): Comparison {
    const { denied, admitted, unknown, contradicted } = this.#groups;
    return {
      requests: this.#requests,
      distinct: this.#distinct,
      otherPolicies: this.#otherPolicies,
      same: this.#same,
      denied: denied.sorted(),
      admitted: admitted.sorted(),
      unknown: {
        ...unknown.sorted(),
        mayBeDenied: this.#mayBeDenied,
        mayBeAdmitted: this.#mayBeAdmitted,
        parts: [...this.#parts.values()].sort((a, b) => b.count - a.count),
      },
      rules: [...this.#rules.values()].sort((a, b) => (a.rule < b.rule ? -1 : 1)),
      standing: this.#standing,
      contradicted: contradicted.sorted().groups,
      limited: this.#limited,
    };
  }

  #addGroup(
    kind: "denied" | "admitted" | "unknown" | "contradicted",
    { caller, method, host, path, count }: RecordedRequest,
    oldRule: string,
    newRule: string,
    reason: string,
  ): void {
    this.#groups[kind].add({ caller, method, host, path: this.#shapeOf(path), oldRule, newRule, reason, count });
  }

  #addPart(policy: "old" | "new", rule: string, reads: readonly string[], count: number): void {
    const key = `${policy} ${rule} ${reads.join("\0")}`;
    const part = this.#parts.get(key);
    if (part === undefined) this.#parts.set(key, { policy, rule, reads, count });
    else part.count += count;
  }

  #countRule(
    old: string,
    next: string,
    isOldKnown: boolean,
    isNextKnown: boolean,
    { before, after, count }: { before: boolean; after: boolean; count: number },
  ): void {
    const was = before ? old : "";
    const is = after ? next : "";
    if (was !== "") this.#rule(was).before += count;
    if (is !== "") this.#rule(is).after += count;
    if (was === is || !isOldKnown || !isNextKnown) return;
    if (was !== "") this.#rule(was).lost += count;
    if (is !== "") this.#rule(is).gained += count;
  }

  #rule(rule: string): RuleCounts {
    let counts = this.#rules.get(rule);
    if (counts === undefined) {
      counts = { rule, before: 0, after: 0, gained: 0, lost: 0 };
      this.#rules.set(rule, counts);
    }
    return counts;
  }
}

/** Whether the rule that is told of decided, and did not only come closest. */
function decides({ decision, reason }: Replayed["before"]): boolean {
  return decision === "allow" || reason === "rule_denied";
}

class GroupMap {
  readonly #groups = new Map<string, ChangedRequests>();
  #count = 0;

  add(one: ChangedRequests): void {
    const { caller, method, host, path, oldRule, newRule, reason, count } = one;
    this.#count += count;
    const key = [caller, method, host, path, oldRule, newRule, reason].join("\0");
    const known = this.#groups.get(key);
    if (known !== undefined) known.count += count;
    else if (this.#groups.size < groups_max) this.#groups.set(key, one);
  }

  /** Those with the most requests first. */
  sorted(): Groups {
    return { count: this.#count, groups: [...this.#groups.values()].sort((a, b) => b.count - a.count) };
  }
}
