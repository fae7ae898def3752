/** `sallyport diff`: who gains and who loses access to what between two policies, by what the policies mean. */
import type { Command } from "commander";
import { loadPolicyFile } from "../policy/build.ts";
import {
  type AccessChange,
  comparePolicies,
  hasGain,
  isSame,
  type PolicyDifference,
} from "../policy/meaning/difference.ts";
import type { PolicyChange } from "../policy/meaning/settings.ts";
import { conditionText, unconditional } from "../policy/meaning/words.ts";
import { formatOption, type OutputFormat, printJson } from "./output.ts";
import { painter, printable } from "./terminal.ts";

interface DiffOptions {
  /** `--no-new-access` as commander has it: false where it is given. */
  newAccess: boolean;
  format: OutputFormat;
}

/** Adds the verb to the program. Exit 1: something is gained, and `--no-new-access` is set. */
export function registerDiff(program: Command): void {
  program
    .command("diff")
    .argument("<old>", "the policy as it was")
    .argument("<new>", "the policy as it is to be")
    .description("show who gains and who loses access to what, by what the policies mean")
    .option("--no-new-access", "end with 1 if anybody may gain anything")
    .addOption(formatOption())
    .action((before: string, after: string, { newAccess, format }: DiffOptions) => {
      const difference = comparePolicies(loadPolicyFile(before).policy, loadPolicyFile(after).policy);
      if (format === "json") printJson(difference);
      else process.stdout.write(toText(difference));
      process.exitCode = !newAccess && hasGain(difference) ? 1 : 0;
    });
}

/** Three columns of a change, each with its own lines. */
type Row = readonly [callers: string[], endpoints: string[], conditions: string[]];

/** A person reads so many lines of a cell; JSON has them all. */
const shown_lines = 12;
const widest_column = 56;

const kinds = [
  { key: "gained", sign: "+", style: "green", title: "gained: admitted now, or on weaker conditions" },
  { key: "lost", sign: "-", style: "red", title: "lost: not admitted any more, or on stricter conditions" },
  {
    key: "changed",
    sign: "~",
    style: "yellow",
    title: "changed: on other conditions, some requests gained and some lost",
  },
] as const;

function toText(difference: PolicyDifference): string {
  if (isSame(difference)) return "no difference\n";
  const paint = painter(process.stdout);
  const lines: string[] = [];
  for (const change of difference.policy) {
    const [sign, style] = change.gain ? (["+", "green"] as const) : (["~", "yellow"] as const);
    lines.push(paint(style, `${sign} ${policyWords(change)}`));
  }
  if (lines.length > 0) lines.unshift("policy");
  const rows = kinds.map(({ key }) => difference[key].map(rowOf));
  const widths = [0, 1].map((column) =>
    rows
      .flat()
      .reduce((most, row) => Math.max(most, ...row[column]!.map((line) => Math.min(line.length, widest_column))), 0),
  );
  for (const [at, { sign, style, title }] of kinds.entries()) {
    if (rows[at]!.length === 0) continue;
    if (lines.length > 0) lines.push("");
    lines.push(title, ...rows[at]!.flatMap((row) => rowLines(row, widths, sign).map((line) => paint(style, line))));
  }
  const counts = kinds.map(({ key }) => `${difference[key].length} ${key}`);
  return `${lines.join("\n")}\n\n${counts.join(", ")}, ${difference.policy.length} of the policy as a whole\n`;
}

function policyWords({ what, before, after, gain }: PolicyChange): string {
  const words =
    before === null
      ? `${what} added: ${after}`
      : after === null
        ? `${what} removed: ${before}`
        : `${what}: ${before} → ${after}`;
  return printable(`${words}${gain ? " (may admit more)" : ""}`);
}

function rowOf({ callers, hosts, endpoints, conditions, was, except = {}, unsure }: AccessChange): Row {
  const left = (names: readonly string[] | undefined): string[] => names?.map((name) => `  except ${name}`) ?? [];
  const details: string[] = [];
  if (hosts.length > 0) details.push(`on ${hosts.join(", ")}`);
  if (except.hosts !== undefined)
    details.push(`${hosts.length === 0 ? "on every host " : "  "}except ${except.hosts.join(", ")}`);
  const isNews = was === undefined || conditions.length === 0;
  const now = conditions.map(conditionText);
  const before = was?.map(conditionText) ?? [];
  if (isNews) {
    const one = conditions.length === 0 ? before : now;
    if (one.length > 1 || one[0] !== unconditional)
      details.push(...one.map((text, place) => (place === 0 ? text : `or ${text}`)));
  } else {
    details.push(...now.map((text, place) => `${place === 0 ? "now" : " or"} ${text}`));
    details.push(...before.map((text, place) => `${place === 0 ? "was" : " or"} ${text}`));
  }
  if (unsure) details.push("(patterns that cross each other too often to be compared one by one)");
  return [
    shorten([...callers, ...left(except.callers)]),
    shorten([...endpoints.map(withoutRespellings), ...left(except.endpoints?.map(withoutRespellings))]),
    shorten(details),
  ];
}

/** What a deny rule denies it denies in any case, which goes without saying. */
function withoutRespellings(endpoint: string): string {
  const space = endpoint.indexOf(" ");
  const all = endpoint.slice(0, space).split("|");
  const shown = all.filter((method) => method === method.toUpperCase() || !all.includes(method.toUpperCase()));
  return shown.join("|") + endpoint.slice(space);
}

function shorten(lines: string[]): string[] {
  const harmless = lines.slice(0, shown_lines).map((line) => printable(line));
  return lines.length > shown_lines ? [...harmless, `… and ${lines.length - shown_lines} more`] : harmless;
}

function rowLines(row: Row, widths: readonly number[], sign: string): string[] {
  const height = Math.max(...row.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const cells = row.map((lines, column) => (lines[line] ?? "").padEnd(widths[column] ?? 0));
    return `${line === 0 ? sign : " "} ${cells.join("  ")}`.trimEnd();
  });
}
