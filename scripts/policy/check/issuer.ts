/** Issuers: whose tokens are believed, by which keys and algorithms. */
import { leeway_seconds_max, realm_bytes_max } from "../../../assembly/limits.ts";
import { algorithm_names, algorithm_values, algorithmNumber } from "../language/algorithms.ts";
import type { Challenge, DraftChallenge, DraftIssuer, Issuer, KeySet } from "../language/model.ts";
import { forms } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import { checkClaimTypes } from "./claims.ts";
import type { KeySources } from "./keysources.ts";
import type { Places } from "./locations.ts";
import { checkName } from "./names.ts";
import { checkTemplate } from "./template.ts";
import { checkTerms } from "./terms.ts";
import { checkDuration, checkTexts } from "./texts.ts";
import { parseUrl } from "./url.ts";

/** The clock skew that is tolerated when an issuer does not say. */
export const default_leeway_seconds = 60;
/** Ten years: a longer bound on a token's lifetime is a slip. */
const lifetime_seconds = 315360000;

/** Checks an issuer and reads its keys; undefined, and reported, when something it cannot do without is wrong. */
export function checkIssuer(
  reporter: Reporter,
  { name, value: draft }: DraftIssuer,
  sources: KeySources,
  places: Places,
): Issuer | undefined {
  checkName(reporter, name);
  if (draft === undefined) return undefined;
  const algorithms = checkAlgorithms(reporter, draft.algorithms?.value ?? []);
  const terms = checkTerms(reporter, name, draft);
  if (draft.issuer !== undefined) checkTexts(reporter, [draft.issuer], "issuer");
  const leewaySeconds = checkDuration(reporter, draft.leeway, leeway_seconds_max, 0) ?? default_leeway_seconds;
  const maxLifetimeSeconds = checkDuration(reporter, draft.maxLifetime, lifetime_seconds, 1) ?? 0;
  const { from, forwardToken } = draft;
  const itsPlaces = places.check({ what: `\`${name.value}\``, from, forwardToken, at: name.at });
  const keySet = draft.keys === undefined ? undefined : sources.check(draft.keys, "sig", draft.issuer);
  const challenge = draft.challenge && checkChallenge(reporter, draft.challenge);
  const claims = checkClaimTypes(reporter, draft.claims ?? []);
  const whose = draft.issuer && checkTemplate(reporter, draft.issuer, draft.tenants, claims);
  if (draft.issuer === undefined || keySet === undefined || algorithms.length === 0) return undefined;
  const { file } = draft.keys!;
  if (file !== undefined) warnMissingKeys(reporter, name.value, file, draft.algorithms?.value ?? [], keySet);
  warnMissingBounds(reporter, name, draft);
  return {
    name: name.value,
    issuer: draft.issuer.value,
    ...whose!,
    ...terms,
    algorithms,
    keySet,
    leewaySeconds,
    maxLifetimeSeconds,
    places: itsPlaces,
    forwardToken: forwardToken?.value ?? true,
    bind: draft.bind?.value ?? "none",
    claims,
    ...(challenge !== undefined && { challenge }),
  };
}

/** What stands between quotes in a header: text without quotes, and a URL. */
function checkChallenge(reporter: Reporter, { realm, resource_metadata: metadata, at }: DraftChallenge): Challenge {
  if (realm === undefined && metadata === undefined)
    reporter.error("value", at, "`challenge` has `realm`, `resource_metadata` or both");
  if (realm !== undefined && !forms.realm.test(realm.value)) {
    const message = `a realm has 1 to ${realm_bytes_max} visible ASCII characters and blanks, without \`"\` and \`\\\``;
    reporter.error("invalid_challenge", realm.at, message);
  }
  if (metadata !== undefined) {
    const url = parseUrl(metadata.value);
    const isSecure = typeof url !== "string" && url.scheme === "https";
    const message =
      "`resource_metadata` is an `https` URL of at most 1,024 bytes without user and fragment (RFC 9728 §3)";
    if (!isSecure) reporter.error("invalid_challenge", metadata.at, message);
  }
  return {
    ...(realm !== undefined && { realm: realm.value }),
    ...(metadata !== undefined && { resourceMetadata: metadata.value }),
  };
}

function checkAlgorithms(reporter: Reporter, names: readonly Located<string>[]): string[] {
  const known = new Set<string>();
  for (const { value, at } of names) {
    const number = algorithmNumber(value);
    if (number !== undefined) known.add(algorithm_names[number]!);
    else reporter.error("algorithm", at, algorithmFault(value));
  }
  return [...known];
}

function algorithmFault(name: string): string {
  if (name.toLowerCase() === "none") return "`none` is no signature: anybody could write such a token";
  if (/^HS\d+$/iu.test(name)) {
    return `\`${name}\` needs a secret that issuer and filter share, and who can check a token could make one; use \`RS256\` or \`ES256\``;
  }
  return `\`${name}\` is no algorithm of tokens${didYouMean(name, algorithm_values)}`;
}

function warnMissingKeys(
  reporter: Reporter,
  issuer: string,
  file: Located<string>,
  names: readonly Located<string>[],
  { keys, source }: KeySet,
): void {
  const fitting = keys.reduce((mask, key) => mask | key.algorithms, 0);
  const known = names.filter(({ value }) => algorithmNumber(value) !== undefined);
  const without = known.filter(({ value }) => ((fitting >> algorithmNumber(value)!) & 1) === 0);
  if (without.length === known.length) {
    const all = known.map(({ value }) => value).join(" or ");
    const message = `no key of \`${file.value}\` fits ${all}, so no token of \`${issuer}\` could be verified`;
    if (source === undefined) reporter.error("key_missing", file.at, message);
    else reporter.warn("keys_not_embedded", file.at, `${message} until the keys have been fetched`);
    return;
  }
  for (const { value, at } of without)
    reporter.warn("algorithm_without_key", at, `no key of \`${file.value}\` fits \`${value}\``);
}

/** What an issuer does not say of time is decided by default, which a reviewer should see. */
function warnMissingBounds(
  reporter: Reporter,
  name: Located<string>,
  { leeway, maxLifetime }: NonNullable<DraftIssuer["value"]>,
): void {
  if (leeway === undefined) {
    const message = `issuer \`${name.value}\` has no \`leeway\`, so its tokens are good until ${default_leeway_seconds}s after \`exp\`; say how far clocks may differ`;
    reporter.warn("leeway_missing", name.at, message);
  }
  if (maxLifetime === undefined) {
    const message = `issuer \`${name.value}\` has no \`maxLifetime\`, so a token may be issued for years; say for how long, such as \`1h\``;
    reporter.warn("lifetime_missing", name.at, message);
  }
}
