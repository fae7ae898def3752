/** Traffic beside an OpenAPI document: what it does not tell of, what nobody uses, what is deprecated and used. */
import { pathsMeet } from "../policy/language/pathpattern.ts";
import type { Usage } from "../traffic/usage.ts";
import { type ApiDocument, type DocumentedOperation, pinsOfDocument } from "./document.ts";
import { type EndpointUse, inventoryOf } from "./inventory.ts";
import { pathMayHold, seenPath } from "./matching.ts";
import { hostHolds } from "./pins.ts";

/** What differs between a document and traffic. */
export interface SpecReport {
  title: string;
  /** Operations of the document, and how many of them were used. */
  documented: number;
  used: number;
  /** Whether hosts were left out of the comparison, since none of the document's is in the log. */
  areHostsIgnored: boolean;
  /** Used and not in the document: the whole path, or the method on a path that is. */
  shadow: { endpoint: EndpointUse; documentedMethods: string[] }[];
  /** In the document, and nobody was let in to it. `denied`: so many were not. */
  dead: { operation: DocumentedOperation; denied: number }[];
  /** Nobody is seen in them, and may have been: the log writes several paths alike, such as `/{number}/users` for `/2/users`. */
  unclear: DocumentedOperation[];
  /** Deprecated, and used. */
  zombie: { operation: DocumentedOperation; endpoint: EndpointUse }[];
  /** Parameters of queries: seen and not in the document, or required by it and never seen. */
  parameters: { endpoint: EndpointUse; undocumented: string[]; neverSeen: string[] }[];
  notes: string[];
}

/**
 * Compares traffic with a document. GET stands for HEAD, and nobody documents the OPTIONS of CORS, so that neither is missed.
 * @param usages of one period
 */
export function compareDocument(usages: readonly Usage[], document: ApiDocument): SpecReport {
  const { operations } = document;
  const areHostsIgnored = hasForeignHosts(usages, document);
  const inventory = inventoryOf(usages, pinsOfDocument(document, areHostsIgnored));
  const index = new OperationIndex(operations, areHostsIgnored);
  const report: SpecReport = {
    ...{ title: document.title, documented: operations.length, used: 0, areHostsIgnored },
    ...{ shadow: [], dead: [], unclear: [], zombie: [], parameters: [], notes: document.notes },
  };
  const used = new Set<DocumentedOperation>();
  const denied = new Map<DocumentedOperation, number>();
  for (const endpoint of [...inventory.endpoints, ...inventory.attempts]) {
    const found = index.find(endpoint);
    const methods = new Set(found.map(({ method }) => method));
    const method = endpoint.method === "HEAD" && !methods.has("HEAD") ? "GET" : endpoint.method;
    const mine = found.filter((operation) => operation.method === method);
    for (const operation of mine) {
      if (endpoint.admitted > 0) used.add(operation);
      denied.set(operation, (denied.get(operation) ?? 0) + endpoint.denied);
    }
    if (endpoint.admitted === 0) continue;
    const [operation] = mine;
    if (operation === undefined) {
      if (endpoint.method !== "OPTIONS" || found.length === 0)
        report.shadow.push({ endpoint, documentedMethods: [...methods].sort() });
      continue;
    }
    if (mine.every(({ isDeprecated }) => isDeprecated)) report.zombie.push({ operation, endpoint });
    const known = new Set(mine.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
    const seen = new Set(endpoint.parameters);
    const undocumented = endpoint.parameters.filter((name) => !known.has(name));
    // A log without queries says nothing of what they lack.
    const neverSeen =
      seen.size === 0
        ? []
        : operation.parameters.filter(({ name, isRequired }) => isRequired && !seen.has(name)).map(({ name }) => name);
    if (undocumented.length + neverSeen.length > 0) report.parameters.push({ endpoint, undocumented, neverSeen });
  }
  report.used = used.size;
  const unused = operations.filter((operation) => !used.has(operation));
  report.unclear = unclearOf(unused, usages, areHostsIgnored);
  report.dead = unused
    .filter((operation) => !report.unclear.includes(operation))
    .map((operation) => ({ operation, denied: denied.get(operation) ?? 0 }));
  return report;
}

/** Of these operations those that an admitted request of the log may have been for. */
function unclearOf(
  operations: readonly DocumentedOperation[],
  usages: readonly Usage[],
  areHostsIgnored: boolean,
): DocumentedOperation[] {
  const seen = usages
    .filter(({ admitted, path }) => admitted && path.includes("{"))
    .map((usage) => ({ ...usage, seen: seenPath(usage) }));
  return operations.filter(({ method, hosts, pattern }) =>
    seen.some(
      (one) =>
        (one.method === method || (one.method === "HEAD" && method === "GET")) &&
        (areHostsIgnored || hosts.length === 0 || one.host === "" || hosts.some((host) => hostHolds(host, one.host))) &&
        pathMayHold(pattern, one.seen),
    ),
  );
}

/** Whether none of a document's hosts is in the log, as where it names the public host and the log is from behind a gateway. */
export function hasForeignHosts(usages: readonly Usage[], { operations }: ApiDocument): boolean {
  const hosts = new Set(usages.map(({ host }) => host).filter((host) => host !== ""));
  const named = operations.flatMap((operation) => operation.hosts);
  return named.length > 0 && hosts.size > 0 && ![...hosts].some((host) => named.some((one) => hostHolds(one, host)));
}

/** Operations, by how many segments their paths have and the first of them. */
class OperationIndex {
  readonly #areHostsIgnored: boolean;
  readonly #byPath = new Map<string, DocumentedOperation[]>();

  constructor(operations: readonly DocumentedOperation[], areHostsIgnored: boolean) {
    this.#areHostsIgnored = areHostsIgnored;
    for (const operation of operations) {
      const { segments } = operation.pattern;
      const key = `${segments.length}/${typeof segments[0] === "string" ? segments[0] : ""}`;
      const others = this.#byPath.get(key);
      if (others === undefined) this.#byPath.set(key, [operation]);
      else others.push(operation);
    }
  }

  /** Those of the closest path that holds an endpoint: where a path with names does, one with variables is not meant. */
  find({ host, segments }: EndpointUse): DocumentedOperation[] {
    const first = typeof segments[0] === "string" ? segments[0] : "";
    const places = [...new Set([first, ""])].flatMap((name) => this.#byPath.get(`${segments.length}/${name}`) ?? []);
    const pattern = { segments: segments.map((one) => (typeof one === "string" ? one : null)), tail: false };
    const found = places.filter(({ hosts, pattern: own }) => {
      if (!this.#areHostsIgnored && hosts.length > 0 && !hosts.some((one) => hostHolds(one, host))) return false;
      // A variable of traffic is none of the document's names: those were told from it.
      return (
        pathsMeet(own, pattern) && own.segments.every((one, place) => one === null || pattern.segments[place] !== null)
      );
    });
    const openness = ({ pattern: own }: DocumentedOperation): string =>
      own.segments.map((one) => (typeof one === "string" ? 0 : one === null ? 2 : 1)).join("");
    const least = found.map(openness).sort()[0];
    return found.filter((one) => openness(one) === least);
  }
}
