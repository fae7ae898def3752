/** `sallyport token`: decodes and checks a token as the filter would. */
import type { Command } from "commander";
import { Engine } from "../evaluate/engine.ts";
import { isMilliseconds, isSvid, issuersHint, termsHint } from "../evaluate/hints.ts";
import { readImage } from "../evaluate/image.ts";
import { reasonWords } from "../evaluate/reasons.ts";
import { inspectSvid, policyForSvid, policyForSvids, subjectDomain } from "../evaluate/svid.ts";
import { decodeToken, inspectToken, policyForToken, type TokenReport } from "../evaluate/token.ts";
import { compilePolicy, loadEngineFor, loadPolicyFile } from "../policy/build.ts";
import { parseKeySet } from "../policy/check/jwks.ts";
import { mistakenForToken, paddingHint } from "../policy/check/notkeys.ts";
import { algorithm_names, svid_algorithm_names } from "../policy/language/algorithms.ts";
import type { Issuer, KeySet, KeyUse, Policy, PolicyKey } from "../policy/language/model.ts";
import { templateClaims } from "../policy/language/template.ts";
import { Findings, Reporter } from "../policy/source/diagnostic.ts";
import { readSource } from "../policy/source/read.ts";
import { didYouMean } from "../policy/source/suggest.ts";
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

/** A report, and what only people are told. */
interface Judged {
  report: Report;
  /** What is to be said of the signature in place of the report's word; undefined: nothing else. */
  unchecked: string | undefined;
  hints: string[];
}

/** Adds the verb to the program. */
export function registerToken(program: Command): void {
  program
    .command("token")
    .argument("<token>", "the token; @file reads it from a file, - from standard input")
    .description("decode a token and check it as the filter does")
    .option(
      "--keys <file>",
      "the issuer's keys (a JWKS), or a SPIFFE bundle; with --policy they stand in for the policy's",
    )
    .option("--policy <file>", "judge by the issuer of this policy that has the token's `iss`")
    .option("--issuer <name>", "judge by this issuer of the policy")
    .option("--at <time>", "the clock, such as 2026-11-21T10:00:00Z; left out: now", parseAt)
    .addOption(formatOption())
    .action((argument: string, options: TokenOptions) => {
      const judged = run(readTokenArgument(argument), options);
      if (options.format === "json") printJson(judged.report);
      else process.stdout.write(toText(judged));
      process.exitCode = judged.report.reason === null ? 0 : 1;
    });
}

/** Throws PolicyError for an unusable policy or key file. */
function run(token: string, options: TokenOptions): Judged {
  const mistaken = mistakenForToken(token);
  if (mistaken !== undefined) throw new UsageError(mistaken.message);
  if (options.keys === undefined && options.policy === undefined) {
    throw new UsageError("without keys nothing can be said of a signature: give --keys, --policy or both");
  }
  if (options.issuer !== undefined && options.policy === undefined) {
    throw new UsageError("--issuer names an issuer of a policy: give --policy too");
  }
  if (/^bearer\s/iu.test(token)) {
    throw new UsageError("`Bearer` is what stands before a token in its header, no part of it: leave that off");
  }
  const svids = svidPolicy(token, options);
  if (svids !== undefined) return judgedSvid(svids, token, options);
  const choice = options.policy === undefined ? adHoc(token, options.keys!) : chosen(token, options);
  const { policy, issuer, bind } = choice;
  const { image } = compilePolicy({ policy, warnings: [] }, options.policy ?? options.keys!);
  const evaluator = new Engine(loadEngineFor).start(image, options.at);
  const index = readImage(image).issuers.findIndex(({ name }) => name === issuer);
  const { report, isKeyless } = inspectToken(evaluator, index, token);
  const isForeign = choice.isGuess === true && report.reason === "token_issuer";
  const hints = options.policy === undefined ? [] : hintsOf(report, choice, isForeign);
  const padding = report.reason === null ? undefined : paddingHint(token);
  if (padding !== undefined) hints.push(padding);
  if (isKeyless && !isForeign && options.keys === undefined && choice.isFetched === true) {
    hints.push(`the keys of \`${issuer}\` are fetched, which the command line does not: give \`--keys\``);
  }
  // Of several issuers none was meant, and so the keys of the first say nothing.
  const isNobodys = isForeign && policy.issuers.length > 1;
  const unchecked = isNobodys ? "no issuer" : isKeyless ? "no key" : undefined;
  return { report: { ...report, ...(bind !== "none" && { bind }) }, unchecked, hints };
}

/** What the policy asks for that the token does not have. @param isForeign no issuer of the policy has issued it */
function hintsOf(report: TokenReport, { policy, issuer }: Choice, isForeign: boolean): string[] {
  if (isForeign && policy.issuers.length > 1) return [issuersHint(policy, report.claims)];
  const terms = termsHint(report, policy.issuers.find(({ name }) => name === issuer)!);
  return terms === undefined ? [] : [terms];
}

interface Choice {
  policy: Policy;
  /** The name of the issuer to judge by. */
  issuer: string;
  /** What it binds its tokens to; in `policy` it no longer does. */
  bind: Issuer["bind"];
  /** The token's `iss` is that of no issuer, so that it is the first that judges. */
  isGuess?: boolean;
  /** Its keys are fetched while Envoy runs. */
  isFetched?: boolean;
}

function adHoc(token: string, keysPath: string): Choice {
  const policy = policyForToken(decodeToken(token).claims, readKeyFile(keysPath), [...algorithm_names]);
  return { policy, issuer: policy.issuers[0]!.name, bind: "none" };
}

