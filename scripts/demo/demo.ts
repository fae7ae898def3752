/**
 * The demo behind `sallyport demo` and `npm start`: a real Envoy with a policy in it, an order API behind it, and requests that
 * show what gets through and what does not. It needs nothing but what the package has, and an Envoy.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { findPackaged } from "../common/files.ts";
import type { Painter } from "../common/screen.ts";
import { followAccessLog } from "../envoy/accesslog.ts";
import { callGrpc, sendRequest, tlsRefusal } from "../envoy/client.ts";
import { curlCommand } from "../envoy/curl.ts";
import { envoyVersion, findEnvoy } from "../envoy/find.ts";
import { catchInterrupt } from "../envoy/interrupt.ts";
import { type LocalIssuer, makeIssuer } from "../envoy/issuer.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../envoy/local.ts";
import { buildModule } from "../policy/build.ts";
import { callers, makeStory, type Step } from "./story.ts";
import { conclude, isExpected } from "./verdict.ts";
import { explain, explainTls, tell } from "./words.ts";

/** Who hears the story. */
export interface DemoOptions {
  /** Takes each line as it comes. */
  print: (text: string) => void;
  paint: Painter;
  /** Takes a line about Envoy being downloaded. */
  onDownload: (message: string) => void;
  /** Whether Envoy stays up afterwards until Ctrl-C, for trying by hand. */
  staysUp: boolean;
}

/** One step as it was told. */
export interface DemoStep {
  chapter: string;
  /** The service that asks. */
  who: string;
  /** For example `POST /orders`. */
  what: string;
  withWhat: string;
  expected: string;
  got: string;
  ok: boolean;
  /** The reason, in words. */
  why: string;
}

/** What the demo came to. */
export interface DemoReport {
  envoyVersion: string | undefined;
  steps: DemoStep[];
  /** Requests that the filter admitted, and those that the order API received. */
  admitted: number;
  arrived: number;
  /** 0: every answer was the expected one, else 1. */
  exitCode: 0 | 1;
}

/** The folder of the policy, in the package as in a checkout. */
const policy_folder = "scripts/demo/policy";

/** What came of one step. */
interface Outcome {
  got: string;
  ok: boolean;
  why: string;
}

/** How many requests of a run Envoy must have let through, and how many lines the access log must have. */
interface Account {
  admitted: number;
  logged: number;
}

/**
 * Tells the whole story.
 * @throws EnvoyNotFoundError, EnvoyStartError; PolicyError where the demo's policy was changed and is not valid
 */
export async function runDemo({ print, paint, onDownload, staysUp }: DemoOptions): Promise<DemoReport> {
  const work = await mkdtemp(join(tmpdir(), "sallyport-demo-"));
  let local: LocalEnvoy | undefined;
  try {
    const about = { issuer: "https://issuer.example.org", audience: "order-api", keyIdPrefix: "corp" };
    const issuer = await makeIssuer(about);
    const forger = await makeIssuer(about);
    const source = policyFolder();
    const policyPath = await preparePolicy(source, work, issuer);
    const wasm = await buildModule(policyPath).catch((error: unknown) => {
      // Whoever changes the policy knows it by its own place, not by the copy's.
      throw new Error(String(error instanceof Error ? error.message : error).replaceAll(work, source));
    });
    const envoyPath = await findEnvoy({ onDownload });
    local = await startLocalEnvoy({ wasm, envoyPath, concurrency: 2 });

    const version = await envoyVersion(envoyPath);
    const size = `${Math.ceil(wasm.length / 1024)} KiB`;
    print(paint("bold", "Sallyport: never trust, always verify."));
    print("");
    print(
      `  Envoy ${version} with our Wasm module in it (${size}, policy included) listens on 127.0.0.1:${local.port}.`,
    );
    print(`  It takes mTLS only. Behind it stands an order API. The policy: ${join(source, "policy.yaml")}`);

    const account: Account = { admitted: 0, logged: 0 };
    const steps: DemoStep[] = [];
    for (const chapter of await makeStory(issuer, forger)) {
      print(`\n${paint("bold", chapter.title)}`);
      for (const step of chapter.steps) {
        const told = { ...describe(step), ...(await play(local, step, account)) };
        steps.push({ chapter: chapter.title, ...told });
        print(tell(told, paint));
      }
    }

    const failed = steps.filter(({ ok }) => !ok).length;
    const arrived = local.upstream!.requests.length;
    const { admitted } = account;
    const { exitCode, arrivals, answers } = conclude({ steps: steps.length, failed, admitted, arrived });
    print(`\n${arrivals.ok ? arrivals.text : paint("red", arrivals.text)}`);
    print(paint(answers.ok ? "green" : "red", answers.text));

    if (staysUp) await stayUp(local, issuer, print, paint);
    return { envoyVersion: version, steps, admitted, arrived, exitCode };
  } finally {
    await local?.stop();
    await rm(work, { recursive: true, force: true });
  }
}

/** Where the policy lies, as seen from the working folder where it is below that. */
function policyFolder(): string {
  const path = findPackaged(policy_folder);
  if (path === undefined) throw new Error(`the package has no ${policy_folder}: install it again`);
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}

