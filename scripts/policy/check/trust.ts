/** Trust domains, and those that are other names for one of them. */
import { trust_aliases_max } from "../../../assembly/limits.ts";
import type { DraftTrust } from "../language/model.ts";
import { trustDomainFault } from "../language/spiffe.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";

/** Checks `trust.domains`. None where one of them is wrong: which callers are trusted is not known then, so none is told that it is not. */
export function checkTrustDomains(reporter: Reporter, domains: readonly Located<string>[]): Set<string> {
  const trusted = new Set<string>();
  let failed = false;
  for (const { value, at } of domains) {
    const fault = trustDomainFault(value);
    if (fault !== undefined) {
      reporter.error("invalid_trust_domain", at, fault);
      failed = true;
    } else if (trusted.has(value)) reporter.error("duplicate", at, `\`${value}\` stands twice; remove one`);
    trusted.add(value);
  }
  return failed ? new Set() : trusted;
}

/**
 * Checks `trust.aliases`.
 * @param trustDomains those of `trust.domains`, none where they are wrong
 */
export function checkAliases(
  reporter: Reporter,
  drafts: DraftTrust["aliases"],
  trustDomains: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const aliases = new Map<string, string>();
  const names = new Set(drafts?.map(({ name }) => name.value));
  for (const { name, value: target } of drafts ?? []) {
    const fault = trustDomainFault(name.value);
    if (fault !== undefined) reporter.error("invalid_trust_domain", name.at, fault);
    if (target === undefined || fault !== undefined) continue;
    const error = (message: string): void => reporter.error("trust_alias", target.at, message);
    if (target.value === name.value) error(`\`${name.value}\` is no alias of itself; name the new trust domain`);
    else if (names.has(target.value))
      error(`\`${target.value}\` is an alias too; write the trust domain that it is an alias of`);
    else if (trustDomains.size > 0 && !trustDomains.has(target.value)) {
      const way = didYouMean(target.value, trustDomains);
      error(`\`${target.value}\` is not in \`trust.domains\`${way === "" ? "; add it there" : way}`);
    } else aliases.set(name.value, target.value);
  }
  if ((drafts?.length ?? 0) > trust_aliases_max)
    reporter.error("bound", drafts![trust_aliases_max]!.name.at, `a policy has at most ${trust_aliases_max} aliases`);
  return aliases;
}
