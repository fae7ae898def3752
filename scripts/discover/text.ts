/** The inventory, the comparison with a document and the drift, as text for a terminal. */
import { type Drift, jump_denials, jump_factor, jump_requests, type Period } from "./drift.ts";
import { endpointText } from "./endpoints.ts";
import { cell } from "./escape.ts";
import type { EndpointUse, Inventory, Noise } from "./inventory.ts";
import type { SpecReport } from "./spec.ts";
import {
  callerName,
  callersText,
  counted,
  dayOf,
  listLines,
  milliseconds,
  number,
  share,
  shown_rows,
  tableLines,
} from "./table.ts";

/** Lines of the inventory: a table for each host, then attempts and noise. */
export function inventoryLines({ endpoints, attempts, noise, ...all }: Inventory): string[] {
  const hosts = [...new Set(endpoints.map(({ host }) => host))];
  const callers = new Set(endpoints.flatMap((endpoint) => endpoint.callers.map(({ caller }) => caller)));
  const [from = "", to = ""] = [all.days[0], all.days.at(-1)];
  const period = from === "" ? "" : from === to ? ` on ${from}` : ` from ${from} to ${to}`;
  const lines = [
    `${counted(all.requests, "request")}${period}: ${number(all.admitted)} let in, ${number(all.denied)} denied`,
    `${counted(endpoints.length, "endpoint")} of ${counted(hosts.length, "host")}, ${counted(callers.size, "caller")}`,
  ];
  let left = shown_rows * 2;
  for (const host of hosts) {
    if (left <= 0) break;
    const those = endpoints.filter((endpoint) => endpoint.host === host);
    lines.push("", cell(host === "" ? "(no host)" : host), ...endpointTable(those, left));
    left -= those.length;
  }
  if (left < 0 && hosts.length > 1) lines.push("", "Not all hosts are shown; --format json has them all");
  if (endpoints.some(({ latency }) => latency !== undefined))
    lines.push("", "p50 and p99 are interpolated within the buckets of a histogram.");
  if (attempts.length > 0) {
    lines.push("", "Never let in, on paths that others are let in to with other methods or operations:");
    lines.push(
      ...listLines(
        attempts.map(
          (one) =>
            `${one.host} ${operationText(one)}: ${counted(one.denied, "denial")}, ${callersText(one.callers.map(({ caller }) => caller))}`,
        ),
        20,
      ),
    );
  }
  return [...lines, ...noiseLines(noise)];
}

function endpointTable(endpoints: readonly EndpointUse[], shown: number): string[] {
  const hasOperations = endpoints.some(({ operation }) => operation !== "" && !operation.startsWith("grpc "));
  const columns = [
    { head: "endpoint" },
    ...(hasOperations ? [{ head: "operation", most: 40 }] : []),
    { head: "callers", most: 44 },
    ...["requests", "denied", "errors", "p50", "p99"].map((head) => ({ head, isNumber: true })),
    { head: "last seen" },
  ];
  const rows = endpoints.map((one) => [
    endpointText(one),
    ...(hasOperations ? [one.operation.startsWith("grpc ") ? "" : one.operation] : []),
    callersText(one.callers.filter(({ admitted }) => admitted > 0).map(({ caller }) => caller)),
    ...[number(one.requests), one.denied === 0 ? "" : number(one.denied), share(one.serverErrors, one.admitted)],
    ...(one.latency === undefined ? ["", ""] : [milliseconds(one.latency.p50), milliseconds(one.latency.p99)]),
    dayOf(one.lastSeen),
  ]);
  return tableLines(columns, rows, Math.max(shown, 1));
}

/** An endpoint with what was asked for inside. */
function operationText(endpoint: Pick<EndpointUse, "method" | "template" | "operation">): string {
  const { operation } = endpoint;
  const text = endpointText(endpoint);
  return operation === "" || operation === text ? text : `${text} (${operation})`;
}

function noiseLines({ requests, denied, notFound, paths, callers, most }: Noise): string[] {
  if (requests === 0) return [];
  const who = callers.slice(0, 3).map((one) => `${callerName(one.caller)} ${number(one.requests)}`);
  const what = most.slice(0, 3).map((one) => `${one.method} ${one.path}`);
  return [
    "",
    `Noise: ${counted(requests, "request")} to ${counted(paths, "path")} where nothing is: ${number(denied)} denied, ${number(notFound)} not found`,
    `  by ${cell(who.join(", "), 160)}`,
    `  as in ${cell(what.join(", "), 160)}`,
  ];
}

