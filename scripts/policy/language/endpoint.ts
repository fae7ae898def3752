/**
 * Endpoints: `METHOD PATH`. Paths are taken apart as the engine takes a request's: split at `/`, each segment
 * percent-decoded (RFC 3986 §2.1), and what could be read in two ways refused.
 */
import { method_bytes_max, path_bytes_max, path_segments_max } from "../../../assembly/limits.ts";
import type { ErrorCode } from "../source/codes.ts";
import { nearest } from "../source/suggest.ts";
import { type Call, callSlip, parseCalls, protocolOf } from "./call.ts";
import type { EndpointFault } from "./endpointfault.ts";
import { type PathOptions, strict_paths } from "./pathoptions.ts";
import type { PathPattern, SegmentPattern } from "./pathpattern.ts";
import { callMethods, type Protocol, type ProtocolName, protocol_words, protocolKey } from "./protocols.ts";
import { regexInPath } from "./regex.ts";
import { affixOf, openSegment } from "./segment.ts";

/** One `METHOD PATH`, or a call of a protocol. */
export interface Endpoint extends PathPattern {
  /**
   * Distinct method names in byte order, or "*" for every method. Of a call, what stands for each path that it is made on (`callMethods`
   * of protocols.ts); its segments are then its method and its name.
   */
  methods: string[] | "*";
  /** Of a call: its protocol, and the call as the policy has it. */
  call?: Pick<Call, "protocol" | "text">;
  /** Path variables, by name the place of the segment that each stands in: after `/**` counted from the end, where -1 is the last. */
  variables: ReadonlyMap<string, number>;
}

/** Methods of the IANA registry that a request to an API may have; others are custom ones, or slips. */
export const known_methods: readonly string[] = [
  "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
  "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY",
  "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPFIND", "PROPPATCH", "QUERY",
  "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF",
  "VERSION-CONTROL",
]; // biome-ignore format: one word a method

/**
 * Parses what may stand in `allow` and `deny`: `METHOD PATH`, `grpc package.Service/Method`, or a call, which may be several endpoints.
 * @param paths what a path may have beside what is plain
 * @param protocols where calls are made; undefined for a protocol whose paths are wrong, which is reported there
 */
export function parseEndpoints(
  text: string,
  paths: PathOptions,
  protocols: ReadonlyMap<ProtocolName, readonly Protocol[]>,
): Endpoint[] | EndpointFault {
  const name = protocolOf(text);
  if (name === undefined) {
    const endpoint = parseEndpoint(text, paths);
    return "message" in endpoint ? endpoint : [endpoint];
  }
  const calls = parseCalls(text);
  if (!Array.isArray(calls)) return calls;
  const spoken = protocols.get(name);
  if (spoken === undefined) {
    const message = `the policy does not say where ${protocol_words[name]} is spoken; add ${protocolKey(name)} beside \`rules\``;
    return { code: "call_without_paths", message, offset: 0 };
  }
  const methods = spoken.flatMap(callMethods).sort();
  return calls.map((call) => ({
    methods,
    call: { protocol: call.protocol, text: call.text },
    segments: call.segments,
    variables: new Map(),
    tail: call.tail,
  }));
}

/** Parses `METHOD PATH`, or `grpc package.Service/Method`. @param paths what the path may have beside what is plain */
export function parseEndpoint(text: string, paths = strict_paths): Endpoint | EndpointFault {
  if (/^grpc\s/iu.test(text)) return parseGrpc(text);
  const slip = callSlip(text);
  if (slip !== undefined) {
    const message = `protocols are in lower case; did you mean \`${slip}\`?`;
    return { code: "invalid_endpoint", message, offset: 0 };
  }
  const space = text.indexOf(" ");
  if (space < 0) {
    const message = text.startsWith("/")
      ? `an endpoint is \`METHOD PATH\`: write \`GET ${text}\`, or \`* ${text}\` for every method`
      : "an endpoint is `METHOD PATH`, as in `GET /orders`";
    return { code: "invalid_endpoint", message, offset: 0 };
  }
  const methods = parseMethods(text.slice(0, space));
  if ("message" in methods) return methods;
  const path = text.slice(space + 1);
  const parsed = parsePath(path, paths);
  if ("message" in parsed) return { ...parsed, offset: parsed.offset + space + 1 };
  return { methods: methods.names, ...parsed };
}

