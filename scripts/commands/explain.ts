/** `sallyport explain`: the decision on one request, and for each rule how far it got and why it stopped. */
import { type Command, InvalidArgumentError } from "commander";
import { Engine, isSourceAddress, type Verdict } from "../evaluate/engine.ts";
import { type Explanation, explain, type RuleExplanation } from "../evaluate/explain.ts";
import { readImage } from "../evaluate/image.ts";
import { reasonWords } from "../evaluate/reasons.ts";
import { loadEngineFor } from "../policy/build.ts";
import { readsBody } from "../policy/language/reads.ts";
import { parseCaller } from "../policy/language/spiffe.ts";
import { parseMcpCall, pathOfCalls, type TestBody, withBodyHeaders } from "../policytest/body.ts";
import { type Prepared, prepare, withoutSvids } from "../policytest/cases.ts";
import { parseRequestLine } from "../policytest/file.ts";
import { callerFault, pathFault } from "../policytest/lint.ts";
import { MintError } from "../policytest/mint.ts";
import { loadTestPolicy, type TestPolicy } from "../policytest/policy.ts";
import { parseSvid, parseToken, type TestSvid, type TestToken } from "../policytest/token.ts";
import { parseAt, readArgument, readTokenArgument } from "./arguments.ts";
import { counted, formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";
import { type Painter, painter, printable, type Style } from "./terminal.ts";

interface ExplainOptions {
  caller?: string;
  svid?: string;
  token?: string;
  request?: ReturnType<typeof parseRequest>;
  source: string;
  destination?: number;
  at?: number;
  host: string;
  header: [string, string][];
  body?: string;
  mcp?: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerExplain(program: Command): void {
  program
    .command("explain")
    .argument("<policy>", "the policy file")
    .description("show the decision on one request, and for each rule how far it got and why it stopped")
    .option("--caller <id>", "the caller's SPIFFE ID; left out: it has none")
    .option(
      "--svid <token>",
      "the JWT-SVID it carries; @file and - as with --token, a SPIFFE ID or {sub: …, claims: {…}} has one made",
    )
    .option(
      "--token <token>",
      "the token it carries; @file reads it from a file, - from standard input, {issuer: …, claims: {…}} has one made",
    )
    .option("--request <request>", '"METHOD PATH" or "grpc package.Service/Method"', parseRequest)
    .option("--source <ip>", "the caller's address", parseSource, "127.0.0.1")
    .option("--destination <port>", "the port it comes to", parsePort)
    .option("--at <time>", "the clock, such as 2026-11-21T10:00:00Z; left out: now", parseAt)
    .option("--host <host>", "the host the request is for", "localhost")
    .option("--header <header>", '"name: value"; may be given several times', collectHeader, [])
    .option("--body <body>", "what comes behind the headers; @file and - as with --token")
    .option(
      "--mcp <call>",
      '"METHOD", or "METHOD NAME {ARGUMENTS}": a call of MCP for the body, on the policy\'s own path',
    )
    .addOption(formatOption())
    .action((policyPath: string, options: ExplainOptions) => {
      const policy = loadTestPolicy(policyPath);
      const explanation = run(policy, options);
      if (options.format === "json") printJson(explanation);
      else process.stdout.write(toText(explanation, policy));
    });
}

/** An option's request line. */
function parseRequest(text: string): NonNullable<ReturnType<typeof parseRequestLine>> {
  const request = parseRequestLine(text);
  if (request === undefined) throw new InvalidArgumentError('a request looks like "POST /orders".');
  return request;
}

/** An option's address. */
function parseSource(text: string): string {
  if (!isSourceAddress(text)) throw new InvalidArgumentError("a source is an IP address, with or without a port.");
  return text;
}

/** An option's port. */
function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/u.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new InvalidArgumentError("a port is a number from 1 to 65535.");
  return port;
}

function collectHeader(text: string, headers: [string, string][]): [string, string][] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new InvalidArgumentError('a header looks like "name: value".');
  return [...headers, [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()]];
}

function run(policy: TestPolicy, options: ExplainOptions): Explanation {
  const { request, image } = prepareRequest(policy, options);
  const evaluator = new Engine(loadEngineFor).start(image, options.at);
  warnOf("--caller", callerFault(options.caller ?? null));
  if (options.request !== undefined) warnOf("--request", pathFault(options.request.path));
  if (request.body === undefined && policy.model.some(readsBody) && isSentWithBody(request.method))
    process.stderr.write("note: rules of this policy read bodies; --body or --mcp says what this request has\n");
  return explain(
    evaluator,
    readImage(image),
    policy.model,
    request,
    policy.modelIssuers,
    policy.quarantines,
    policy.limits,
  );
}

/** A slip in a request is more likely than the wish to see it refused, which it still is. */
function warnOf(option: string, fault: string | undefined): void {
  if (fault !== undefined)
    process.stderr.write(`${painter(process.stderr)("yellow", "warning")}: ${option}: ${printable(fault)}\n`);
}

