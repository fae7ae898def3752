/** Which endpoints of a rule a request's path and method match, in which readings. */
import type { ConditionInput } from "./condition.ts";
import { isInAnyCase, type PathOptions, type Reading, takes } from "./paths.ts";
import { bindPath, type IsSame } from "./pattern.ts";
import type { Endpoint, Rule } from "./policy.ts";
import type { Readable } from "./request.ts";

/** A reading of the path that an endpoint matches, and what its variables stand for. */
export interface Match {
  reading: Reading;
  path: ConditionInput["path"];
}

function matchOf(
  { segments }: Endpoint,
  given: readonly string[],
  reading: Reading,
  isSame: IsSame,
  emptyVariables: boolean,
): Match[] {
  const bound = bindPath(segments, given, isSame, emptyVariables);
  return bound === undefined ? [] : [{ reading, path: new Map(bound) }];
}

/** A deny rule is matched with every reading of the path, an allow rule with the path as sent if it takes all its forms. */
export function matchesOf(rule: Rule, request: Readable): Match[] {
  const { sent, others, forms } = request.path;
  const endpoints = rule.endpoints.filter((endpoint) => hasMethod(endpoint, request, rule.action));
  if (rule.action === "deny") {
    return [sent, ...others].flatMap((reading) =>
      endpoints.flatMap((endpoint) => matchOf(endpoint, reading.segments, reading, isInAnyCase, true)),
    );
  }
  if (!takesAll(rule.paths, request)) return [];
  const isDistinct = forms.has("slash") && rule.paths.trailingSlash === "distinct";
  return endpoints.flatMap((endpoint) => {
    const segments = isDistinct && !isOpen(endpoint) ? [...sent.segments, ""] : sent.segments;
    return matchOf(endpoint, segments, sent, sameLetters(rule.paths), false);
  });
}

/** Whether whatever follows is the endpoint's, too. */
const isOpen = ({ segments }: Endpoint): boolean => segments.at(-1) === "any";

/** Whether options take every form of a path. */
export const takesAll = (paths: PathOptions, { path }: Readable): boolean =>
  [...path.forms].every((form) => takes(paths, form));

const sameLetters = (paths: PathOptions): IsSame =>
  paths.case === "ignore" ? isInAnyCase : (literal, given) => literal === given;

/** Whether an allow rule would be for the request, but does not take a form of its path. */
export function refusesForm(rule: Rule, request: Readable): boolean {
  if (rule.action === "deny" || rule.mode === "shadow" || takesAll(rule.paths, request)) return false;
  const { sent, forms } = request.path;
  const isFor = ({ segments }: Endpoint, given: readonly string[]): boolean =>
    bindPath(segments, given, sameLetters(rule.paths), false) !== undefined;
  return rule.endpoints.some(
    (endpoint) =>
      hasMethod(endpoint, request, "allow") &&
      (isFor(endpoint, sent.segments) ||
        (forms.has("slash") && !isOpen(endpoint) && isFor(endpoint, [...sent.segments, ""]))),
  );
}

function hasMethod({ methods }: Endpoint, request: Readable, action: "allow" | "deny"): boolean {
  const isFor = (method: string, asked: string): boolean => method === asked || (method === "GET" && asked === "HEAD");
  const isMethod = (method: string): boolean =>
    isFor(method, request.method) || (action === "deny" && isFor(method, request.method.toUpperCase()));
  return methods === undefined || methods.some(isMethod);
}
