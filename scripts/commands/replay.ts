/** `sallyport replay`: the requests of a log decided again by the engine, under the policy in force and under a new one. */
import { type Command, InvalidArgumentError } from "commander";
import { loadEngine, loadPolicyFile } from "../policy/build.ts";
import type { Policy } from "../policy/language/model.ts";
import { type ChangedRequests, type Comparison, Gathering, type UnknownPart } from "../replay/compare.ts";
import { Replay } from "../replay/replay.ts";
import { DuckDbMissing } from "../traffic/duckdb.ts";
import { openTraffic } from "../traffic/open.ts";
import { pathShape } from "../traffic/segments.ts";
import type { ReadSummary } from "../traffic/usage.ts";
import { parseAt } from "./arguments.ts";
import { counted, formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";
import { type Painter, painter, printable, progressBar } from "./terminal.ts";
import { damagedLines } from "./traffic.ts";

/** How many requests are too many: a number of them, or a share of all. */
interface Bound {
  text: string;
  count?: number;
  share?: number;
}

interface ReplayOptions {
  log: string[];
  since?: number;
  until?: number;
  failOnNewDenials?: Bound;
  failOnUnknown?: Bound;
  format: OutputFormat;
}

/** Groups and parts that a person is shown; JSON has all that are told apart. */
const shown_groups = 20;
const shown_rules = 40;
/** Kinds of requests between two looks at the clock. */
const kinds_a_step = 5_000;

/** Adds the verb to the program. Exit 1: a bound was passed, or the log has no request of the old policy. */
export function registerReplay(program: Command): void {
  program
    .command("replay")
    .argument("<old>", "the policy in force, whose decisions the log has")
    .argument("<new>", "the policy that is to take its place")
    .description(
      "decide the requests of access logs again under two policies: who would be denied, who admitted, and what no log can tell",
    )
    .requiredOption("--log <paths...>", "access logs: files, folders, patterns with `*`, or `-` for standard input")
    .option("--since <time>", "leave out requests before this time, such as 2026-11-21T10:00:00Z", parseAt)
    .option("--until <time>", "leave out requests from this time on", parseAt)
    .option(
      "--fail-on-new-denials <most>",
      "end with 1 if more requests than that would be denied that are admitted now: a number, or a share such as 0.01%",
      parseBound,
    )
    .option(
      "--fail-on-unknown <most>",
      "end with 1 if more than that may be denied, as far as the log tells: a number, or a share",
      parseBound,
    )
    .addOption(formatOption())
    .action(run);
}

function parseBound(text: string): Bound {
  const match = /^(\d+(?:\.\d+)?)(%?)$/u.exec(text);
  const number = Number(match?.[1]);
  if (match === null || (match[2] === "" && !Number.isSafeInteger(number)) || (match[2] !== "" && number > 100))
    throw new InvalidArgumentError("it is a number of requests, such as 5, or a share of all of them, such as 0.01%.");
  return match[2] === "" ? { text, count: number } : { text, share: number / 100 };
}

function passes(count: number, all: number, bound: Bound | undefined): boolean {
  return bound !== undefined && count > (bound.count ?? bound.share! * all);
}

async function run(old: string, next: string, options: ReplayOptions): Promise<void> {
  const [before, after] = [loadPolicyFile(old).policy, loadPolicyFile(next).policy];
  const { comparison, summary } = await replayLogs(before, after, options);
  const { requests, denied, unknown } = comparison;
  const failures = [
    ...(passes(denied.count, requests, options.failOnNewDenials) ? ["new-denials"] : []),
    ...(passes(unknown.mayBeDenied, requests, options.failOnUnknown) ? ["unknown"] : []),
    ...(requests === 0 ? ["no-requests"] : []),
  ];
  if (options.format === "json") {
    printJson({
      old: before.name,
      new: after.name,
      ...comparison,
      notJudged: notJudged(before, after),
      failures,
      log: summary,
    });
  } else {
    process.stdout.write(tell(comparison, summary, before, after, options));
  }
  process.exitCode = failures.length > 0 ? 1 : 0;
}

async function replayLogs(
  before: Policy,
  after: Policy,
  { log, since, until }: ReplayOptions,
): Promise<{ comparison: Comparison; summary: ReadSummary }> {
  const replay = new Replay(new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>), before, after);
  const gathering = new Gathering(before.name, (path) => pathShape(path, false));
  const bar = progressBar("kinds of requests");
  try {
    const traffic = await openTraffic(log, {
      ...(since !== undefined && { since: new Date(since) }),
      ...(until !== undefined && { until: new Date(until) }),
    });
    try {
      let kinds = 0;
      for await (const recorded of traffic.requests()) {
        if (!gathering.takes(recorded)) continue;
        gathering.add(recorded, replay.replay(recorded));
        if (++kinds % kinds_a_step === 0) bar.update(kinds, kinds);
      }
      return { comparison: gathering.comparison(), summary: traffic.summary };
    } finally {
      await traffic.close();
    }
  } catch (error) {
    throw error instanceof DuckDbMissing ? new UsageError(error.message) : error;
  } finally {
    bar.end();
  }
}

