/**
 * Comparisons of what always has one form with a text that does not have it: they never hold, and a deny rule that hangs
 * on one denies nobody. Each is most likely a slip that has a name, which the message says.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import type { Endpoint } from "../language/endpoint.ts";
import { partsOf } from "./cost.ts";
import { canonicalAddress, parseNetwork } from "./network.ts";
import type { OnWarning } from "./problem.ts";
import type { Term } from "./term.ts";

/** How a text is compared with what the request has. */
type Way = "whole" | "start" | "end" | "part";

/** Why the name never has the text, and what was probably meant; undefined where it may have it. */
type Form = (text: string, way: Way, endpoints: readonly Endpoint[]) => string | undefined;

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
    [`${code.op_request} ${code.request_host}`]: host,
    [`${code.op_request} ${code.request_path}`]: path,
    [`${code.op_request} ${code.request_method}`]: method,
    [`${code.op_caller} ${code.caller_id}`]: callerId,
    [`${code.op_caller} ${code.caller_trust_domain}`]: trustDomain,
    [`${code.op_caller} ${code.caller_path}`]: callerPath,
  }),
);

/** Warns of every text in a checked condition that what it is compared with never has. */
export function warnNever(term: Term, endpoints: readonly Endpoint[], onWarning: OnWarning): void {
  for (const part of partsOf(term)) warnNever(part, endpoints, onWarning);
  const way = term.kind === "binary" ? ways.get(term.op) : undefined;
  if (term.kind !== "binary" || way === undefined) return;
  const { op, left, right } = term;
  const isEquality = op === code.op_equal || op === code.op_not_equal;
  for (const [name, texts] of isEquality
    ? [[left, right] as const, [right, left] as const]
    : [[left, right] as const]) {
    const form = name.kind === "load" ? forms.get(`${name.op} ${name.operands.a ?? 0}`) : undefined;
    if (form === undefined) continue;
    const outcome = op === code.op_not_equal ? "this is always true" : "this never holds";
    for (const { value, start } of textsOf(texts)) {
      const why = form(value, way, endpoints);
      if (why !== undefined) onWarning("condition_never", start, `${outcome}: ${why}`);
    }
  }
}

/** The texts an expression may be, where it is written out, or the element of a list that is. */
function textsOf(term: Term): { value: string; start: number }[] {
  if (term.kind === "constant") return typeof term.value === "string" ? [{ value: term.value, start: term.start }] : [];
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

function path(text: string, way: Way): string | undefined {
  if (text !== "" && !mayBegin(text, way, "/"))
    return `\`request.path\` begins with \`/\`; write \`"/${text}"\`${/^[a-z]+:\/\//iu.test(text) ? ", the path alone" : ""}`;
  // The engine refuses a request whose path is encoded twice, so no decoded path has these.
  if (/%[0-9A-Fa-f]{2}/u.test(text))
    return "`request.path` is decoded, so it has no percent-encoding; write the character itself";
  // Neither has an encoding that is admitted.
  if (text.includes("//") || (way === "whole" && text.length > 1 && text.endsWith("/")))
    return "a path with `//` or a slash at its end is ambiguous and never admitted; leave the slash out";
  const query = text.indexOf("?");
  if (query < 0) return undefined;
  const name = /^[^=&]+/u.exec(text.slice(query + 1))?.[0] ?? "x";
  return `\`request.path\` has no query (a \`?\` in it was sent as \`%3F\`); leave it out, and compare \`request.query[${JSON.stringify(name)}]\``;
}

/** Other methods than the rule's own never get to its condition; custom ones may be in lower case. */
function method(text: string, way: Way, endpoints: readonly Endpoint[]): string | undefined {
  if (way !== "whole" || !/[a-z]/u.test(text) || endpoints.length === 0) return undefined;
  const hasCapitals = endpoints.every(({ methods }) => methods !== "*" && methods.every((one) => !/[a-z]/u.test(one)));
  return hasCapitals
    ? `methods are case-sensitive, and the rule's are in capitals; write \`"${text.toUpperCase()}"\``
    : undefined;
}

function callerId(text: string, way: Way): string | undefined {
  if (text !== "" && !mayBegin(text, way, "spiffe://"))
    return "`caller.id` is a whole SPIFFE ID, such as `spiffe://example.org/web`; what follows the trust domain is `caller.path`";
  if (!text.includes("*")) return undefined;
  return `a star has no meaning here; write \`caller.id.startsWith("${text.slice(0, text.indexOf("*"))}")\``;
}

function trustDomain(text: string): string | undefined {
  if (/[/:]/u.test(text)) return "`caller.trust_domain` is the name alone, such as `example.org`";
  return text === text.toLowerCase() ? undefined : `trust domains are in lower case; write \`"${text.toLowerCase()}"\``;
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
