/** Reading OpenAPI documents (3.0 and 3.1, YAML or JSON): which operations they tell of, by host, method and path. */
import { parseDocument } from "yaml";
import { affix_bytes_max } from "../../assembly/limits.ts";
import type { PathPattern, SegmentPattern } from "../policy/language/pathpattern.ts";
import { type HostPattern, parseHost } from "../policy/language/values.ts";
import { readSource } from "../policy/source/read.ts";
import type { Pin } from "./pins.ts";

/** An operation of a document. */
export interface DocumentedOperation {
  /** Such as `GET`. */
  method: string;
  /** With the path of its server before it: `/v1/orders/{id}`. */
  path: string;
  pattern: PathPattern;
  /** The name of the variable in each segment; undefined for a name, and where text stands around it. */
  variables: readonly (string | undefined)[];
  /** Of its servers; empty: every host. */
  hosts: readonly HostPattern[];
  isDeprecated: boolean;
  /** Parameters of the query. */
  parameters: readonly { name: string; isRequired: boolean }[];
}

/** What a document tells. */
export interface ApiDocument {
  title: string;
  operations: DocumentedOperation[];
  /** What was not read of it, for people. */
  notes: string[];
}

/** A document that is none, or of a version that is not read. The message names the file and the way out. */
export class DocumentError extends Error {
  constructor(file: string, message: string) {
    super(`${file}: ${message}`);
    this.name = "DocumentError";
  }
}

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"] as const;
/** Operations of one document, each once for each of its servers. */
const operations_max = 100_000;
/** Nodes that stand for others, in a document: an anchor of an anchor of an anchor is an attack. */
const aliases_max = 1_000;
const references_max = 16;

type Node = Readonly<Record<string, unknown>>;

/**
 * Reads a document. References within it are followed, others are not.
 * @throws DocumentError; PolicyError where the file cannot be read
 */
export function readDocument(file: string): ApiDocument {
  return documentOf(readSource(file).text, file);
}

