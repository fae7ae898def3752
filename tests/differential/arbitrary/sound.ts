/** Random conditions made sound: what claims are declared to be, and what a rule does, leave some of them without a meaning. */
import { declaredByAll } from "../../../scripts/policy/condition/claimtypes.ts";
import { compileCondition } from "../../../scripts/policy/condition/compile.ts";
import type { ClaimType, ClaimTypeName } from "../../../scripts/policy/language/claims.ts";
import { parseEndpoint } from "../../../scripts/policy/language/endpoint.ts";
import type { PathOptions } from "../../../scripts/policy/language/pathoptions.ts";
import { reporterFor } from "../../../scripts/policy/source/read.ts";

/** Whatever a path may have: here only methods and variables matter. */
const open_paths: PathOptions = {
  trailingSlash: "distinct",
  encodedSlash: "segment",
  emptySegments: "keep",
  semicolons: "keep",
  case: "ignore",
};

/** Claims as a policy declares them: a type, or members. */
export type Declared = Readonly<Record<string, unknown>>;

function flat(claims: Declared, above: readonly string[] = []): ClaimType[] {
  return Object.entries(claims).flatMap(([name, type]): ClaimType[] => {
    const path = [...above, name.replace(/!$/u, "")];
    if (typeof type === "string") return [{ path, type: type.replace("!", "") as ClaimTypeName, isRequired: false }];
    return [{ path, type: "map", isRequired: false }, ...flat(type as Declared, path)];
  });
}

/**
 * The condition of a rule, or one near it that compiles; undefined where the claims it compares are declared to be something else.
 * @param claims what each of the rule's issuers declares
 * @param trustDomains those whose members are callers
 */
export function soundCondition(
  when: string,
  action: "allow" | "deny",
  endpoints: readonly string[],
  claims: readonly Declared[],
  trustDomains: ReadonlySet<string>,
): string | undefined {
  // What is in the lists of the policy is of no account here.
  const text = when
    .replaceAll(/lists\.words|lists\["other-words"\]/gu, '["a"]')
    .replaceAll("lists.nets.containsIP", 'cidr("10.0.0.0/8").containsIP');
  const reporter = reporterFor("random.yaml", text);
  compileCondition(
    reporter,
    { value: text, at: 0 },
    {
      action,
      hasToken: true,
      trustDomains,
      claims: declaredByAll(claims.map((one) => flat(one))),
      endpoints: endpoints
        .map((one) => parseEndpoint(one, open_paths))
        .flatMap((one) => ("message" in one ? [] : [one])),
      // Callers get the captures that the condition names.
      captures: [new Map([...when.matchAll(/\bcaller\.(\w+)/gu)].map(([, name], number) => [name!, number]))],
    },
  );
  const codes = reporter.findings.errors.map(({ code }) => code);
  if (codes.includes("condition_type") || codes.includes("condition_unsupported")) return undefined;
  // A deny rule that never matches is refused.
  return codes.includes("deny_never") ? `(${when}) || source.port == 1` : when;
}
