/** What of two policies the engine says of the same requests: whether the newer one lets anything through that the older one did not. */
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { issuer_urls } from "../differential/arbitrary/tokens.ts";
import { module, rememberingVerify } from "../differential/product.ts";
import type { Arrived } from "../differential/reference/request.ts";
import { clusters } from "./changes.ts";

/** A policy in an engine, with a clock and a server of keys. */
export class LocalEnvoy {
  readonly #host: PluginHost;
  readonly #root: number;
  #nowMilliseconds: number;

  constructor(policy: Policy, nowMilliseconds: number) {
    this.#nowMilliseconds = nowMilliseconds;
    this.#host = PluginHost.load(module, {
      clock: () => BigInt(this.#nowMilliseconds) * 1_000_000n,
      clusters,
      foreignFunctions: new Map([["verify_signature", rememberingVerify]]),
    });
    const started = this.#host.startPlugin(pluginConfiguration(writeImage(policy)));
    if (!started.ok) throw new Error(`the engine refuses the image: ${started.logs.map((line) => line.message)}`);
    this.#root = started.rootContext;
  }

  set now(milliseconds: number) {
    this.#nowMilliseconds = milliseconds;
  }

  /** Has the keys that are due fetched, by the documents of their issuers too; the server knows them by the last segment of the path. */
  fetch(serve: (name: string) => string): void {
    this.#host.tick(this.#root);
    for (let [call] = this.#host.calls; call !== undefined; [call] = this.#host.calls) {
      const of = new Map(call.headers);
      const path = of.get(":path")!;
      const isDocument = path.startsWith("/.well-known/");
      this.#host.answer(call.token, { body: isDocument ? documentOf(of.get(":authority")!) : serve(path.slice(1)) });
    }
    this.#host.tick(this.#root);
  }

  /** Makes all buckets full. */
  refill(): void {
    this.#host.sharedData = new SharedData();
    this.#host.callTool("sallyport_forget_reservations", []);
  }

  ask(arrived: Arrived): Outcome {
    const { digest, ...request } = arrived;
    const certificate = digest === null ? {} : { certificateDigest: digest };
    return this.#host.request(this.#root, hostRequest({ ...request, ...certificate, token: null }));
  }
}

/** The discovery document of the issuer on a host, whose keys are known by its name. */
function documentOf(authority: string): string {
  const issuer = `https://${authority}`;
  const [name] = Object.entries(issuer_urls).find(([, url]) => url === issuer)!;
  return JSON.stringify({ issuer, jwks_uri: `${issuer}/${name}` });
}

/** A policy that shuts nobody out, which hangs on what was denied before. */
export function withoutQuarantines(policy: Policy): Policy {
  return { ...policy, quarantines: [] };
}

/** A policy that asks for no room in limits, which a request before might have taken. */
export function withoutLimits(policy: Policy): Policy {
  return {
    ...policy,
    limits: [],
    rules: policy.rules.map((rule) => ({ ...rule, limits: [], cost: 1, costFrom: undefined })),
  };
}

/** What of a request the newer policy lets through and the older one does not, in words; undefined for nothing. */
export function gainOf(
  before: Outcome,
  after: Outcome,
  arrived: Arrived,
  set: ReadonlySet<string>,
): string | undefined {
  // What waits for keys is not decided yet.
  if (after.action !== "continue" || before.paused) return undefined;
  if (before.action !== "continue") return "the request";
  const old = partsOf(before.headers);
  const given = partsOf([[":path", arrived.path], ...arrived.headers]);
  const more = [...partsOf(after.headers)].filter(
    (part) => given.has(part) && !old.has(part) && !set.has(part.split(":")[0]!.replaceAll("_", "-")),
  );
  return more.length === 0 ? undefined : more.join();
}

/** What a request carries, piece by piece: headers, cookies, parameters. */
function partsOf(headers: Arrived["headers"]): Set<string> {
  const pieces = headers.flatMap(([name, value]) => {
    if (name === ":path") return (value.split("?", 2)[1] ?? "").split(/[&;#]/u).map((one) => `?${one}`);
    if (name === "cookie") return value.split(/[;,]/u).map((one) => `cookie ${one.trim()}`);
    return name.startsWith(":") ? [] : [`${name}: ${value}`];
  });
  return new Set(pieces.filter((piece) => !["?", "cookie "].includes(piece)));
}

/** How many of some requests are let through, sent again and again from full buckets on, at once and over some seconds. */
export function countAdmitted(local: LocalEnvoy, requests: readonly Arrived[], nowMilliseconds: number): number {
  local.refill();
  let admitted = 0;
  for (const [seconds, times] of [
    [0, 6],
    [1, 3],
    [10, 6],
  ] as const) {
    local.now = nowMilliseconds + seconds * 1000;
    for (let time = 0; time < times; time++)
      for (const request of requests) if (local.ask(request).action === "continue") admitted++;
  }
  local.now = nowMilliseconds;
  return admitted;
}
