/** What a report tells beside the matrix and the graph: changes, findings, tokens and limits, usage. */
import type { ChangeData, ChangeRow, PolicyData, ReportData } from "../data.ts";
import { counted, element, type Row, section, table } from "./dom.ts";

/** Figures at the top. */
export function summarySection(data: ReportData): HTMLElement {
  const { policies, callers, endpoints, cells, grants, usage, blast } = data;
  const admitted = cells.filter(
    ([, , grant]) => grants[grant]!.level !== "denied" && grants[grant]!.extent === "whole",
  );
  const findings = policies.reduce((sum, one) => sum + one.findings.length, 0);
  const figure = (value: number, text: string, isLoud = false): HTMLElement =>
    element(
      "li",
      { class: isLoud && value > 0 && "loud" },
      element("strong", {}, value.toLocaleString("en")),
      element("span", {}, text),
    );
  const reachable = new Set(blast.paths.map(({ hops }) => hops.at(-1)!.endpoint)).size;
  const notes = policies.flatMap(({ name, notes: own }) =>
    own.map((note) => element("li", {}, element("strong", {}, `${name}: `), note)),
  );
  return section(
    "summary",
    "At a glance",
    element(
      "ul",
      { class: "figures" },
      figure(policies.length, policies.length === 1 ? "policy" : "policies"),
      figure(callers.length - 1, "callers told apart"),
      figure(endpoints.length, "endpoints"),
      figure(admitted.length, "grants"),
      figure(admitted.filter(([, , grant]) => grants[grant]!.level === "free").length, "by identity alone"),
      ...(usage === undefined ? [] : [figure(usage.unusedCells, "granted and unused", true)]),
      ...(usage === undefined || usage.unclearCells === 0
        ? []
        : [figure(usage.unclearCells, "granted, use not in the logs", true)]),
      figure(reachable, "sensitive endpoints that somebody reaches", true),
      figure(findings, "findings of check", true),
    ),
    notes.length > 0 && element("ul", { class: "notes", "aria-label": "What limits this report" }, ...notes),
    table(
      "Policies",
      ["Policy", "File", "Service", "Mode", "Callers are known by", "Rules", "Trust domains"],
      policies.map(
        (one): Row => [
          one.name,
          one.path,
          one.service ?? "not known",
          one.mode,
          one.identity,
          String(one.rules),
          one.trustDomains.join(", "),
        ],
      ),
      [5],
    ),
    ...setAside(policies),
  );
}

function setAside(policies: readonly PolicyData[]): HTMLElement[] {
  const rows = policies.flatMap(({ name, shadowRules, endedRules }): Row[] => [
    ...shadowRules.map((rule): Row => [rule, name, "in shadow mode: only recorded"]),
    ...endedRules.map((rule): Row => [rule, name, "has ended"]),
  ]);
  return rows.length === 0 ? [] : [table("Rules that take no part", ["Rule", "Policy", "Why"], rows)];
}

/** What logs say that the matrix has no place for. */
export function usageSection({ usage, policies }: ReportData): HTMLElement | undefined {
  if (usage === undefined) return undefined;
  const { requests, from, to, unmatched, unmatchedExamples, unusedRules } = usage;
  const days = from === "" ? "" : from === to ? ` of ${from}` : ` from ${from} to ${to}`;
  return section(
    "usage",
    "What the logs say",
    element(
      "p",
      {},
      `${counted(requests, "request")}${days}. ${counted(unmatched, "request")} fit no grant: nobody may do that, no policy here judges it, or the logs do not say who called.`,
    ),
    unusedRules.length > 0 &&
      table(
        "Allow rules without an admitted request",
        ["Rule", "Policy"],
        unusedRules.map(({ policy, rule }): Row => [rule, policies[policy]!.name]),
      ),
    unmatchedExamples.length > 0 &&
      table(
        "Requests that fit no grant, the most frequent first",
        ["Caller", "Request", "Went on", "Reason", "Requests"],
        unmatchedExamples.map(
          ({ caller, host, method, path, admitted, reason, count }): Row => [
            caller === "" ? "nobody, or not in the logs" : caller,
            `${method} ${path}${host === "" ? "" : ` on ${host}`}`,
            admitted ? "yes" : "no",
            reason,
            count.toLocaleString("en"),
          ],
        ),
        [4],
      ),
  );
}

