/**
 * Comparisons of what always has one form with a text that does not have it: they never hold, and a deny rule that hangs
 * on one denies nobody. Each is most likely a slip that has a name, which the message says.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import { requestMethods } from "../language/carried.ts";
import type { Endpoint } from "../language/endpoint.ts";
import type { Slashes } from "../language/pathoptions.ts";
import { didYouMean } from "../source/suggest.ts";
import { lowerAscii } from "./constant.ts";
import { partsOf } from "./cost.ts";
import { canonicalAddress, parseNetwork } from "./network.ts";
import type { Term } from "./term.ts";

/** How a text is compared with what the request has. */
type Way = "whole" | "start" | "end" | "part";

/** What requests that get to a condition can be like. */
export interface NeverScope {
  action?: "allow" | "deny";
  endpoints: readonly Endpoint[];
  /** Which methods there are is not known. */
  lacksEndpoints?: boolean;
  /** Which of those paths get to it; without it, neither. */
  slashes?: Slashes;
  /** Whose members are callers; without it, any trust domain. */
  trustDomains?: ReadonlySet<string>;
  /** Trust domains whose IDs are IDs of another one. */
  aliases?: ReadonlyMap<string, string>;
}

/** Why the name never has the text, and what was probably meant; undefined where it may have it. */
type Form = (text: string, way: Way, scope: NeverScope) => string | undefined;

const ways: ReadonlyMap<number, Way> = new Map([
  [code.op_equal, "whole"],
  [code.op_not_equal, "whole"],
  [code.op_in, "whole"],
  [code.op_starts_with, "start"],
  [code.op_ends_with, "end"],
  [code.op_contains, "part"],
]);

const forms: ReadonlyMap<string, Form> = new Map(
  Object.entries({
    [`${code.op_source_ip} 0`]: sourceIp,
    [`${code.op_source_port} 0`]: port,
    [`${code.op_destination_port} 0`]: port,
    [`${code.op_request} ${code.request_host}`]: host,
    [`${code.op_request} ${code.request_path}`]: path,
    [`${code.op_request} ${code.request_method}`]: method,
    [`${code.op_request} ${code.request_scheme}`]: scheme,
    [`${code.op_caller} ${code.caller_id}`]: callerId,
    [`${code.op_caller} ${code.caller_trust_domain}`]: trustDomain,
    [`${code.op_caller} ${code.caller_path}`]: callerPath,
  }),
);

/** A text that what it is compared with never has, and why. */
export interface NeverFinding {
  at: number;
  why: string;
}

/** Every text in a checked condition that what it is compared with never has. */
export function findNever(term: Term, scope: NeverScope): NeverFinding[] {
  const outcome = term.kind === "binary" && term.op === code.op_not_equal ? "this is always true" : "this never holds";
  const own = comparedTexts(term, scope).flatMap(({ start, why }) =>
    why === undefined ? [] : [{ at: start, why: `${outcome}: ${why}` }],
  );
  return [...partsOf(term).flatMap((part) => findNever(part, scope)), ...own];
}

/** Whether an expression is a comparison that never holds, each of its texts being one that is never had. */
export function isNever(term: Term, scope: NeverScope): boolean {
  if (term.kind !== "binary" || term.op === code.op_not_equal) return false;
  const texts = comparedTexts(term, scope);
  return texts.length > 0 && texts.length === countTexts(term) && texts.every(({ why }) => why !== undefined);
}

/** The texts that a name of a known form is compared with, each with why it never has it. */
function comparedTexts(term: Term, scope: NeverScope): { start: number; why: string | undefined }[] {
  const way = term.kind === "binary" ? ways.get(term.op) : undefined;
  if (term.kind !== "binary" || way === undefined) return [];
  const { op, left, right } = term;
  const isEquality = op === code.op_equal || op === code.op_not_equal;
  const sides = isEquality ? [[left, right] as const, [right, left] as const] : [[left, right] as const];
  return sides.flatMap(([name, texts]) => {
    const form = formOf(name);
    if (form === undefined) return [];
    return textsOf(texts).map(({ value, start }) => ({ start, why: form(value, way, scope) }));
  });
}

