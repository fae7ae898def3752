/**
 * The harness of the integration tests: a real Envoy with a policy in it, an order API behind it, and clients that call it
 * as workloads of the mesh would.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AccessLogLine } from "../../scripts/envoy/accesslog.ts";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import {
  callGrpc,
  type GrpcResult,
  type RestRequest,
  type RestResponse,
  sendRequest,
  type Target,
  tlsRefusal,
} from "../../scripts/envoy/client.ts";
import { holdingOf } from "../../scripts/envoy/holding.ts";
import { type LocalIssuer, makeIssuer } from "../../scripts/envoy/issuer.ts";
import { type LocalEnvoy, type LocalEnvoyOptions, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import type { ReceivedRequest } from "../../scripts/envoy/upstream.ts";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import { buildModule } from "../../scripts/policy/build.ts";
import { extractImage } from "../../scripts/policy/module/embed.ts";

/** What to test. Exactly one of `policyYaml`, `policyDir` and `wasm` says which module runs. */
export interface TestEnvoyOptions extends Omit<LocalEnvoyOptions, "wasm"> {
  /** The text of a policy. */
  policyYaml?: string;
  /** A folder with a `policy.yaml` and what it refers to; it is copied. */
  policyDir?: string;
  /** A module made elsewhere. */
  wasm?: Uint8Array;
  /** Issuers by name: the keys of each are written to `keys/<name>.jwks.json` beside the policy. */
  issuers?: Record<string, Pick<LocalIssuer, "jwks">>;
}

/** Who asks. */
export interface Asker {
  /** The SPIFFE ID in the caller's certificate; absent or null for no certificate. */
  caller?: string | null;
  /** A certificate of the test's own making, in place of `caller`. */
  identity?: Identity;
  /** Sent as a bearer token. */
  token?: string;
}

/** A gRPC call. */
export interface TestCall extends Asker {
  /** Default `/shop.Orders/Place`. */
  path?: string;
  text?: string;
  headers?: Record<string, string>;
  host?: string;
}

/** What Envoy and the filter made of a request. */
export interface Judgement {
  status: number;
  details: string;
  record: AuditRecord | undefined;
  response: RestResponse;
}

/** A running Envoy under test. */
export interface TestEnvoy {
  local: LocalEnvoy;
  /** Sends one REST request over a connection of its own. Throws where TLS is refused. */
  request(request: RestRequest & Asker): Promise<RestResponse>;
  /** The same, with the line the request left in the access log. Only where no other request is under way. */
  judge(request: RestRequest & Asker): Promise<Judgement>;
  /** Calls a unary gRPC method. */
  grpc(call?: TestCall): Promise<GrpcResult>;
  /** Why Envoy refuses the connection; undefined if it does not. */
  tlsRefusal(asker?: Asker): Promise<string | undefined>;
  /** What arrived at the order API, oldest first. */
  upstreamRequests: ReceivedRequest[];
  /** The access log, once it has a line for every request sent so far. */
  accessLog(): Promise<AccessLogLine[]>;
  /** Envoy's counters and gauges. */
  stats(): Promise<Map<string, number>>;
  /** Envoy's metrics as Prometheus reads them, without comments. */
  prometheus(): Promise<string[]>;
  stop(): Promise<void>;
}

/** The connection manager of an example's one filter chain. */
// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
export function managerOf(bootstrap: Bootstrap): any {
  return bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
}

/** The issuer most tests use. Policies name it `corp`, with `keys: { file: keys/corp.jwks.json }`. */
export async function makeCorpIssuer(): Promise<LocalIssuer> {
  return makeIssuer({ issuer: "https://issuer.example.org", audience: "order-api", keyIdPrefix: "corp" });
}

/**
 * The module of a policy, with the issuers' keys beside it.
 * @throws whatever `buildModule` throws for an invalid policy.
 */
export async function moduleFor(
  options: Pick<TestEnvoyOptions, "policyYaml" | "policyDir" | "issuers">,
): Promise<Uint8Array> {
  const work = await mkdtemp(join(tmpdir(), "sallyport-policy-"));
  try {
    if (options.policyDir !== undefined) await cp(options.policyDir, work, { recursive: true });
    if (options.policyYaml !== undefined) await writeFile(join(work, "policy.yaml"), options.policyYaml);
    await mkdir(join(work, "keys"), { recursive: true });
    for (const [name, issuer] of Object.entries(options.issuers ?? {})) {
      await writeFile(join(work, "keys", `${name}.jwks.json`), JSON.stringify(issuer.jwks));
    }
    return await buildModule(join(work, "policy.yaml"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Starts an Envoy with the policy in it; `stop()` must be called, which `after` or a `finally` does best. */
export async function startTestEnvoy(options: TestEnvoyOptions): Promise<TestEnvoy> {
  const { policyYaml, policyDir, wasm, issuers, ...envoyOptions } = options;
  const given = [policyYaml, policyDir, wasm].filter((source) => source !== undefined);
  if (given.length !== 1) throw new Error("give exactly one of policyYaml, policyDir and wasm");
  const module = wasm ?? (await moduleFor(options));
  const holds = wasm === undefined ? holdingOf(extractImage(module)!) : undefined;
  const local = await startLocalEnvoy({ ...(holds !== undefined && { holds }), ...envoyOptions, wasm: module });

  // Every request and every refused connection leaves one line.
  let sent = 0;
  const targetOf = async ({ caller, identity }: Asker): Promise<Target> => {
    const target = await local.target(identity === undefined ? (caller ?? undefined) : undefined);
    return identity === undefined ? target : { ...target, identity };
  };
  const bearer = (asker: Asker): Record<string, string> =>
    asker.token === undefined ? {} : { authorization: `Bearer ${asker.token}` };

  const request: TestEnvoy["request"] = async ({ caller, identity, token, headers, ...rest }) => {
    const target = await targetOf({ caller, identity });
    sent++;
    return sendRequest(target, { ...rest, headers: { ...bearer({ token }), ...headers } });
  };
  const accessLog = (): Promise<AccessLogLine[]> => local.accessLog(sent);
  return {
    local,
    request,
    judge: async (asked) => {
      const response = await request(asked);
      const line = (await accessLog()).at(-1);
      return { status: response.status, details: line?.details ?? "", record: line?.record, response };
    },
    grpc: async (call = {}) => {
      const target = await targetOf(call);
      sent++;
      return callGrpc(target, {
        path: call.path ?? "/shop.Orders/Place",
        text: call.text ?? "tea",
        headers: { ...bearer(call), ...call.headers },
        ...(call.host === undefined ? {} : { host: call.host }),
      });
    },
    tlsRefusal: async (asker = {}) => {
      const target = await targetOf(asker);
      sent++;
      return tlsRefusal(target);
    },
    upstreamRequests: local.upstream?.requests ?? [],
    accessLog,
    stats: () => local.envoy.stats(),
    prometheus: async () => {
      const text = await local.envoy.admin("/stats/prometheus");
      return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    },
    stop: () => local.stop(),
  };
}
