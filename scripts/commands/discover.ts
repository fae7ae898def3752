/** `sallyport discover`: who calls what, by access logs; and what of it is new, undocumented or unused. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ApiDocument, DocumentError, pinsOfDocument, readDocument } from "../discover/document.ts";
import { type Drift, driftOf, splitAt } from "../discover/drift.ts";
import { cell } from "../discover/escape.ts";
import { countFindings, type FindingName, findings } from "../discover/failon.ts";
import { type PolicyUse, policyUseOf } from "../discover/grants.ts";
import { type Inventory, inventoryOf } from "../discover/inventory.ts";
import { inventoryJson, jsonText, policyJson, specJson } from "../discover/json.ts";
import { openApiYaml } from "../discover/openapi.ts";
import { firstDayOf, parseSince, type Since } from "../discover/period.ts";
import { type Pin, pinsOfPolicy } from "../discover/pins.ts";
import { policyLines } from "../discover/policytext.ts";
import { compareDocument, hasForeignHosts, type SpecReport } from "../discover/spec.ts";
import { driftLines, inventoryLines, specLines } from "../discover/text.ts";
import { loadPolicyFile } from "../policy/build.ts";
import type { Policy } from "../policy/language/model.ts";
import { type DialectName, dialect_names } from "../traffic/dialects.ts";
import { isSqlName, sqlFor } from "../traffic/sqlfor.ts";
import type { ReadSummary, Usage } from "../traffic/usage.ts";
import {
  checkPolicyOptions,
  type PolicyOptions,
  readNumber,
  writeSuggestion,
  writeTightened,
} from "./leastprivilege.ts";
import { formatOption, showFindings, UsageError, writeOutput } from "./output.ts";
import { readCompared, readFaults, readTraffic } from "./traffic.ts";

interface DiscoverOptions extends PolicyOptions {
  sql?: DialectName;
  table?: string;
  column?: string;
  from?: string;
  openapi?: string;
  spec?: string;
  since?: Since;
  compare: string[];
  failOn?: FindingName[];
}

/** What was found, as far as it was asked for. */
interface Found {
  read: ReadSummary;
  inventory: Inventory;
  spec: SpecReport | undefined;
  drift: Drift | undefined;
  use: PolicyUse | undefined;
}

