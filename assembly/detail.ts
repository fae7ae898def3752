/**
 * What exactly is wrong with a token: finer than a reason, for the one who has to mend it. It stands in the audit record as
 * `detail` and in what `sallyport token` says; the caller never learns it. Both compilers read this file.
 */
export const enum Flaw {
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
  COUNT_OF_FLAWS,
}

/** The stable name of a flaw, as it stands in records. */
export function flawName(flaw: Flaw): string {
  switch (flaw) {
    case Flaw.SEVERAL_HEADERS:
      return "several_headers";
    case Flaw.SEVERAL_TOKENS:
      return "several_tokens";
    case Flaw.SCHEME:
      return "scheme";
    case Flaw.QUERY:
      return "query";
    case Flaw.PARTS:
      return "parts";
    case Flaw.ENCRYPTED:
      return "encrypted";
    case Flaw.BASE64:
      return "base64";
    case Flaw.HEADER_JSON:
      return "header_json";
    case Flaw.CLAIMS_JSON:
      return "claims_json";
    case Flaw.DUPLICATE_MEMBER:
      return "duplicate_member";
    case Flaw.NESTING:
      return "nesting";
    case Flaw.COUNT:
      return "count";
    case Flaw.TEXT:
      return "text";
    case Flaw.NUMBER:
      return "number";
    case Flaw.CRIT:
      return "crit";
    case Flaw.B64:
      return "b64";
    case Flaw.KID:
      return "kid";
    case Flaw.ALG:
      return "alg";
    case Flaw.ALG_NONE:
      return "alg_none";
    case Flaw.ALG_SECRET:
      return "alg_secret";
    case Flaw.ALG_UNKNOWN:
      return "alg_unknown";
    case Flaw.ALG_REFUSED:
      return "alg_refused";
    case Flaw.KEY_TYPE:
      return "key_type";
    case Flaw.KEY_ABSENT:
      return "key_absent";
    case Flaw.KID_MISSING:
      return "kid_missing";
    case Flaw.KID_SHARED:
      return "kid_shared";
    case Flaw.SIGNATURE_SIZE:
      return "signature_size";
    case Flaw.SIGNATURE_RANGE:
      return "signature_range";
    case Flaw.SIGNATURE_WRONG:
      return "signature_wrong";
    case Flaw.EXP_MISSING:
      return "exp_missing";
    case Flaw.EXP:
      return "exp";
    case Flaw.NBF:
      return "nbf";
    case Flaw.IAT:
      return "iat";
    case Flaw.SUB:
      return "sub";
    case Flaw.AUD:
      return "aud";
    case Flaw.AUD_MISSING:
      return "aud_missing";
    case Flaw.LIFETIME_UNKNOWN:
      return "lifetime_unknown";
    case Flaw.CNF_MISSING:
      return "cnf_missing";
    case Flaw.CNF_OTHER:
      return "cnf_other";
    case Flaw.CNF_KEY:
      return "cnf_key";
    case Flaw.CERTIFICATE_MISSING:
      return "certificate_missing";
    case Flaw.SUB_OTHER:
      return "sub_other";
    case Flaw.TYP:
      return "typ";
    default:
      return "none";
  }
}
