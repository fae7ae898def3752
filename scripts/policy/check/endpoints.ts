/** Endpoints of a rule: paths, and calls of protocols. */
import { likelyCall, protocolOf } from "../language/call.ts";
import { literalPath, requestMethods } from "../language/carried.ts";
import { type Endpoint, likelyMethod, methodsOf, parseEndpoints } from "../language/endpoint.ts";
import { foldPath } from "../language/folding.ts";
import type { DraftRule, Rule } from "../language/model.ts";
import { isAnyForm, type PathOptions } from "../language/pathoptions.ts";
import { isAffix, pathsMeet, type SegmentPattern } from "../language/pathpattern.ts";
import { carriersOf, type Protocol, protocol_words, protocolPath, pseudo_methods } from "../language/protocols.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import type { Context } from "./names.ts";

/** What an endpoint takes of the methods that a policy may name: calls, of all protocols, take two. */
export function namedMethods({ methods, call }: Endpoint): readonly string[] {
  if (call !== undefined) return pseudo_methods;
  return methods === "*" ? [] : methods.flatMap(methodsOf);
}

/** A deny rule is for a path with a slash at its end and for the one without. */
export function endpointPaths(action: Rule["action"], paths: PathOptions): PathOptions {
  const isBoth = action === "deny" && paths.trailingSlash === "distinct";
  return isBoth ? { ...paths, trailingSlash: "same" } : paths;
}

/** The endpoints of a rule: those that are sound, and what is wrong with others is reported. */
export function checkEndpoints(context: Context, texts: Located<Located<string>[]>, paths: PathOptions): Endpoint[] {
  const { reporter } = context;
  const endpoints: Endpoint[] = [];
  for (const { value, at } of texts.value) {
    const parsed = parseEndpoints(value, paths, context.protocols);
    if (!Array.isArray(parsed)) {
      // The place within the text is known where the text stands in one line as it is, which a quote shifts by one.
      reporter.error(
        parsed.code,
        placeWithin(reporter.source.text, at, value, parsed.offset),
        parsed.message + afterComma(texts.value, value),
      );
      continue;
    }
    for (const endpoint of parsed) {
      warnOfMethods(context, endpoint, at);
      endpoints.push(endpoint);
    }
  }
  return endpoints;
}

/** What to do about a field that YAML has taken for an endpoint of its own, behind a comma without quotes around it. */
function afterComma(all: readonly Located<string>[], text: string): string {
  const place = all.findIndex(({ value }) => value === text);
  const before = all.slice(0, place).findLast(({ value }) => /\s/u.test(value))?.value ?? "";
  const isField = /^[_A-Za-z][_0-9A-Za-z]*\*?$/u.test(text) && protocolOf(before) === "graphql";
  return isField ? `; several fields stand in quotes: \`"${before}, ${text}"\`` : "";
}

function warnOfMethods({ reporter }: Context, endpoint: Endpoint, at: number): void {
  const { call, methods } = endpoint;
  if (call !== undefined) {
    const likely = likelyCall({ ...endpoint, ...call });
    const words = `\`${endpoint.segments[0]}\` is no method that ${protocol_words[call.protocol]} is known to have`;
    if (likely !== undefined) reporter.warn("method_unknown", at, `${words}; did you mean \`${likely}\`?`);
    return;
  }
  for (const method of methods === "*" ? [] : methods) {
    const likely = likelyMethod(method);
    if (likely !== undefined)
      reporter.warn("method_unknown", at, `\`${method}\` is an unusual method; did you mean \`${likely}\`?`);
  }
}

/** Names of calls have the case that they have, whatever an upstream makes of paths. */
export function refuseFoldedCalls(
  { reporter }: Context,
  draft: DraftRule,
  { action, endpoints, paths }: Pick<Rule, "action" | "endpoints" | "paths">,
): void {
  // A deny rule is for both cases of its paths, whatever the policy says.
  if (action === "deny" && draft.paths?.case === undefined) return;
  if (paths.case !== "ignore" || endpoints.every(({ call }) => call === undefined)) return;
  const message = draft.paths?.case
    ? "methods and names of calls are case-sensitive; leave `case` out, or make a rule of its own for endpoints that are paths"
    : "methods and names of calls are case-sensitive, and the policy says `case: ignore`; write `paths: { case: exact }` in this rule";
  reporter.error("value", draft.paths?.case?.at ?? draft.allow?.at ?? draft.at, message);
}

function placeWithin(source: string, at: number, value: string, offset: number): number {
  if (source.startsWith(value, at)) return at + offset;
  return source.startsWith(value, at + 1) ? at + 1 + offset : at;
}

/**
 * Reports allow rules that take the path of a protocol in another form, such as with a slash at its end, where a deny rule denies calls: in
 * such a form a request would have no calls, so that nobody would look for them.
 */
export function checkCallForms(findings: Reporter["findings"], rules: readonly Rule[], all: readonly Protocol[]): void {
  const denying = rules.filter(({ action, mode }) => action === "deny" && mode === "enforce");
  const denied = all.filter(({ name }) =>
    denying.some(({ endpoints }) => endpoints.some(({ call }) => call?.protocol === name)),
  );
  if (denied.length === 0) return;
  for (const { action, name, endpoints, paths, file, line, column } of rules) {
    if (action === "deny" || !(isAnyForm(paths) || paths.case === "ignore")) continue;
    const protocol = denied.find((one) => endpoints.some((endpoint) => mayHoldForm(endpoint, one, paths)));
    if (protocol === undefined) continue;
    const message = `\`${name}\` takes forms of paths, and so ${protocolPath(protocol)} in another form, in which the calls that deny rules deny would not be looked for; leave \`paths\` out, or name endpoints that are other paths`;
    findings.errors.push({ file, line, column, code: "call_forms", message });
  }
}

/** Whether an endpoint may be for a path of a protocol that is written in another way. */
function mayHoldForm(endpoint: Endpoint, { name, segments }: Protocol, { encodedSlash }: PathOptions): boolean {
  const methods = requestMethods(endpoint);
  if (endpoint.call !== undefined || !(methods === "*" || carriersOf(name).some((one) => methods.includes(one))))
    return false;
  // Empty segments are in some forms and not in others.
  const full = (all: readonly SegmentPattern[] = []): SegmentPattern[] => all.filter((segment) => segment !== "");
  const { after } = endpoint;
  const pattern = { ...endpoint, segments: full(endpoint.segments), ...(after && { after: full(after) }) };
  if (pathsMeet(foldPath(pattern), literalPath(segments, true))) return true;
  // One segment may stand for several, with slashes in it.
  return (
    encodedSlash === "segment" &&
    segments.length > 1 &&
    full(endpoint.segments).some((one) => one === null || isAffix(one))
  );
}
