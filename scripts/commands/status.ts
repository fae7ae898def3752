/** `sallyport status`: which policy is in force on which Envoy, and what is wrong with it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { compilePolicyFile, loadEngineFor } from "../policy/build.ts";
import { embedImage } from "../policy/module/embed.ts";
import { reasonOf } from "../policy/source/read.ts";
import { AdminError, askAdmin, isLocal, parseAdmin } from "../status/admin.ts";
import type { Finding } from "../status/codes.ts";
import { readFacts } from "../status/facts.ts";
import { type EnvoyStatus, type InForce, judge, type Wanted } from "../status/judge.ts";
import type { ModuleSource } from "../status/plugin.ts";
import { showFailure } from "./failure.ts";
import { counted, formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";
import { painter, printable } from "./terminal.ts";
import { readTrustKeys, type TrustOptions, trustKeyOption } from "./trust.ts";

interface StatusOptions extends TrustOptions {
  admin: string[];
  configDump: string[];
  module?: string;
  format: OutputFormat;
}

/** What was found of one Envoy, or why nothing was. */
type Result = { envoy: string } & (EnvoyStatus | { error: string });

/** So many admin interfaces are asked at a time. */
const asked_at_once = 16;

/** Adds the verb to the program. Exit 1: something is wrong; 2: some admin interface did not answer. */
export function registerStatus(program: Command): void {
  program
    .command("status")
    .argument("[policy]", "the policy file that ought to be in force; left out: any will do")
    .description("say which policy is in force in running Envoys, since when, and what is wrong around it")
    .option(
      "--admin <url>",
      "Envoy's admin interface, such as http://127.0.0.1:9901; may be given several times",
      collectAdmin,
      [],
    )
    .option(
      "--config-dump <file>",
      "what it answered to /config_dump, as a file; may be given several times",
      collect,
      [],
    )
    .option("--module <file>", "the module that Envoy loads, where it cannot be read from here")
    .addOption(trustKeyOption())
    .addOption(formatOption())
    .action(async (policy: string | undefined, options: StatusOptions) => {
      process.exitCode = await run(policy, options);
    });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function collectAdmin(value: string, before: string[]): string[] {
  try {
    parseAdmin(value);
  } catch {
    throw new InvalidArgumentError(
      "the base URL of an admin interface is needed, without a password, such as http://127.0.0.1:9901.",
    );
  }
  return [...before, value];
}

async function run(
  policyPath: string | undefined,
  { admin, configDump, module, format, ...trust }: StatusOptions,
): Promise<number> {
  if (admin.length + configDump.length === 0)
    throw new UsageError(
      "say which Envoy is meant: --admin URL for a running one, --config-dump FILE for what one answered",
    );
  const wanted = policyPath === undefined ? undefined : wantedOf(policyPath, readTrustKeys(trust));
  const bytes = module === undefined ? undefined : readBytes(module);
  const given: ModuleSource = { readsFiles: false, ...(bytes !== undefined && { bytes }) };
  const tasks: (() => Promise<Result>)[] = [
    ...admin.map((text) => async () => statusOfAdmin(text, given, wanted)),
    ...configDump.map((path) => async () => ({ envoy: path, ...judgeFile(path, given, wanted) })),
  ];
  const results: Result[] = [];
  for (let at = 0; at < tasks.length; at += asked_at_once)
    results.push(...(await Promise.all(tasks.slice(at, at + asked_at_once).map((task) => task()))));
  if (format === "json") printJson({ envoys: results });
  else for (const result of results) show(result);
  if (results.some((result) => "error" in result)) return 2;
  return results.some((result) => wrongOf(result).length > 0) ? 1 : 0;
}

async function statusOfAdmin(text: string, given: ModuleSource, wanted: Wanted | undefined): Promise<Result> {
  const url = parseAdmin(text);
  try {
    return { envoy: text, ...judge(await askAdmin(url), { ...given, readsFiles: isLocal(url) }, wanted) };
  } catch (error) {
    const failure = error instanceof AdminError ? error : new AdminError(`${url}: ${reasonOf(error)}`);
    showFailure(failure);
    return { envoy: text, error: failure.message };
  }
}

function judgeFile(path: string, source: ModuleSource, wanted: Wanted | undefined): EnvoyStatus {
  let dump: unknown;
  try {
    dump = JSON.parse(readBytes(path).toString("utf8"));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `${path} is no JSON: ${reasonOf(error)}; it has to be what Envoy's admin interface answers to /config_dump`,
    );
  }
  try {
    return judge({ dump }, source, wanted);
  } catch (error) {
    throw new UsageError(`${path}: ${reasonOf(error)}`);
  }
}

