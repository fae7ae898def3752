/** The difference of two policies as `sallyport diff` tells it. */

import { compare } from "../language/byteorder.ts";
import type { MostBytes, Policy, Rule } from "../language/model.ts";
import { openedBy } from "../language/pathoptions.ts";
import { callPlace, isCallMethod } from "../language/protocols.ts";
import { endpointWords, readsBody } from "../language/reads.ts";
import type { Access } from "./access.ts";
import { stableText } from "./change.ts";
import { every_host } from "./clauses.ts";
import { type Compared, compareRules, type Finding } from "./compare.ts";
import { type Conditions, sized_parts } from "./conditions.ts";
import type { Part } from "./hierarchy.ts";
import type { Place } from "./partition.ts";
import { comparePolicyWide, matchIssuers, matchLimits, type PolicyChange } from "./settings.ts";

/** One way to be admitted: all of it must hold. What is left out is not asked for. */
export interface ConditionWords {
  /** Names of issuers, of which one must have issued the token. */
  token?: string[];
  /** It holds without a token too. */
  isTokenOptional?: true;
  /** Each is needed; of those with `|` between them, one. */
  scopes?: string[];
  when?: string[];
  starts?: string;
  expires?: string;
  limits?: { name: string; cost: number; from?: string }[];
  /** How many bytes these parts of a request may have. */
  most?: Partial<Record<keyof MostBytes, number>>;
  /** The least bound on bodies that another rule has, which holds one without `content-length` where that rule is the first by name. */
  bodyMayBeHeldTo?: number;
  /** Forms of paths that are taken, as `paths` of a rule has them. */
  paths?: string[];
  /** Parts of rules that are only compared for equality. */
  others?: string[];
  /** Conditions of deny rules: none of these may hold. */
  unless?: ConditionWords[];
  /** Names of issuers: a token at their places that is not good keeps from being admitted without one. */
  refuses?: string[];
}

/** Who has another access than before to what. */
export interface AccessChange {
  callers: string[];
  /** Empty: every host. */
  hosts: string[];
  endpoints: string[];
  /** Ways to be admitted now; empty: none. */
  conditions: ConditionWords[];
  /** Ways to be admitted before; left out where there were none. */
  was?: ConditionWords[];
  /** What lies within the callers, hosts and endpoints and is not meant. */
  except?: { callers?: string[]; hosts?: string[]; endpoints?: string[] };
  /** The patterns cross each other too often to be compared one by one: there may be less to it. */
  unsure?: true;
}

/** Everything that two policies say differently. */
export interface PolicyDifference {
  gained: AccessChange[];
  lost: AccessChange[];
  /** Other conditions, of which neither can be shown to be the weaker. */
  changed: AccessChange[];
  policy: PolicyChange[];
}

/** Compares policies by what they mean. */
export function comparePolicies(before: Policy, after: Policy): PolicyDifference {
  const issuers = matchIssuers(before, after);
  const limits = matchLimits(before, after);
  const own = (name: string): string => name;
  const older: Compared = { policy: before, naming: { issuer: issuers.nameOf, limit: limits.nameOf } };
  const newer: Compared = { policy: after, naming: { issuer: own, limit: own } };
  const findings = compareRules(older, newer, (rule) => (rule.mode === "enforce" ? rule : undefined));
  const of = (wanted: Finding["verdict"]["difference"]): AccessChange[] =>
    findings
      .filter(({ verdict }) => verdict.difference === wanted)
      .map(toChange)
      .sort(byCallers);
  const policy = comparePolicyWide(before, after, issuers, limits);
  for (const action of ["allow", "deny"] as const) {
    // What rules in shadow mode would admit, or deny, is compared as if they were allow rules on their own.
    const shadowed = (rule: Rule): Rule | undefined =>
      rule.mode === "shadow" && rule.action === action ? { ...rule, action: "allow" } : undefined;
    if (compareRules(older, newer, shadowed).length === 0) continue;
    const count = ({ rules }: Policy): number => rules.filter((rule) => shadowed(rule) !== undefined).length;
    policy.push({ what: `${action} rules in shadow mode`, ...counted(count(before), count(after)), gain: false });
  }
  policy.push(...denialsBesideForms(before, after), ...boundsOfDenials(before, after));
  return { gained: of("gained"), lost: of("lost"), changed: of("changed"), policy };
}

