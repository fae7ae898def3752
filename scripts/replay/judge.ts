/** Asks the engine about requests of a log, by one policy: what is known decides, and what may decide besides is told. */
import { algorithm_es256 } from "../../assembly/crypto/algorithms.ts";
import { shadow_rules_max } from "../../assembly/limits.ts";
import { type LeanDecision, LeanHost, type LeanRequest } from "../host/lean.ts";
import { writeImage } from "../policy/image/image.ts";
import type { Policy } from "../policy/language/model.ts";
import { mintToken } from "../policytest/mint.ts";
import { type DerivedPolicy, type DerivedRule, derivePolicy, good_issuer } from "./derive.ts";
import type { Guards } from "./guard.ts";
import type { Known, Prepared } from "./known.ts";

/** A rule that is for a request, with a part that is not known, and what the engine says of the rest of it. */
export interface OpenRule {
  derived: DerivedRule;
  reason: string;
}

/** What is known of a decision. */
export interface Judgement {
  /** By the rules that are known as a whole. */
  decision: LeanDecision;
  /** The rule that admits, where one of those does. */
  admitting: DerivedRule | undefined;
  open: readonly OpenRule[];
}

/** Scopes as RFC 6749 §3.3 has them; a token with others, or with more, may not be made again. */
const plain_scopes = /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/u;
const scopes_max = 2000;
/** So many tokens are kept: they differ in their scopes alone. */
const tokens_max = 1000;
const none: readonly OpenRule[] = [];

interface Asked {
  host: LeanHost;
  derived: DerivedPolicy;
  /** Rules by their numbers in the image. */
  names: readonly string[];
  atMilliseconds: number;
}

export class Judge {
  readonly #module: WebAssembly.Module;
  readonly #policy: Policy;
  readonly #old: Policy;
  readonly #guards: Guards;
  readonly #asked = new Map<string, Asked>();
  readonly #tokens = new Map<string, string>();
  /** Decisions of the engine so far. */
  decisions = 0;

  /** @param old the policy whose record the log has */
  constructor(module: WebAssembly.Module, policy: Policy, old: Policy, guards: Guards) {
    this.#module = module;
    this.#policy = policy;
    this.#old = old;
    this.#guards = guards;
  }

  judge({ request, known, at, scopes }: Prepared): Judgement {
    const areScopesPlain = known.scopes && scopes.length <= scopes_max && plain_scopes.test(scopes);
    const asked = this.#askedFor(known.scopes === areScopesPlain ? known : { ...known, scopes: false });
    if (known.time !== "unknown" && asked.atMilliseconds !== at) {
      asked.atMilliseconds = at;
      asked.host.clockMilliseconds = at;
    }
    request.token = known.issuer === "" ? null : this.#token(areScopesPlain ? scopes : "");
    this.decisions++;
    const decision = asked.host.decide(request);
    const admitting = decision.admits ? asked.derived.rules.get(decision.rule) : undefined;
    if (decision.shadows.length === 0) return { decision, admitting, open: none };
    // A record has room for so many rules in shadow mode, and there may be more.
    const found = decision.shadows.length < shadow_rules_max ? decision.shadows : this.#allOf(asked, request);
    const open: OpenRule[] = [];
    for (const { rule, reason } of found) {
      const derived = asked.derived.rules.get(rule);
      if (derived !== undefined) open.push({ derived, reason });
    }
    return { decision, admitting, open };
  }

  #allOf({ host, derived, names }: Asked, request: LeanRequest): { rule: string; reason: string }[] {
    const found: { rule: string; reason: string }[] = [];
    for (const { rule: number, reason } of host.inspect(request).rules) {
      const { rule, parts, reads } = derived.rules.get(names[number]!)!;
      if (parts.length === 0 && reads.length === 0) continue;
      // Each binding of its variables is told, and the rule holds by any of them.
      if (rule.action === "allow" || reason === "rule_denied" || reason === "internal")
        found.push({ rule: rule.name, reason });
    }
    return found;
  }

  #askedFor(known: Known): Asked {
    const key = `${known.source} ${known.scopes} ${known.time} ${known.issuer}`;
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      const derived = derivePolicy(this.#policy, this.#old, known, this.#guards);
      const host = new LeanHost(this.#module, writeImage(derived.policy));
      asked = { host, derived, names: [...derived.rules.keys()], atMilliseconds: -1 };
      this.#asked.set(key, asked);
    }
    return asked;
  }

  /** A token with these scopes, signed by a key of ours. */
  #token(scopes: string): string {
    let token = this.#tokens.get(scopes);
    if (token === undefined) {
      const claims = { scope: scopes, iat: null, exp: 99_999_999_999 };
      const issuer = { iss: good_issuer, audiences: [], algorithms: [algorithm_es256], lifetimeSeconds: 0 };
      token = mintToken({ issuer: "", header: {}, claims }, issuer, 0);
      if (this.#tokens.size >= tokens_max) this.#tokens.clear();
      this.#tokens.set(scopes, token);
    }
    return token;
  }
}
