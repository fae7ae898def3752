/** What says who the caller is: its certificate, a JWT-SVID, either, or filter state. */
import { identity_path_bytes_max, leeway_seconds_max, policy_issuers_max } from "../../../assembly/limits.ts";
import { svid_algorithm_names } from "../language/algorithms.ts";
import { usual_filter_state } from "../language/identity.ts";
import { placeKey, placeText } from "../language/location.ts";
import type { Draft, DraftTrust, Issuer, Policy } from "../language/model.ts";
import { usual_terms } from "../language/terms.ts";
import { forms } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import { default_leeway_seconds } from "./issuer.ts";
import type { KeySources } from "./keysources.ts";
import type { Places } from "./locations.ts";
import type { Context } from "./names.ts";
import { checkDuration, checkTexts } from "./texts.ts";

type DraftSvid = NonNullable<DraftTrust["jwtSvid"]>;
type DraftIssuers = NonNullable<Draft["policy"]["issuers"]>;

/**
 * Checks `trust.identity`, `trust.filterState` and `trust.jwtSvid`.
 * @param issuerCount how many issuers the policy has besides
 */
export function checkIdentity(
  context: Context,
  trust: DraftTrust | undefined,
  sources: KeySources,
  places: Places,
  issuerCount: number,
): Pick<Policy, "identity" | "filterState" | "svids"> {
  const { reporter } = context;
  const { jwtSvid, forwarders, filterState } = trust ?? {};
  const identity = trust?.identity?.value ?? "mtls";
  if (filterState !== undefined && identity !== "filter-state") {
    const message = "`filterState` is read with `identity: filter-state` alone; write that, or remove it";
    reporter.error("identity", filterState.at, message);
  }
  if (identity === "mtls" || identity === "filter-state") {
    if (jwtSvid !== undefined) {
      const by = identity === "mtls" ? "their certificates" : "filter state";
      const message = `\`jwtSvid\` has no effect where callers are known by ${by}; write \`identity: jwt-svid\` or \`either\`, or remove it`;
      reporter.error("identity", jwtSvid.at, message);
    }
    if (identity === "mtls") return { identity, svids: [] };
    if (forwarders !== undefined) {
      const message =
        "`forwarders` tell of callers in a header that Envoy takes away from connections without a certificate, as those behind another listener are; remove them, or have the listener in front write who the caller is";
      reporter.error("identity", forwarders.at, message);
    }
    if (filterState !== undefined && !forms.filterState.test(filterState.value)) {
      const message = `a key of filter state is printable without blanks, has at most ${identity_path_bytes_max - "filter_state.".length} bytes, and does not begin with \`wasm.\`, which is for what Wasm filters write; write \`${usual_filter_state}\`, or what the listener in front writes`;
      reporter.error("value", filterState.at, message);
    }
    return { identity, filterState: filterState?.value ?? usual_filter_state, svids: [] };
  }
  if (identity === "jwt-svid" && forwarders !== undefined) {
    const message =
      "`forwarders` tell of certificates, and with `identity: jwt-svid` none is looked at; remove them, or write `identity: either`";
    reporter.error("identity", forwarders.at, message);
  }
  if (jwtSvid === undefined) {
    const message = `\`identity: ${identity}\` needs \`jwtSvid\`, as in \`jwtSvid: { audiences: [order-api], bundles: { example.org: { file: bundles/example.org.json } } }\``;
    reporter.error("missing_key", trust!.identity!.at, message);
    return { identity, svids: [] };
  }
  return { identity, svids: checkSvids(context, trust!, jwtSvid, sources, places, issuerCount) };
}

/**
 * Refuses tokens that are bound to a certificate where filter state says who the caller is: the connection's certificate, if it has one,
 * is not the caller's.
 * @param issuers as the file has them
 */
export function refuseCertificateBinding(
  reporter: Reporter,
  issuers: DraftIssuers,
  { identity }: Pick<Policy, "identity">,
): void {
  if (identity !== "filter-state") return;
  for (const { value } of issuers) {
    if (value?.bind?.value !== "certificate") continue;
    const message =
      "with `identity: filter-state` the caller's certificate ended at another listener, so that no token could be held against it; write `bind: caller`, or leave it out";
    reporter.error("identity", value.bind.at, message);
  }
}