/** Whether more may be admitted than before; conditions that cannot be compared count. */
export function hasGain({ gained, changed, policy }: PolicyDifference): boolean {
  return gained.length > 0 || changed.length > 0 || policy.some(({ gain }) => gain);
}

/** Whether the policies mean the same. */
export function isSame({ gained, lost, changed, policy }: PolicyDifference): boolean {
  return gained.length + lost.length + changed.length + policy.length === 0;
}

function byCallers(a: AccessChange, b: AccessChange): number {
  return compare(a.callers.join(), b.callers.join()) || compare(a.endpoints.join(), b.endpoints.join());
}

function toChange({ verdict, callers, hosts, endpoints }: Finding): AccessChange {
  const was = wordsOf(verdict.before);
  const joined = joinMethods(endpoints);
  const except = {
    ...exceptOf("callers", callers),
    ...exceptOf("hosts", hosts),
    ...exceptOf("endpoints", joined),
  };
  return {
    callers: callers.map(({ text }) => text).sort(compare),
    hosts: hosts.length === 1 && hosts[0]!.text === every_host ? [] : hosts.map(({ text }) => text).sort(compare),
    endpoints: joined.map(({ text }) => text),
    conditions: wordsOf(verdict.after),
    ...(was.length > 0 && { was }),
    ...(Object.keys(except).length > 0 && { except }),
    ...(verdict.isUnsure && { unsure: true }),
  };
}

function exceptOf<Key extends string>(key: Key, parts: readonly Part[]): Partial<Record<Key, string[]>> {
  const except = [...new Set(parts.flatMap((part) => part.except))].sort(compare);
  return except.length === 0 ? {} : ({ [key]: except } as Partial<Record<Key, string[]>>);
}

/** Endpoints of one path as one, in the order of paths. What is excepted names its methods too. */
function joinMethods(places: readonly Place[]): Part[] {
  const byPath = new Map<string, { methods: string[]; path: string; except: string[]; exceptMethods: string[] }>();
  for (const place of places) {
    const { method, path, exceptMethods } = place;
    const except = place.except.map((one) => one.path);
    const kind = isCallMethod(method) ? callPlace(method)!.protocol : method === "*" ? "*" : "";
    const key = `${path} ${kind} ${except.join()} ${exceptMethods.join()}`;
    const known = byPath.get(key);
    if (known === undefined) byPath.set(key, { methods: [method], path, except, exceptMethods });
    else known.methods.push(method);
  }
  return [...byPath.values()]
    .sort((a, b) => compare(a.path, b.path))
    .map(({ methods, path, except, exceptMethods }) => {
      const named = methods.sort(compare);
      const without = exceptMethods.length === 0 ? [] : [endpointWords(exceptMethods.sort(compare), path)];
      return {
        text: endpointWords(named, path),
        except: [...except.map((other) => endpointWords(named, other)), ...without],
      };
    });
}

/** Alternatives in words; those that differ in the issuer alone are one. */
export function wordsOf({ alternatives, unless, refusals, bounds }: Access): ConditionWords[] {
  const denied = unless.map((one) => conditionWords(one));
  const refuses = [...new Set(refusals.flatMap(({ issuers }) => issuers))].sort(compare);
  const leastBody = Math.min(...bounds.map(({ most }) => most.body));
  const joined = new Map<string, ConditionWords>();
  for (const alternative of alternatives) {
    const words = {
      ...conditionWords(alternative),
      ...(leastBody < alternative.most.body && { bodyMayBeHeldTo: leastBody }),
    };
    const { token = [], ...rest } = words;
    const key = `${token.length === 0} ${JSON.stringify(rest)}`;
    const known = joined.get(key);
    if (known === undefined)
      joined.set(key, {
        ...words,
        ...(denied.length > 0 && { unless: denied }),
        ...(refuses.length > 0 && (token.length === 0 || words.isTokenOptional) && { refuses }),
      });
    else known.token?.push(...token);
  }
  return [...joined.values()];
}