function wantedOf(path: string, trustKeys: readonly Uint8Array[]): Wanted {
  const { image } = compilePolicyFile(path);
  const module = embedImage(loadEngineFor(image), image, trustKeys);
  return { facts: readFacts(image)!, moduleSha256: createHash("sha256").update(module).digest("hex") };
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${reasonOf(error)}`);
  }
}

function signedText({ version, keyId, expires }: NonNullable<EnvoyStatus["policies"][number]["signed"]>): string {
  return `, signed version ${version} (key ${keyId}${expires === null ? "" : `, until ${expires}`})`;
}

/** That something else decides than what Envoy's configuration has. */
function insteadText({ isRefused, inForceInstead }: Pick<InForce, "isRefused" | "inForceInstead">): string {
  const image = inForceInstead.length === 0 ? undefined : printable(inForceInstead.join(", "));
  if (isRefused) return `: refused, ${image === undefined ? "an older one" : `image ${image}`} is in force`;
  return image === undefined ? "" : `: image ${image} is in force`;
}

function wrongOf(result: Result): Finding[] {
  return "error" in result ? [] : result.findings.filter(({ severity }) => severity === "wrong");
}

function show(result: Result): void {
  const paint = painter(process.stdout);
  const { envoy } = result;
  if ("error" in result) {
    process.stdout.write(`${envoy}: did not answer\n\n`);
    return;
  }
  const { node, envoyVersion, workers, policies, findings } = result;
  const facts = [
    ...(node === null ? [] : [`node ${printable(node)}`]),
    ...(envoyVersion === null ? [] : [`Envoy ${printable(envoyVersion)}`]),
    ...(workers === null ? [] : [counted(workers, "worker")]),
  ];
  const lines = [`${envoy}${facts.length === 0 ? "" : `: ${facts.join(", ")}`}`];
  for (const { listener, chain, policy, checksum, mode, from, signed, module, since, version, ...now } of policies) {
    const what = policy === null ? "an unknown policy" : `policy ${policy}`;
    const image =
      checksum === null ? "" : `, image ${checksum} of the ${from}${signed === null ? "" : signedText(signed)}`;
    lines.push(
      `  listener ${printable(listener)}, filter chain ${printable(chain)}: ${what}${image}${mode === null ? "" : `, ${mode === "shadow" ? "in shadow mode" : "enforced"}`}${insteadText(now)}`,
      `    since ${printable(since ?? "an unknown time")}${version === null ? "" : `, version ${printable(version)}`}, module ${printable(module.origin)}`,
    );
  }
  for (const { code, severity, listener, chain, filter, path, message } of findings) {
    const place = [
      ...(listener === undefined ? [] : [`listener ${listener}`]),
      ...(chain === undefined ? [] : [`filter chain ${chain}`]),
      ...(filter === undefined ? [] : [`filter ${filter}`]),
    ].join(", ");
    const word = severity === "wrong" ? paint("red", "wrong") : paint("yellow", "note");
    lines.push(`  ${word}: ${place === "" ? "" : `${printable(place)}: `}${printable(message)} [${code}]`);
    if (path !== undefined) lines.push(`    at ${printable(path)}`);
  }
  const wrong = wrongOf(result).length;
  lines.push(wrong === 0 ? "  nothing is wrong, as far as Envoy tells" : `  ${counted(wrong, "thing")} wrong`);
  process.stdout.write(`${lines.join("\n")}\n\n`);
}
