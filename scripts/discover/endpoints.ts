/**
 * Usages → endpoints: what is called, by template. Everything that asks who calls what goes through here, so that inventory,
 * suggestions and reports speak of the same endpoints.
 */
import { path_segments_max } from "../../assembly/limits.ts";
import { parseEndpoint } from "../policy/language/endpoint.ts";
import { segmentsOf } from "../traffic/segments.ts";
import type { Usage } from "../traffic/usage.ts";
import { encodeName, kindOf, type VariableKind } from "./names.ts";
import { compareTexts } from "./order.ts";
import { type Pin, PinIndex } from "./pins.ts";
import { PathTree, type TemplateSegment } from "./templates.ts";

/** What is called: a method on a template of paths of a host, and what was asked for inside. */
export interface Endpoint {
  /** What it is told by, whatever its variables are called: host, method, template with `{}` and operation. */
  key: string;
  /** "" where the log does not say. */
  host: string;
  method: string;
  /** As the policy language has it, percent-encoded: `/orders/{orderId}`. */
  template: string;
  /** The same, segment by segment; empty for `/`. */
  segments: readonly TemplateSegment[];
  /** `grpc package.Service/Method`, or what `Usage.operation` has; "" for a plain request. */
  operation: string;
  /** Whether a policy can name it as it is: no empty segments, no slash at its end, a method that the engine takes. */
  isNameable: boolean;
  /** Whether its template is from the policy or the document. */
  isPinned: boolean;
  /** All requests to it, denied ones too. At least one was let in. */
  usages: readonly Usage[];
}

/** Usages, sorted out. */
export interface Grouped {
  /** What was let in and is there, by host, template and method. */
  endpoints: Endpoint[];
  /** Methods on templates of `endpoints`, or on known ones, that were never let in. */
  attempts: Endpoint[];
  /** Requests to nothing that is known: only ever denied, or answered that there is nothing. */
  noise: Usage[];
}

/** Answers that say that there is no such endpoint. */
const absent_statuses: ReadonlySet<number> = new Set([404, 405]);

const denied_statuses: ReadonlySet<number> = new Set([401, 403, 407]);

/** Whether usages show that something is there: they were let in, and the answer is not that there is nothing. */
export function isAnswered(usage: Usage): boolean {
  return usage.admitted && !isAbsent(usage);
}

/** Whether the answer says that there is nothing. */
export function isAbsent({ status }: Usage): boolean {
  return absent_statuses.has(status);
}

/**
 * Whether usages were denied: by the record, or without one by an answer that says so. Of what else was not let in, such as requests to
 * nothing, nobody has denied it.
 */
export function isDenied({ decision, admitted, status }: Usage): boolean {
  if (decision !== "") return decision === "deny";
  // A gRPC call is denied with 200.
  return !admitted && (denied_statuses.has(status) || (status >= 200 && status < 300));
}

/**
 * The endpoints of traffic.
 * @param usages of one period; for two that are compared, both together, so that they have the same templates
 * @param pinned templates that are known, see `pinsOfPolicy` and `pinsOfDocument`
 */
export function inferTemplates(usages: readonly Usage[], pinned: readonly Pin[] = []): Endpoint[] {
  return groupUsages(usages, pinned).endpoints;
}

/** As `inferTemplates`, with what is no endpoint. */
export function groupUsages(usages: readonly Usage[], pinned: readonly Pin[] = []): Grouped {
  const templates = new Templates(usages, pinned);
  const groups = new Map<string, Draft>();
  const noise: Usage[] = [];
  for (const usage of usages) {
    const found = templates.find(usage);
    if (found === undefined) {
      noise.push(usage);
      continue;
    }
    const { host, method } = usage;
    const operation = found.operation === "" ? usage.operation : found.operation;
    const key = JSON.stringify([host, method, shapeOf(found.segments), operation]);
    const group = groups.get(key);
    if (group !== undefined) group.usages.push(usage);
    else groups.set(key, { ...found, operation, key, host, method, usages: [usage] });
  }
  const grouped: Grouped = { endpoints: [], attempts: [], noise };
  for (const draft of [...groups.values()].sort(inOrder)) {
    const isThere = draft.usages.some((usage) => isAnswered(usage) || (draft.isPinned && usage.admitted));
    const endpoint = endpointOf(draft);
    if (isThere) grouped.endpoints.push(endpoint);
    else grouped.attempts.push(endpoint);
  }
  return grouped;
}

/** An endpoint as a policy has it: `GET /orders/{orderId}`, or `grpc package.Service/Method`. */
export function endpointText({
  method,
  template,
  operation,
}: Pick<Endpoint, "method" | "template" | "operation">): string {
  return operation.startsWith("grpc ") ? operation : `${method} ${template}`;
}

interface Found {
  segments: readonly TemplateSegment[];
  isPinned: boolean;
  /** Of a gRPC call. */
  operation: string;
}

interface Draft extends Found {
  key: string;
  host: string;
  method: string;
  usages: Usage[];
}

/** So many days are told apart where names are counted by the day: a log with forged times may have any number. */
const days_max = 400;