/** What of the policies is judged without: it follows from requests that came before. */
function notJudged(before: Policy, after: Policy): string[] {
  const policies = [before, after];
  return [
    ...(policies.some(({ limits }) => limits.length > 0) ? ["limits"] : []),
    ...(policies.some(({ quarantines }) => quarantines.length > 0) ? ["quarantines"] : []),
  ];
}

const number = (count: number): string => count.toLocaleString("en-US");

function share(count: number, all: number): string {
  if (all === 0) return "0 %";
  const percent = (count / all) * 100;
  return `${percent === 0 || percent >= 0.01 ? Number(percent.toFixed(2)) : "under 0.01"} %`;
}

function tell(
  comparison: Comparison,
  summary: ReadSummary,
  before: Policy,
  after: Policy,
  options: ReplayOptions,
): string {
  const { requests, distinct, same, denied, admitted, unknown, otherPolicies } = comparison;
  const paint = painter(process.stdout);
  const lines: string[] = [];
  if (requests === 0) lines.push(`no request of policy ${before.name} in these logs`);
  else {
    const name = before.name === after.name ? before.name : `${before.name} and ${after.name}`;
    lines.push(`policy ${name}: ${counted(requests, "request")} of ${counted(distinct, "kind")} decided again`);
    lines.push(`  ${number(same)} as before`);
    lines.push(...groupLines(denied, requests, "admitted now, and denied by the new policy", "-", paint));
    lines.push(...groupLines(admitted, requests, "denied now, and admitted by the new policy", "+", paint));
    if (unknown.count > 0) lines.push(...unknownLines(unknown, requests, paint));
    lines.push(...ruleLines(comparison));
  }
  lines.push(...standingLines(comparison), ...readLines(summary, otherPolicies));
  const left = notJudged(before, after);
  if (left.length > 0)
    lines.push(
      `judged without ${left.join(" and ")}, which hang on requests before: what they denied is taken for admitted by the rules, or not known`,
    );
  if (after.mode === "shadow") lines.push("the new policy is in shadow mode: it denies nothing until it enforces");
  lines.push(...boundLines(comparison, options));
  return `${lines.join("\n")}\n`;
}

function groupLines(
  { count, groups }: Comparison["denied"],
  all: number,
  title: string,
  sign: "+" | "-" | "?",
  paint: Painter,
): string[] {
  const style = sign === "+" ? "green" : sign === "-" ? "red" : "yellow";
  const lines = groups.slice(0, shown_groups).map((group) => paint(style, `${sign} ${groupText(group, sign)}`));
  if (groups.length > shown_groups) lines.push(`  … and ${number(groups.length - shown_groups)} more kinds`);
  return [`  ${number(count)} (${share(count, all)}) ${title}`, ...lines];
}

function groupText(
  { count, caller, method, host, path, oldRule, newRule, reason }: ChangedRequests,
  sign: string,
): string {
  const where = `${number(count)} × ${caller || "(no caller)"} ${method} ${host}${path}`;
  const rules = `${oldRule || "no rule"} → ${newRule || "no rule"}`;
  return printable(sign === "?" ? `${where}: ${rules}` : `${where}: ${rules}, ${reason}`);
}

