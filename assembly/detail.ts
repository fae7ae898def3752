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
  /** Of a body: what it is not, and how it comes. */
  CONTENT_TYPE,
  CONTENT_ENCODING,
  EXPECT,
  BODY_EMPTY,
  JSON,
  /** Members whose names differ in case alone from those that are read: some readers take them for these. */
  MEMBER_CASE,
  /** Of calls: JSON-RPC that is none, how many there are, and GraphQL. */
  JSONRPC,
  BATCH,
  CALL_NAME,
  GRAPHQL_SYNTAX,
  GRAPHQL_OPERATION,
  GRAPHQL_FRAGMENT,
  GRAPHQL_DEPTH,
  GRAPHQL_ALIASES,
  GRAPHQL_INTROSPECTION,
  GRAPHQL_PERSISTED,
  /** A mutation by GET, or a document in the query beside one in the body. */
  GRAPHQL_METHOD,
  /** Calls under several rules with limits of a fleet, in one request. */
  FLEET_LIMITS,
  COUNT_OF_DETAILS,
}

/** The stable names of details by their numbers, as they stand in records. */
export const detail_names =
  "none,several_headers,several_tokens,scheme,query,parts,encrypted,base64,header_json,claims_json,duplicate_member,nesting,count,text,number,crit,b64,kid,alg,alg_none,alg_secret,alg_unknown,alg_refused,key_type,key_absent,kid_missing,kid_shared,signature_size,signature_range,signature_wrong,exp_missing,exp,nbf,iat,sub,aud,aud_missing,lifetime_unknown,cnf_missing,cnf_other,cnf_key,certificate_missing,sub_other,typ,source_forwarded,opaque,token_too_large,tenant,header_bytes,query_bytes,limit_key_absent,hops,content_type,content_encoding,expect,body_empty,json,member_case,jsonrpc,batch,call_name,graphql_syntax,graphql_operation,graphql_fragment,graphql_depth,graphql_aliases,graphql_introspection,graphql_persisted,graphql_method,fleet_limits";

/** The stable name of a detail, for tools. */
export function detailName(detail: Detail): string {
  return detail_names.split(",")[detail]!;
}