/** What changed since other versions. */
export function changesSection({ changes, policies }: ReportData): HTMLElement | undefined {
  if (changes.length === 0) return undefined;
  return section(
    "changes",
    "What changed",
    ...changes.flatMap((change) => changeTables(change, policies[change.policy]!)),
  );
}

const change_titles = {
  gained: "Gained: admitted now, or on weaker conditions",
  lost: "Lost: not admitted any more, or on stricter conditions",
  changed: "Changed: on other conditions, some requests gained and some lost",
} as const;

function changeTables(change: ChangeData, { name, path }: PolicyData): HTMLElement[] {
  const title = element("h3", {}, `${name}: from ${change.against} to ${path}`);
  const tables = (["gained", "lost", "changed"] as const).flatMap((kind) =>
    change[kind].length === 0
      ? []
      : [table(change_titles[kind], ["Callers", "Endpoints", "Hosts", "Now", "Before"], change[kind].map(changeRow))],
  );
  const whole = change.whole.map(
    ({ what, before, after, gain }): Row => [what, before ?? "none", after ?? "none", gain ? "may admit more" : ""],
  );
  if (whole.length > 0) tables.push(table("Of the policy as a whole", ["What", "Before", "Now", "Gain"], whole));
  return [title, ...(tables.length === 0 ? [element("p", {}, "No difference.")] : tables)];
}

function changeRow({ callers, endpoints, hosts, now, was, except = {}, unsure }: ChangeRow): Row {
  const listed = (all: readonly string[], left: readonly string[] = []): string =>
    all.join(", ") + (left.length === 0 ? "" : ` except ${left.join(", ")}`);
  return [
    listed(callers, except.callers),
    listed(endpoints, except.endpoints) + (unsure ? " (perhaps less: the patterns cross too often)" : ""),
    listed(hosts.length === 0 ? ["every host"] : hosts, except.hosts),
    now.join("; or ") || "not admitted",
    was.join("; or ") || "not admitted",
  ];
}

/** What `check` says. */
export function findingsSection({ policies }: ReportData): HTMLElement {
  const rows = policies.flatMap(({ findings }) =>
    findings.map(({ code, file, line, column, message }): Row => [code, `${file}:${line}:${column}`, message]),
  );
  return section(
    "findings",
    "Findings of check",
    rows.length === 0
      ? element("p", {}, "None.")
      : table("Warnings, each with its place", ["Code", "Place", "What, and the way out"], rows),
  );
}

/** Tokens, limits and quarantines in force. */
export function forceSection({ policies }: ReportData): HTMLElement {
  const tokens = policies.flatMap(({ name: policy, tokens }) =>
    tokens.map(
      ({ name, issuer, audiences, algorithms, maxLifetimeSeconds, bind, places, rules }): Row => [
        name,
        policy,
        issuer,
        audiences.join(", ") || "for anybody",
        algorithms.join(", "),
        maxLifetimeSeconds === 0 ? "unbounded" : `${maxLifetimeSeconds} s`,
        bind === "none" ? "nothing" : `the ${bind}`,
        places.join(", "),
        String(rules),
      ],
    ),
  );
  const limits = policies.flatMap(({ name: policy, limits }) =>
    limits.map(
      ({ name, says, per, scope, mode, rules }): Row => [
        name,
        policy,
        says,
        per.join(", ") || "all together",
        scope,
        mode,
        String(rules),
      ],
    ),
  );
  const quarantines = policies.flatMap(({ name, quarantines }) => quarantines.map((text): Row => [name, text]));
  return section(
    "force",
    "Tokens and limits in force",
    tokens.length === 0
      ? element("p", {}, "No rule asks for a token.")
      : table(
          "Tokens",
          ["Issuer", "Policy", "iss", "Audiences", "Algorithms", "Lifetime", "Bound to", "Where", "Rules"],
          tokens,
          [8],
        ),
    limits.length === 0
      ? element("p", {}, "There is no limit.")
      : table("Limits", ["Limit", "Policy", "Admits", "For each", "Counted by", "Mode", "Rules"], limits, [6]),
    quarantines.length > 0 && table("Quarantines", ["Policy", "Who is shut out"], quarantines),
  );
}

/** The licences of what the page contains of others. */
export function licences(text: string): HTMLElement {
  return element(
    "details",
    { class: "screen" },
    element("summary", {}, "Licences of what this page contains of others"),
    element("pre", { tabindex: 0 }, text),
  );
}
