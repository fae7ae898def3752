/**
 * Requests of a log, decided again by the engine under two policies.
 *
 *   recorded ──► prepared ──► judged by the old policy ──► facts ──► settled: allow, deny, or unknown
 *                       └───► judged by the new policy ──────┘
 *
 * Nothing is guessed: where the answer hangs on what the log lacks, it is unknown, and said what it hangs on.
 */
import type { Policy } from "../policy/language/model.ts";
import type { RecordedRequest } from "../traffic/usage.ts";
import { factsOf, isAdmittedByRules, isBeside, type Standing } from "./facts.ts";
import { Front } from "./front.ts";
import { Guards } from "./guard.ts";
import { Judge } from "./judge.ts";
import { isRefusedInFront, Preparation, type Prepared } from "./known.ts";
import { no_facts, type Settled, settle, unknown } from "./settle.ts";

/** What both policies say of one kind of request. */
export interface Replayed {
  before: Settled;
  after: Settled;
  standing: Standing;
}

export class Replay {
  readonly #preparation: Preparation;
  readonly #front: Front;
  readonly #before: Judge;
  readonly #after: Judge;

  /**
   * @param engine the engine's module, without a policy
   * @param before the policy whose record the log has
   */
  constructor(engine: WebAssembly.Module, before: Policy, after: Policy) {
    const guards = new Guards();
    this.#preparation = new Preparation(before, [before, after]);
    this.#front = new Front(before, after);
    this.#before = new Judge(engine, before, before, guards);
    this.#after = new Judge(engine, after, before, guards);
  }

  /** How often the engine has decided. */
  get decisions(): number {
    return this.#before.decisions + this.#after.decisions;
  }

  /** Decides one kind of request under both policies. */
  replay(recorded: RecordedRequest): Replayed {
    if (isRefusedInFront(recorded)) return this.#refused(recorded);
    const prepared = this.#preparation.prepare(recorded);
    if (prepared.unknown !== undefined) return withoutJudgement(recorded, prepared.unknown);
    const first = this.#judge(prepared, recorded);
    if (this.#preparation.isCallerProven(recorded)) return first ?? this.#contradicted(prepared, recorded);
    // The record names a caller whose identity may not have counted: then it was judged as nobody.
    const nobody = this.#preparation.asNobody(prepared);
    const second = this.#judge(nobody, recorded);
    if (first === undefined) return second ?? this.#contradicted(prepared, recorded);
    return second === undefined
      ? first
      : { ...first, before: agreed(first.before, second.before), after: agreed(first.after, second.after) };
  }

  /** Undefined where the record says otherwise than the old policy, so that the log has not all that was seen of the request. */
  #judge(prepared: Prepared, recorded: RecordedRequest): Replayed | undefined {
    const judgement = this.#before.judge(prepared);
    const { standing, facts } = factsOf(recorded, judgement);
    if (standing === "contradicted") return undefined;
    const before = facts === no_facts ? judgement.plain : settle(judgement, facts);
    if (standing === "reproduced" && isOpposite(recorded, before)) return undefined;
    const told = standing === "reproduced" ? asRecorded(recorded, before) : before;
    return { before: told, after: this.#afterOf(prepared, recorded, facts), standing };
  }

  #afterOf(prepared: Prepared, recorded: RecordedRequest, facts: typeof no_facts): Settled {
    const other = this.#front.unknownOf(recorded);
    if (other !== undefined) return unknown([{ rule: "", reads: [other] }]);
    const judgement = this.#after.judge(prepared);
    return facts === no_facts || judgement.open.length === 0 ? judgement.plain : settle(judgement, facts);
  }

  /** The old policy decides otherwise, so what the record says beside what was asked for is not believed. */
  #contradicted(prepared: Prepared, recorded: RecordedRequest): Replayed {
    const bare = this.#preparation.withoutToken(prepared);
    const before = this.#before.judge(bare).plain;
    return { before, after: this.#afterOf(bare, recorded, no_facts), standing: "contradicted" };
  }

  #refused(recorded: RecordedRequest): Replayed {
    const before: Settled = { decision: "deny", reason: recorded.reason, rule: "", doubts: [] };
    const after = this.#front.refusesAlike(recorded.reason)
      ? before
      : unknown([{ rule: "", reads: ["the request as it was sent"] }]);
    return { before, after, standing: "reproduced" };
  }
}

function withoutJudgement(recorded: RecordedRequest, what: string): Replayed {
  const doubt = unknown([{ rule: "", reads: [what] }]);
  const standing = recorded.decision === "" ? "unrecorded" : isBeside(recorded) ? "beside" : "reproduced";
  return { before: standing === "reproduced" ? asRecorded(recorded, doubt) : doubt, after: doubt, standing };
}

/** What holds whether or not the caller's identity counted. */
function agreed(one: Settled, other: Settled): Settled {
  if (one.decision === other.decision) return one;
  if (one.decision === "unknown") return one;
  return other.decision === "unknown"
    ? other
    : unknown([{ rule: one.rule, reads: ["whether the caller's identity counts"] }]);
}

function isOpposite(recorded: RecordedRequest, { decision }: Settled): boolean {
  return decision !== "unknown" && (decision === "allow") !== isAdmittedByRules(recorded);
}

/** What the record says, of a decision that the old policy comes to as far as is known. */
function asRecorded(recorded: RecordedRequest, { doubts }: Settled): Settled {
  if (isAdmittedByRules(recorded)) return { decision: "allow", reason: "allowed", rule: recorded.rule, doubts: [] };
  if (recorded.decision === "deny")
    return { decision: "deny", reason: recorded.reason, rule: recorded.rule, doubts: [] };
  return unknown(doubts);
}
