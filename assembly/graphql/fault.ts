/** What a document is refused for. */

/** Why a document is refused; NONE where it is not. */
export const enum GraphqlFault {
  NONE = 0,
  /** It is not of the grammar of October 2021. */
  SYNTAX,
  /** Bytes that are not UTF-8, control characters, a byte order mark outside of strings and comments. */
  TEXT,
  /** Brackets nest deeper than `graphql_nesting_max`, or fields of the operation deeper than its bound. */
  DEPTH,
  /** More aliases than the operation's bound. */
  ALIASES,
  /** More selections at the operation's root than its bound. */
  FIELDS,
  /** Which operation is meant cannot be told, or two have one name. */
  OPERATION_NAME,
  /** A fragment that is not defined, is defined twice, or spreads itself by some way. */
  FRAGMENT,
  /** A definition or an extension of types: nothing that can be executed. */
  DEFINITION,
  /** More bytes, tokens, definitions or spreads than `limits.ts` has room for, or a longer name. */
  COUNT,
  /** A subscription of more than one field, or of a field of introspection. */
  SUBSCRIPTION_FIELDS,
}

/** What the document under way is refused for. */
let fault: GraphqlFault = GraphqlFault.NONE;

/** Forgets the fault of the document before. */
export function clearFault(): void {
  fault = GraphqlFault.NONE;
}

/** Refuses the document. The first fault is the one that is told. @returns false, for whoever hands it on */
export function refuse(met: GraphqlFault): bool {
  if (fault == GraphqlFault.NONE) fault = met;
  return false;
}

/** The first fault so far. */
export function faultMet(): GraphqlFault {
  return fault;
}
