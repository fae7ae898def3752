/**
 * Endpoints that are calls of a protocol: `mcp tools/call NAME`, `a2a METHOD`, `jsonrpc METHOD`, `graphql query FIELD, FIELD`. A call has
 * its method and its name for segments, whatever is in them; on which paths it is made, the policy says (protocols.ts).
 */
import { affix_bytes_max } from "../../../assembly/limits.ts";
import { nearest } from "../source/suggest.ts";
import type { EndpointFault } from "./endpointfault.ts";
import type { PathPattern, SegmentPattern } from "./pathpattern.ts";
import {
  call_methods,
  call_text_bytes_max,
  named_methods,
  type ProtocolName,
  protocol_names,
  protocol_words,
} from "./protocols.ts";

/** One call, or a pattern of several, without the path that it is made on. */
export interface Call extends PathPattern {
  protocol: ProtocolName;
  /** As the policy has it. */
  text: string;
}

const graphql_name = /^[_A-Za-z][_0-9A-Za-z]*$/u;

/** The protocol that an endpoint names; undefined where it is none of a call. */
export function protocolOf(text: string): ProtocolName | undefined {
  const word = /^\S+/u.exec(text)?.[0];
  return protocol_names.find((name) => name === word);
}

/** Parses a call: several where GraphQL fields are listed. @param text begins with the name of a protocol */
export function parseCalls(text: string): Call[] | EndpointFault {
  const protocol = protocolOf(text)!;
  const at = protocol.length + 1;
  const rest = text.slice(at);
  const fault = textFault(rest, at);
  if (fault !== undefined) return fault;
  if (text[protocol.length] !== " " || rest === "" || rest !== rest.trim())
    return invalid(`a call is \`${formOf(protocol)}\`, with one space between its parts and none after them`, 0);
  if (protocol === "graphql") return parseGraphql(text, rest, at);
  const space = rest.indexOf(" ");
  const method = space < 0 ? rest : rest.slice(0, space);
  const wrong = methodFault(protocol, method, at);
  if (wrong !== undefined) return wrong;
  const pattern = parsePattern(method, at);
  if (isFault(pattern)) return pattern;
  if (space < 0) return [{ protocol, text, segments: [pattern], tail: true }];
  const name = rest.slice(space + 1);
  const nameAt = at + space + 1;
  if (protocol !== "mcp" || !named_methods.has(method)) return invalid(nameless(protocol, method), nameAt);
  const called = parsePattern(name, nameAt);
  return isFault(called) ? called : [{ protocol, text, segments: [pattern, called], tail: false }];
}

/** What an endpoint of a protocol looks like. */
function formOf(protocol: ProtocolName): string {
  if (protocol === "graphql") return "graphql query FIELD, FIELD";
  return protocol === "mcp" ? "mcp METHOD` or `mcp tools/call NAME" : `${protocol} METHOD`;
}

function nameless(protocol: ProtocolName, method: string): string {
  const words = protocol_words[protocol];
  if (protocol !== "mcp") return `a call of ${words} has a method alone: \`${protocol} ${method}\``;
  const named = [...named_methods].map(([one, name]) => `\`mcp ${one} ${name}\``).join(", ");
  return `what \`${method}\` is called with has no name here; leave it out, or say it in \`when\`: names have ${named}`;
}

