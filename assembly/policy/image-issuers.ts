/** Validates what an image says of tokens: issuers, the sets of their keys, and the places tokens stand in (policy/layout.ts). */

import { algorithm_count, svid_algorithms } from "../crypto/algorithms";
import * as limits from "../limits";
import { at, countOf, image, isHeaderText, isName, isRun, isText, isWordRun, lookAt, refuse } from "./check";
import * as layout from "./layout";

const known_algorithms: u32 = (1 << algorithm_count) - 1;
/** An RSA modulus; no other key is longer. */
const public_bytes: u32 = 1024;

/** Whether all of it can be evaluated; if not, policy/check.ts has why. */
export function hasSoundTokens(): bool {
  return (
    hasSoundPlaces() &&
    hasSoundKeys() &&
    hasSoundKeySets() &&
    hasSoundDeclarations() &&
    hasSoundTemplates() &&
    hasSoundIssuers() &&
    hasSoundSvids()
  );
}

function hasSoundPlaces(): bool {
  const section = layout.section_places;
  lookAt(section, 0);
  const count = countOf(section);
  if (count > limits.policy_places_max) return refuse("too many places of tokens");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const place = at(section, index);
    const kind = load<u32>(place, layout.place_kind_at);
    const name = place + layout.place_name_at;
    const prefix = place + layout.place_prefix_at;
    if (kind > layout.place_query) return refuse("kind of place");
    if (!isText(name, limits.place_name_bytes_max) || load<u32>(name, 4) == 0) return refuse("name of a place");
    if (kind == layout.place_header && !isFieldName(name)) return refuse("name of a header");
    if (!isText(prefix, limits.place_prefix_bytes_max) || !isHeaderText(prefix, false)) return refuse("prefix");
    if (load<u32>(place, layout.place_strip_at) > 1) return refuse("place");
  }
  return true;
}

/** A `token` (RFC 9110 §5.6.2) in lower case, as Envoy hands names over: printable, without capitals and delimiters. */
function isFieldName(text: usize): bool {
  const start = image + <usize>load<u32>(text);
  const size = load<u32>(text, 4);
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    const isLetter = byte - 0x61 < 26 || byte - 0x30 < 10;
    // !#$%&'*+-.^_`|~
    const isSign = (byte >= 0x23 && byte <= 0x27) || byte == 0x21 || byte == 0x2a || byte == 0x2b || byte == 0x2d;
    const isMore = byte == 0x2e || byte == 0x5e || byte == 0x5f || byte == 0x60 || byte == 0x7c || byte == 0x7e;
    if (!isLetter && !isSign && !isMore) return false;
  }
  return true;
}

function hasSoundKeys(): bool {
  const section = layout.section_keys;
  const count = countOf(section);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const key = at(section, index);
    if (!isText(key + layout.key_kid_at, limits.kid_bytes_max)) return refuse("key ID");
    if ((load<u32>(key, layout.key_algorithms_at) & ~known_algorithms) != 0) return refuse("key algorithms");
    if (!isText(key + layout.key_spki_at, limits.key_bytes_max)) return refuse("key");
    if (!isText(key + layout.key_public_at, public_bytes)) return refuse("public key");
  }
  return true;
}

function hasSoundKeySets(): bool {
  const section = layout.section_key_sets;
  lookAt(section, 0);
  const count = countOf(section);
  if (count > limits.policy_key_sets_max) return refuse("too many key sets");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const set = at(section, index);
    if (!isMetricName(set + layout.key_set_name_at)) return refuse("name of a key set");
    if (!isRun(set + layout.key_set_keys_at, layout.section_keys)) return refuse("keys");
    if (load<u32>(set + layout.key_set_keys_at, 4) > limits.key_set_keys_max) return refuse("too many keys");
    if (load<u32>(set, layout.key_set_use_at) > layout.use_jwt_svid) return refuse("use of keys");
    if (!isUrlPart(set + layout.key_set_url_at, limits.key_url_bytes_max)) return refuse("URL");
    if (!hasSoundHeader(set) || !hasSoundDiscovery(set)) return false;
    if (load<u32>(set + layout.key_set_url_at, 4) == 0) continue;
    if (index >= limits.fetched_key_sets_max) return refuse("too many fetched key sets");
    if (!isFilledPart(set + layout.key_set_authority_at, limits.key_url_bytes_max)) return refuse("authority of a URL");
    if (!isFilledPart(set + layout.key_set_path_at, limits.key_url_bytes_max)) return refuse("path of a URL");
    if (!isFilledPart(set + layout.key_set_cluster_at, limits.cluster_name_bytes_max)) return refuse("cluster");
    const refresh = load<u32>(set, layout.key_set_refresh_seconds_at);
    if (refresh < limits.refresh_seconds_min || refresh > limits.refresh_seconds_max) return refuse("refresh");
  }
  return true;
}

