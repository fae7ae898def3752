/** The shop in a real Envoy: a listener with the filter for each service, mTLS for every request, and one access log. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Bootstrap } from "../envoy/bootstrap.ts";
import { sendRequest } from "../envoy/client.ts";
import type { LocalIssuer } from "../envoy/issuer.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../envoy/local.ts";
import { everyObject } from "../envoy/plain.ts";
import { pluginConfiguration } from "../evaluate/engine.ts";
import { loadEngine } from "../policy/build.ts";
import { type Habit, hostOf, type Service, services, spiffeIdOf } from "./shop.ts";

/** A request of the shop, with its path drawn. */
export type ShopRequest = Pick<Habit, "caller" | "service" | "method" | "path" | "scopes">;

/** The running shop. */
export interface Shop {
  /** Sends one request as its caller, and gives the status of the answer. */
  send(request: ShopRequest): Promise<number>;
  /** Lines of the access log, once there are as many as requests were sent. */
  log(): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** How many requests are under way at a time. */
const at_once = 12;

/**
 * Starts the shop with these policies.
 * @param images the policy image of each service
 * @param issuer whose tokens the callers have
 */
export async function startShop(images: Readonly<Record<Service, Uint8Array>>, issuer: LocalIssuer): Promise<Shop> {
  const upstream = createServer((request, response) => {
    request.resume();
    response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "application/json" });
    response.end(`${JSON.stringify({ host: request.headers.host, path: request.url })}\n`);
  });
  await new Promise<void>((resolve, reject) => upstream.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  let local: LocalEnvoy;
  try {
    local = await startLocalEnvoy({
      wasm: loadEngine(),
      upstream: { host: "127.0.0.1", port, tls: false },
      concurrency: 2,
      adjust: (bootstrap) => addListeners(bootstrap, images),
    });
  } catch (error) {
    upstream.close();
    throw error;
  }
  const tokens = new Map<string, Promise<string>>();
  const tokenWith = (scopes: readonly string[]): Promise<string> => {
    const scope = scopes.join(" ");
    const made = tokens.get(scope) ?? issuer.token({ claims: { sub: "shopper", scope }, expiresInSeconds: 3_000 });
    tokens.set(scope, made);
    return made;
  };
  let sent = 0;
  return {
    send: async ({ caller, service, method, path, scopes }) => {
      const target = await local.target(spiffeIdOf(caller));
      const headers: Record<string, string> = { host: hostOf(service) };
      if (scopes !== undefined) headers.authorization = `Bearer ${await tokenWith(scopes)}`;
      sent++;
      const answer = await sendRequest(
        { ...target, port: local.envoy.listenerPort(service) },
        { method, path, headers },
      );
      return answer.status;
    },
    log: () => local.accessLog(sent),
    stop: async () => {
      await local.stop();
      upstream.closeAllConnections();
      await new Promise((resolve) => upstream.close(resolve));
    },
  };
}

/** Sends requests, some at a time, and gives their statuses in the same order. */
export async function sendAll(shop: Shop, requests: readonly ShopRequest[]): Promise<number[]> {
  const statuses: number[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < requests.length; index = next++) {
      statuses[index] = await shop.send(requests[index]!);
    }
  };
  await Promise.all(Array.from({ length: at_once }, work));
  return statuses;
}

/** Beside the example's listener, which nobody uses, one for each service with the service's policy; their access log says which scopes a token had. */
function addListeners(bootstrap: Bootstrap, images: Readonly<Record<Service, Uint8Array>>): void {
  const [example] = bootstrap.static_resources.listeners;
  bootstrap.static_resources.listeners = ["inbound", ...services].map((name) => {
    const service = name === "inbound" ? services[0] : (name as Service);
    const listener = structuredClone(example);
    listener.name = name;
    for (const node of everyObject(listener)) {
      if (node.root_id !== undefined && node.vm_config !== undefined) {
        const value = pluginConfiguration(images[service]);
        node.configuration = { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
      }
      if (node.json_format?.record !== undefined) node.json_format.scopes = "%REQ(X-SCOPES)%";
    }
    return listener;
  });
}