/** A copy of the demo's policy beside the keys of an issuer made just now. */
async function preparePolicy(source: string, work: string, issuer: LocalIssuer): Promise<string> {
  await cp(source, work, { recursive: true });
  await mkdir(join(work, "keys"), { recursive: true });
  await writeFile(join(work, "keys", "corp.jwks.json"), JSON.stringify(issuer.jwks));
  return join(work, "policy.yaml");
}

function describe(step: Step): { who: string; what: string; withWhat: string; expected: string } {
  const what = step.kind === "grpc" ? `gRPC ${step.path.slice(1)}` : `${step.method} ${step.path}`;
  const { status, grpc } = step.expect;
  const last = String(status ?? grpc ?? "TLS refused");
  const expected = step.times === undefined ? last : `${step.times - 1} admitted, then ${last}`;
  return { who: step.caller ?? "a stranger", what, withWhat: step.withWhat, expected };
}

/** Sends the step's requests and compares the last answer, and the account in Envoy's access log, with what is expected. */
async function play(local: LocalEnvoy, step: Step, account: Account): Promise<Outcome> {
  const target = await local.target(step.caller === undefined ? undefined : callers[step.caller]);
  if (step.expect.tlsRefused === true) {
    const refusal = await tlsRefusal(target);
    const line = (await local.accessLog(++account.logged)).at(-1);
    const got = refusal === undefined ? "connected" : "TLS refused";
    return { got, ok: refusal !== undefined, why: explainTls(line?.tls_failure ?? refusal ?? "no account") };
  }

  const headers: Record<string, string> = step.token === undefined ? {} : { authorization: `Bearer ${step.token}` };
  const times = step.times ?? 1;
  let earlierAdmitted = 0;
  let got = "";
  let retryAfter: string | undefined;
  for (let i = 0; i < times; i++) {
    if (step.kind === "grpc") {
      const result = await callGrpc(target, { path: step.path, text: "tea", headers });
      got = result.name;
      if (i < times - 1 && result.code === 0) earlierAdmitted++;
    } else {
      const response = await sendRequest(target, { method: step.method, path: step.path, headers });
      got = String(response.status);
      if (i < times - 1 && response.status === 200) earlierAdmitted++;
      retryAfter = response.headers["retry-after"]?.toString();
    }
  }
  account.admitted += times - (step.expect.reason === undefined ? 0 : 1);
  account.logged += times;
  const line = (await local.accessLog(account.logged)).at(-1);
  const ok = isExpected(step.expect, times, { got, record: line?.record, retryAfter, earlierAdmitted });
  const before = times > 1 ? `${earlierAdmitted} admitted, then ` : "";
  const after = retryAfter === undefined ? "" : ` (Retry-After: ${retryAfter})`;
  return { got: `${before}${got}${after}`, ok, why: explain(line?.record, line?.details) };
}

/** Leaves Envoy running until Ctrl-C, with commands to paste and a line for every request that comes. */
async function stayUp(
  local: LocalEnvoy,
  issuer: LocalIssuer,
  print: (text: string) => void,
  paint: Painter,
): Promise<void> {
  const tokenPath = join(local.directory, "token");
  const interrupt = catchInterrupt();
  const lifetimeSeconds = 3500;
  const claims = { sub: "you", scope: "orders:read orders:write" };
  await writeFile(tokenPath, await issuer.token({ claims, expiresInSeconds: lifetimeSeconds }), { mode: 0o600 });
  const common = { port: local.port, authorityPath: local.authorityPath, bearer: `$(cat ${tokenPath})` };
  const checkout = await local.identity(callers["checkout-service"]);
  const billing = await local.identity(callers.billing);
  print(`\n${paint("bold", "Envoy runs until Ctrl-C. Try it from another terminal:")}\n`);
  const examples: [string, string][] = [
    ["checkout places an order", curlCommand({ ...common, identity: checkout, method: "POST", path: "/orders" })],
    ["billing tries the same", curlCommand({ ...common, identity: billing, method: "POST", path: "/orders" })],
    ["a stranger tries", curlCommand({ ...common, method: "POST", path: "/orders" })],
  ];
  for (const [title, command] of examples) print(`${paint("dim", `# ${title}`)}\n${command}\n`);
  print(
    paint("dim", `# Envoy's metrics, a second behind\n`) +
      `curl -s http://127.0.0.1:${local.envoy.adminPort}/stats/prometheus | grep ^sallyport_\n`,
  );
  const stopFollowing = followAccessLog(local.accessLogPath, (line) => {
    if (line.tls_failure !== undefined) print(`  ${paint("red", "TLS refused")}  ${explainTls(line.tls_failure)}`);
    else {
      const style = line.record?.decision === "allow" ? "green" : "red";
      print(
        `  ${paint(style, String(line.status))}  ${line.method} ${line.path}  ${line.peer ?? ""}  ${explain(line.record, line.details)}`,
      );
    }
  });
  await interrupt.until(local.envoy.ended);
  interrupt.release();
  stopFollowing();
}