function conditionWords(conditions: Conditions): ConditionWords {
  const { issuers, isTokenOptional, scopes, when, startsSeconds, expiresSeconds, charges, most, opened, others } =
    conditions;
  const time = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  return {
    ...(issuers.length > 0 && { token: [...issuers] }),
    ...(isTokenOptional && { isTokenOptional }),
    ...(scopes.length > 0 && { scopes: scopes.map((some) => some.join("|")).sort(compare) }),
    ...(when.length > 0 && { when: when.map(({ text }) => text).sort(compare) }),
    ...(startsSeconds > 0 && { starts: time(startsSeconds) }),
    ...(expiresSeconds > 0 && { expires: time(expiresSeconds) }),
    ...(charges.length > 0 && {
      limits: charges.map(({ limit, cost, from }) => ({ name: limit, cost, ...(from !== undefined && { from }) })),
    }),
    ...boundsOf(most),
    ...(opened.length > 0 && { paths: shownOpened(opened) }),
    ...(others.length > 0 && { others: [...others] }),
  };
}

function boundsOf(most: Conditions["most"]): Pick<ConditionWords, "most"> {
  const bounded = sized_parts.filter((part) => most[part] < Infinity);
  return bounded.length === 0 ? {} : { most: Object.fromEntries(bounded.map((part) => [part, most[part]])) };
}

/** Without what the next word says too. */
function shownOpened(opened: readonly string[]): string[] {
  const isSame = opened.includes("trailingSlash: same");
  return opened.filter((one) => !(isSame && one === "trailingSlash: distinct"));
}

/**
 * Deny rules are matched with every reading of a path, also of one that an allow rule takes as sent. Which of those a deny rule hits is not
 * compared: where rules take such paths and deny rules differ, that is said.
 */
function denialsBesideForms(before: Policy, after: Policy): PolicyChange[] {
  const isOpen = ({ rules }: Policy): boolean =>
    rules.some(({ action, paths }) => action === "allow" && openedBy({ ...paths, case: "exact" }).length > 0);
  if (!isOpen(before) && !isOpen(after)) return [];
  const denials = ({ rules }: Policy): string[] =>
    rules
      .filter(({ action, mode }) => action === "deny" && mode === "enforce")
      .map(({ name: _, file: __, line: ___, column: ____, ...rule }) =>
        stableText({ ...rule, condition: rule.condition?.text }),
      );
  const [were, are] = [denials(before), denials(after)];
  const gone = were.filter((one) => !are.includes(one));
  const come = are.filter((one) => !were.includes(one));
  if (gone.length + come.length === 0) return [];
  const what = "deny rules beside `paths` that opens forms";
  return [{ what, ...counted(were.length, are.length), gain: gone.length > 0 }];
}

/**
 * A deny rule that reads the body denies what is larger than it reads, whatever is in it: of whom and where is compared with its endpoints, and
 * how large it may be is said here.
 */
function boundsOfDenials(before: Policy, after: Policy): PolicyChange[] {
  const bounds = ({ rules }: Policy): string =>
    rules
      .filter((rule) => rule.action === "deny" && rule.mode === "enforce" && readsBody(rule))
      .map(({ mostBytes }) => mostBytes?.body ?? 0)
      .sort((a, b) => a - b)
      .join(", ");
  const [was, is] = [bounds(before), bounds(after)];
  if (was === is) return [];
  const words = (bytes: string): string | null => (bytes === "" ? null : bytes);
  return [
    { what: "maxBodyBytes of deny rules that read bodies", before: words(was), after: words(is), gain: was !== "" },
  ];
}

/** How many there are of what is otherwise than before. */
function counted(before: number, after: number): Pick<PolicyChange, "before" | "after"> {
  return { before: `${before}`, after: before === after ? `${after}, not the same` : `${after}` };
}