/** The request with its token in it, and the image that is to judge it: the policy's own, but for tokens that we make. */
function prepareRequest(policy: TestPolicy, options: ExplainOptions): Prepared {
  const { source, destination, host, at: now = Date.now() } = options;
  const { method, path, headers } = options.request ?? mcpRequest(policy, options);
  const body = chosenBody(options);
  if (options.svid !== undefined && policy.svids.size === 0) {
    throw new UsageError(`--svid: ${withoutSvids(policy, "--caller")}`);
  }
  const given = [...headers, ...options.header];
  const request = {
    ...{ source, destination, method, path, host },
    headers: body === undefined ? given : withBodyHeaders(given, body),
    ...(body !== undefined && { body: body.text }),
  };
  try {
    return prepare(policy, request, {
      caller: options.caller ?? null,
      svid: chooseSvid(options.svid),
      token: chooseToken(options.token),
      now,
    });
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    const given = [options.token !== undefined && "--token", options.svid !== undefined && "--svid"];
    throw new UsageError(`${given.filter(Boolean).join(", ")}: ${error.message}`);
  }
}

/** Where a call of MCP goes that no request is given for. */
function mcpRequest(policy: TestPolicy, { mcp }: ExplainOptions): NonNullable<ExplainOptions["request"]> {
  if (mcp === undefined) throw new UsageError("give the request: --request, or --mcp for a call of MCP");
  const path = pathOfCalls(policy, "mcp");
  if (path === undefined) throw new UsageError("--mcp: the policy has no `mcp`; give the request with --request");
  return { method: "POST", path, headers: [] };
}

