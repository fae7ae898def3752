/** `sallyport token`: decodes and checks a token as the filter would. */
import type { Command } from "commander";
import { Engine } from "../evaluate/engine.ts";
import { readImage } from "../evaluate/image.ts";
import { reasonWords } from "../evaluate/reasons.ts";
import { decodeToken, judgeToken, policyForToken, type TokenReport } from "../evaluate/token.ts";
import { algorithm_names } from "../policy/algorithms.ts";
import { compilePolicy, loadEngine, loadPolicyFile } from "../policy/build.ts";
import { Findings, PolicyError, Reporter } from "../policy/diagnostic.ts";
import { parseKeySet } from "../policy/keys.ts";
import type { Issuer, KeySet, Policy, PolicyKey } from "../policy/model.ts";
import { readSource } from "../policy/read.ts";
import { didYouMean } from "../policy/suggest.ts";
import { parseAt, readTokenArgument } from "./arguments.ts";
import { formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";
import { painter } from "./terminal.ts";

interface TokenOptions {
  keys?: string;
  policy?: string;
  issuer?: string;
  at?: number;
  format: OutputFormat;
}

interface Report extends TokenReport {
  /** What the issuer binds its tokens to, which is not judged: a token by itself has no caller. Left out: nothing. */
  bind?: "certificate" | "caller";
}

/** Adds the verb to the program. */
export function registerToken(program: Command): void {
  program
    .command("token")
    .argument("<token>", "the token; @file reads it from a file, - from standard input")
    .description("decode and check a token as the filter would")
    .option("--keys <file>", "the issuer's keys (a JWKS); with --policy they stand in for the policy's")
    .option("--policy <file>", "judge by the issuer of this policy that has the token's `iss`")
    .option("--issuer <name>", "judge by this issuer of the policy")
    .option("--at <time>", "the clock, such as 2026-11-21T10:00:00Z; left out: now", parseAt)
    .addOption(formatOption())
    .action((argument: string, options: TokenOptions) => {
      const report = run(readTokenArgument(argument), options);
      if (options.format === "json") printJson(report);
      else process.stdout.write(toText(report));
      process.exitCode = report.reason === null ? 0 : 1;
    });
}

/** Throws PolicyError for an unusable policy or key file. */
function run(token: string, options: TokenOptions): Report {
  if (options.keys === undefined && options.policy === undefined) {
    throw new UsageError("without keys nothing can be said of a signature: give --keys, --policy or both");
  }
  if (options.issuer !== undefined && options.policy === undefined) {
    throw new UsageError("--issuer names an issuer of a policy: give --policy too");
  }
  const { policy, issuer, bind } = options.policy === undefined ? adHoc(token, options.keys!) : chosen(token, options);
  const { image } = compilePolicy({ policy, warnings: [] }, options.policy ?? options.keys!);
  const evaluator = new Engine(loadEngine()).start(image, options.at);
  const index = readImage(image).issuers.findIndex(({ name }) => name === issuer);
  return { ...judgeToken(evaluator, index, token), ...(bind !== "none" && { bind }) };
}

interface Choice {
  policy: Policy;
  /** The name of the issuer to judge by. */
  issuer: string;
  /** What it binds its tokens to; in `policy` it no longer does. */
  bind: Issuer["bind"];
}

function adHoc(token: string, keysPath: string): Choice {
  const policy = policyForToken(decodeToken(token).claims, readKeyFile(keysPath), [...algorithm_names]);
  return { policy, issuer: policy.issuers[0]!.name, bind: "none" };
}

/** Reads a JWKS. Throws PolicyError. */
function readKeyFile(path: string): PolicyKey[] {
  const findings = new Findings();
  const keys = parseKeySet(new Reporter(readSource(path), findings));
  findings.throwIfErrors();
  return keys ?? [];
}

/** The policy's issuer with the token's `iss`; its first where none has it, which the engine then says. */
function chosen(token: string, options: TokenOptions): Choice {
  const { policy } = loadPolicyFile(options.policy!);
  const names = policy.issuers.map(({ name }) => name);
  if (names.length === 0) {
    throw new PolicyError([
      { file: options.policy!, line: 1, column: 1, code: "issuers", message: "the policy has no issuers" },
    ]);
  }
  if (options.issuer !== undefined && !names.includes(options.issuer)) {
    const hint = didYouMean(options.issuer, names);
    throw new UsageError(`the policy has no issuer \`${options.issuer}\`${hint}`);
  }
  const iss = decodeToken(token).claims?.iss;
  const issuer = options.issuer ?? policy.issuers.find((one) => one.issuer === iss)?.name ?? names[0]!;
  const { bind, keySet: own } = policy.issuers.find(({ name }) => name === issuer)!;
  const keySet: KeySet =
    options.keys === undefined ? own : { use: "sig", keys: readKeyFile(options.keys), source: undefined };
  const issuers = policy.issuers.map((one) => (one.name === issuer ? { ...one, keySet, bind: "none" as const } : one));
  return { policy: { ...policy, issuers }, issuer, bind };
}

const bound: Readonly<Record<"certificate" | "caller", string>> = {
  certificate: "bound to the caller's certificate (`cnf.x5t#S256`), which only a request shows: not checked here",
  caller: "bound to the caller, whose SPIFFE ID `sub` has to be, which only a request shows: not checked here",
};

function toText({ signature, claims, reason, detail, header, bind }: Report): string {
  const paint = painter(process.stdout);
  const verdict =
    reason === null
      ? paint("green", "good: the filter would take this token")
      : paint("red", `${reason}: ${reasonWords(reason)}`);
  const lines = [
    verdict,
    ...(detail === null ? [] : [detail]),
    ...(bind === undefined ? [] : [bound[bind]]),
    `signature: ${signature}`,
    `header: ${show(header)}`,
    `claims: ${show(claims)}`,
  ];
  for (const name of ["iat", "nbf", "exp"]) {
    const date = dateOf(claims?.[name]);
    if (date !== undefined) lines.push(`  ${name} is ${date}`);
  }
  return `${lines.join("\n")}\n`;
}

const show = (value: Record<string, unknown> | null): string =>
  value === null ? "not a JSON object" : JSON.stringify(value, null, 2);

/** A NumericDate (RFC 7519 §2) for people. */
function dateOf(value: unknown): string | undefined {
  if (typeof value !== "number" || Math.abs(value) > 8.64e12) return undefined;
  return new Date(value * 1000).toISOString();
}
