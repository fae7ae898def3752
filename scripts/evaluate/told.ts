/** What a denial was about beside its reason: what was wrong with the token, which limit was full, what failed. In words. */
import type { Pair } from "../host/pairs.ts";
import type { Limit, Rule } from "../policy/language/model.ts";
import { rateLimitPolicy } from "../policy/language/rate.ts";
import { claimWords, type DetailName, detailWords } from "./details.ts";
import { failures } from "./failures.ts";
import type { AuditRecord } from "./record.ts";

/** What the engine left of a request: its record, which only a broken engine does not leave, and the headers of its own answer. */
export interface Left {
  record: AuditRecord | undefined;
  answer: readonly Pair[];
}

/** A limit that had no room. */
export interface FullLimit {
  limit: string;
  /** Whose rate it was, where that can be told from the answer. */
  tier?: string;
}

/** The limit that a request was denied for. @param limits those of the policy */
export function fullLimit({ record, answer }: Left, limits: readonly Limit[]): FullLimit | undefined {
  if (record?.reason !== "limit_exceeded" || record.limit === undefined) return undefined;
  const limit = limits.find(({ name }) => name === record.limit);
  const said = answer.find(([name]) => name === "ratelimit-policy")?.[1];
  // Tiers of one rate and burst are one, and so is one that has those of the limit itself.
  const isOwn = limit === undefined || said === undefined || rateLimitPolicy(limit) === said;
  const tiers = isOwn ? [] : (limit.tiers ?? []).filter((tier) => isOf(said, { ...limit, ...tier, name: limit.name }));
  return { limit: record.limit, ...(tiers.length > 0 && { tier: tiers.map(({ name }) => name).join(" or ") }) };
}

function isOf(said: string, limit: Limit): boolean {
  return rateLimitPolicy(limit) === said;
}

/** What there is to say beside the reason; null where that says all there is. */
export function toldWords(left: Left, limits: readonly Limit[], rules: readonly Rule[]): string | null {
  const { record } = left;
  if (record === undefined) return null;
  if (record.cause !== undefined) return causeWords(record, limits, rules);
  const full = fullLimit(left, limits);
  const words = [
    full && `the limit \`${full.limit}\`${full.tier === undefined ? "" : `, tier \`${full.tier}\``}`,
    record.detail === undefined
      ? undefined
      : record.reason === "token_claims"
        ? claimWords(record.detail)
        : detailWords(record.detail as DetailName),
  ].filter((one) => one !== undefined);
  return words.length === 0 ? null : words.join(": ");
}

function causeWords({ cause, rule }: AuditRecord, limits: readonly Limit[], rules: readonly Rule[]): string {
  // The words are those of the documents, with their links.
  const words = failures[cause!].replace(/\[([^\]]*)\]\([^)]*\)/gu, "$1");
  if (cause !== "rate_limit_service") return `${cause}: ${words}`;
  const own = rules.find(({ name }) => name === rule)?.limits ?? [];
  const asked = limits.filter(({ name, onError }) => own.includes(name) && onError === "deny");
  const names = asked.map(({ name }) => `\`${name}\``).join(", ");
  return `${cause}: the limit ${names} has \`onError: deny\`, and no rate limit service answers here; there is none behind \`explain\` and \`test\``;
}