function parseGraphql(text: string, rest: string, at: number): Call[] | EndpointFault {
  const protocol = "graphql";
  const [, type = "", , fields] = /^(\S+)( +(.*))?$/su.exec(rest) ?? [];
  const types = call_methods.graphql;
  if (type !== "*" && !types.includes(type)) {
    const likely = nearest(type, types);
    if (likely !== undefined) return invalid(`types of operations are in lower case; did you mean \`${likely}\`?`, at);
    const way = graphql_name.test(type.replace(/,$/u, "")) ? `: \`graphql query ${rest}\`` : "";
    return invalid(`an operation is a \`query\`, a \`mutation\` or a \`subscription\`${way}`, at);
  }
  const kind: SegmentPattern = type === "*" ? null : type;
  if (fields === undefined) return [{ protocol, text, segments: [kind], tail: true }];
  if (kind === null)
    return invalid("`graphql *` is every operation; with fields, name the type: `graphql query orders`", at);
  const calls: Call[] = [];
  let from = at + rest.length - fields.length;
  for (const part of fields.split(",")) {
    const name = part.trim();
    const place = from + part.indexOf(name);
    from += part.length + 1;
    const stem = name.endsWith("*") ? name.slice(0, -1) : name;
    if (name === "" || !(stem === "" || graphql_name.test(stem))) {
      const message = /[({]/u.test(name)
        ? `a root field is its name alone, without arguments and what is selected of it; say in \`when\` what \`graphql.variables\` may be`
        : `\`${name}\` is no field of GraphQL: a name has letters, digits and \`_\`, and a star stands at its end; several are joined by commas`;
      return invalid(message, place);
    }
    const pattern = parsePattern(name, place);
    if (isFault(pattern)) return pattern;
    calls.push({ protocol, text: `graphql ${type} ${name}`, segments: [kind, pattern], tail: false });
  }
  return calls;
}

/** A method or a name, with a star at its end or without. */
function parsePattern(text: string, at: number): SegmentPattern | EndpointFault {
  const star = text.indexOf("*");
  if (star < 0) return text;
  if (star < text.length - 1)
    return invalid("a star stands at the end of a call's last part alone, as in `mcp tools/call get_*`", at + star);
  const prefix = text.slice(0, -1);
  if (prefix === "") return null;
  if (Buffer.byteLength(prefix) > affix_bytes_max)
    return { code: "bound", message: `the text before a star has at most ${affix_bytes_max} bytes`, offset: at };
  return { prefix, suffix: "", least: 0 };
}

/** A method in another case than it has is never called so. */
function methodFault(protocol: ProtocolName, method: string, at: number): EndpointFault | undefined {
  const stem = method.replace(/\*$/u, "");
  const known = call_methods[protocol];
  if (known.includes(method)) return undefined;
  const same = known.find(
    (one) => (stem === method ? one : one.slice(0, stem.length)).toLowerCase() === stem.toLowerCase(),
  );
  if (same === undefined || same.startsWith(stem)) return undefined;
  const written = stem === method ? same : `${same.slice(0, stem.length)}*`;
  return invalid(`methods are case-sensitive; did you mean \`${protocol} ${written}\`?`, at);
}

/** A known method of the protocol that an unknown one is so near to that it is probably a slip. */
export function likelyCall({ protocol, segments: [method] }: Call): string | undefined {
  const known = call_methods[protocol];
  if (typeof method !== "string" || known.includes(method)) return undefined;
  return nearest(method, known);
}

function textFault(text: string, at: number): EndpointFault | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const control = text.search(/[\u0000-\u001f\u007f-\u009f\p{Cs}]/u);
  if (control >= 0) return invalid("a call has no control characters and no half characters", at + control);
  if (Buffer.byteLength(text) <= call_text_bytes_max) return undefined;
  return { code: "bound", message: `a call has at most ${call_text_bytes_max} bytes`, offset: at };
}

/** What was probably meant by an endpoint that begins with the name of a protocol in another case. */
export function callSlip(text: string): string | undefined {
  const [, word = "", rest = ""] = /^(\S+) +(.*)$/su.exec(text) ?? [];
  const meant = protocol_names.find((name) => name === word.toLowerCase());
  return meant === undefined || rest === "" || rest.startsWith("/") ? undefined : `${meant} ${rest}`;
}

function invalid(message: string, offset: number): EndpointFault {
  return { code: "invalid_endpoint", message, offset };
}

function isFault(pattern: SegmentPattern | EndpointFault): pattern is EndpointFault {
  return typeof pattern === "object" && pattern !== null && "message" in pattern;
}
