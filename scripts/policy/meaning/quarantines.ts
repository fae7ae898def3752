/** What two policies say differently of who is shut out for a while. */
import { formatAddress } from "../condition/network.ts";
import type { Policy, Quarantine } from "../language/model.ts";
import { printSelector } from "../language/selector.ts";
import { printDuration } from "../language/values.ts";
import { compareRows, type Meeting, type PolicyChange, type Row } from "./change.ts";
import type { Pair } from "./names.ts";

/** Whether a quarantine denies anything. */
function shutsOut({ mode }: Quarantine): boolean {
  return mode === "enforce";
}

/**
 * Whether a quarantine that comes, goes or is changed may admit more. One that is enforced beside others may shut a caller out
 * sooner: that keeps it from being counted by another, and lets it in again sooner.
 */
function admitsSooner({ before, after }: Pair<Policy>, name: string): boolean {
  const isEnforced = ({ quarantines }: Policy): boolean =>
    quarantines.some((one) => one.name === name && shutsOut(one));
  const wasBeside = before.quarantines.some((one) => one.name !== name && shutsOut(one));
  return isEnforced(before) || (isEnforced(after) && wasBeside);
}

const changed = ({ pair, policies }: Meeting<Quarantine>): boolean => admitsSooner(policies, pair.after.name);
const perWords = (values: readonly string[]): string => values.join(", ");

/** What two policies say of one quarantine. */
export const quarantine_rows: readonly Row<Quarantine>[] = [
  // One of another name begins anew: the old one goes, and another comes.
  { kind: "elsewhere", keys: ["quarantine.name"], parts: ["name"] },
  {
    kind: "choice",
    keys: ["quarantine.scope"],
    parts: ["scope"],
    what: "scope",
    value: ({ scope }) => scope,
    // Who is shut out on one Envoy alone is admitted on the others.
    changed: ({ pair, policies }) => shutsOut(pair.before) && admitsSooner(policies, pair.after.name),
  },
  {
    kind: "choice",
    keys: ["quarantine.mode"],
    parts: ["mode"],
    what: "mode",
    value: ({ mode }) => mode,
    changed,
  },
  {
    kind: "set",
    keys: ["quarantine.per"],
    parts: ["per"],
    what: "per",
    values: ({ per }) => per.map(printSelector),
    words: perWords,
    added: changed,
    removed: changed,
  },
  {
    kind: "set",
    keys: ["quarantine.when"],
    parts: ["when"],
    what: "when",
    values: ({ when }) => when,
    words: perWords,
    added: changed,
    removed: changed,
  },
  {
    kind: "amount",
    keys: ["quarantine.denials"],
    parts: ["denials"],
    what: "denials",
    amount: ({ denials }) => denials,
    words: ({ denials }) => String(denials),
    more: changed,
    less: changed,
  },
  ...(["within", "for"] as const).map(
    (key): Row<Quarantine> => ({
      kind: "amount",
      keys: [`quarantine.${key}`],
      parts: [`${key}Seconds`],
      what: key,
      amount: (one) => one[`${key}Seconds`],
      words: (one) => printDuration(one[`${key}Seconds`]),
      more: changed,
      less: changed,
    }),
  ),
  {
    // Without it, it is `for`, which has a row.
    kind: "relation",
    keys: ["quarantine.max"],
    parts: ["maxSeconds"],
    what: "max",
    find: (meeting) => {
      const { before, after } = meeting.pair;
      const isSaid = [before, after].some(({ forSeconds, maxSeconds }) => maxSeconds > forSeconds);
      if (!isSaid || before.maxSeconds === after.maxSeconds) return [];
      return [
        {
          before: printDuration(before.maxSeconds),
          after: printDuration(after.maxSeconds),
          gain: changed(meeting),
        },
      ];
    },
  },
  {
    kind: "set",
    keys: ["quarantine.release"],
    parts: ["releases"],
    what: "release",
    values: ({ releases }) => releases.map((one) => (typeof one === "string" ? one : formatAddress(one))),
    added: changed,
    removed: changed,
  },
];

/** Quarantines that come, go, or have something else in them. */
export function changedQuarantines(policies: Pair<Policy>): PolicyChange[] {
  const [was, is] = [policies.before, policies.after].map(
    ({ quarantines }) => new Map(quarantines.map((one) => [one.name, one])),
  ) as [Map<string, Quarantine>, Map<string, Quarantine>];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((name): PolicyChange[] => {
    const [before, after] = [was.get(name), is.get(name)];
    const what = `quarantine ${name}`;
    if (before !== undefined && after !== undefined)
      return compareRows(quarantine_rows, { pair: { before, after }, policies }, what);
    return [{ what, before: words(before), after: words(after), gain: admitsSooner(policies, name) }];
  });
}

function words(quarantine: Quarantine | undefined): string | null {
  if (quarantine === undefined) return null;
  const { mode, per, when, denials, withinSeconds, forSeconds, maxSeconds, scope } = quarantine;
  const times = maxSeconds > forSeconds ? ` to ${printDuration(maxSeconds)}` : "";
  const out = `${denials} denials (${when.join(", ")}) within ${printDuration(withinSeconds)} shut out ${per.map(printSelector).join(" with ")} for ${printDuration(forSeconds)}${times}`;
  return `${out}${scope === "fleet" ? ", on all Envoys" : ""}${mode === "shadow" ? ", in shadow mode" : ""}`;
}
