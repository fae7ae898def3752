/** Rules, endpoints, methods and callers that were not used, as what is to be taken out of a policy's files. */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { ruleEndpointText } from "../discover/grants.ts";
import { idOf } from "../discover/matching.ts";
import { compareTexts } from "../discover/order.ts";
import { methodsOf } from "../policy/language/endpoint.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { type CallerPattern, callerCovers, parseCaller, withoutAlias } from "../policy/language/spiffe.ts";
import { counted, escaped } from "./hostile.ts";
import { addTo } from "./lists.ts";
import { type Removal, SetUse } from "./setuse.ts";
import type { Splice } from "./splice.ts";
import type { RuleUse } from "./usedby.ts";
import { rangeOf, type YamlFile } from "./yamlnodes.ts";

/** What of the files changes. */
export interface Change {
  splices: Map<YamlFile, Splice[]>;
  removed: Removal[];
  notes: string[];
}

/** @param kept rules that are left as they are */
export function changeOf(
  files: readonly YamlFile[],
  policy: Policy,
  used: ReadonlyMap<string, RuleUse>,
  kept: ReadonlyMap<string, string>,
): Change {
  const change: Change = { splices: new Map(), removed: [], notes: [] };
  const add = (file: YamlFile, splices: readonly Splice[]): void => {
    addTo(change.splices, file, ...splices);
  };
  const byName = new Map(policy.rules.map((rule) => [rule.name, rule]));
  const sets = new SetUse(policy);
  for (const file of files) {
    const list = file.list("rules");
    if (list === undefined) continue;
    const gone: number[] = [];
    for (const [place, node] of list.items.entries()) {
      const rule = isMap(node) ? byName.get(String(node.get("name"))) : undefined;
      if (rule === undefined || !isMap(node)) continue;
      if (rule.action === "deny" || kept.has(rule.name)) {
        sets.keep(rule);
        continue;
      }
      const use = used.get(rule.name);
      if (use === undefined) {
        gone.push(place);
        change.removed.push({ rule: rule.name, what: "rule" });
      } else {
        sets.use(rule, use);
        add(file, narrowed(file, node, { rule, use, policy, sets, change }));
      }
    }
    if (gone.length > 0) add(file, gone.length === list.items.length ? file.emptied(list) : file.without(list, gone));
  }
  for (const file of files) add(file, sets.narrowed(file, change.removed));
  return change;
}

interface Narrowing {
  rule: Rule;
  use: RuleUse;
  policy: Policy;
  sets: SetUse;
  change: Change;
}

/** A rule without the callers, endpoints and methods that were not used. */
function narrowed(file: YamlFile, node: YAMLMap, { rule, use, policy, sets, change }: Narrowing): Splice[] {
  const splices: Splice[] = [];
  const tell = (what: string): void => void change.removed.push({ rule: rule.name, what });
  const callers = node.get("callers");
  if (isSeq(callers)) {
    const unused = callers.items.flatMap((item, place) => {
      const text = String((item as Node).toJSON());
      return isUsedCaller(text, use, policy, sets) ? [] : [{ place, text }];
    });
    for (const { text } of unused) tell(text);
    splices.push(
      ...file.without(
        callers,
        unused.map(({ place }) => place),
      ),
    );
    for (const item of callers.items) noteWide(String((item as Node).toJSON()), { rule, use, policy, sets, change });
  }
  const allow = node.get("allow");
  if (isSeq(allow) && allow.items.length === rule.endpoints.length) {
    const unused = rule.endpoints.flatMap((_, place) => (use.endpoints.has(place) ? [] : [place]));
    for (const place of unused) tell(ruleEndpointText(rule.endpoints[place]!));
    splices.push(...file.without(allow, unused));
    for (const [place, methods] of use.endpoints) {
      const { methods: written } = rule.endpoints[place]!;
      if (written === "*") {
        const seen = [...methods].map(escaped).sort(compareTexts).join("|");
        change.notes.push(
          `rule ${rule.name}: \`${ruleEndpointText(rule.endpoints[place]!)}\` is for every method, and was used with ${seen}`,
        );
        continue;
      }
      const left = written.filter((name) => methodsOf(name).some((method) => methods.has(method)));
      if (left.length === written.length || left.length === 0) continue;
      const splice = methodSplice(file, allow.items[place] as Node, left);
      if (splice === undefined) continue;
      splices.push(splice);
      for (const name of written.filter((one) => !left.includes(one)))
        tell(ruleEndpointText({ ...rule.endpoints[place]!, methods: [name] }));
    }
  }
  return splices;
}

/** Other methods in place of those that an endpoint is written with, in the order in which they stand. */
function methodSplice(file: YamlFile, node: Node, left: readonly string[]): Splice | undefined {
  if (!isScalar(node) || typeof node.value !== "string") return undefined;
  const written = node.value.slice(0, node.value.indexOf(" "));
  const [start, end] = rangeOf(node);
  const at = file.text.indexOf(written, start);
  // Within quotes a character may be written in another way.
  if (at < 0 || at > start + 1 || at + written.length > end) return undefined;
  const text = written
    .split("|")
    .filter((name) => left.includes(name))
    .join("|");
  return { start: at, end: at + written.length, text };
}

function isUsedCaller(text: string, use: RuleUse, policy: Policy, sets: SetUse): boolean {
  if (text === "anonymous") return true;
  const ids = [...use.callers].flatMap((caller) => idOf(caller) ?? []);
  if (text === "any") return ids.length > 0;
  const patterns = sets.members(text) ?? patternOf(text, policy);
  return patterns.some((pattern) => ids.some((id) => callerCovers(pattern, id)));
}

/** The pattern that a text in `callers` is; none for what is no pattern. */
function patternOf(text: string, policy: Policy): CallerPattern[] {
  const pattern = parseCaller(text);
  return typeof pattern === "string" ? [] : [withoutAlias(pattern, policy.aliases)];
}

/** So many callers of a pattern are named. */
const named_max = 5;

/** Says who used a pattern, where they are few: whoever knows that no others are to come can name them. */
function noteWide(text: string, { rule, use, policy, sets, change }: Narrowing): void {
  if (sets.members(text) !== undefined || text === "anonymous") return;
  const pattern = text === "any" ? undefined : patternOf(text, policy)[0];
  if (pattern !== undefined && pattern.kind === "exact" && pattern.wildcards === 0) return;
  const ids = [...use.callers].filter((caller) => {
    const id = idOf(caller);
    return id !== undefined && (pattern === undefined || callerCovers(pattern, id));
  });
  if (ids.length === 0 || ids.length > named_max) return;
  const names = ids.map(escaped).sort(compareTexts).join(", ");
  change.notes.push(`rule ${rule.name}: \`${text}\` was used by ${counted(ids.length, "caller")} only: ${names}`);
}
