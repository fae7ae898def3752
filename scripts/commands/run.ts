/** `sallyport run`: a local Envoy with mTLS and the policy in it, to try the policy by hand. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname } from "node:path";
import { rootCertificates } from "node:tls";
import { type Command, InvalidArgumentError } from "commander";
import { type AccessLogLine, followAccessLog } from "../envoy/accesslog.ts";
import type { Bootstrap, UpstreamAddress } from "../envoy/bootstrap.ts";
import { admitsAnonymous, callerExamples } from "../envoy/callers.ts";
import { curlCommand } from "../envoy/curl.ts";
import { findSigners } from "../envoy/exampletokens.ts";
import { filterLog } from "../envoy/filterlog.ts";
import { EnvoyNotFoundError, findEnvoy } from "../envoy/find.ts";
import { holdingOf } from "../envoy/holding.ts";
import { catchInterrupt } from "../envoy/interrupt.ts";
import { type KeyFetch, keyFetches } from "../envoy/keyfetches.ts";
import { type LocalEnvoy, type StoredIdentity, startLocalEnvoy } from "../envoy/local.ts";
import { principalFilter } from "../envoy/principal.ts";
import { EnvoyStartError } from "../envoy/process.ts";
import { type Credential, type Suggestions, suggest } from "../envoy/suggestions.ts";
import type { AuditRecord } from "../evaluate/record.ts";
import { compilePolicyFile, loadEngineFor } from "../policy/build.ts";
import { privateKeyPath } from "../policy/check/example.ts";
import { embedImage } from "../policy/module/embed.ts";
import { reasonOf } from "../policy/source/read.ts";
import { formatOption, type OutputFormat, printJsonLine, showFindings } from "./output.ts";
import { printable } from "./terminal.ts";

/** The options of the verb, as commander hands them over. */
interface RunOptions {
  upstream?: URL;
  /** The PEM text of the file. */
  keysCa?: string;
  port: number;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerRun(program: Command): void {
  program
    .command("run")
    .argument("<policy>", "the policy file")
    .description("start a local Envoy with mTLS and the policy, and print tokens and curl commands to try")
    .option("--upstream <url>", "where admitted requests go; default: an order API of our own", parseUpstream)
    .option(
      "--keys-ca <file>",
      "PEM file of the authorities to trust where keys are fetched; default: the public ones",
      readAuthorities,
    )
    .option("--port <number>", "port of the mTLS listener on 127.0.0.1; 0 lets the system choose", parsePort, 0)
    .addOption(formatOption())
    .action(async (policyPath: string, options: RunOptions) => {
      process.exitCode = await run(policyPath, options);
    });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError("a port is a number from 0 to 65535.");
  return port;
}

function parseUpstream(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new InvalidArgumentError("an upstream looks like http://127.0.0.1:3000 or https://api.example.org.");
  }
  if (url.pathname !== "/" || url.search !== "" || url.username !== "") {
    throw new InvalidArgumentError("an upstream is scheme, host and port only: requests keep their own path.");
  }
  return url;
}

