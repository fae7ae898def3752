/** Policies of a few lines, and what a report tells of them. */
import { buildReport, type ReportOptions } from "../../scripts/report/build.ts";
import type { Count, GrantData, HopData, ReportData } from "../../scripts/report/data.ts";
import { check } from "../support/policy.ts";

/** When the tests are, for grants that start and end. */
export const now = Date.UTC(2026, 10, 30);

/** Callers without a slash are of `spiffe://example.org/`. */
export const id = (name: string): string => (name === "anonymous" ? name : `spiffe://example.org/${name}`);

/**
 * A report of policies by name.
 * @param rules of each, as YAML flow mappings; callers are written whole
 * @param whole further lines of each policy
 */
export function report(
  policies: Readonly<
    Record<string, { service?: string; rules: string[]; whole?: string; domains?: string; trust?: string }>
  >,
  options: Partial<ReportOptions> = {},
): ReportData {
  const reported = Object.entries(policies).map(
    ([name, { service, rules, whole = "", domains = "example.org", trust = "" }]) => {
      const issuers = `issuers:\n  corp: { issuer: "https://corp.example", audiences: [a], algorithms: [RS256], keys: { file: keys/corp.jwks.json } }\n`;
      const text = `version: 1\nname: ${name}\n${service === undefined ? "" : `service: ${id(service)}\n`}trust: { domains: [${domains}]${trust} }\n${issuers}${whole}rules:\n${rules.map((rule) => `  - { ${rule} }\n`).join("")}`;
      const { errors, policy, warnings } = check(text);
      if (errors.length > 0 || policy === undefined) throw new Error(`${JSON.stringify(errors)} in\n${text}`);
      return { path: `${name}.yaml`, policy, warnings };
    },
  );
  return buildReport(reported, { at: now, ...options });
}

/** The place of a caller. */
export function callerOf(data: ReportData, name: string): number {
  const found = data.callers.findIndex((one) => one.id === id(name));
  if (found < 0) throw new Error(`no caller ${id(name)} among ${data.callers.map((one) => one.id).join(", ")}`);
  return found;
}

/** What a caller is told at an endpoint; undefined: it is not admitted. */
export function grantOf(data: ReportData, name: string, endpoint: string): GrantData | undefined {
  const caller = callerOf(data, name);
  const cell = data.cells.find(([one, at]) => one === caller && endpointText(data, at) === endpoint);
  return cell && data.grants[cell[2]];
}

/** How a grant reads. */
export function says(data: ReportData, name: string, endpoint: string): string {
  const grant = grantOf(data, name, endpoint);
  if (grant === undefined) return "nothing";
  const ways = grant.ways.map((way) => data.ways[way]!.text).join(" or ");
  return `${grant.extent} ${grant.level}${ways === "" ? "" : `: ${ways}`}`;
}

/** `METHOD PATH`, with a host that is not any. */
export function endpointText(data: ReportData, at: number): string {
  const { method, path, host } = data.endpoints[at]!;
  return `${method} ${path}${host === "*" ? "" : ` on ${host}`}`;
}

/** What an identity reaches in all. */
export function reachOf(data: ReportData, name: string): Count {
  return data.blast.identities[callerOf(data, name)]!.reach;
}

/** The shortest way of a caller to an endpoint, as text. */
export function wayOf(data: ReportData, name: string, endpoint: string): string | undefined {
  const caller = callerOf(data, name);
  const path = data.blast.paths.find(
    (one) => one.caller === caller && endpointText(data, one.hops.at(-1)!.endpoint) === endpoint,
  );
  if (path === undefined) return undefined;
  const step = ({ caller: from, endpoint: at, level, as, shadow }: HopData): string =>
    `${short(data, from)}${as === undefined ? "" : ` as ${short(data, as)}`} ${endpointText(data, at)}${level === "free" ? "" : "?"}${shadow ? " (shadow)" : ""}`;
  return `${path.level}: ${path.hops.map(step).join(" > ")}`;
}

export const short = (data: ReportData, caller: number): string =>
  data.callers[caller]!.id.replace("spiffe://example.org/", "");