function unknownLines(
  { count, groups, mayBeDenied, mayBeAdmitted, parts }: Comparison["unknown"],
  all: number,
  paint: Painter,
): string[] {
  const title = `not to be told from the log: ${number(mayBeDenied)} may be denied that are admitted, ${number(mayBeAdmitted)} admitted that are denied`;
  const lines = parts.slice(0, shown_groups).map((part) => printable(`  ${partText(part, all)}`));
  if (parts.length > shown_groups) lines.push(`  … and ${number(parts.length - shown_groups)} more`);
  return [
    ...groupLines({ count, groups }, all, title, "?", paint),
    "  it hangs on",
    ...lines.map((line) => `  ${line}`),
  ];
}

function partText({ policy, rule, reads, count }: UnknownPart, all: number): string {
  const whose = rule === "" ? `the ${policy} policy` : `rule ${rule} of the ${policy} policy`;
  return `${whose}: ${reads.join(", ")}, of ${counted(count, "request")} (${share(count, all)})`;
}

function ruleLines({ rules }: Comparison): string[] {
  const changed = rules.filter(({ gained, lost }) => gained + lost > 0);
  if (changed.length === 0) return [];
  const width = Math.max(4, ...changed.slice(0, shown_rules).map(({ rule }) => rule.length));
  const columns = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(12)).join("");
  const lines = changed
    .slice(0, shown_rules)
    .map(({ rule, before, after, gained, lost }) =>
      printable(`  ${rule.padEnd(width)}${columns([before, after, gained, lost].map(number))}`),
    );
  if (changed.length > shown_rules) lines.push(`  … and ${number(changed.length - shown_rules)} more rules`);
  return [`  ${"rule".padEnd(width)}${columns(["decided", "decides", "gains", "loses"])}`, ...lines];
}

function standingLines({ requests, standing, contradicted, limited }: Comparison): string[] {
  const lines: string[] = [];
  if (standing.contradicted > 0) {
    lines.push(
      `${number(standing.contradicted)} (${share(standing.contradicted, requests)}) not reproduced: the old policy decides otherwise than the log says, so it is not the one that decided, or the log lacks what it saw`,
    );
    lines.push(...contradicted.slice(0, 5).map((group) => printable(`  ${groupText(group, "!")}`)));
  }
  if (standing.unrecorded > 0)
    lines.push(
      `${number(standing.unrecorded)} (${share(standing.unrecorded, requests)}) without a record of the filter: judged by caller, method, host and path alone`,
    );
  if (standing.beside > 0)
    lines.push(
      `${number(standing.beside)} (${share(standing.beside, requests)}) were not decided by rules: judged by them as far as the log tells`,
    );
  if (limited > 0)
    lines.push(`${number(limited)} (${share(limited, requests)}) were denied by a limit: judged as if it had room`);
  return lines;
}

function readLines(summary: ReadSummary, otherPolicies: number): string[] {
  const { lines, unknown, unknownExamples } = summary;
  const told = damagedLines(summary);
  if (otherPolicies > 0) told.push(`${counted(otherPolicies, "request")} of other policies left out`);
  if (unknown > 0) {
    const example = unknownExamples[0];
    const where = example === undefined ? "" : `, such as ${example.file}:${example.line}`;
    told.push(printable(`${number(unknown)} of ${number(lines)} lines are no log that is known${where}`));
  }
  return told;
}

function boundLines(
  { requests, denied, unknown }: Comparison,
  { failOnNewDenials, failOnUnknown }: ReplayOptions,
): string[] {
  return [
    ...(passes(denied.count, requests, failOnNewDenials)
      ? [`more than ${failOnNewDenials!.text} would be denied that are admitted now`]
      : []),
    ...(passes(unknown.mayBeDenied, requests, failOnUnknown)
      ? [`more than ${failOnUnknown!.text} may be denied, as far as the log tells`]
      : []),
  ];
}
