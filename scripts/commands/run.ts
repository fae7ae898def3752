/** `sallyport run`: a local Envoy with mTLS and the policy in it, to try the policy by hand. */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname } from "node:path";
import { rootCertificates } from "node:tls";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type AccessLogLine, followAccessLog } from "../envoy/accesslog.ts";
import type { UpstreamAddress } from "../envoy/bootstrap.ts";
import { type CallerExample, readCallers } from "../envoy/callers.ts";
import { curlCommand } from "../envoy/curl.ts";
import { type Door, type StoredIdentity, startDoor } from "../envoy/door.ts";
import { EnvoyNotFoundError, findEnvoy } from "../envoy/find.ts";
import { untilInterrupted } from "../envoy/interrupt.ts";
import { EnvoyStartError } from "../envoy/process.ts";
import { buildModule } from "../policy/build.ts";

/** The options of the verb, as commander hands them over. */
interface RunOptions {
  upstream?: URL;
  port: number;
  format: "text" | "json";
}

/** Adds the verb to the program. */
export function registerRun(program: Command): void {
  program
    .command("run")
    .argument("<policy>", "the policy file")
    .description("run a local Envoy with mTLS and the policy in it")
    .option("--upstream <url>", "where admitted requests go; default: an order API of our own", parseUpstream)
    .option("--port <number>", "port of the mTLS listener on 127.0.0.1; 0 lets the system choose", parsePort, 0)
    .addOption(new Option("--format <format>", "how to say where it listens").choices(["text", "json"]).default("text"))
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

/** Runs until interrupted. The policy's own errors are thrown as `buildModule` throws them. */
async function run(policyPath: string, options: RunOptions): Promise<number> {
  const wasm = await buildModule(policyPath);
  const { trustDomains, examples } = readCallers(await readFile(policyPath, "utf8"));
  let door: Door | undefined;
  try {
    const envoyPath = await findEnvoy({ onDownload: (message) => process.stderr.write(`${message}\n`) });
    // No caller without a certificate can connect, unless some rule lets in those who have none.
    const requireClientCertificate = !examples.some((example) => example.id === null);
    door = await startDoor({
      wasm,
      envoyPath,
      requireClientCertificate,
      listenerPort: options.port,
      ...(trustDomains[0] === undefined ? {} : { trustDomain: trustDomains[0] }),
      ...(options.upstream === undefined ? {} : { upstream: await upstreamAddress(options.upstream) }),
    });
    const identities = new Map<string, StoredIdentity>();
    for (const { id } of examples) if (id !== null) identities.set(id, await door.identity(id));
    if (options.format === "json") printJson(door, identities);
    else printText(door, policyPath, examples, identities, options.upstream);
    const stopFollowing =
      options.format === "json" ? () => {} : followAccessLog(door.accessLogPath, (line) => printLine(line));
    await untilInterrupted(door.envoy.ended);
    stopFollowing();
    return 0;
  } catch (error) {
    if (!(error instanceof EnvoyNotFoundError) && !(error instanceof EnvoyStartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  } finally {
    await door?.stop();
  }
}

async function upstreamAddress(url: URL): Promise<UpstreamAddress> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (url.protocol === "http:") return { host, port: Number(url.port || "80"), tls: false };
  const numeric = isIP(host) !== 0;
  return {
    host,
    port: Number(url.port || "443"),
    tls: {
      ...(numeric ? {} : { serverName: host }),
      expect: { type: numeric ? "IP_ADDRESS" : "DNS", value: host },
      authorityPem: await publicAuthorities(),
      presentCertificate: false,
    },
  };
}

/** The authorities an https upstream's certificate must come from: those of `SSL_CERT_FILE`, else the public ones. */
async function publicAuthorities(): Promise<string> {
  const path = process.env.SSL_CERT_FILE;
  return path === undefined || path === "" ? rootCertificates.join("\n") : readFile(path, "utf8");
}

/** Everything a script needs, on one line. */
function printJson(door: Door, identities: Map<string, StoredIdentity>): void {
  const callers = [...identities].map(([id, { certificatePath, keyPath }]) => ({
    id,
    certificate: certificatePath,
    key: keyPath,
  }));
  const ready = {
    port: door.port,
    adminPort: door.envoy.adminPort,
    authority: door.authorityPath,
    accessLog: door.accessLogPath,
    callers,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

function printText(
  door: Door,
  policyPath: string,
  examples: CallerExample[],
  identities: Map<string, StoredIdentity>,
  upstream: URL | undefined,
): void {
  const lines = [
    `Envoy enforces ${policyPath} on https://127.0.0.1:${door.port} (mTLS)`,
    `  upstream      ${upstream?.origin ?? `an order API of our own, on 127.0.0.1:${door.upstream!.port}`}`,
    `  certificates  ${dirname(door.authorityPath)}`,
    `  access log    ${door.accessLogPath}`,
    `  admin         http://127.0.0.1:${door.envoy.adminPort}`,
    "",
  ];
  if (examples.some((example) => example.token !== undefined)) {
    lines.push("Put a token of the policy's issuer into $TOKEN where a line below uses it.", "");
  }
  for (const { id, rule, method, path, host, token } of examples) {
    const identity = id === null ? undefined : identities.get(id);
    const command = curlCommand({
      port: door.port,
      authorityPath: door.authorityPath,
      method,
      path,
      ...(identity === undefined ? {} : { identity }),
      ...(host === undefined ? {} : { host }),
      ...(token === undefined ? {} : { bearer: "$TOKEN" }),
    });
    lines.push(`# ${id ?? "anyone, without a certificate"}, by rule ${rule}`, command, "");
  }
  lines.push("Ctrl-C ends it. Requests show here as they come:");
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** One request, in the words of the filter's record. */
function printLine(line: AccessLogLine): void {
  const text =
    line.tls_failure !== undefined
      ? `TLS refused: ${line.tls_failure}`
      : [
          line.status,
          `${line.method} ${line.path}`,
          line.peer ?? "no certificate",
          line.record?.decision ?? "not judged",
          line.record?.reason || undefined,
          line.record?.rule === undefined ? line.details : `rule ${line.record.rule || "none"}`,
        ]
          .filter((part) => part !== undefined)
          .join("  ");
  process.stdout.write(`  ${text}\n`);
}