/** The body. One that begins as a JSON object or list is sent as JSON; other text as it is. */
function chosenBody({ body, mcp }: ExplainOptions): Pick<TestBody, "text" | "isJson"> | undefined {
  if (body !== undefined && mcp !== undefined) throw new UsageError("--body and --mcp exclude each other");
  if (mcp !== undefined) {
    const call = parseMcpCall(mcp);
    if (typeof call === "string") throw new UsageError(`--mcp: ${printable(call)}`);
    return { text: JSON.stringify(call), isJson: true };
  }
  if (body === undefined) return undefined;
  const text = readArgument(body, "the body");
  return { text, isJson: /^\s*[{[]/u.test(text) };
}

/** Whether requests of this method have bodies. */
function isSentWithBody(method: string): boolean {
  return !["GET", "HEAD", "OPTIONS", "DELETE"].includes(method);
}

function chooseSvid(text: string | undefined): TestSvid | undefined {
  if (text === undefined) return undefined;
  if (text.startsWith("{")) return parseSvid("--svid", text);
  if (/^spiffe:/iu.test(text)) {
    const parsed = parseCaller(text);
    const fault = typeof parsed !== "string" && parsed.kind !== "exact" ? "it is a pattern; name one caller" : parsed;
    if (typeof fault === "string") throw new UsageError(`--svid: \`${printable(text)}\` is no SPIFFE ID: ${fault}`);
    return { sub: text, claims: {}, header: {} };
  }
  const token = readTokenArgument(text);
  if (token.split(".").length !== 3) {
    throw new UsageError(
      "--svid: this is neither a SPIFFE ID nor a token, which has three parts with dots between them, nor {sub: …, claims: {…}}",
    );
  }
  return token;
}

function chooseToken(text: string | undefined): TestToken {
  if (text === undefined) return null;
  return text.startsWith("{") ? parseToken("--token", text) : readTokenArgument(text);
}

/** A person reads so many rules that had no say. */
const shown_unrelated_rules = 20;

/** Rules in the order in which they matter to a reader. */
const outcomeOrder: readonly RuleExplanation["outcome"][] = [
  "denied",
  "allowed",
  "failed",
  "not_reached",
  "not_applicable",
];

function toText(
  { verdict, detail, operation, forwarded, quarantines, rules }: Explanation,
  { svids }: TestPolicy,
): string {
  const paint = painter(process.stdout);
  const decided = verdict.decision === "allow" ? paint("green", "ALLOW") : paint("red", "DENY");
  const by = verdict.rule === null ? "" : ` (rule ${verdict.rule})`;
  const mode = verdict.mode === "shadow" ? `${paint("yellow", "SHADOW")}, let through whatever the verdict: ` : "";
  // Of a token that a rule asks for the rule is named.
  const isOfSvid = svids.size > 0 && verdict.rule === null && verdict.reason.startsWith("token_");
  const why = `${isOfSvid ? "its JWT-SVID: " : ""}${reasonWords(verdict.reason)}${detail === null ? "" : `: ${detail}`}`;
  const call = operation === undefined ? [] : [`the call: ${printable(operation)}`];
  const lines = [
    `${mode}${decided} ${verdict.status} ${verdict.reason}${by}: ${why}${callerWords(forwarded)}`,
    ...call,
  ];
  if (quarantines !== undefined) lines.push(`such denials count towards quarantine: ${quarantines.join(", ")}`);
  lines.push("");
  const width = rules.reduce((most, { rule }) => Math.max(most, rule.length), 0);
  const sorted = [...rules].sort((a, b) => outcomeOrder.indexOf(a.outcome) - outcomeOrder.indexOf(b.outcome));
  let unrelated = 0;
  for (const rule of sorted) {
    const shadow = rule.shadow === true ? " (shadow mode: without a part in the decision)" : "";
    const line = `  ${printable(rule.rule).padEnd(width)}  ${ruleWords(rule)}${shadow}`;
    if (rule.outcome !== "not_applicable" && rule.outcome !== "not_reached")
      lines.push(line, ...partLines(rule, paint));
    else if (++unrelated <= shown_unrelated_rules) lines.push(paint("dim", line));
  }
  lines.push(...shadowLimitLines(verdict).map((line) => `  ${line}`));
  const rest = unrelated - shown_unrelated_rules;
  if (rest > 0)
    lines.push(paint("dim", `  … and ${counted(rest, "more rule")} that had no say; --format json has them all`));
  return `${lines.join("\n")}\n`;
}

/** Limits in shadow mode that would have denied what their rules admit. */
export function shadowLimitLines({ shadow = [] }: Verdict): string[] {
  return shadow.flatMap(({ rule, limit }) =>
    limit === undefined ? [] : [printable(`the limit ${limit} of ${rule}, in shadow mode, would deny it`)],
  );
}

/** Whom the request counts as from, where that is not whose certificate it came with. */
function callerWords(forwarded: Explanation["forwarded"]): string {
  if (forwarded === undefined) return "";
  const caller = forwarded.caller === null ? "a caller without an ID" : printable(forwarded.caller);
  return `; for ${caller}, as the forwarder ${printable(forwarded.forwarder)} says`;
}

/** The parts of a rule, one beside the other, and below them what a condition was made of. */
function partLines(rule: RuleExplanation, paint: Painter): string[] {
  const signs = rule.parts.map(({ part, holds, error, reason, cost, cameTo, full }) => {
    if (error === true) return paint("yellow", `! ${part}`);
    const bound = cameTo === undefined ? "" : `: it came to ${cameTo}, at ${cameTo > cost! ? "most" : "least"} ${cost}`;
    const notes = [
      full && `${full.limit}${full.tier === undefined ? "" : `, tier ${full.tier}`}`,
      cost !== undefined && `cost ${cost}${bound}`,
    ].filter(Boolean);
    if (notes.length > 0) return `${paint(...signOf(part, holds))} (${printable(notes.join("; "))})`;
    if (holds === undefined) return paint("dim", `· ${part}${reason === undefined ? "" : ` (${reason})`}`);
    return paint(...signOf(part, holds));
  });
  return [`      ${signs.join("   ")}`, ...termLines(rule, paint)];
}

function signOf(part: string, holds: boolean | undefined): [Style, string] {
  if (holds === undefined) return ["dim", `· ${part}`];
  return holds ? ["green", `✓ ${part}`] : ["red", `✗ ${part}`];
}

/** What a rule's condition and its cost were made of, and what each part of it was. */
export function termLines({ parts }: RuleExplanation, paint: Painter): string[] {
  const terms = parts.flatMap(({ terms = [] }) => terms);
  const values = terms.flatMap((term) => [term, ...term.operands.map((operand) => ({ ...operand, isOperand: true }))]);
  const texts = values.map(({ expression, ...rest }) => `${"isOperand" in rest ? "  " : ""}${oneLine(expression)}`);
  const width = Math.min(60, Math.max(0, ...texts.map((text) => text.length)));
  return values.map(({ value, note }, index) => {
    const said = value === undefined ? paint("dim", "not evaluated") : paint(valueStyle(value), printable(value));
    const shown = note === undefined ? said : `${said}: ${oneLine(note)}`;
    return `        ${texts[index]!.padEnd(width)}  ${shown}`;
  });
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/gu, " "));
}

function valueStyle(value: string): Style {
  if (value === "true") return "green";
  if (value === "false") return "red";
  return value === "error" ? "yellow" : "dim";
}

function ruleWords({ outcome, reason, detail, action, parts }: RuleExplanation): string {
  const more = detail === undefined ? "" : printable(detail);
  switch (outcome) {
    case "allowed":
      return more === "" ? "allows: every part of it holds" : `would allow: every part of it holds, but ${more}`;
    case "denied":
      return parts.some(({ error }) => error)
        ? "denies: its `when` could not be evaluated, so it matches"
        : "denies: every part of it holds";
    case "failed":
      return `does not ${action}: ${reason}, ${reasonWords(reason)}${more && `: ${more}`}`;
    case "not_reached":
      return `not looked at: ${reason} came first`;
    case "not_applicable":
      return `does not apply: another ${reason}${more && `: ${more}`}`;
  }
}