/** Adds the verb to the program. Exit 1: something was found that `--fail-on` names. */
export function registerDiscover(program: Command): void {
  program
    .command("discover")
    .argument("[logs...]", "access logs: files, folders, patterns with `*`, or `-` for standard input")
    .description("show who calls what by access logs, and what of it is new, undocumented or unused")
    .addOption(
      new Option("--sql <dialect>", "print the query that does the reading where the logs are").choices([
        ...dialect_names,
      ]),
    )
    .option("--table <name>", "with --sql: the table that has the logs (default: access_log)")
    .option("--column <name>", "with --sql: its column with the lines of the log (default: line)")
    .option("--from <file>", "go on from the result of the query of --sql, as CSV or Parquet, in place of logs")
    .option("--openapi <file>", "write what was seen as an OpenAPI 3.1 document")
    .option("--spec <file>", "compare with an OpenAPI document (3.0 or 3.1): shadow, zombie and dead endpoints")
    .option(
      "--since <when>",
      "compare the time since then with the time before: 7d, or a day such as 2026-11-20",
      readSince,
    )
    .option(
      "--compare <logs>",
      "compare with these logs of another time, or with what --from takes; may be given several times",
      collect,
      [],
    )
    .option(
      "--policy <file>",
      "say what of this policy was used, and what never; its endpoints are taken as they are, by --suggest also its issuers, trust and deny rules",
    )
    .option("--suggest <file>", "write the policy that admits what was admitted, and nothing that was not seen")
    .option(
      "--headroom <factor>",
      "of --suggest: limits are so many times the busiest minute (2); 0: no limits",
      readNumber,
    )
    .option("--name <name>", "of --suggest: the policy's name")
    .option("--tighten <policy>", "print a patch that takes out of a policy what nobody used")
    .option("--days <number>", "of --tighten: not used in so many days (30)", readNumber)
    .option(
      "-o, --output <file>",
      "of --tighten: write the policy, or with .patch at its end the patch, in place of printing it",
    )
    .option("--fail-on <findings>", `end with 1 if there are any of: ${Object.keys(findings).join(", ")}`, readFindings)
    .addOption(formatOption())
    .action(run);
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function readSince(text: string): Since {
  const since = parseSince(text);
  if (since === undefined)
    throw new InvalidArgumentError("It is 7d for the last seven days, or a day such as 2026-11-20.");
  return since;
}

function readFindings(text: string): FindingName[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !Object.hasOwn(findings, name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`"${unknown}" is none of ${Object.keys(findings).join(", ")}.`);
  return names as FindingName[];
}

async function run(logs: string[], options: DiscoverOptions): Promise<void> {
  checkOptions(options);
  if (options.sql !== undefined) return printQuery(options.sql, logs, options);
  // What a person wrote is read first: a slip in it is told before an hour of reading.
  const document = options.spec === undefined ? undefined : readSpec(options.spec);
  const policy = options.policy === undefined ? undefined : readPolicy(options.policy, options.suggest === undefined);
  if (options.tighten !== undefined) loadPolicyFile(options.tighten);
  const { usages, summary } = await readTraffic(logs, options);
  if (options.suggest !== undefined) return writeSuggestion(usages, summary, options);
  if (options.tighten !== undefined) return writeTightened(usages, summary, options);
  const earlier = options.compare.length === 0 ? undefined : await readCompared(options.compare);
  const pins = pinsFor(usages, document, policy);
  const found: Found = {
    read: summary,
    inventory: inventoryOf(usages, pins),
    spec: document && compareDocument(usages, document),
    drift: driftFor(usages, earlier, options.since, pins),
    use: policy && policyUseOf(usages, policy),
  };
  if (options.openapi !== undefined)
    writeOutput(
      options.openapi,
      Buffer.from(openApiYaml(found.inventory)),
      "OpenAPI document of `discover`",
      "Made by `sallyport discover --openapi`",
    );
  const counts = countFindings(found.spec, found.drift);
  const failed = (options.failOn ?? []).filter((name) => counts[name] > 0);
  process.stdout.write(options.format === "json" ? toJson(found, failed) : toText(found, options.openapi));
  if (failed.length === 0) return;
  process.stderr.write(`--fail-on: ${failed.map((name) => `${counts[name]} ${name}`).join(", ")}\n`);
  process.exitCode = 1;
}

/** Prints the query of a dialect: `--from` goes on from its result. */
function printQuery(
  dialect: DialectName,
  logs: readonly string[],
  { table, column, from, format }: DiscoverOptions,
): void {
  if (logs.length > 0 || from !== undefined)
    throw new UsageError("--sql prints a query for where the logs are, and reads none: leave out the logs");
  for (const [option, name] of Object.entries({ table, column }))
    if (name !== undefined && !isSqlName(name))
      throw new UsageError(`--${option}: \`${cell(name)}\` is no name of a table or a column`);
  const sql = sqlFor(dialect, { ...(table !== undefined && { table }), ...(column !== undefined && { column }) });
  process.stdout.write(format === "json" ? jsonText({ dialect, sql }) : sql);
}

function checkOptions(options: DiscoverOptions): void {
  const { since, compare, failOn = [], spec, openapi, sql, table, column } = options;
  if (sql === undefined && (table ?? column) !== undefined) throw new UsageError("--table and --column go with --sql");
  const asked = {
    "--since": since,
    "--compare": compare[0],
    "--fail-on": failOn[0],
    "--spec": spec,
    "--openapi": openapi,
  };
  const others = Object.entries(asked).filter(([, value]) => value !== undefined);
  checkPolicyOptions(
    options,
    others.map(([name]) => name),
  );
  if (since !== undefined && compare.length > 0)
    throw new UsageError("--since compares within the logs, --compare with others: give one of them");
  for (const name of failOn) {
    if (findings[name] === "spec" && spec === undefined) throw new UsageError(`--fail-on ${name} needs --spec`);
    if (findings[name] === "drift" && since === undefined && compare.length === 0)
      throw new UsageError(`--fail-on ${name} needs --since or --compare`);
  }
}

function readSpec(path: string): ApiDocument {
  try {
    return readDocument(path);
  } catch (error) {
    throw error instanceof DocumentError ? new UsageError(error.message) : error;
  }
}

/** @param isShown whether its warnings are: a new policy in its place has its own */
function readPolicy(path: string, isShown: boolean): Policy {
  const { policy, warnings } = loadPolicyFile(path);
  if (isShown) showFindings(warnings, "warning");
  return policy;
}

/** The document's templates, then the policy's: of two that hold a path alike, the first counts. */
function pinsFor(usages: readonly Usage[], document: ApiDocument | undefined, policy: Policy | undefined): Pin[] {
  return [
    ...(document === undefined ? [] : pinsOfDocument(document, hasForeignHosts(usages, document))),
    ...(policy === undefined ? [] : pinsOfPolicy(policy)),
  ];
}

function driftFor(
  usages: readonly Usage[],
  earlier: readonly Usage[] | undefined,
  since: Since | undefined,
  pins: readonly Pin[],
): Drift | undefined {
  if (earlier !== undefined) return driftOf(earlier, usages, pins);
  if (since === undefined) return undefined;
  const day = firstDayOf(since, usages);
  if (day === undefined)
    throw new UsageError("--since needs times, which the logs do not have: compare two logs with --compare");
  return driftOf(...splitAt(usages, day), pins);
}

function toJson({ read, inventory, spec, drift, use }: Found, failed: readonly FindingName[]): string {
  return jsonText({
    read,
    ...inventoryJson(inventory),
    ...(spec !== undefined && { spec: specJson(spec) }),
    ...(drift !== undefined && { drift }),
    ...(use !== undefined && { policy: policyJson(use) }),
    failed,
  });
}

function toText({ read, inventory, spec, drift, use }: Found, openapi: string | undefined): string {
  const faults = readFaults(read);
  const lines = [...faults, ...(faults.length > 0 ? [""] : []), ...inventoryLines(inventory)];
  if (spec !== undefined) lines.push("", ...specLines(spec));
  if (drift !== undefined) lines.push("", ...driftLines(drift));
  if (use !== undefined) lines.push("", ...policyLines(use));
  if (openapi !== undefined) lines.push("", `${openapi}: OpenAPI 3.1 of what was seen`);
  return `${lines.join("\n")}\n`;
}
