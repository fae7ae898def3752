/**
 * What exactly is wrong with a token: finer than a reason, for the one who has to mend it. It stands in the audit record as
 * `detail` and in what `sallyport token` says; the caller never learns it. Both compilers read this file.
 */
export const enum Detail {
  NONE = 0,
  SEVERAL_HEADERS,
  SEVERAL_TOKENS,
  SCHEME,
  QUERY,
  PARTS,
  ENCRYPTED,
  BASE64,
  HEADER_JSON,
  CLAIMS_JSON,
  DUPLICATE_MEMBER,
  NESTING,
  COUNT,
  TEXT,
  NUMBER,
  CRIT,
  B64,
  KID,
  ALG,
  ALG_NONE,
  ALG_SECRET,
  ALG_UNKNOWN,
  ALG_REFUSED,
  KEY_TYPE,
  KEY_ABSENT,
  KID_MISSING,
  KID_SHARED,
  SIGNATURE_SIZE,
  SIGNATURE_RANGE,
  SIGNATURE_WRONG,
  EXP_MISSING,
  EXP,
  NBF,
  IAT,
  SUB,
  AUD,
  AUD_MISSING,
  LIFETIME_UNKNOWN,
  CNF_MISSING,
  CNF_OTHER,
  CNF_KEY,
  CERTIFICATE_MISSING,
  SUB_OTHER,
  TYP,
  /** Of a condition, not of a token. */
  SOURCE_FORWARDED,
  OPAQUE,
  TOKEN_TOO_LARGE,
  TENANT,
  /** Of a rule's bounds on sizes. */
  HEADER_BYTES,
  QUERY_BYTES,
  /** Of a limit: something is not there that it counts by. */
  LIMIT_KEY_ABSENT,
  /** Of a limit that counts hops. */
  HOPS,
  COUNT_OF_DETAILS,
}

/** The stable name of a detail, as it stands in records. */
export function detailName(detail: Detail): string {
  switch (detail) {
    case Detail.SEVERAL_HEADERS:
      return "several_headers";
    case Detail.SEVERAL_TOKENS:
      return "several_tokens";
    case Detail.SCHEME:
      return "scheme";
    case Detail.QUERY:
      return "query";
    case Detail.PARTS:
      return "parts";
    case Detail.ENCRYPTED:
      return "encrypted";
    case Detail.BASE64:
      return "base64";
    case Detail.HEADER_JSON:
      return "header_json";
    case Detail.CLAIMS_JSON:
      return "claims_json";
    case Detail.DUPLICATE_MEMBER:
      return "duplicate_member";
    case Detail.NESTING:
      return "nesting";
    case Detail.COUNT:
      return "count";
    case Detail.TEXT:
      return "text";
    case Detail.NUMBER:
      return "number";
    case Detail.CRIT:
      return "crit";
    case Detail.B64:
      return "b64";
    case Detail.KID:
      return "kid";
    case Detail.ALG:
      return "alg";
    case Detail.ALG_NONE:
      return "alg_none";
    case Detail.ALG_SECRET:
      return "alg_secret";
    case Detail.ALG_UNKNOWN:
      return "alg_unknown";
    case Detail.ALG_REFUSED:
      return "alg_refused";
    case Detail.KEY_TYPE:
      return "key_type";
    case Detail.KEY_ABSENT:
      return "key_absent";
    case Detail.KID_MISSING:
      return "kid_missing";
    case Detail.KID_SHARED:
      return "kid_shared";
    case Detail.SIGNATURE_SIZE:
      return "signature_size";
    case Detail.SIGNATURE_RANGE:
      return "signature_range";
    case Detail.SIGNATURE_WRONG:
      return "signature_wrong";
    case Detail.EXP_MISSING:
      return "exp_missing";
    case Detail.EXP:
      return "exp";
    case Detail.NBF:
      return "nbf";
    case Detail.IAT:
      return "iat";
    case Detail.SUB:
      return "sub";
    case Detail.AUD:
      return "aud";
    case Detail.AUD_MISSING:
      return "aud_missing";
    case Detail.LIFETIME_UNKNOWN:
      return "lifetime_unknown";
    case Detail.CNF_MISSING:
      return "cnf_missing";
    case Detail.CNF_OTHER:
      return "cnf_other";
    case Detail.CNF_KEY:
      return "cnf_key";
    case Detail.CERTIFICATE_MISSING:
      return "certificate_missing";
    case Detail.SUB_OTHER:
      return "sub_other";
    case Detail.TYP:
      return "typ";
    case Detail.SOURCE_FORWARDED:
      return "source_forwarded";
    case Detail.OPAQUE:
      return "opaque";
    case Detail.TOKEN_TOO_LARGE:
      return "token_too_large";
    case Detail.TENANT:
      return "tenant";
    case Detail.HEADER_BYTES:
      return "header_bytes";
    case Detail.QUERY_BYTES:
      return "query_bytes";
    case Detail.LIMIT_KEY_ABSENT:
      return "limit_key_absent";
    case Detail.HOPS:
      return "hops";
    default:
      return "none";
  }
}