/** As `readDocument`. @param file its name in errors */
export function documentOf(text: string, file: string): ApiDocument {
  const fail = (message: string): never => {
    throw new DocumentError(file, message);
  };
  let root: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: true });
    const [error] = document.errors;
    if (error !== undefined)
      return fail(`it is no YAML and no JSON: ${error.message.split("\n")[0]!.replace(/:$/u, "")}`);
    root = document.toJS({ maxAliasCount: aliases_max });
  } catch (error) {
    if (error instanceof DocumentError) throw error;
    return fail(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isNode(root)) return fail("it is no OpenAPI document: it begins with `openapi: 3.1.0` or `openapi: 3.0.3`");
  const version = String(root.openapi ?? "");
  if (!/^3\.[01]\.\d+/u.test(version)) {
    if (root.swagger !== undefined)
      return fail(
        `it is Swagger ${String(root.swagger)}: convert it to OpenAPI 3 first, with swagger2openapi for example`,
      );
    return fail(`\`openapi\` is ${version === "" ? "missing" : `\`${version}\``}: versions 3.0 and 3.1 are read`);
  }
  return new DocumentReader(root, fail).read();
}

/** The templates of a document, to be told from one another and not guessed at. @param isForAllHosts the document's hosts are none of the log's */
export function pinsOfDocument({ operations }: ApiDocument, isForAllHosts = false): Pin[] {
  return operations.map(({ pattern, variables, hosts }) => ({
    hosts: isForAllHosts ? [] : hosts,
    segments: pattern.segments,
    variables,
  }));
}

interface Server {
  hosts: HostPattern[];
  path: string;
}

class DocumentReader {
  readonly #root: Node;
  readonly #fail: (message: string) => never;
  readonly #notes = new Set<string>();
  readonly #operations: DocumentedOperation[] = [];

  constructor(root: Node, fail: (message: string) => never) {
    this.#root = root;
    this.#fail = fail;
  }

  read(): ApiDocument {
    const { paths = {}, info, servers } = this.#root;
    if (!isNode(paths)) this.#fail("`paths` is no mapping");
    const all = this.#servers(servers) ?? [{ hosts: [], path: "" }];
    for (const [path, item] of Object.entries(paths as Node)) {
      if (path.startsWith("x-")) continue;
      if (!path.startsWith("/")) this.#fail(`the path \`${path}\` does not begin with \`/\``);
      const found = this.#resolve(item, `paths of ${path}`);
      if (found !== undefined) this.#item(path, found, all);
    }
    const title = isNode(info) && typeof info.title === "string" ? info.title : "";
    return { title, operations: this.#operations, notes: [...this.#notes] };
  }

  #item(path: string, item: Node, all: readonly Server[]): void {
    const servers = this.#servers(item.servers) ?? all;
    const shared = this.#parameters(item.parameters, path);
    for (const method of methods) {
      const operation = item[method];
      if (!isNode(operation)) continue;
      const mine = new Map([...shared, ...this.#parameters(operation.parameters, path)]);
      for (const server of this.#servers(operation.servers) ?? servers) {
        if (this.#operations.length >= operations_max)
          this.#fail(`it has more than ${operations_max.toLocaleString("en-US")} operations: split it`);
        const full = `${server.path}${path}`;
        this.#operations.push({
          method: method.toUpperCase(),
          path: full,
          ...patternOf(full),
          hosts: server.hosts,
          isDeprecated: operation.deprecated === true,
          parameters: [...mine].map(([name, isRequired]) => ({ name, isRequired })),
        });
      }
    }
  }

  /** Parameters of the query by name, and whether they have to be there. */
  #parameters(list: unknown, path: string): Map<string, boolean> {
    const found = new Map<string, boolean>();
    for (const one of Array.isArray(list) ? list : []) {
      const parameter = this.#resolve(one, `a parameter of ${path}`);
      if (parameter?.in === "query" && typeof parameter.name === "string")
        found.set(parameter.name, parameter.required === true);
    }
    return found;
  }

  /** Undefined where none are given. */
  #servers(list: unknown): Server[] | undefined {
    if (!Array.isArray(list) || list.length === 0) return undefined;
    return list.filter(isNode).map((server) => this.#server(server));
  }

  #server({ url, variables }: Node): Server {
    const defaults = isNode(variables) ? variables : {};
    const text = String(url ?? "/").replaceAll(/\{([^{}/]+)\}/gu, (whole, name: string) => {
      const variable = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
      return isNode(variable) && variable.default !== undefined && !Array.isArray(variable.enum)
        ? String(variable.default)
        : whole;
    });
    const [, authority, path] = /^(?:[A-Za-z][A-Za-z0-9+.-]*:)?\/\/([^/?#]*)([^?#]*)/u.exec(text) ?? [
      undefined,
      "",
      text,
    ];
    const plain = (path ?? "").replace(/\/+$/u, "");
    const host = parseHost((authority ?? "").replace(/^.*@/u, "").replace(/:\d+$/u, ""));
    // A host with variables may be any.
    const isKnown = authority !== "" && typeof host !== "string";
    return { hosts: isKnown ? [host] : [], path: plain === "" || plain.startsWith("/") ? plain : `/${plain}` };
  }

  /** What a node is, where it may be a reference into the document. */
  #resolve(node: unknown, what: string): Node | undefined {
    let found: unknown = node;
    for (let steps = 0; isNode(found) && typeof found.$ref === "string"; steps++) {
      const reference = found.$ref;
      if (!reference.startsWith("#/") || steps === references_max) {
        this.#notes.add(`${what}: the reference ${reference} was not followed`);
        return undefined;
      }
      found = this.#root;
      for (const part of reference.slice(2).split("/")) {
        const name = unescapePointer(part);
        found =
          (isNode(found) || Array.isArray(found)) && Object.hasOwn(found, name) ? (found as Node)[name] : undefined;
      }
      if (found === undefined) this.#notes.add(`${what}: ${reference} leads nowhere`);
    }
    return isNode(found) ? found : undefined;
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** RFC 6901 §4, within a URI. */
function unescapePointer(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return part;
  }
}

/** A path of a document as a pattern: text around a variable stays, of several in one segment the outer texts. */
function patternOf(path: string): Pick<DocumentedOperation, "pattern" | "variables"> {
  const parts = path === "/" ? [] : path.slice(1).split("/");
  const variables: (string | undefined)[] = [];
  const segments = parts.map((part): SegmentPattern => {
    const open = part.indexOf("{");
    const close = part.lastIndexOf("}");
    if (open < 0 || close < open) {
      variables.push(undefined);
      return decoded(part);
    }
    const [prefix, suffix] = [decoded(part.slice(0, open)), decoded(part.slice(close + 1))];
    const isWhole = prefix === "" && suffix === "";
    variables.push(
      isWhole
        ? part
            .slice(1, -1)
            .replaceAll(/[^A-Za-z0-9_]/gu, "_")
            .replace(/^(?=\d|$)/u, "_")
        : undefined,
    );
    if (isWhole || prefix.length + suffix.length > affix_bytes_max) return null;
    return { prefix, suffix, least: 1 };
  });
  return { pattern: { segments, tail: false }, variables };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