/** A header for the key server is whole, or not there. */
function hasSoundHeader(set: usize): bool {
  const name = set + layout.key_set_header_name_at;
  const value = set + layout.key_set_header_value_at;
  if (!isText(name, limits.place_name_bytes_max) || !isFieldName(name)) return refuse("name of a key server's header");
  if (!isText(value, limits.key_header_bytes_max) || !isHeaderText(value, false))
    return refuse("value of a key server's header");
  return (load<u32>(name, 4) == 0) == (load<u32>(value, 4) == 0) || refuse("key server's header");
}

/** A set that is found by discovery has hosts that it may be on, and a second path. */
function hasSoundDiscovery(set: usize): bool {
  const issuer = set + layout.key_set_issuer_at;
  const hosts = set + layout.key_set_hosts_at;
  if (!isUrlPart(issuer, limits.key_url_bytes_max)) return refuse("issuer of a discovery document");
  if (!isRun(hosts, layout.section_texts)) return refuse("hosts of keys");
  const count = load<u32>(hosts, 4);
  if (load<u32>(issuer, 4) == 0) return count == 0 || refuse("hosts of keys");
  if (!isFilledPart(set + layout.key_set_second_path_at, limits.key_url_bytes_max))
    return refuse("path of a discovery document");
  if (count == 0 || (count & 1) != 0 || count > 2 * limits.discovery_hosts_max) return refuse("hosts of keys");
  for (let index: u32 = 0; index < count; index++) {
    const text = at(layout.section_texts, load<u32>(hosts) + index);
    const most = (index & 1) == 0 ? limits.key_url_bytes_max : limits.cluster_name_bytes_max;
    if (!isFilledPart(text, most)) return refuse("hosts of keys");
  }
  return true;
}

function isUrlPart(text: usize, size_bytes: u32): bool {
  return isText(text, size_bytes) && isHeaderText(text, true);
}

function isFilledPart(text: usize, size_bytes: u32): bool {
  return isUrlPart(text, size_bytes) && load<u32>(text, 4) != 0;
}

/** Names of issuers, and of trust domains, which have dots and may be longer. */
function isMetricName(text: usize): bool {
  return isName(text) || isFilledPart(text, limits.trust_domain_bytes_max);
}

function hasSoundDeclarations(): bool {
  const section = layout.section_claims;
  lookAt(section, 0);
  const count = countOf(section);
  if (count > limits.policy_claims_max) return refuse("too many claims");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const claim = at(section, index);
    if (!isText(claim + layout.claim_name_at, limits.claim_name_bytes_max)) return refuse("name of a claim");
    const path = claim + layout.claim_path_at;
    if (!isRun(path, layout.section_texts)) return refuse("claim");
    if (load<u32>(path, 4) == 0 || load<u32>(path, 4) > limits.json_depth_max) return refuse("claim");
    if (load<u32>(claim, layout.claim_type_at) > layout.value_map) return refuse("type of a claim");
    if (load<u32>(claim, layout.claim_required_at) > 1) return refuse("claim");
  }
  return true;
}

function hasSoundTemplates(): bool {
  const section = layout.section_template_parts;
  const count = countOf(section);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const part = at(section, index);
    const isSound =
      isText(part + layout.template_part_text_at, limits.token_bytes_max) &&
      isText(part + layout.template_part_claim_at, limits.claim_name_bytes_max) &&
      load<u32>(part, layout.template_part_kind_at) <= layout.part_label;
    if (!isSound) return refuse("part of a template");
  }
  return true;
}

