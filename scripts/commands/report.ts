/** `sallyport report`: who may call what, what a stolen identity is worth, and what changed, as a page for a security review. */
import { type Command, Option } from "commander";
import { type LoadedPolicy, loadPolicyFile } from "../policy/build.ts";
import { parseCaller } from "../policy/language/spiffe.ts";
import { buildReport, type ReportedPolicy } from "../report/build.ts";
import type { ReportData } from "../report/data.ts";
import { generator, reportPage } from "../report/html.ts";
import type { Usage } from "../traffic/usage.ts";
import { parseAt } from "./arguments.ts";
import { counted, formatOption, type OutputFormat, printJson, UsageError, writeOutput } from "./output.ts";
import { printable } from "./terminal.ts";
import { readTraffic, tellFaults } from "./traffic.ts";

interface ReportOptions {
  output: string;
  json?: string;
  log: string[];
  from?: string;
  against: string[];
  service: string[];
  /** `--no-open-footholds` as commander has it: false where it is given. */
  openFootholds: boolean;
  at?: number;
  format: OutputFormat;
}

const collect = (text: string, all: string[]): string[] => [...all, text];

/** Adds the verb to the program. */
export function registerReport(program: Command): void {
  program
    .command("report")
    .argument("<policies...>", "policy files, each of one service")
    .description("write a page for a security review: who may call what, blast radius, use by logs, changes, findings")
    .option("-o, --output <file>", "where to write the page", "report.html")
    .option("--json <file>", "write the same as data, too")
    .addOption(
      new Option("--log <path>", "access logs: lay over what is granted what was used; may be given again")
        .argParser(collect)
        .default([], ""),
    )
    .option("--from <file>", "in place of logs, the result of the query of `discover --sql`, as CSV or Parquet")
    .addOption(
      new Option("--against <file>", "another version of one of the policies, by its name; may be given again")
        .argParser(collect)
        .default([], ""),
    )
    .addOption(
      new Option(
        "--service <policy=id>",
        "the SPIFFE ID of the service that a policy guards, by the policy's name or file; may be given again",
      )
        .argParser(collect)
        .default([], ""),
    )
    .option(
      "--no-open-footholds",
      "blast radius: a call that anybody may make, such as a health check, is no way into its service",
    )
    .addOption(new Option("--at <time>", "the time that grants start and end by; by default now").argParser(parseAt))
    .addOption(formatOption())
    .action(run);
}

async function run(paths: string[], options: ReportOptions): Promise<void> {
  const reported = readPolicies(paths, options);
  const usages = await readUsages(options);
  const data = buildReport(reported, { at: options.at ?? Date.now(), usages, openFootholds: options.openFootholds });
  writeOutput(options.output, Buffer.from(reportPage(data)), "page of a report", generator);
  if (options.json !== undefined) writeOutput(options.json, Buffer.from(`${JSON.stringify(data)}\n`), "JSON file");
  const summary = summaryOf(data, options);
  if (options.format === "json") printJson(summary);
  else process.stdout.write(summaryText(summary));
}

