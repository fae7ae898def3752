/** Names for what a suggestion has, as a person would choose them: from the parts of SPIFFE IDs and paths that say something. */
import { name_bytes_max } from "../../assembly/limits.ts";
import type { Group } from "./groups.ts";

/** Room for what makes a name unlike others. */
const name_characters_max = name_bytes_max - 16;

/** Segments of IDs that stand before names. */
const plain_segments = new Set(
  "ns namespace sa serviceaccount service-account service workload cluster host agent spire".split(" "),
);
const plain_paths = /^(?:apis?|rest|v\d+(?:[a-z]+\d*)?)$/iu;
const safe_methods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Names that are taken, and new ones unlike them. */
export class Names {
  readonly #taken: Set<string>;
  /** The last number of each name: a log may have thousands that are alike. */
  readonly #numbers = new Map<string, number>();

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** The first of some names that is free, or the last of them with a number. */
  take(...wanted: readonly string[]): string {
    const names = wanted.map(nameOf);
    let name = names.find((one) => !this.#taken.has(one));
    const last = names.at(-1)!;
    for (let number = (this.#numbers.get(last) ?? 1) + 1; name === undefined; number++) {
      this.#numbers.set(last, number);
      if (!this.#taken.has(`${last}-${number}`)) name = `${last}-${number}`;
    }
    this.#taken.add(name);
    return name;
  }
}

/** A text as a name: letters, digits and dashes. */
function nameOf(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9]+/gu, "-")
    .slice(0, name_characters_max)
    .replace(/^-+|-+$/gu, "");
  return name === "" ? "unnamed" : name;
}

/** What a caller is called: the last part of its ID that says something. */
export function callerName(id: string): string {
  const [domain, ...segments] = id.slice("spiffe://".length).split("/");
  return segments.findLast((segment) => !plain_segments.has(segment.toLowerCase())) ?? segments.at(-1) ?? domain!;
}

/** What several callers have in common. */
export function callersName(ids: readonly string[]): string {
  const names = new Set(ids.map(callerName));
  if (names.size === 1) return [...names][0]!;
  const beginning = commonBeginning([...names]).replace(/[^A-Za-z]+$/u, "");
  if (beginning.length >= 3) return beginning;
  const [first, ...others] = ids.map((id) => id.slice("spiffe://".length).split("/").slice(1));
  const common = first!.filter(
    (segment, place) => !plain_segments.has(segment.toLowerCase()) && others.every((other) => other[place] === segment),
  );
  return common.at(-1) ?? "callers";
}

function commonBeginning(texts: readonly string[]): string {
  let common = texts[0]!;
  for (const text of texts) while (!text.startsWith(common)) common = common.slice(0, -1);
  return common;
}

/** What a group's endpoints are called by the names that their paths have in common. */
function endpointsName({ endpoints, hosts }: Group): string {
  const paths = endpoints.map(({ path }) => namesIn(path));
  const [first, ...others] = paths;
  if (others.length === 0 || new Set(paths.map((path) => path.join("/"))).size === 1)
    return first!.length === 0 ? "root" : first!.slice(-2).join("-");
  let length = 0;
  while (length < first!.length && others.every((path) => path[length] === first![length])) length++;
  if (length > 0) return first!.slice(0, length).slice(-2).join("-");
  const starts = new Set(paths.map((path) => path[0] ?? "root"));
  if (starts.size === 2) return [...starts].join("-and-");
  return hosts.length === 1 ? hosts[0]!.split(".")[0]! : "endpoints";
}

/** The names of a path; of a service with its package its last part. */
function namesIn(path: string): string[] {
  const segments = path
    .slice(1)
    .split("/")
    .filter((segment) => segment !== "" && !/[{%]/u.test(segment));
  const telling = segments.filter((segment) => !plain_paths.test(segment));
  const named = telling.length > 0 ? telling : segments;
  return named.map((segment) =>
    /^(?:[A-Za-z_]\w*\.)+[A-Z]\w*$/u.test(segment) ? segment.split(".").at(-1)! : segment,
  );
}

/** Names for a rule, the best first. @param callers what its callers are called, one name for each */
export function ruleNames(group: Group, callers: readonly string[]): string[] {
  const who = group.callers[0] === "" ? "public" : callers.length > 2 ? "shared" : callers.join("-and-");
  const what = endpointsName(group);
  const isRead = group.endpoints.every(({ method }) => safe_methods.has(method));
  const isWrite = group.endpoints.every(({ method }) => !safe_methods.has(method));
  const base = `${who.slice(0, 24)}-${what}`;
  const kind = isRead ? "read" : isWrite ? "write" : "use";
  return [base, `${base}-${kind}`];
}
