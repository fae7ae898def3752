/** What an issuer declares its tokens' claims to be. */
import { issuer_claims_max, json_depth_max } from "../../../assembly/limits.ts";
import { compare } from "../language/byteorder.ts";
import { nameOfClaimFault } from "../language/claimpath.ts";
import { type ClaimType, type ClaimTypeName, claim_type_names, type DraftClaim } from "../language/claims.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";

/** Claims of which every token is held against a type already (RFC 7519 §4.1), and the types that this leaves. */
const standard: ReadonlyMap<string, readonly ClaimTypeName[]> = new Map(
  Object.entries({
    iss: ["string", "any"],
    sub: ["string", "any"],
    aud: ["string", "list", "any"],
    exp: ["int", "double", "any"],
    nbf: ["int", "double", "any"],
    iat: ["int", "double", "any"],
  }),
);

/** Checks the `claims` of an issuer; in the order of their names, a map before its members. */
export function checkClaimTypes(reporter: Reporter, drafts: readonly DraftClaim[]): ClaimType[] {
  const found = new Map<string, ClaimType>();
  checkMembers(reporter, drafts, [], found);
  const claims = [...found.values()].sort((a, b) => comparePaths(a.path, b.path));
  if (claims.length > issuer_claims_max) {
    const message = `an issuer declares at most ${issuer_claims_max} claims, members of claims counted; these are ${claims.length}`;
    reporter.error("bound", drafts[0]!.name.at, message);
  }
  return claims;
}

function checkMembers(
  reporter: Reporter,
  drafts: readonly DraftClaim[],
  above: readonly string[],
  found: Map<string, ClaimType>,
): void {
  for (const { name, type } of drafts) {
    const isNameRequired = name.value.endsWith("!");
    const path = [...above, isNameRequired ? name.value.slice(0, -1) : name.value];
    const fault = nameOfClaimFault(path) ?? otherNameFault(path.at(-1)!, above.length === 0);
    if (fault !== undefined) {
      reporter.error("value", name.at, fault);
      continue;
    }
    const key = JSON.stringify(path);
    if (found.has(key)) {
      reporter.error("duplicate", name.at, `the claim \`${path.at(-1)}\` is declared twice; remove one`);
      continue;
    }
    if (Array.isArray(type)) {
      found.set(key, { path, type: "map", isRequired: isNameRequired });
      checkStandard(reporter, path, "map", name.at);
      if (path.length < json_depth_max) checkMembers(reporter, type, path, found);
      else if (type.length > 0) reporter.error("bound", name.at, `a claim lies at most ${json_depth_max} levels deep`);
      continue;
    }
    const known = checkType(reporter, type);
    if (known === undefined) continue;
    checkStandard(reporter, path, known, type.at);
    found.set(key, { path, type: known, isRequired: isNameRequired || type.value.endsWith("!") });
  }
}

/** Why a name is not that of the claim that was probably meant: nobody else would tell, and the claim would stay without a type. */
function otherNameFault(name: string, isOutermost: boolean): string | undefined {
  if (name.endsWith("?"))
    return `a claim may be absent unless its name or type ends in \`!\`; write \`${name.slice(0, -1)}\``;
  if (!isOutermost || !/^claims[.[]/u.test(name)) return undefined;
  return `names stand here without \`claims\` before them, and members of a claim in a map: \`org: { id: string }\``;
}

function checkType(reporter: Reporter, { value, at }: Located<string>): ClaimTypeName | undefined {
  const word = value.endsWith("!") ? value.slice(0, -1) : value;
  const known = claim_type_names.find((name) => name === word);
  if (known !== undefined) return known;
  const all = claim_type_names.map((name) => `\`${name}\``).join(", ");
  const message = `\`${value}\` is no type of claims${didYouMean(word, claim_type_names)}; there are ${all}, and a map with the members of a claim`;
  reporter.error("value", at, message);
  return undefined;
}

function checkStandard(reporter: Reporter, path: readonly string[], type: ClaimTypeName, at: number): void {
  const types = path.length === 1 ? standard.get(path[0]!) : undefined;
  if (types === undefined || types.includes(type)) return;
  const message = `\`${path[0]}\` is never ${type === "int" ? "an" : "a"} ${type} in a token that is good (RFC 7519 §4.1); leave it out, or write ${types.map((one) => `\`${one}\``).join(" or ")}`;
  reporter.error("value", at, message);
}

function comparePaths(a: readonly string[], b: readonly string[]): number {
  const place = a.findIndex((name, index) => name !== b[index]);
  if (place < 0) return a.length - b.length;
  return b[place] === undefined ? 1 : compare(a[place]!, b[place]!);
}
