/** What the claims of a rule's tokens are known to be, for the type checker: what all of its issuers declare alike. */
import type { ClaimType, ClaimTypeName } from "../language/claims.ts";
import type { Type } from "./types.ts";

/** What is declared of one claim. */
export interface DeclaredClaim {
  type: Type;
  /** Of a map: what is declared of what is in it. */
  members: DeclaredClaims;
}

/** What is declared of claims, or of the members of one; of others nothing is known. */
export type DeclaredClaims = ReadonlyMap<string, DeclaredClaim>;

const types: Record<ClaimTypeName, Type> = {
  any: "dyn",
  string: "string",
  int: "int",
  double: "double",
  bool: "bool",
  list: { element: "dyn" },
  map: "map",
};

/** What several issuers declare alike. A claim that one of them leaves open, or declares to be something else, is `dyn`. */
export function declaredByAll(issuers: readonly (readonly ClaimType[])[]): DeclaredClaims {
  const [first, ...others] = issuers.map(declared);
  return first === undefined ? new Map() : others.reduce(common, first);
}

/** Every token is held against these, declared or not (RFC 7519 §4.1). */
const always_texts = ["iss", "sub"];

function declared(claims: readonly ClaimType[]): DeclaredClaims {
  const root = new Map<string, DeclaredClaim>(
    always_texts.map((name) => [name, { type: "string", members: new Map() }]),
  );
  for (const { path, type } of claims) {
    let members = root;
    for (const name of path.slice(0, -1)) members = members.get(name)!.members as Map<string, DeclaredClaim>;
    members.set(path.at(-1)!, { type: types[type], members: new Map() });
  }
  return root;
}

/** Who says `any` knows that it may be anything, so that is declared too. */
function common(one: DeclaredClaims, other: DeclaredClaims): DeclaredClaims {
  const both = new Map<string, DeclaredClaim>();
  for (const [name, mine] of one) {
    const theirs = other.get(name);
    if (theirs === undefined) continue;
    const isSame = JSON.stringify(mine.type) === JSON.stringify(theirs.type);
    if (isSame) both.set(name, { type: mine.type, members: common(mine.members, theirs.members) });
    else if (mine.type === "dyn" || theirs.type === "dyn") both.set(name, { type: "dyn", members: new Map() });
  }
  return both;
}

/** One text for equal declarations. */
export function declaredKey(claims: DeclaredClaims): string {
  const parts = [...claims].map(([name, { type, members }]) => [name, type, declaredKey(members)]);
  return parts.length === 0 ? "" : JSON.stringify(parts);
}