function readPolicies(paths: readonly string[], { against, service }: ReportOptions): ReportedPolicy[] {
  const reported: ReportedPolicy[] = paths.map((path) => {
    const { policy, warnings }: LoadedPolicy = loadPolicyFile(path, { exampleKeys: "warn" });
    return { path, policy, warnings };
  });
  for (const [at, { policy, path }] of reported.entries()) {
    const other = reported.findIndex((one) => one.policy.name === policy.name);
    if (other < at)
      throw new UsageError(
        `${reported[other]!.path} and ${path} are both policy \`${policy.name}\`: give each its own name, by which logs and reports know it, or compare two versions with --against`,
      );
  }
  for (const path of against) {
    const { policy } = loadPolicyFile(path);
    const own = reported.find((one) => one.policy.name === policy.name);
    if (own === undefined)
      throw new UsageError(
        `${path} is policy \`${policy.name}\`, of which there is no other version here: ${named(reported)}`,
      );
    if (own.against !== undefined)
      throw new UsageError(`${own.against.path} and ${path} are both versions of \`${policy.name}\`: name one of them`);
    own.against = { path, policy };
  }
  for (const text of service) {
    const equals = text.lastIndexOf("=");
    const [name, id] = [text.slice(0, equals), text.slice(equals + 1)];
    const pattern = parseCaller(id);
    if (equals <= 0 || typeof pattern === "string" || pattern.kind !== "exact" || pattern.wildcards !== 0)
      throw new UsageError(
        `--service ${text}: it is a policy and the SPIFFE ID of its service, as in \`--service shop=spiffe://example.org/orders\``,
      );
    const own = reported.find(({ path, policy }) => policy.name === name || path === name);
    if (own === undefined)
      throw new UsageError(`--service ${text}: there is no policy \`${name}\` here: ${named(reported)}`);
    own.service = id;
  }
  return reported;
}

function named(reported: readonly ReportedPolicy[]): string {
  return reported.map(({ policy }) => policy.name).join(", ");
}

/** What was used; undefined where no logs are given. */
async function readUsages({ log, from }: ReportOptions): Promise<Usage[] | undefined> {
  if (from !== undefined && log.length > 0) throw new UsageError("--from takes the place of --log: give one of them");
  if (log.length === 0 && from === undefined) return undefined;
  const { usages, summary } = await readTraffic(log, { ...(from !== undefined && { from }) });
  tellFaults(summary);
  return usages;
}

/** What `--format json` prints. */
interface Summary {
  page: string;
  json?: string;
  policies: number;
  callers: number;
  endpoints: number;
  grants: number;
  /** Left out without logs. */
  unused?: number;
  /** How many of the grants may be used or unused by what the logs have; left out without logs. */
  unclear?: number;
  findings: number;
  /** The identities that reach most, worst first. */
  dangerous: { id: string; endpoints: number; sensitive: number }[];
}

function summaryOf(data: ReportData, { output, json }: ReportOptions): Summary {
  const { policies, callers, endpoints, cells, grants, usage, blast } = data;
  return {
    page: output,
    ...(json !== undefined && { json }),
    policies: policies.length,
    callers: callers.length,
    endpoints: endpoints.length,
    grants: cells.filter(([, , grant]) => grants[grant]!.level !== "denied" && grants[grant]!.extent === "whole")
      .length,
    ...(usage !== undefined && { unused: usage.unusedCells, unclear: usage.unclearCells }),
    findings: policies.reduce((sum, { findings }) => sum + findings.length, 0),
    dangerous: blast.dangerous.map((caller) => {
      const { reach } = blast.identities[caller]!;
      return { id: callers[caller]!.id, endpoints: reach.endpoints, sensitive: reach.sensitive };
    }),
  };
}

function summaryText(summary: Summary): string {
  const { page, json, policies, callers, endpoints, grants, unused, unclear = 0, findings, dangerous } = summary;
  const used = unused === undefined ? "" : `, ${unused.toLocaleString("en-US")} of them never used`;
  const perhaps = unclear === 0 ? "" : `, use of ${unclear.toLocaleString("en-US")} not in the logs`;
  const [worst] = dangerous;
  const lines = [
    `${page}: ${policies === 1 ? "1 policy" : `${policies} policies`}, ${counted(callers, "caller")}, ${counted(endpoints, "endpoint")}, ${counted(grants, "grant")}${used}${perhaps}, ${counted(findings, "finding")}`,
  ];
  if (json !== undefined) lines.push(`${json}: the same as data`);
  if (worst !== undefined)
    lines.push(
      printable(
        `whose identity is worth most: ${worst.id} reaches ${counted(worst.endpoints, "endpoint")}, ${worst.sensitive} of them sensitive`,
      ),
    );
  return `${lines.join("\n")}\n`;
}