/** The policy to judge a JWT-SVID by; undefined where the token is none, or meant for an issuer. */
function svidPolicy(token: string, { keys, policy: path, issuer }: TokenOptions): Policy | undefined {
  const { claims } = decodeToken(token);
  const domain = subjectDomain(claims);
  if (domain === undefined || issuer !== undefined) return undefined;
  if (path === undefined) {
    const bundle = readKeyFile(keys!, "jwt-svid");
    return bundle.length === 0 ? undefined : policyForSvid(claims, domain, bundle, [...svid_algorithm_names]);
  }
  const { policy } = loadPolicyFile(path);
  if (!isSvid(policy, claims)) return undefined;
  if (keys === undefined) return policyForSvids(policy);
  const keySet: KeySet = { use: "jwt-svid", keys: readKeyFile(keys, "jwt-svid"), source: undefined };
  const svids = policy.svids.map((svid) => (svid.name === domain ? { ...svid, keySet } : svid));
  return policyForSvids({ ...policy, svids });
}

function judgedSvid(policy: Policy, token: string, options: TokenOptions): Judged {
  const { image } = compilePolicy({ policy, warnings: [] }, options.policy ?? options.keys!);
  const { report, isKeyless } = inspectSvid(new Engine(loadEngineFor).start(image, options.at), token);
  const domain = subjectDomain(report.claims);
  const svid = policy.svids.find(({ name }) => name === domain);
  const hints: string[] = [];
  if (report.reason === "token_audience" && svid !== undefined)
    hints.push(
      `JWT-SVIDs have to be for ${svid.audiences.join(" or ")}; this one's \`aud\` is ${JSON.stringify(report.claims?.aud)}`,
    );
  if (isKeyless && svid?.keySet.source !== undefined)
    hints.push(`the bundle of \`${domain}\` is fetched, which the command line does not: give \`--keys\``);
  const unchecked = isKeyless ? "no key" : svid === undefined ? "no bundle" : undefined;
  return { report, unchecked, hints };
}

/** Reads a JWKS. Throws PolicyError. @param use `jwt-svid`: it is a SPIFFE bundle */
function readKeyFile(path: string, use: KeyUse = "sig"): PolicyKey[] {
  const findings = new Findings();
  const keys = parseKeySet(new Reporter(readSource(path), findings), use);
  findings.throwIfErrors();
  return keys ?? [];
}

/** Whether an issuer may have this `iss`. */
function isOf({ issuer, template }: Issuer, iss: unknown): boolean {
  return issuer === iss || (typeof iss === "string" && templateClaims(template, iss) !== undefined);
}

/** The policy's issuer with the token's `iss`; its first where none has it, which the engine then says. */
function chosen(token: string, options: TokenOptions): Choice {
  const { policy } = loadPolicyFile(options.policy!);
  const names = policy.issuers.map(({ name }) => name);
  const { claims } = decodeToken(token);
  if (names.length === 0) throw new UsageError(`${options.policy}: the policy has no issuers`);
  if (options.issuer !== undefined && !names.includes(options.issuer)) {
    const hint = didYouMean(options.issuer, names);
    throw new UsageError(`the policy has no issuer \`${options.issuer}\`${hint}`);
  }
  const known = options.issuer ?? policy.issuers.find((one) => isOf(one, claims?.iss))?.name;
  const issuer = known ?? names[0]!;
  const { bind, keySet: own } = policy.issuers.find(({ name }) => name === issuer)!;
  const keySet: KeySet =
    options.keys === undefined ? own : { use: "sig", keys: readKeyFile(options.keys), source: undefined };
  const issuers = policy.issuers.map((one) => (one.name === issuer ? { ...one, keySet, bind: "none" as const } : one));
  const isFetched = own.source !== undefined;
  return { policy: { ...policy, issuers }, issuer, bind, isGuess: known === undefined, isFetched };
}

const bound: Readonly<Record<"certificate" | "caller", string>> = {
  certificate: "bound to the caller's certificate (`cnf.x5t#S256`), which only a request shows: not checked here",
  caller: "bound to the caller, whose SPIFFE ID `sub` has to be, which only a request shows: not checked here",
};

function toText({ report, unchecked, hints }: Judged): string {
  const { signature, claims, reason, detail, header, bind } = report;
  const paint = painter(process.stdout);
  const verdict =
    reason === null
      ? paint("green", "good: the filter would take this token")
      : paint("red", `${reason}: ${reasonWords(reason)}`);
  const lines = [
    verdict,
    ...(detail === null ? [] : [detail]),
    ...(bind === undefined ? [] : [bound[bind]]),
    ...hints,
    `signature: ${unchecked === undefined ? signature : `not checked (${unchecked})`}`,
    `header: ${show(header)}`,
    `claims: ${show(claims)}`,
  ];
  for (const name of ["iat", "nbf", "exp"]) {
    const value = claims?.[name];
    const date = dateOf(value);
    const hint = isMilliseconds(value) ? ": milliseconds? NumericDate is in seconds" : "";
    if (date !== undefined || hint !== "") lines.push(`  ${name} is ${date ?? value}${hint}`);
  }
  return `${lines.join("\n")}\n`;
}

const show = (value: Record<string, unknown> | null): string => (value === null ? "not a JSON object" : written(value));

/** A NumericDate (RFC 7519 §2) for people. */
function dateOf(value: unknown): string | undefined {
  if (typeof value !== "number" || Math.abs(value) > 8.64e12) return undefined;
  return new Date(value * 1000).toISOString();
}

/** JSON of a value that anybody may have sent: writing it is recursive, and reading it was not. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value, null, 2);
  } catch (error) {
    if (error instanceof RangeError) return "nested too deeply to be shown";
    throw error;
  }
}