/** How many values a comparison is with, those counted that are no texts that are written out. */
function countTexts({ right }: Term & { kind: "binary" }): number {
  return right.kind === "list" ? right.elements.length : 1;
}

function formOf(term: Term): Form | undefined {
  if (term.kind === "load") return forms.get(`${term.op} ${term.operands.a ?? 0}`);
  return term.kind === "unary" && term.op === code.op_lower ? lowerCase : undefined;
}

/** The texts, or whole numbers, that an expression may be, where it is written out, or the element of a list that is. */
function textsOf(term: Term): { value: string; start: number }[] {
  if (term.kind === "constant") {
    const { value, start } = term;
    return typeof value === "string" || typeof value === "bigint" ? [{ value: String(value), start }] : [];
  }
  if (term.kind === "list") return term.elements.flatMap(textsOf);
  return term.kind === "element" && term.loop.kind === "list" ? textsOf(term.loop) : [];
}

/** Whether a name that always begins with `beginning` can have the text there. */
function mayBegin(text: string, way: Way, beginning: string): boolean {
  if (way === "whole") return text.startsWith(beginning);
  return way !== "start" || text.startsWith(beginning) || beginning.startsWith(text);
}

function sourceIp(text: string, way: Way): string | undefined {
  if (way !== "whole") {
    // A zone may have any name.
    if (text.includes("%") || /^[0-9a-f.:]*$/u.test(text)) return undefined;
    return `\`source.ip\` is an address alone, such as \`10.1.2.3\`${asNetwork(text)}`;
  }
  const canonical = canonicalAddress(text);
  if (canonical === text) return undefined;
  if (canonical !== undefined)
    return `\`source.ip\` has each address in its shortest form; write \`${canonical}\`, or \`cidr("${canonical}/${canonical.includes(":") ? 128 : 32}").containsIP(source.ip)\``;
  const withPort = /^(?:\[(.+)\]|([0-9.]+)):[0-9]+$/u.exec(text);
  const address = canonicalAddress(withPort?.[1] ?? withPort?.[2] ?? "");
  if (address !== undefined)
    return `\`source.ip\` has no port; write \`${address}\`, and compare the port with \`source.port\``;
  return `\`source.ip\` is an address alone, such as \`10.1.2.3\`${asNetwork(text)}`;
}

function port(text: string): string | undefined {
  return /^[0-9]{1,5}$/u.test(text) && Number(text) <= 65535 ? undefined : "a port is a number from 0 to 65535";
}

/** The network that a text is or looks like. */
function asNetwork(text: string): string {
  const example = typeof parseNetwork(text) === "string" ? "10.0.0.0/8" : text;
  return `; for a network write \`cidr("${example}").containsIP(source.ip)\``;
}

function host(text: string, way: Way): string | undefined {
  if (text.includes("/")) return "`request.host` is a name alone, without scheme and path";
  if ((way === "whole" || way === "end") && /[^:]:[0-9]*$/u.test(text) && !/^[0-9a-f:.]*:[0-9a-f:.]*:/iu.test(text))
    return `\`request.host\` has no port; write \`"${text.replace(/:[0-9]*$/u, "").toLowerCase()}"\``;
  if (way === "whole" && text.startsWith("*."))
    return `a star has no meaning here; write \`request.host.endsWith("${text.slice(1).toLowerCase()}")\``;
  return text === text.toLowerCase()
    ? undefined
    : `\`request.host\` is in lower case; write \`"${text.toLowerCase()}"\``;
}

function path(text: string, way: Way, { slashes }: NeverScope): string | undefined {
  if (text !== "" && !mayBegin(text, way, "/"))
    return `\`request.path\` begins with \`/\`; write \`"/${text}"\`${/^[a-z]+:\/\//iu.test(text) ? ", the path alone" : ""}`;
  // The engine refuses a request whose path is encoded twice, so no decoded path has these.
  if (/%[0-9A-Fa-f]{2}/u.test(text))
    return "`request.path` is decoded, so it has no percent-encoding; write the character itself";
  // Neither has an encoding that is admitted.
  if (text.includes("//") && slashes?.empty !== true)
    return "a path with `//` is ambiguous and never admitted; leave a slash out, or say `emptySegments: keep` in `paths`";
  if (way === "whole" && text.length > 1 && text.endsWith("/") && slashes?.end !== true)
    return "a path with a slash at its end is ambiguous and never admitted; leave the slash out, or say in `paths` what `trailingSlash` means";
  const query = text.indexOf("?");
  if (query < 0) return undefined;
  const name = /^[^=&]+/u.exec(text.slice(query + 1))?.[0] ?? "x";
  return `\`request.path\` has no query (a \`?\` in it was sent as \`%3F\`); leave it out, and compare \`request.query[${JSON.stringify(name)}]\``;
}

