/** Issuers with many tenants, and which tenants they are. */
import { issuer_tenants_max, set_text_bytes_max, template_claims_max } from "../../../assembly/limits.ts";
import { sorted } from "../language/byteorder.ts";
import type { ClaimType } from "../language/claims.ts";
import type { DraftTenants, Issuer } from "../language/model.ts";
import { isTemplate, parseTemplate, type TemplatePart, tenantFault } from "../language/template.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { readWordList } from "../source/wordlist.ts";
import type { Located } from "../source/yaml.ts";

/** Checks an issuer's `issuer` and `tenants`. @param declared what its claims are declared to be */
export function checkTemplate(
  reporter: Reporter,
  issuer: Located<string>,
  draft: DraftTenants | undefined,
  declared: readonly ClaimType[],
): Pick<Issuer, "template" | "tenants"> {
  const template = isTemplate(issuer.value) ? partsOf(reporter, issuer, declared) : [];
  const variables = template.filter(({ claim }) => claim !== "");
  if (draft === undefined) {
    if (variables.length > 0) {
      const message = `any tenant of this provider may ask, whoever it is; name yours: \`tenants: [acme]\`, or \`tenants: { file: tenants.txt }\``;
      reporter.warn("tenants_missing", issuer.at, message);
    }
    return { template, tenants: undefined };
  }
  const at = draft.list?.at ?? draft.elsewhere?.at ?? issuer.at;
  if (variables.length !== 1) {
    const message = isTemplate(issuer.value)
      ? "`tenants` are values of one claim, so the issuer has one `{name}`"
      : "`tenants` go with an issuer that has many, as in `https://login.example.com/{tid}/v2.0`";
    if (template.length > 0 || !isTemplate(issuer.value)) reporter.error("invalid_issuer", at, message);
    return { template, tenants: undefined };
  }
  return { template, tenants: readTenants(reporter, draft, variables[0]!.kind, at) };
}

function partsOf(reporter: Reporter, issuer: Located<string>, declared: readonly ClaimType[]): TemplatePart[] {
  const parts = parseTemplate(issuer.value);
  if (typeof parts === "string") {
    reporter.error("invalid_issuer", issuer.at, parts);
    return [];
  }
  const claims = parts.map(({ claim }) => claim).filter((claim) => claim !== "");
  if (claims.length > template_claims_max)
    reporter.error("bound", issuer.at, `an issuer is made of at most ${template_claims_max} claims`);
  for (const claim of claims) {
    const type = declared.find(({ path }) => path.length === 1 && path[0] === claim)?.type;
    if (type !== undefined && type !== "string" && type !== "any") {
      const message = `\`{${claim}}\` stands for a text, and \`claims\` declares it to be ${type === "int" ? "an" : "a"} ${type}, so no token could be of this issuer`;
      reporter.error("invalid_issuer", issuer.at, message);
    }
    if (claim === "tenantid" && type === undefined) {
      const message =
        "`{tenantid}` is what Entra's documents call it; the claim is `tid`: write `{tid}`, or declare `claims: { tenantid: string }` where tokens do have that claim";
      reporter.error("invalid_issuer", issuer.at, message);
    }
  }
  return parts;
}

function readTenants(
  reporter: Reporter,
  { list, elsewhere }: DraftTenants,
  kind: TemplatePart["kind"],
  at: number,
): string[] | undefined {
  const form = {
    what: "tenant",
    texts_max: issuer_tenants_max,
    text_bytes_max: set_text_bytes_max,
    fault: (text: string) => tenantFault(text, kind),
  };
  if (elsewhere?.file !== undefined) {
    const read = readWordList(reporter, elsewhere.file, form);
    return read && sorted(read.texts.map(({ value }) => value));
  }
  const tenants = new Set<string>();
  for (const { value, at: place } of list?.value ?? []) {
    const fault = tenantFault(value, kind);
    if (fault !== undefined) reporter.error("value", place, fault);
    else if (tenants.has(value)) reporter.error("duplicate", place, `\`${value}\` stands twice; remove one`);
    tenants.add(value);
  }
  if (tenants.size > issuer_tenants_max)
    reporter.error("bound", at, `an issuer has at most ${issuer_tenants_max} tenants`);
  return tenants.size === 0 ? undefined : sorted(tenants);
}
