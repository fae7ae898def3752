/** What an issuer's tokens look like: whom they are for, where their scopes stand, and what kind of token they are. */
import { issuer_scope_claims_max, policy_types_max } from "../../../assembly/limits.ts";
import { parseClaimName, printClaimPath } from "../language/claimpath.ts";
import type { DraftIssuer, Issuer } from "../language/model.ts";
import { ownTypes, type Terms, typeText, usual_terms } from "../language/terms.ts";
import { forms } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import { checkTexts } from "./texts.ts";

type Draft = NonNullable<DraftIssuer["value"]>;

/** Checks what an issuer's tokens look like. */
export function checkTerms(reporter: Reporter, name: Located<string>, draft: Draft): Terms {
  return {
    ...checkAudience(reporter, name, draft),
    scopeClaims: checkScopeClaims(reporter, draft) ?? usual_terms.scopeClaims,
    types: checkTypes(reporter, draft) ?? usual_terms.types,
  };
}

function checkAudience(
  reporter: Reporter,
  name: Located<string>,
  { audiences, audienceFrom }: Draft,
): Pick<Terms, "audiences" | "audienceClaim"> {
  const claim = audienceFrom && checkClaim(reporter, audienceFrom);
  if (audiences?.value === "any") {
    if (audienceFrom !== undefined) {
      const message =
        "`audienceFrom` has no effect beside `audiences: any`, which compares nothing; remove one of them";
      reporter.error("value", audienceFrom.at, message);
    }
    const message = `a token of \`${name.value}\` for whatever service will do here, so whoever gets one, such as another service, can use it; name the audiences, and with \`audienceFrom\` the claim that says whom a token is for`;
    reporter.warn("audiences_any", audiences.at, message);
    return { audiences: [], audienceClaim: [] };
  }
  const list = audiences?.value ?? [];
  for (const { value, at } of list) {
    if (value !== "*") continue;
    const message =
      "`*` is compared like any other text, so no token would do; write `audiences: any` for tokens that may be for anybody, or name the claim that says whom a token is for, as in `audienceFrom: client_id`";
    reporter.error("value", at, message);
  }
  return { audiences: checkTexts(reporter, list, "audience"), audienceClaim: claim ?? usual_terms.audienceClaim };
}

function checkClaim(reporter: Reporter, { value, at }: Located<string>): string[] | undefined {
  // What is neither `a.b` nor a name of one piece was meant for a path.
  const isHalf = /["'[\]]/u.test(value) && !/^claims[.[]/u.test(value);
  const path = isHalf
    ? `brackets stand after \`claims\`, as in \`claims["https://x.example/roles"]\``
    : parseClaimName(value);
  if (typeof path !== "string") return path;
  reporter.error("invalid_claim", at, path);
  return undefined;
}

function checkScopeClaims(reporter: Reporter, { scopesFrom }: Draft): string[][] | undefined {
  if (scopesFrom === undefined) return undefined;
  const claims = new Map<string, string[]>();
  for (const one of scopesFrom.value) {
    const path = checkClaim(reporter, one);
    if (path === undefined) continue;
    const text = printClaimPath(path);
    if (claims.has(text)) reporter.error("duplicate", one.at, `\`${text}\` stands twice; remove one`);
    claims.set(text, path);
  }
  if (claims.size > issuer_scope_claims_max) {
    const message = `the scopes of an issuer's tokens are read from at most ${issuer_scope_claims_max} claims`;
    reporter.error("bound", scopesFrom.at, message);
  }
  return [...claims.values()];
}

function checkTypes(reporter: Reporter, { types }: Draft): string[] | undefined {
  if (types === undefined) return undefined;
  const known = new Set<string>();
  for (const { value, at } of types.value) {
    if (!forms.type.test(value)) {
      const message =
        "a type is a media type, or what stands after its `application/`, as in `at+jwt` (RFC 7515 §4.1.9)";
      reporter.error("value", at, message);
    }
    const type = typeText(value);
    if (known.has(type)) reporter.error("duplicate", at, `\`${value}\` stands twice; remove one`);
    known.add(type);
  }
  return [...known];
}

/** Reports more types than a policy may have. @param at where the issuers are */
export function checkTypeCount(reporter: Reporter, issuers: readonly Issuer[], at: number): void {
  if (ownTypes(issuers).length <= policy_types_max) return;
  reporter.error(
    "bound",
    at,
    `the issuers of a policy name at most ${policy_types_max} types of tokens beside \`JWT\` and \`at+jwt\``,
  );
}