function lowerCase(text: string): string | undefined {
  const lower = lowerAscii(text);
  return lower === text ? undefined : `what \`lowerAscii()\` gives has no capitals; write ${JSON.stringify(lower)}`;
}

function scheme(text: string): string | undefined {
  if (/[:/]/u.test(text)) return "`request.scheme` is a name alone, such as `https`";
  return text === lowerAscii(text)
    ? undefined
    : `\`request.scheme\` is in lower case; write ${JSON.stringify(lowerAscii(text))}`;
}

/**
 * Other methods than the rule's own never get to its condition; a deny rule's in lower case do, and custom ones may be. Only of a deny rule is
 * it said that its condition is for other methods, since rules may have one condition in common.
 */
function method(text: string, way: Way, { action, endpoints, lacksEndpoints }: NeverScope): string | undefined {
  if (way !== "whole" || lacksEndpoints === true || endpoints.length === 0) return undefined;
  const own = new Set<string>();
  for (const methods of endpoints.map(requestMethods)) {
    if (methods === "*") return undefined;
    for (const one of methods) own.add(one);
  }
  if (action === "deny") {
    if (own.has(text) || own.has(text.toUpperCase())) return undefined;
    return `the rule is for no such method; its endpoints are for ${[...own].sort().join(", ")}`;
  }
  if (!/[a-z]/u.test(text) || [...own].some((one) => /[a-z]/u.test(one))) return undefined;
  return `methods are case-sensitive, and the rule's are in capitals; write \`"${text.toUpperCase()}"\``;
}

/** Why no caller is of a trust domain. */
function noDomain(domain: string, { trustDomains, aliases }: NeverScope): string | undefined {
  const named = aliases?.get(domain);
  if (named !== undefined)
    return `\`${domain}\` is an alias of \`${named}\`, and its IDs are IDs of \`${named}\` here; write \`${named}\``;
  if (trustDomains === undefined || trustDomains.has(domain)) return undefined;
  return `no caller is of the trust domain \`${domain}\`, which \`trust.domains\` does not name${didYouMean(domain, [...trustDomains])}`;
}

function callerId(text: string, way: Way, scope: NeverScope): string | undefined {
  if (text !== "" && !mayBegin(text, way, "spiffe://"))
    return "`caller.id` is a whole SPIFFE ID, such as `spiffe://example.org/web`; what follows the trust domain is `caller.path`";
  const domain = /^spiffe:\/\/([^/]+)\//u.exec(text)?.[1];
  const why = domain === undefined || way === "part" || way === "end" ? undefined : noDomain(domain, scope);
  if (why !== undefined || !text.includes("*")) return why;
  return `a star has no meaning here; write \`caller.id.startsWith("${text.slice(0, text.indexOf("*"))}")\``;
}

function trustDomain(text: string, way: Way, scope: NeverScope): string | undefined {
  if (/[/:]/u.test(text)) return "`caller.trust_domain` is the name alone, such as `example.org`";
  if (text !== text.toLowerCase()) return `trust domains are in lower case; write \`"${text.toLowerCase()}"\``;
  return way === "whole" ? noDomain(text, scope) : undefined;
}

function callerPath(text: string, way: Way): string | undefined {
  if (text !== "" && !mayBegin(text, way, "/")) {
    return text.startsWith("spiffe:")
      ? "`caller.path` is what follows the trust domain, such as `/web`; the whole SPIFFE ID is `caller.id`"
      : `\`caller.path\` begins with \`/\`; write \`"/${text}"\``;
  }
  if (!text.includes("*")) return undefined;
  return `a star has no meaning here; write \`caller.path.startsWith("${text.slice(0, text.indexOf("*"))}")\``;
}