/** The templates of all hosts. */
class Templates {
  readonly #pins: PinIndex;
  readonly #trees = new Map<string, PathTree>();
  /** Hosts and gRPC services of which some call was let in. */
  readonly #services = new Set<string>();
  /** By host and path: most usages share theirs with others. */
  readonly #found = new Map<string, Found | undefined>();

  constructor(usages: readonly Usage[], pinned: readonly Pin[]) {
    this.#pins = new PinIndex(pinned);
    const days = new Map<string, number>();
    for (const usage of usages) {
      const { host, method, path, count, day } = usage;
      if (!isAnswered(usage)) continue;
      const call = grpcCall(usage);
      if (call !== undefined) {
        this.#services.add(`${host} ${call[0]}`);
        continue;
      }
      const segments = readSegments(path);
      if (segments === undefined || this.#pins.find(host, segments) !== undefined) continue;
      if (!days.has(day)) days.set(day, Math.min(days.size, days_max));
      let tree = this.#trees.get(host);
      if (tree === undefined) {
        tree = new PathTree();
        this.#trees.set(host, tree);
      }
      tree.add(segments, method, count, days.get(day)!);
    }
    for (const tree of this.#trees.values()) tree.infer();
  }

  /** Undefined for a path that nothing is known of. */
  find(usage: Usage): Found | undefined {
    const call = grpcCall(usage);
    if (call !== undefined) {
      const isPinned = this.#pins.find(usage.host, call) !== undefined;
      if (!isPinned && !this.#services.has(`${usage.host} ${call[0]}`)) return undefined;
      return { segments: call, isPinned, operation: `grpc ${call.join("/")}` };
    }
    const key = `${usage.host} ${usage.path}`;
    if (this.#found.has(key)) return this.#found.get(key);
    const found = this.#search(usage);
    this.#found.set(key, found);
    return found;
  }

  #search({ host, path }: Usage): Found | undefined {
    const segments = readSegments(path);
    if (segments === undefined) return undefined;
    const pinned = this.#pins.find(host, segments);
    if (pinned !== undefined) return { segments: pinned, isPinned: true, operation: "" };
    const tree = this.#trees.get(host);
    const found = tree?.find(segments) ?? tree?.find(segments, true);
    return found && { segments: found, isPinned: false, operation: "" };
  }
}

/** Decoded segments; undefined for what is no path, or has more of them than the engine reads. */
function readSegments(path: string): string[] | undefined {
  const segments = segmentsOf(path);
  return segments === undefined || segments.length > path_segments_max ? undefined : segments;
}

/**
 * Service and method of a gRPC call: a POST to a service with a package, and a capital before its last name and the method's. Where the
 * log says that it is one, whatever its names look like.
 */
function grpcCall({ method, path, operation }: Usage): [string, string] | undefined {
  if (method !== "POST") return undefined;
  const [, service, call] = (operation.startsWith("grpc") ? grpc_names : grpc_plain).exec(path) ?? [];
  return service === undefined ? undefined : [service, call!];
}

const grpc_names = /^\/([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\/([A-Za-z_]\w*)$/u;
const grpc_plain = /^\/((?:[A-Za-z_]\w*\.)+[A-Z]\w*)\/([A-Z]\w*)$/u;

/** A template without the names of its variables. */
function shapeOf(segments: readonly TemplateSegment[]): readonly (string | 0)[] {
  return segments.map((segment) => (typeof segment === "string" ? segment : 0));
}

function endpointOf(draft: Draft): Endpoint {
  const { key, host, method, operation, isPinned, usages } = draft;
  const segments = draft.segments.map((segment, place) => {
    if (typeof segment === "string" || !isPinned) return segment;
    // A known variable is found anew for each path.
    const kinds = usages.flatMap(({ path }) => kindsAt(path, place));
    return { ...segment, kinds: [...new Set(kinds)].sort() };
  });
  const template = templateText(segments);
  const isNameable = "segments" in parseEndpoint(`${method} ${template}`);
  return { key, host, method, template, segments, operation, isNameable, isPinned, usages };
}

/** The kind of a segment, or `name`. */
function kindsAt(path: string, place: number): VariableKind[] {
  const segment = path.slice(1).split("/")[place];
  return segment === undefined ? [] : [kindOf(segment) ?? "name"];
}

/** The text of a template: a name that no policy could have stays as it is, and `isNameable` says so. */
function templateText(segments: readonly TemplateSegment[]): string {
  const texts = segments.map((segment) =>
    typeof segment === "string" ? (encodeName(segment) ?? segment) : `{${segment.variable}}`,
  );
  return `/${texts.join("/")}`;
}

/** By host, path, method and operation, in the order of their code units: the same on every machine. */
function inOrder(one: Draft, other: Draft): number {
  return (
    compareTexts(one.host, other.host) ||
    compareTexts(pathOrder(one), pathOrder(other)) ||
    compareTexts(one.method, other.method) ||
    compareTexts(one.operation, other.operation)
  );
}

/** Names before variables. */
function pathOrder({ segments }: Draft): string {
  return segments.map((segment) => (typeof segment === "string" ? segment : "\uffff")).join("/");
}
