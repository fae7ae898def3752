/** Asks the engine about requests of a log, by one policy: what is known decides, and what may decide besides is told. */
import { shadow_rules_max } from "../../assembly/limits.ts";
import { type LeanDecision, LeanHost, type LeanRequest } from "../host/lean.ts";
import { writeImage } from "../policy/image/image.ts";
import type { Policy } from "../policy/language/model.ts";
import { type DerivedPolicy, type DerivedRule, derivePolicy } from "./derive.ts";
import type { Guards } from "./guard.ts";
import type { Known, Prepared } from "./known.ts";
import { no_facts, type OpenRule, type Settled, settle } from "./settle.ts";

/** What is known of a decision. */
export interface Judgement {
  /** By the rules that are known as a whole. */
  decision: LeanDecision;
  /** The rule that admits, where one of those does. */
  admitting: DerivedRule | undefined;
  open: readonly OpenRule[];
  /** What is known of it without the record. */
  plain: Settled;
}

interface Asked {
  host: LeanHost;
  derived: DerivedPolicy;
  /** Rules by their numbers in the image. */
  names: readonly string[];
  atMilliseconds: number;
  /** What follows from a decision alone. */
  judgements: WeakMap<LeanDecision, Judgement>;
}

export class Judge {
  readonly #module: WebAssembly.Module;
  readonly #policy: Policy;
  readonly #old: Policy;
  readonly #guards: Guards;
  /** `Preparation` has one object for all requests of which as much is known. */
  readonly #asked = new Map<Known, Asked>();
  /** Decisions of the engine so far. */
  decisions = 0;

  /** @param old the policy whose record the log has */
  constructor(module: WebAssembly.Module, policy: Policy, old: Policy, guards: Guards) {
    this.#module = module;
    this.#policy = policy;
    this.#old = old;
    this.#guards = guards;
  }

  judge({ request, known, at }: Prepared): Judgement {
    const asked = this.#askedFor(known);
    if (known.time !== "unknown" && asked.atMilliseconds !== at) {
      asked.atMilliseconds = at;
      asked.host.clockMilliseconds = at;
    }
    this.decisions++;
    const decision = asked.host.decide(request);
    const before = asked.judgements.get(decision);
    if (before !== undefined) return before;
    const admitting = decision.admits ? asked.derived.rules.get(decision.rule) : undefined;
    // A record has room for so many rules in shadow mode, and there may be more.
    const isFull = decision.shadows.length >= shadow_rules_max;
    const open: OpenRule[] = [];
    for (const { rule, reason } of isFull ? this.#allOf(asked, request) : decision.shadows) {
      const derived = asked.derived.rules.get(rule);
      if (derived !== undefined) open.push({ derived, reason });
    }
    const judgement = { decision, admitting, open, plain: settle({ decision, admitting, open }, no_facts) };
    if (!isFull) asked.judgements.set(decision, judgement);
    return judgement;
  }

  #allOf({ host, derived, names }: Asked, request: LeanRequest): { rule: string; reason: string }[] {
    const found: { rule: string; reason: string }[] = [];
    for (const { rule: number, reason } of host.inspect(request).rules) {
      const { rule, parts, reads } = derived.rules.get(names[number]!) ?? {};
      if (rule === undefined || parts!.length + reads!.length === 0) continue;
      // Each binding of its variables is told, and the rule holds by any of them.
      if (rule.action === "allow" || reason === "rule_denied" || reason === "internal")
        found.push({ rule: rule.name, reason });
    }
    return found;
  }

  #askedFor(known: Known): Asked {
    let asked = this.#asked.get(known);
    if (asked === undefined) {
      const derived = derivePolicy(this.#policy, this.#old, known, this.#guards);
      const host = new LeanHost(this.#module, writeImage(derived.policy));
      asked = {
        host,
        derived,
        names: derived.policy.rules.map(({ name }) => name),
        atMilliseconds: -1,
        judgements: new WeakMap(),
      };
      this.#asked.set(known, asked);
    }
    return asked;
  }
}
