/** What traffic used of a policy, as text for a terminal. */
import { cell } from "./escape.ts";
import type { PolicyUse, RuleUse } from "./grants.ts";
import { callerName, callersText, counted, dayOf, number, tableLines } from "./table.ts";
import { section } from "./text.ts";

/** Lines of what was used of a policy, and what was not. */
export function policyLines(use: PolicyUse): string[] {
  const { policy, days, from, to, recorded, rules } = use;
  const period =
    days === 0 ? "the log has no times" : `${counted(days, "day")}, ${from === to ? from : `${from} to ${to}`}`;
  const lines = [`Policy ${cell(policy)}: ${counted(rules.length, "rule")}, ${period}`];
  if (recorded === 0)
    lines.push("  No record of this policy is in the log: requests are judged by caller, host and endpoint alone.");
  const columns = [
    { head: "rule" },
    { head: "" },
    { head: "requests", isNumber: true },
    { head: "days", isNumber: true },
    { head: "last" },
    { head: "callers", most: 44 },
    { head: "never used" },
  ];
  lines.push(...tableLines(columns, rules.map(ruleRow)));
  section(
    lines,
    "Endpoints of rules that nobody used",
    rules.flatMap((rule) =>
      isUnused(rule) ? [] : rule.unusedEndpoints.map((endpoint) => `${rule.name}: ${endpoint}`),
    ),
  );
  section(
    lines,
    "Endpoints of which the log does not say: it has requests that may have been for them",
    rules.flatMap((rule) => rule.unknownEndpoints.map((endpoint) => `${rule.name}: ${endpoint}`)),
  );
  section(
    lines,
    "Callers of rules that used nothing of them",
    rules.flatMap((rule) => (isUnused(rule) ? [] : rule.unusedCallers.map((caller) => `${rule.name}: ${caller}`))),
  );
  section(
    lines,
    "Callers that did not use what others of the rule did",
    rules.flatMap((rule) => rule.unusedPairs.map(({ caller, endpoint }) => `${rule.name}: ${caller} ${endpoint}`)),
  );
  section(
    lines,
    "Denied, and worth a look",
    use.attempts.map((one) => {
      const others = one.isUsedByCaller ? "; let in at other times" : one.isUsedByOthers ? "; others are let in" : "";
      return `${one.caller} → ${one.host} ${one.endpoint}: ${counted(one.requests, "denial")}, ${one.reason === "" ? "no record" : one.reason}${one.rule === "" ? "" : ` (${one.rule})`}${others}`;
    }),
  );
  section(
    lines,
    "Callers that were only denied",
    use.deniedOnly.map(
      ({ caller, requests, reasons, most }) =>
        `${caller}: ${counted(requests, "denial")} (${
          Object.keys(reasons)
            .filter((reason) => reason !== "")
            .join(", ") || "no record"
        }), most often ${most}`,
    ),
  );
  section(
    lines,
    "Grants that have ended, and are still asked for",
    use.expired.map(
      ({ rule, expires, requests, callers, lastSeen }) =>
        `${rule}, until ${expires}: ${counted(requests, "request")} since, last ${dayOf(lastSeen)}, ${callersText(callers)}`,
    ),
  );
  return lines;
}

function isUnused({ requests, unknownEndpoints }: RuleUse): boolean {
  return requests === 0 && unknownEndpoints.length === 0;
}

function ruleRow(rule: RuleUse): string[] {
  const { name, action, requests, days, lastSeen, used, isExpired } = rule;
  const { unusedEndpoints, unknownEndpoints, unusedCallers } = rule;
  const users = [...new Set(used.map(({ caller }) => caller))];
  const parts = [
    ...(unusedEndpoints.length > 0 ? [counted(unusedEndpoints.length, "endpoint")] : []),
    ...(unusedCallers.length > 0 ? [counted(unusedCallers.length, "caller")] : []),
    ...(unknownEndpoints.length > 0 ? [`not known: ${counted(unknownEndpoints.length, "endpoint")}`] : []),
  ];
  const never = isUnused(rule) ? (action === "deny" ? "denied nothing" : "all of it") : parts.join(", ");
  const kind = `${action}${isExpired ? ", ended" : ""}`;
  return [
    name,
    kind,
    number(requests),
    days === 0 ? "" : number(days),
    dayOf(lastSeen),
    callersText(users.map(callerName)),
    never,
  ];
}