function readAuthorities(path: string): string {
  try {
    const text = readFileSync(path, "utf8");
    const certificates =
      text.match(/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----.*?-----END \1CERTIFICATE-----/gsu) ?? [];
    if (certificates.length === 0) throw new Error("the file holds no PEM certificate (-----BEGIN CERTIFICATE-----).");
    for (const [index, pem] of certificates.entries()) {
      if (!isCertificate(pem)) throw new Error(`certificate ${index + 1} of the file cannot be read.`);
    }
    return text;
  } catch (error) {
    throw new InvalidArgumentError(reasonOf(error));
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** Runs until interrupted, and gives the exit code. Throws PolicyError for the policy. */
async function run(policyPath: string, options: RunOptions): Promise<number> {
  const { policy, image, warnings } = compilePolicyFile(policyPath);
  showFindings(warnings, "warning");
  const wasm = embedImage(loadEngineFor(image), image);
  const examples = callerExamples(policy);
  const fetches = keyFetches(policy);
  const interrupt = catchInterrupt();
  let local: LocalEnvoy | undefined;
  try {
    const envoyPath = await findEnvoy({ onDownload: (message) => process.stderr.write(`${message}\n`) });
    // No caller without a certificate can connect, unless some rule lets in those who have none, or a JWT-SVID says who it is.
    const requireClientCertificate = policy.svids.length === 0 && !admitsAnonymous(policy);
    const { filterState } = policy;
    const holds = holdingOf(image);
    const opened = await startLocalEnvoy({
      wasm,
      ...(holds !== undefined && { holds }),
      envoyPath,
      requireClientCertificate,
      listenerPort: options.port,
      trustDomains: policy.trustDomains,
      ...(options.upstream === undefined ? {} : { upstream: await upstreamAddress(options.upstream) }),
      keyClusters: await keyClusters(fetches.fetches, options.keysCa),
      // There is no listener in front here: this one writes what that would.
      ...(filterState !== undefined && {
        adjust: ({ static_resources: { listeners } }: Bootstrap) => {
          for (const { filter_chains } of listeners)
            for (const { filters } of filter_chains) filters.unshift(principalFilter(filterState));
        },
      }),
    });
    local = opened;
    const identities = new Map<string, StoredIdentity>();
    const identity = async (id: string): Promise<StoredIdentity> => {
      const made = await opened.identity(id);
      identities.set(id, made);
      return made;
    };
    for (const { id } of examples) if (id !== null) await identity(id);
    const { signers, problems } = await findSigners(policy, policyPath);
    const suggestions = await suggest(policy, examples, signers, identity);
    for (const problem of [...fetches.problems, ...problems]) process.stderr.write(`${printable(problem)}\n`);
    const { upstream } = options;
    const opening = { local, policyPath, identities, ...suggestions, upstream, fetches: fetches.fetches };
    if (options.format === "json") {
      printReady(opening);
      await interrupt.until(local.envoy.ended);
    } else {
      printText(opening);
      local.envoy.followLog(filterLog((words) => process.stdout.write(`  filter: ${printable(words)}\n`)));
      const stopFollowing = followAccessLog(local.accessLogPath, (line) => printLine(line));
      await interrupt.until(local.envoy.ended);
      stopFollowing();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof EnvoyNotFoundError) && !(error instanceof EnvoyStartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  } finally {
    await local?.stop();
    interrupt.release();
  }
}

/** The clusters that keys are fetched through, by name. */
async function keyClusters(
  fetches: readonly KeyFetch[],
  authorityPem?: string,
): Promise<Record<string, UpstreamAddress>> {
  const clusters: Record<string, UpstreamAddress> = {};
  for (const { cluster, url } of fetches) clusters[cluster] ??= await upstreamAddress(new URL(url), authorityPem);
  return clusters;
}

async function upstreamAddress(url: URL, authorityPem?: string): Promise<UpstreamAddress> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (url.protocol === "http:") return { host, port: Number(url.port || "80"), tls: false };
  const numeric = isIP(host) !== 0;
  return {
    host,
    port: Number(url.port || "443"),
    tls: {
      ...(numeric ? {} : { serverName: host }),
      expect: { type: numeric ? "IP_ADDRESS" : "DNS", value: host },
      authorityPem: authorityPem ?? (await publicAuthorities()),
      presentCertificate: false,
    },
  };
}

/** The authorities an https server's certificate must come from: those of `SSL_CERT_FILE`, else the public ones. */
async function publicAuthorities(): Promise<string> {
  const path = process.env.SSL_CERT_FILE;
  return path === undefined || path === "" ? rootCertificates.join("\n") : readFile(path, "utf8");
}

/** What people and scripts are told when Envoy serves. */
interface Opening extends Suggestions {
  local: LocalEnvoy;
  policyPath: string;
  identities: Map<string, StoredIdentity>;
  upstream?: URL;
  fetches: readonly KeyFetch[];
}

/** Everything a script needs, on one line. */
function printReady({ local, identities, credentials, fetches }: Opening): void {
  printJsonLine({
    port: local.port,
    adminPort: local.envoy.adminPort,
    authority: local.authorityPath,
    accessLog: local.accessLogPath,
    callers: [...identities].map(([id, { certificatePath, keyPath }]) => ({
      id,
      certificate: certificatePath,
      key: keyPath,
    })),
    tokens: credentials.flatMap(({ kind, issuer, caller, scopes, made }) =>
      kind === "token" && made !== undefined ? [{ issuer, caller, scopes, ...made }] : [],
    ),
    svids: credentials.flatMap(({ kind, caller, made }) =>
      kind === "svid" && made !== undefined ? [{ id: caller, ...made }] : [],
    ),
    keys: fetches,
  });
}

function printText({ local, policyPath, suggestions, credentials, upstream, fetches }: Opening): void {
  const lines = [
    `Envoy enforces ${policyPath} on https://127.0.0.1:${local.port} (mTLS)`,
    `  upstream      ${upstream?.origin ?? `an order API of our own, on 127.0.0.1:${local.upstream!.port}`}`,
    ...fetches.map(({ url, cluster, refreshSeconds }) =>
      printable(`  keys          ${url}, fetched every ${refreshSeconds} s through cluster ${cluster}`),
    ),
    `  certificates  ${dirname(local.authorityPath)}`,
    `  access log    ${local.accessLogPath}`,
    `  admin         http://127.0.0.1:${local.envoy.adminPort}`,
    "",
    ...credentials.filter(({ made }) => made !== undefined).flatMap(exportLines),
    ...credentials.filter(({ made }) => made === undefined).flatMap(wantedLines),
  ];
  for (const { id, rule, method, path, host, when, identity, tokens } of suggestions) {
    const command = curlCommand({
      port: local.port,
      authorityPath: local.authorityPath,
      method,
      path,
      tokens,
      ...(identity === undefined ? {} : { identity }),
      ...(host === undefined ? {} : { host }),
    });
    const anyone = `anyone, ${identity === undefined ? "without a certificate" : "with a certificate that its token is bound to"}`;
    lines.push(`# ${id ?? anyone}, by rule ${rule}`);
    if (when !== undefined) lines.push(`# admitted only when ${printable(when.replace(/\s+/gu, " ").trim())}`);
    lines.push(command, "");
  }
  lines.push("Ctrl-C ends it. Requests show here as they come:");
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Lines that put what was made into the shell. */
function exportLines(credential: Credential): string[] {
  const { issuer, variable, scopes, made } = credential;
  const { token, expires } = made!;
  const claims = scopes.length === 0 ? "" : `, with the scopes its rules ask for (${scopes.join(" ")})`;
  const signed = `signed with ${privateKeyPath(issuer)}; good until ${expires.toISOString()}`;
  return [`# A ${described(credential)}${claims}, ${signed}`, `export ${variable}=${token}`, ""];
}

/** Lines that say what the reader must bring. */
function wantedLines(credential: Credential): string[] {
  const { kind, issuer, variable } = credential;
  const how =
    kind === "token" ? "" : ` (run makes it where ${privateKeyPath(issuer)} is the private key of a key in the bundle)`;
  return [`# Put a ${described(credential)} into $${variable}${how}.`, ""];
}

/** Such as `token of corp for spiffe://example.org/web`. */
function described({ kind, issuer, caller, thumbprint }: Credential): string {
  if (kind === "svid") return `JWT-SVID of ${caller}`;
  if (caller === undefined) return `token of ${issuer}`;
  const bound = thumbprint === undefined ? "`sub`" : `certificate, \`cnf.x5t#S256\` ${thumbprint}`;
  return `token of ${issuer} bound to ${caller} (${bound})`;
}

/** One request, in the words of the filter's record; a request the filter did not judge, in Envoy's. */
function printLine({ tls_failure, status, method, path, peer, details, record }: AccessLogLine): void {
  const parts =
    tls_failure !== undefined
      ? [`TLS refused: ${tls_failure}`]
      : [
          status,
          `${method} ${path}`,
          callerText(peer ?? undefined, record),
          ...(record === undefined
            ? [`not judged: ${details ?? "no account"}`]
            : [
                record.decision,
                record.decision === "allow" ? undefined : reasonText(record),
                `rule ${record.rule ?? "none"}`,
              ]),
        ];
  process.stdout.write(`  ${printable(parts.filter((part) => part !== undefined).join("  "))}\n`);
}

/** Who connected and, where it is somebody else, for whom the filter took the caller. */
function callerText(peer: string | undefined, record?: AuditRecord): string {
  const shown = peer ?? "no certificate";
  const { caller, forwarder } = record ?? {};
  if (caller === undefined || caller === peer) return shown;
  return `${shown}, ${forwarder === undefined ? "JWT-SVID of" : "forwarded"} ${caller}`;
}

function reasonText({ reason, detail }: AuditRecord): string {
  return detail === undefined ? reason : `${reason} (${detail})`;
}