/** The POST that a gRPC call is (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Requests"). */
function parseGrpc(text: string): Endpoint | EndpointFault {
  const match = /^grpc ([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\/([A-Za-z_][A-Za-z0-9_]*|\*)$/u.exec(text);
  if (match === null) {
    const message =
      "a gRPC endpoint is `grpc package.Service/Method`, or `grpc package.Service/*` for all of its methods";
    return { code: "invalid_endpoint", message, offset: 0 };
  }
  return {
    methods: ["POST"],
    segments: [match[1]!, match[2] === "*" ? null : match[2]!],
    variables: new Map(),
    tail: false,
  };
}

function parseMethods(text: string): { names: string[] | "*" } | EndpointFault {
  if (text === "*") return { names: "*" };
  const names = new Set<string>();
  let offset = 0;
  for (const name of text.split("|")) {
    const fault = methodFault(name);
    if (fault !== undefined) return { code: fault.code, message: fault.message, offset };
    names.add(name);
    offset += name.length + 1;
  }
  return { names: [...names].sort() };
}

function methodFault(name: string): Omit<EndpointFault, "offset"> | undefined {
  const invalid = (message: string) => ({ code: "invalid_endpoint", message }) as const;
  if (name === "") return invalid("a method is missing; several are joined as in `GET|HEAD`");
  if (name === "*") return invalid("`*` stands alone for every method");
  if (/^(?:ANY|ALL)$/iu.test(name)) return invalid("every method is `*`, as in `* /orders`");
  if (name.includes(",")) {
    const names = name.split(",").filter((one) => one !== "");
    return invalid(`\`${name}\` is no HTTP method; several are joined by \`|\`: \`${names.join("|")}\``);
  }
  // Fewer characters than the tokens of RFC 9110 §9.1: the engine refuses a request whose method has any other.
  if (!/^[A-Za-z0-9_-]+$/u.test(name)) {
    return invalid(`\`${name}\` is no HTTP method the engine admits: one has only letters, digits, \`-\` and \`_\``);
  }
  if (name.length > method_bytes_max)
    return { code: "bound", message: `a method has at most ${method_bytes_max} bytes` };
  const upper = name.toUpperCase();
  if (name !== upper && known_methods.includes(upper)) {
    return invalid(`methods are case-sensitive; did you mean \`${upper}\`?`);
  }
  return undefined;
}

/** The methods of requests that an endpoint for one is for: GET is for HEAD, too (RFC 9110 §9.3.2). */
export function methodsOf(name: string): readonly string[] {
  return name === "GET" ? ["GET", "HEAD"] : [name];
}

/** A known method that an unknown one is so near to that it is probably a slip. */
export function likelyMethod(name: string): string | undefined {
  return known_methods.includes(name) ? undefined : nearest(name, known_methods.slice(0, 9));
}

function parsePath(written: string, paths: PathOptions): Omit<Endpoint, "methods"> | EndpointFault {
  const fault = (message: string, offset: number, code: ErrorCode = "invalid_endpoint"): EndpointFault => ({
    code,
    message,
    offset,
  });
  const hasSlash = paths.trailingSlash !== "refuse" && /[^/]\/$/u.test(written) && !written.endsWith("/**/");
  const path = hasSlash ? written.slice(0, -1) : written;
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//u.test(path))
    return fault("a path begins with `/`, without scheme and host; hosts stand in `hosts`", 0);
  if (path === "" || path !== path.trim())
    return fault("one space stands between method and path, and none after it", 0);
  const slip = regexInPath(path);
  if (slip !== undefined) return fault(slip.message, slip.offset, "path_regex");
  const wrong = path.search(/[\s?#]/u);
  if (wrong >= 0) {
    if (path[wrong] === "?") return fault("paths are matched without the query; leave out what follows `?`", wrong);
    if (path[wrong] === "#") return fault("a request's path has no fragment; leave out `#` and what follows it", wrong);
    return fault("a path has no spaces; write `%20`", wrong);
  }
  if (path[0] !== "/") return fault(`a path begins with \`/\`; did you mean \`/${path}\`?`, 0);
  if (Buffer.byteLength(path) > path_bytes_max) return fault(`a path has at most ${path_bytes_max} bytes`, 0, "bound");
  if (path === "/") return { segments: [], variables: new Map(), tail: false };
  const parts = path.slice(1).split("/");
  const open = parts.indexOf("**");
  const count = parts.length - (open < 0 ? 0 : 1);
  if (count > path_segments_max) return fault(`a path has at most ${path_segments_max} segments`, 0, "bound");
  const segments: SegmentPattern[] = [];
  const variables = new Map<string, number>();
  let offset = 1;
  for (const [index, part] of parts.entries()) {
    const place = open >= 0 && index > open ? index - parts.length : index;
    if (part === "**" && index !== open)
      return fault("`/**` stands once in a path: of two nobody knows where the one ends", offset);
    const segment = part === "**" ? null : parseSegment(part, place, variables, index === parts.length - 1, paths);
    if (segment !== null && typeof segment === "object" && "message" in segment)
      return { ...segment, offset: offset + segment.offset };
    segments.push(segment);
    offset += part.length + 1;
  }
  if (hasSlash && paths.trailingSlash === "distinct") {
    if (open >= 0)
      return fault(
        "a path with `/**` in it is not told from the same one with a slash at its end; leave the slash out",
        written.length - 1,
      );
    segments.push("");
  }
  if (open < 0) return { segments, variables, tail: false };
  const after = segments.slice(open + 1);
  return { segments: segments.slice(0, open), variables, tail: true, ...(after.length > 0 && { after }) };
}

function parseSegment(
  part: string,
  place: number,
  variables: Map<string, number>,
  last: boolean,
  paths: PathOptions,
): SegmentPattern | EndpointFault {
  const fault = (message: string, code: ErrorCode = "invalid_endpoint", offset = 0): EndpointFault => ({
    code,
    message,
    offset,
  });
  const foreign =
    /^(?::\{?|\$\{)([A-Za-z_][\w-]*)\}?$|^\$([A-Za-z_]*(?:[Ii]d|ID|[Nn]ame))$|^<(?:[a-z]+:)?([A-Za-z_][\w-]*)>$/u.exec(
      part,
    );
  if (foreign !== null) {
    const name = (foreign[1] ?? foreign[2] ?? foreign[3]!).replaceAll("-", "_");
    const itself = `${encodeURIComponent(part[0]!)}${part.slice(1)}`.replaceAll(/[{}>]/gu, encodeURIComponent);
    return fault(`\`${part}\` is no variable; did you mean \`{${name}}\`? The text itself is \`${itself}\``);
  }
  const open = openSegment(part);
  if (open === undefined) return decodeSegment(part, last, paths);
  if ("message" in open) return fault(open.message, undefined, open.offset);
  const { before, name, after } = open;
  if (name !== undefined) {
    if (variables.has(name)) return fault(`\`{${name}}\` stands twice in the path; give each its own name`);
    variables.set(name, place);
  }
  const texts: string[] = [];
  for (const [text, offset] of [
    [before, 0],
    [after, part.length - after.length],
  ] as const) {
    const decoded = decodeText(text, paths);
    if (typeof decoded !== "string") return { ...decoded, offset: offset + decoded.offset };
    texts.push(decoded);
  }
  if (hasDots(texts.join("x"))) return dotsFault(part);
  const affix = affixOf(texts[0]!, texts[1]!, name !== undefined);
  return typeof affix === "string" ? fault(affix, "bound") : affix;
}

/** Encoded bytes that an option opens. */
const encoded_keys: ReadonlyMap<string, ["encodedSlash" | "semicolons", string]> = new Map([
  ["2F", ["encodedSlash", "segment"]],
  ["3B", ["semicolons", "keep"]],
]);

/** The ambiguous ones: see "Ambiguous paths" in docs/policy-language.md. The engine refuses every request that has one, unless `paths` opens it. */
function decodeSegment(part: string, last: boolean, paths: PathOptions): string | EndpointFault {
  const fault = (message: string, offset = 0): EndpointFault => ({ code: "path_ambiguous", message, offset });
  if (part === "" && (last || paths.emptySegments === "refuse")) {
    return fault(
      last
        ? `a slash at the end of a path is ambiguous; remove it${opened("trailingSlash", "same")}`
        : `\`//\` is ambiguous; remove one slash${opened("emptySegments", "keep")}`,
    );
  }
  const decoded = decodeText(part, paths);
  return typeof decoded === "string" && hasDots(decoded) ? dotsFault(part) : decoded;
}

/** Whether a segment is `.` or `..`, or has one that shows once slashes count, or what follows a semicolon does not. */
function hasDots(decoded: string): boolean {
  return /(?:^|\/)\.\.?(?:[/;]|$)/u.test(decoded);
}

function dotsFault(part: string): EndpointFault {
  const message = `a \`${part}\` segment is ambiguous and never admitted; write the path it leads to`;
  return { code: "path_ambiguous", message, offset: 0 };
}

const opened = (key: keyof PathOptions, value: string): string =>
  `, or say what the upstream does with it: \`paths: { ${key}: ${value} }\``;

/** A segment or a part of one, decoded. */
function decodeText(part: string, paths: PathOptions): string | EndpointFault {
  const fault = (message: string, offset = 0): EndpointFault => ({ code: "path_ambiguous", message, offset });
  const plain = part.search(paths.semicolons === "keep" ? /\\/u : /[\\;]/u);
  if (plain >= 0) {
    const out =
      part[plain] === ";" ? `; leave it out${opened("semicolons", "keep")}` : " and never admitted; leave it out";
    return fault(`\`${part[plain]}\` in a path is ambiguous${out}`, plain);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const control = part.search(/[\u0000-\u001f\u007f\p{Cs}]/u);
  if (control >= 0)
    return {
      code: "invalid_endpoint",
      message: "a path has no control characters and no half characters",
      offset: control,
    };
  for (let at = part.indexOf("%"); at >= 0; at = part.indexOf("%", at + 1)) {
    const digits = part.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/u.test(digits))
      return fault("`%` needs two hex digits after it; a percent sign itself is `%25`", at);
    const key = encoded_keys.get(digits.toUpperCase());
    if (key !== undefined && paths[key[0]] === "refuse")
      return fault(`\`%${digits}\` in a path is ambiguous; leave it out${opened(...key)}`, at);
    if (/^(5C|00)$/iu.test(digits))
      return fault(`\`%${digits}\` in a path is ambiguous and never admitted; leave it out`, at);
    if (digits === "25" && /^[0-9A-Fa-f]{2}/u.test(part.slice(at + 3))) {
      return fault("`%25` before two hex digits is encoded twice, which is ambiguous and never admitted", at);
    }
  }
  try {
    return decodeURIComponent(part);
  } catch {
    return fault("the percent-encoded bytes are not UTF-8", part.indexOf("%"));
  }
}
