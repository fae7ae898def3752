/** Names and callers, as every part of a policy is checked for them. */

import type { CallerSet, Issuer, Limit, RuleCaller } from "../language/model.ts";
import type { Protocol, ProtocolName } from "../language/protocols.ts";
import { type CallerPattern, parseCaller, withoutAlias } from "../language/spiffe.ts";
import { nameFault } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { positionOf, type Source } from "../source/source.ts";
import { nearest } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import type { Lists } from "./lists.ts";

/** What rules are checked against. */
export interface Context {
  /** Of the file that is being checked. */
  reporter: Reporter;
  trustDomains: Set<string>;
  /** Those of them whose members can be callers. */
  callableDomains: ReadonlySet<string>;
  /** Trust domains whose IDs are IDs of another one. */
  aliases: ReadonlyMap<string, string>;
  /** Variables that headers for the upstream tell of. */
  forwardVariables: readonly string[];
  issuers: Map<string, Issuer | undefined>;
  callerSets: Map<string, CallerSet>;
  limits: Map<string, Limit | undefined>;
  lists: Lists;
  /** How many bytes a token may have. */
  tokenBytes: number;
  /** Where calls of each protocol are made that the policy speaks of. */
  protocols: ReadonlyMap<ProtocolName, readonly Protocol[]>;
}

/** Names that stand for callers without being sets. */
export const caller_words: readonly string[] = ["any", "anonymous"];

/** Reports a name that cannot be one. */
export function checkName(reporter: Reporter, name: Located<string> | undefined): void {
  const fault = name === undefined ? undefined : nameFault(name.value);
  if (fault !== undefined) reporter.error("invalid_name", name!.at, fault);
}

/** Names of one kind, which are unique across all files of a policy. */
export class Names {
  private readonly places = new Map<string, { source: Source; at: number }>();
  private readonly kind: string;

  /** @param kind how messages call one */
  constructor(kind: string) {
    this.kind = kind;
  }

  /** Whether the name was free; reported if not. */
  take(reporter: Reporter, { value, at }: Located<string>): boolean {
    const { source } = reporter;
    const first = this.places.get(value);
    if (first === undefined) {
      this.places.set(value, { source, at });
      return true;
    }
    const { line } = positionOf(first.source, first.at);
    const place = first.source === source ? `in line ${line}` : `in \`${first.source.file}\`, line ${line}`;
    const message = `the ${this.kind} \`${value}\` stands already ${place}; each needs a name of its own`;
    reporter.error("duplicate", at, message);
    return false;
  }
}

/**
 * Checks a SPIFFE ID or pattern, and takes it out of a trust domain that is an alias; reported, and undefined, if it is none.
 * @param nameHint what messages add where a name stands instead
 * @param isDenied it is a caller of a deny rule, where one that nobody can be is an error (never.ts)
 */
export function checkCaller(
  context: Context,
  caller: Located<string>,
  nameHint = "",
  isDenied = false,
): CallerPattern | undefined {
  const parsed = parseCaller(caller.value);
  const { reporter, trustDomains, aliases } = context;
  if (typeof parsed === "string") {
    const isName = !caller.value.includes(":") && !caller.value.includes("/");
    reporter.error("invalid_spiffe_id", caller.at, isName ? parsed + nameHint : parsed);
    return undefined;
  }
  const pattern = withoutAlias(parsed, aliases);
  if (!isDenied && trustDomains.size > 0 && !trustDomains.has(pattern.trustDomain)) {
    const near = nearest(pattern.trustDomain, trustDomains);
    const hint = near === undefined ? "" : `; did you mean \`${near}\`?`;
    const message = `\`${pattern.trustDomain}\` is not in \`trust.domains\`, so no caller can match${hint || "; add it there, or remove this caller"}`;
    reporter.warn("caller_untrusted", caller.at, message);
  }
  return pattern;
}

/** The IDs and patterns that a caller of a rule stands for; undefined for `any` and `anonymous`. */
export function patternsOf({ callerSets }: Context, caller: RuleCaller): (CallerPattern | undefined)[] {
  if (caller.kind === "pattern") return [caller.pattern];
  return caller.kind === "set" ? (callerSets.get(caller.name)?.callers ?? []) : [undefined];
}
