/**
 * Issuers with many tenants: in `https://login.example.com/{tid}/v2.0` the claim `tid` of a token stands for one segment of the path. One
 * that stands for a label of the host, as in `https://{org}.example.com`, has the characters of one.
 */

/** A text, and the claim that follows it; `claim` is "" after the last one. */
export interface TemplatePart {
  text: string;
  claim: string;
  kind: "segment" | "label";
}

const variable = /\{([^{}]*)\}/gu;
const name_form = /^[A-Za-z_][A-Za-z0-9_-]*$/u;

/** Whether a text is to be read as a template. */
export function isTemplate(issuer: string): boolean {
  return /[{}]/u.test(issuer);
}

/** Takes a template apart; in words what is wrong otherwise. */
export function parseTemplate(issuer: string): TemplatePart[] | string {
  const whole = /^(https?:\/\/)([^/?#]*)([^?#]*)$/u.exec(issuer);
  if (whole === null || /[@\\%\s]/u.test(issuer))
    return "an issuer with `{name}` is an `https` URL of a host and a path, as in `https://login.example.com/{tid}/v2.0`";
  const [, scheme = "", host = "", path = ""] = whole;
  const hostEnd = scheme.length + host.length;
  const parts: TemplatePart[] = [];
  let at = 0;
  for (const found of issuer.matchAll(variable)) {
    const [braced, claim = ""] = found;
    const fault = variableFault(issuer, found.index, braced, claim, hostEnd);
    if (fault !== undefined) return fault;
    parts.push({ text: issuer.slice(at, found.index), claim, kind: found.index < hostEnd ? "label" : "segment" });
    at = found.index + braced.length;
  }
  const rest = issuer.slice(at);
  if (isTemplate(rest) || parts.some(({ text }) => isTemplate(text)))
    return `a brace stands alone in \`${host}${path}\`; a claim is written \`{name}\``;
  if (new Set(parts.map(({ claim }) => claim)).size < parts.length) return "each claim stands once in an issuer";
  return rest === "" ? parts : [...parts, { text: rest, claim: "", kind: "segment" }];
}

function variableFault(
  issuer: string,
  start: number,
  braced: string,
  claim: string,
  hostEnd: number,
): string | undefined {
  if (!name_form.test(claim))
    return `\`${braced}\` names no claim: the name of one has letters, digits, \`_\` and \`-\`, as in \`{tid}\``;
  if (claim === "iss" || claim === "aud") return `\`${braced}\` cannot say who the tenant is; name another claim`;
  const [before, after] = [issuer[start - 1], issuer[start + braced.length] ?? ""];
  if (start < hostEnd) {
    const isLabel = (before === "/" || before === ".") && after === ".";
    return isLabel
      ? undefined
      : `in the host \`${braced}\` stands for a whole label before others, as in \`https://{org}.example.com\``;
  }
  return before === "/" && (after === "" || after === "/")
    ? undefined
    : `in the path \`${braced}\` stands for a whole segment, as in \`https://login.example.com/{tid}/v2.0\``;
}

/** Why no claim of a token can be this text where a template has it; undefined where one can. */
export function tenantFault(text: string, kind: TemplatePart["kind"]): string | undefined {
  if (kind === "label")
    return /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/u.test(text)
      ? undefined
      : "a tenant in a host is a label: 1 to 63 letters, digits and `-`";
  return /^[A-Za-z0-9._~-]+$/u.test(text) && text !== "." && text !== ".."
    ? undefined
    : "a tenant in a path is a segment of letters, digits, `.`, `_`, `~` and `-`";
}

/** The claims that make a template this `iss`; undefined where none do, or where an issuer is no template. */
export function templateClaims(parts: readonly TemplatePart[], iss: string): Record<string, string> | undefined {
  if (parts.length === 0) return undefined;
  const pattern = parts.map(({ text, claim, kind }) => {
    const form = kind === "label" ? "[A-Za-z0-9-]+" : "[A-Za-z0-9._~-]+";
    return text.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&") + (claim === "" ? "" : `(?<${named(claim)}>${form})`);
  });
  const groups = new RegExp(`^${pattern.join("")}$`, "u").exec(iss)?.groups;
  if (groups === undefined) return undefined;
  const claims = parts.filter(({ claim }) => claim !== "").map(({ claim }) => [claim, groups[named(claim)]!]);
  return Object.fromEntries(claims) as Record<string, string>;
}

/** Names of groups have no dashes. */
const named = (claim: string): string => `c_${claim.replaceAll("-", "$")}`;

/** The `iss` of a token with these claims. */
export function composeIssuer(parts: readonly TemplatePart[], claims: Readonly<Record<string, unknown>>): string {
  return parts.map(({ text, claim }) => text + (claim === "" ? "" : String(claims[claim]))).join("");
}
