/** The records of the image that tokens are verified by: issuers, declared claims, key sets, keys, and places (see policy/layout.ts). */

/**
 * ISSUERS: name, `iss`, algorithms (mask of crypto/algorithms.ts), leeway, longest lifetime (0: unbounded), audiences (run in
 * TEXTS), key set, places its tokens may stand in (run in WORDS, each an index in PLACES), what they are bound to, what a challenge
 * says for them (parameters of `WWW-Authenticate`, ready to be sent; size 0: nothing of its own), the claim that says whom a
 * token is for (the names that lead to it, a run in TEXTS; empty, like the audiences, where nobody asks), the claims that
 * scopes are read from, of which the first that there is counts (run in SELECTORS, each a claim), the values of `typ` that
 * are accepted, what the claims must be (run in CLAIMS), what `iss` is made of where it is not the one text (run in TEMPLATE_PARTS),
 * and the text set of the tenants that it may name (its number + 1; 0: any). Those of JWT-SVIDs come last, and no rule names them.
 */
export const issuer_name_at: u32 = 0;
export const issuer_iss_at: u32 = 8;
export const issuer_algorithms_at: u32 = 16;
export const issuer_leeway_seconds_at: u32 = 20;
export const issuer_lifetime_seconds_at: u32 = 24;
export const issuer_audiences_at: u32 = 28;
export const issuer_key_set_at: u32 = 36;
export const issuer_places_at: u32 = 40;
export const issuer_bind_at: u32 = 48;
export const issuer_challenge_at: u32 = 52;
export const issuer_audience_claim_at: u32 = 60;
export const issuer_scope_claims_at: u32 = 68;
/** Bit n: a token whose `typ` has the number n is accepted. */
export const issuer_types_at: u32 = 76;
export const issuer_claims_at: u32 = 80;
export const issuer_template_at: u32 = 88;
export const issuer_tenants_at: u32 = 96;
export const issuer_record_bytes: u32 = 100;

/** TEMPLATE_PARTS: a text, and after it the claim of this name (size 0: nothing), which is as long as its kind says. */
export const template_part_text_at: u32 = 0;
export const template_part_claim_at: u32 = 8;
export const template_part_kind_at: u32 = 16;
export const template_part_record_bytes: u32 = 20;
/** A whole segment of a path; a whole label of a host. */
export const part_segment: u32 = 0;
export const part_label: u32 = 1;

export const bind_none: u32 = 0;
/** `cnf.x5t#S256` is the digest of the caller's certificate (RFC 8705 §3.1). */
export const bind_certificate: u32 = 1;
/** `sub` is the caller's SPIFFE ID. */
export const bind_caller: u32 = 2;

/** What a token's `typ` is: there is none; `JWT`; `at+jwt` (RFC 9068 §2.1); one that no issuer accepts. */
export const type_none: u32 = 0;
export const type_jwt: u32 = 1;
export const type_access_token: u32 = 2;
export const type_other: u32 = 3;
/** The first of the policy's own. */
export const type_own: u32 = 4;

/**
 * CLAIMS: the names joined by dots, cut, for the record; the names that lead to the claim (run in TEXTS), its type, and whether it
 * must be there. A map stands before what is declared of its members.
 */
export const claim_name_at: u32 = 0;
export const claim_path_at: u32 = 8;
export const claim_type_at: u32 = 16;
export const claim_required_at: u32 = 20;
export const claim_record_bytes: u32 = 24;

export const value_any: u32 = 0;
export const value_string: u32 = 1;
/** An integer of 64 bits, written without point and exponent. */
export const value_int: u32 = 2;
/** Any number. */
export const value_double: u32 = 3;
export const value_bool: u32 = 4;
export const value_list: u32 = 5;
export const value_map: u32 = 6;

/**
 * KEY_SETS, those that are fetched first: name for metrics, the embedded keys (run in KEYS), the `use` its keys have, and where it is fetched from: URL (size
 * 0: nowhere), authority and path of the URL, the cluster that leads there, and how often; the name (in lower case; size 0: none) and the
 * value of a header that is sent there. Where the URL is that of a discovery document: the issuer it must be of (size 0: it is the set's
 * own), the path of a second document for when there is no first, and the hosts that the set may be on (run in TEXTS: an authority, then
 * the cluster that leads there, and so on; the first is that of the URL).
 */
export const key_set_name_at: u32 = 0;
export const key_set_keys_at: u32 = 8;
export const key_set_use_at: u32 = 16;
export const key_set_url_at: u32 = 20;
export const key_set_authority_at: u32 = 28;
export const key_set_path_at: u32 = 36;
export const key_set_cluster_at: u32 = 44;
export const key_set_refresh_seconds_at: u32 = 52;
export const key_set_header_name_at: u32 = 56;
export const key_set_header_value_at: u32 = 64;
export const key_set_issuer_at: u32 = 72;
export const key_set_second_path_at: u32 = 80;
export const key_set_hosts_at: u32 = 88;
export const key_set_record_bytes: u32 = 96;

/** Keys whose `use` is `sig`, or that have none (RFC 7517 §4.2); keys whose `use` is `jwt-svid` (SPIFFE JWT-SVID §5.2). */
export const use_signature: u32 = 0;
export const use_jwt_svid: u32 = 1;

/**
 * KEYS: `kid` (size 0: the key has none), algorithms it fits (mask), SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, DER) for the
 * host, and for our own arithmetic the RSA modulus without leading zeros, the EC point x‖y, or the Ed25519 key; with the
 * exponent for RSA.
 */
export const key_kid_at: u32 = 0;
export const key_algorithms_at: u32 = 8;
export const key_spki_at: u32 = 12;
export const key_public_at: u32 = 20;
export const key_exponent_at: u32 = 28;
export const key_record_bytes: u32 = 32;

/**
 * PLACES: kind, the name of the header (in lower case), cookie or query parameter, what stands before the token in a header,
 * and whether the token is taken away before the upstream sees it.
 */
export const place_kind_at: u32 = 0;
export const place_name_at: u32 = 4;
export const place_prefix_at: u32 = 12;
export const place_strip_at: u32 = 20;
export const place_record_bytes: u32 = 24;
export const place_header: u32 = 0;
export const place_cookie: u32 = 1;
export const place_query: u32 = 2;