/** Lines of the comparison with a document. */
export function specLines(report: SpecReport): string[] {
  const { title, documented, used, shadow, dead, unclear, zombie, parameters, notes, areHostsIgnored } = report;
  const lines = [`The document ${cell(title)}: ${number(used)} of ${counted(documented, "operation")} used`];
  if (areHostsIgnored) lines.push("  Its hosts are none of the log's: hosts are not compared.");
  lines.push(...listLines(notes, 10));
  section(
    lines,
    "Shadow: used, and not in the document",
    shadow.map(({ endpoint, documentedMethods }) => {
      const more = documentedMethods.length === 0 ? "" : `; the document has ${documentedMethods.join(", ")}`;
      return `${endpoint.host} ${operationText(endpoint)}: ${counted(endpoint.admitted, "request")}, ${callersText(endpoint.callers.map(({ caller }) => caller))}${more}`;
    }),
  );
  section(
    lines,
    "Zombies: deprecated, and used",
    zombie.map(
      ({ endpoint }) =>
        `${endpoint.host} ${operationText(endpoint)}: ${counted(endpoint.admitted, "request")}, last ${dayOf(endpoint.lastSeen)}, ${callersText(endpoint.callers.map(({ caller }) => caller))}`,
    ),
  );
  section(
    lines,
    "Dead: in the document, and never used",
    dead.map(
      ({ operation, denied }) =>
        `${operation.method} ${operation.path}${operation.isDeprecated ? " (deprecated)" : ""}${denied > 0 ? `: ${counted(denied, "denial")}` : ""}`,
    ),
  );
  section(
    lines,
    "Not known: the log writes several paths alike",
    unclear.map(({ method, path }) => `${method} ${path}`),
  );
  section(
    lines,
    "Parameters that differ",
    parameters.map(({ endpoint, undocumented, neverSeen }) => {
      const parts = [
        ...(undocumented.length > 0 ? [`not in the document: ${undocumented.join(", ")}`] : []),
        ...(neverSeen.length > 0 ? [`required and never seen: ${neverSeen.join(", ")}`] : []),
      ];
      return `${operationText(endpoint)}: ${parts.join("; ")}`;
    }),
  );
  return lines;
}

/** Lines of the drift between two periods. */
export function driftLines(drift: Drift): string[] {
  const lines = [`Drift: ${periodText(drift.after)}, against ${periodText(drift.before)}`];
  type Change = Drift["newEndpoints"][number];
  const what = (change: Change): string => `${change.host} ${operationText(change)}`;
  const change = (one: Change): string => `${what(one)}: ${number(one.after)} a day, ${callersText(one.callers)}`;
  const was = (one: Change): string => `${what(one)}: was ${number(one.before)} a day, ${callersText(one.callers)}`;
  const rates = ({ before, after }: { before: number; after: number }): string =>
    `${number(before)} → ${number(after)} a day`;
  const pairs = drift.newPairs.filter(({ isCallerNew, isEndpointNew }) => !isCallerNew && !isEndpointNew);
  section(lines, "New endpoints", drift.newEndpoints.map(change));
  section(
    lines,
    "New callers",
    drift.newCallers.map((one) => `${callerName(one.caller)}: ${number(one.after)} a day`),
  );
  section(
    lines,
    "New pairs of a caller and an endpoint that were both known",
    pairs.map((one) => `${callerName(one.caller)} → ${one.host} ${operationText(one)}: ${number(one.after)} a day`),
  );
  section(lines, "Vanished endpoints", drift.vanishedEndpoints.map(was));
  section(
    lines,
    "Vanished callers",
    drift.vanishedCallers.map((one) => `${callerName(one.caller)}: was ${number(one.before)} a day`),
  );
  section(
    lines,
    "Vanished pairs",
    drift.vanishedPairs.map(
      (one) => `${callerName(one.caller)} → ${one.host} ${operationText(one)}: was ${number(one.before)} a day`,
    ),
  );
  section(
    lines,
    `Jumps in volume (${jump_factor} times as many or as few, and ${jump_requests} a day)`,
    drift.volume.map((one) => `${what(one)}: ${rates(one)}`),
  );
  section(
    lines,
    `Jumps in denials (${jump_factor} times as many, and ${jump_denials} a day)`,
    drift.denials.map((one) => `${"caller" in one ? callerName(one.caller) : what(one)}: ${rates(one)}`),
  );
  if (lines.length === 1) lines.push("  nothing has changed");
  return lines;
}

function periodText({ from, to, requests, days }: Period): string {
  const when = from === "" ? "no times" : from === to ? from : `${from} to ${to}`;
  return `${when} (${counted(requests, "request")} on ${counted(days, "day")})`;
}

/** Adds a heading with its list, where there is something to tell. */
export function section(lines: string[], title: string, texts: readonly string[]): void {
  if (texts.length > 0) lines.push("", `${title}: ${number(texts.length)}`, ...listLines(texts, 50));
}