function hasSoundIssuers(): bool {
  const section = layout.section_issuers;
  lookAt(section, 0);
  const count = countOf(section);
  if (count > limits.policy_issuers_max) return refuse("too many issuers");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(section, index);
    const issuer = at(section, index);
    if (!isMetricName(issuer + layout.issuer_name_at)) return refuse("issuer name");
    if (!isText(issuer + layout.issuer_iss_at, limits.policy_text_bytes_max)) return refuse("issuer");
    if ((load<u32>(issuer, layout.issuer_algorithms_at) & ~known_algorithms) != 0) return refuse("issuer algorithms");
    if (load<u32>(issuer, layout.issuer_leeway_seconds_at) > limits.leeway_seconds_max) return refuse("issuer leeway");
    if (!hasSoundClaims(issuer)) return false;
    if (load<u32>(issuer, layout.issuer_key_set_at) >= countOf(layout.section_key_sets)) return refuse("key set");
    const places = issuer + layout.issuer_places_at;
    if (load<u32>(places, 4) == 0 || load<u32>(places, 4) > limits.issuer_places_max)
      return refuse("places of an issuer");
    if (!isWordRun(places, countOf(layout.section_places))) return refuse("places of an issuer");
    if (load<u32>(issuer, layout.issuer_bind_at) > layout.bind_caller) return refuse("binding");
    const challenge = issuer + layout.issuer_challenge_at;
    if (!isText(challenge, limits.challenge_bytes_max) || !isHeaderText(challenge, false)) return refuse("challenge");
    const claims = issuer + layout.issuer_claims_at;
    if (!isRun(claims, layout.section_claims) || load<u32>(claims, 4) > limits.issuer_claims_max)
      return refuse("claims of an issuer");
    const template = issuer + layout.issuer_template_at;
    if (!isRun(template, layout.section_template_parts) || load<u32>(template, 4) > limits.template_claims_max + 1)
      return refuse("template of an issuer");
    if (load<u32>(issuer, layout.issuer_tenants_at) > countOf(layout.section_text_sets)) return refuse("tenants");
  }
  return true;
}

/** The claims that an issuer's tokens are for somebody by, and have their scopes in. */
function hasSoundClaims(issuer: usize): bool {
  const audiences = issuer + layout.issuer_audiences_at;
  const audience = issuer + layout.issuer_audience_claim_at;
  if (!isRun(audiences, layout.section_texts)) return refuse("issuer audiences");
  if (!isRun(audience, layout.section_texts)) return refuse("claim of the audience");
  // A token for anybody is one of an issuer that names neither; a slip in one of the two lets none through.
  if ((load<u32>(audiences, 4) == 0) != (load<u32>(audience, 4) == 0)) return refuse("issuer audiences");
  const scopes = issuer + layout.issuer_scope_claims_at;
  if (!isRun(scopes, layout.section_selectors)) return refuse("claims of scopes");
  const count = load<u32>(scopes, 4);
  if (count > limits.issuer_scope_claims_max) return refuse("claims of scopes");
  for (let index: u32 = 0; index < count; index++) {
    const selector = at(layout.section_selectors, load<u32>(scopes) + index);
    if (load<u32>(selector, layout.selector_kind_at) != layout.selector_claim) return refuse("claims of scopes");
  }
  return true;
}

/** Issuers of JWT-SVIDs come last, and are of the kind the standard wants. */
function hasSoundSvids(): bool {
  lookAt(layout.section_policy, 0);
  const policy = at(layout.section_policy, 0);
  const identity = policy + layout.policy_identity_at;
  if (!isText(identity, limits.identity_path_bytes_max)) return refuse("identity");
  const run = policy + layout.policy_svids_at;
  if (!isRun(run, layout.section_issuers)) return refuse("issuers of JWT-SVIDs");
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  if (count != 0 && first + count != countOf(layout.section_issuers)) return refuse("issuers of JWT-SVIDs");
  if (load<u32>(identity, 4) == 0 && count == 0) return refuse("no issuer of JWT-SVIDs");
  for (let index = first; index < first + count; index++) {
    lookAt(layout.section_issuers, index);
    const issuer = at(layout.section_issuers, index);
    if ((load<u32>(issuer, layout.issuer_algorithms_at) & ~svid_algorithms) != 0) return refuse("issuer algorithms");
    const set = at(layout.section_key_sets, load<u32>(issuer, layout.issuer_key_set_at));
    if (load<u32>(set, layout.key_set_use_at) != layout.use_jwt_svid) return refuse("use of keys");
  }
  return true;
}
