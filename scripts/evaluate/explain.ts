/** Why a request was decided as it was, rule by rule, put together from what the engine itself says while inspected. */
import type { DoorRequest, Evaluator, Verdict } from "./engine.ts";
import type { ImageIndex, ImageRule } from "./image.ts";

/** How far a rule got. */
export interface RuleExplanation {
  rule: string;
  /**
   * `allowed`: an allow rule whose every part holds; `denied`: a deny rule that matches; `failed`: it speaks of this request
   * but some part does not hold; `not_applicable`: it speaks of other requests; `not_reached`: the request was refused
   * before any rule was looked at.
   */
  outcome: "allowed" | "denied" | "failed" | "not_applicable" | "not_reached";
  /** A reason code; for `not_applicable` what does not fit: `caller`, `host`, `path` or `method`. */
  reason: string;
  /** The rule is in shadow mode: this is what it would have done. */
  shadow?: true;
}

export interface Explanation {
  verdict: Verdict;
  /** Every rule of the policy, in the order of their names. */
  rules: RuleExplanation[];
}

/** What the engine's inspection lines say. */
interface Inspection {
  groups: Set<number>;
  hosts: Set<number>;
  /** Rules whose path fits but not the method. */
  pathOnly: Set<number>;
  /** The reason each candidate was judged with. */
  judged: Map<number, string>;
}

/** Reads the lines of one request. */
function readLines(lines: readonly string[]): Inspection {
  const inspection: Inspection = { groups: new Set(), hosts: new Set(), pathOnly: new Set(), judged: new Map() };
  for (const line of lines) {
    const [word, kind, first, second] = line.split(" ");
    if (word !== "inspect") continue;
    if (kind === "group") inspection.groups.add(Number(first));
    else if (kind === "host") inspection.hosts.add(Number(first));
    else if (kind === "entry") inspection.pathOnly.add(Number(first));
    else if (kind === "rule") inspection.judged.set(Number(first), second ?? "");
  }
  return inspection;
}

/** Asks about one request and explains every rule. */
export function explain(evaluator: Evaluator, index: ImageIndex, request: DoorRequest): Explanation {
  const { verdict, lines } = evaluator.inspect(request);
  const inspection = readLines(lines);
  // The engine names the hosts a request is for, 0 at the least, when it begins to match; before that no rule has been looked at.
  const reached = inspection.hosts.size > 0;
  const rules = index.rules.map(
    (rule, number): RuleExplanation => ({
      ...explainRule(rule, number),
      ...(rule.isShadow && { shadow: true }),
    }),
  );
  return { verdict, rules };

  function explainRule(rule: ImageRule, number: number): RuleExplanation {
    if (!reached) return { rule: rule.name, outcome: "not_reached", reason: verdict.reason };
    const reason = inspection.judged.get(number);
    if (reason === undefined)
      return { rule: rule.name, outcome: "not_applicable", reason: mismatch(rule, number, inspection) };
    if (reason === "allowed") return { rule: rule.name, outcome: "allowed", reason };
    return { rule: rule.name, outcome: reason === "rule_denied" ? "denied" : "failed", reason };
  }
}

/** The first thing that does not fit, in the order in which the engine looks: caller, host, path, method. */
function mismatch(rule: ImageRule, number: number, { groups, hosts, pathOnly }: Inspection): string {
  const ofCaller = rule.places.filter(({ group }) => groups.has(group));
  if (ofCaller.length === 0) return "caller";
  if (!ofCaller.some(({ host }) => hosts.has(host))) return "host";
  return pathOnly.has(number) ? "method" : "path";
}