function checkSvids(
  { reporter, trustDomains, aliases }: Context,
  trust: DraftTrust,
  draft: DraftSvid,
  sources: KeySources,
  places: Places,
  issuerCount: number,
): Issuer[] {
  const { audiences, bundles = [], from, leeway, forwardToken, at } = draft;
  const shared = {
    ...usual_terms,
    audiences: checkTexts(reporter, audiences?.value ?? [], "audience"),
    algorithms: [...svid_algorithm_names],
    leewaySeconds: checkDuration(reporter, leeway, leeway_seconds_max, 0) ?? default_leeway_seconds,
    maxLifetimeSeconds: 0,
    places: places.check({ what: "`jwtSvid`", from, forwardToken, at }),
    forwardToken: forwardToken?.value ?? true,
    bind: "none" as const,
    claims: [],
    template: [],
    tenants: undefined,
  };
  if (draft.bundles?.length === 0)
    reporter.error(
      "value",
      at,
      "`bundles` is empty, so that nobody's JWT-SVIDs could be verified; name those of a trust domain",
    );
  const svids: Issuer[] = [];
  for (const { name, value } of bundles) {
    if (trustDomains.size > 0 && !trustDomains.has(name.value) && !aliases.has(name.value)) {
      const message = `\`${name.value}\` is not in \`trust.domains\`, so none of its JWT-SVIDs would count${didYouMean(name.value, trustDomains)}`;
      reporter.error("unknown_domain", name.at, message);
    }
    const keySet = value === undefined ? undefined : sources.check(value, "jwt-svid");
    if (keySet === undefined) continue;
    if (keySet.keys.length === 0 && keySet.source === undefined) {
      const message = `no key of \`${value!.file!.value}\` is for JWT-SVIDs (\`use: jwt-svid\`), so none of \`${name.value}\` could be verified; SPIRE's OIDC discovery provider publishes its keys without that: take the bundle, of the bundle endpoint or of \`spire-server bundle show -format spiffe\``;
      reporter.error("key_missing", value!.file!.at, message);
    }
    svids.push({ name: name.value, issuer: name.value, keySet, ...shared });
  }
  if (issuerCount + bundles.length > policy_issuers_max) {
    const first = bundles[Math.max(0, policy_issuers_max - issuerCount)] ?? { name: { at } };
    reporter.error("bound", first.name.at, `a policy has at most ${policy_issuers_max} issuers and bundles together`);
  }
  for (const domain of trust.domains?.value ?? []) {
    if (bundles.some(({ name }) => name.value === domain.value)) continue;
    const message = `\`${domain.value}\` has no bundle in \`jwtSvid\`, so that none of its JWT-SVIDs is accepted`;
    reporter.warn("bundle_missing", domain.at, message);
  }
  return svids;
}

/**
 * Warns of several trust domains where certificates say who a caller is: which authority signed one is known to TLS alone.
 * @param domains those that are sound, in the order they are named
 */
export function warnSharedBundle(
  reporter: Reporter,
  domains: readonly Located<string>[],
  identity: Policy["identity"],
): void {
  const [first, second] = domains;
  if (second === undefined || identity === "jwt-svid") return;
  const message = `with the authorities of all domains in one \`trusted_ca\`, each of them can sign certificates for the others, \`${second.value}\` for callers of \`${first!.value}\`, and the policy cannot tell; give each domain a bundle of its own in Envoy (\`envoy.tls.cert_validator.spiffe\`, as in envoy/inbound.yaml)`;
  reporter.warn("trust_domains_shared_bundle", second.at, message);
}

/**
 * Warns of issuers whose tokens have no room beside the JWT-SVID that every caller has to send.
 * @param at where each issuer is named
 */
export function warnSharedPlace(
  { reporter, issuers }: Context,
  { identity, svids }: Pick<Policy, "identity" | "svids">,
  at: ReadonlyMap<string, number>,
): void {
  if (identity !== "jwt-svid" || svids[0] === undefined) return;
  const ofSvids = new Set(svids[0].places.map(placeKey));
  for (const issuer of issuers.values()) {
    if (issuer === undefined || !issuer.places.every((place) => ofSvids.has(placeKey(place)))) continue;
    const message = `tokens of \`${issuer.name}\` stand only where JWT-SVIDs do (${placeText(issuer.places[0]!)}), so no request can carry both; give one of them a place of its own with \`from\``;
    reporter.warn("place_shared", at.get(issuer.name)!, message);
  }
}
