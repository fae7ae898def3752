/**
 * The Envoy of the soak: the example's bootstrap with the shipped module in it, two workers, and nothing behind it, so that
 * what is measured is Envoy and the module. Its policy has a rule for everything a request goes through, and two issuers: one
 * with keys inside the policy, and one whose keys are fetched every second and change while the soak runs.
 */
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { makeIssuer } from "../../scripts/envoy/issuer.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { managerOf, moduleFor } from "../support/envoy.ts";
import {
  type JwksServer,
  makeKey,
  makeStrangers,
  providerAudience,
  providerIssuer,
  startJwksServer,
} from "../support/jwks-server.ts";
import type { Signers } from "./mix.ts";

/** The policy's name, as its metrics carry it. */
export const policy_name = "soak";
/** The limit that the mix runs into, for each caller. */
export const limit = { per_second: 10, burst: 20 } as const;
/** Who calls: one of them over HTTP/1.1, the other over HTTP/2. */
export const callers = { http1: "spiffe://example.org/web", http2: "spiffe://example.org/mobile" } as const;

const policyFor = (server: JwksServer): string => `
version: 1
name: ${policy_name}
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: keys/corp.jwks.json }
  idp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [RS256, ES256]
    keys: { url: "${server.url}", cluster: idp, refresh: 1s, file: keys/idp.jwks.json }
callers:
  clients: [${callers.http1}, ${callers.http2}]
limits:
  few: { rate: ${limit.per_second}/s, burst: ${limit.burst}, per: [caller] }
forward: { x-caller: caller.id, x-user: claims.sub }
rules:
  - name: orders
    callers: [clients]
    allow: ["GET /orders/{id}"]
    token: [corp, idp]
    scopes: [orders:read]
    when: claims.tenant == "acme" && path.id != "forbidden"
  - { name: uploads, callers: [clients], allow: [POST /uploads], token: [corp, idp] }
  - { name: limited, callers: [any], allow: [GET /limited], limit: few }
  - { name: no-deletes, callers: [any], deny: ["DELETE /**"] }
`;

/**
 * Keys of others that the key server publishes beside its own, out of so many: another selection each time, and always as many, as
 * providers rotate keys. A set larger than all before it would rightly take more memory.
 */
const others = { published: 8, known: 16 } as const;

/** What runs. */
export interface SoakEnvoy {
  local: LocalEnvoy;
  signers: Signers;
  /** Has the key server publish another set, which the filter's next fetch finds. The key that signs stays. */
  changeKeys(): void;
  /** How often the key server was asked so far. */
  keyFetches(): number;
  stop(): Promise<void>;
}

/** Answers every request that is admitted right away, and writes the access log to where it takes no room. */
export function answerDirectly(bootstrap: Bootstrap): void {
  const manager = managerOf(bootstrap);
  manager.route_config.virtual_hosts[0].routes = [
    { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok\n" } } },
  ];
  // A connection is good for a whole run.
  delete manager.common_http_protocol_options.max_connection_duration;
  for (const { access_log } of [manager, bootstrap.static_resources.listeners[0]]) {
    access_log[0].typed_config.path = "/dev/null";
  }
}

/** An upstream for an Envoy whose routes lead to none. */
export const no_upstream = { host: "127.0.0.1", port: 9, tls: false } as const;

/** Starts all of it. */
export async function startSoakEnvoy(concurrency: number): Promise<SoakEnvoy> {
  const corp = await makeIssuer({ issuer: "https://issuer.example.org", audience: "order-api", keyIdPrefix: "corp" });
  const fetched = await makeKey("idp-es256");
  const strangers = makeStrangers(others.known);
  const server = await startJwksServer();
  let changes = 0;
  const changeKeys = (): void => {
    const first = changes++ % (others.known - others.published);
    server.publish(fetched, ...strangers.slice(first, first + others.published));
  };
  changeKeys();
  try {
    const issuers = { corp, idp: { jwks: { keys: [fetched.jwk] } } };
    const tls = { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem: server.authorityPem } as const;
    const local = await startLocalEnvoy({
      wasm: await moduleFor({ policyYaml: policyFor(server), issuers }),
      concurrency,
      upstream: no_upstream,
      keyClusters: { idp: { host: "127.0.0.1", port: server.port, tls } },
      adjust: answerDirectly,
    });
    return {
      local,
      signers: { corp, fetched },
      changeKeys,
      keyFetches: () => server.requests.length,
      stop: async () => {
        await local.stop();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
