/**
 * What it costs Envoy that no TLS session is resumed: the CPU of connections with one request each, by full handshakes, as
 * the examples have it, and resumed. `npx tsx tests/bench/handshakes.ts [connections]`, on Linux, after `npm run build`.
 */
import { connect } from "node:tls";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { cpuNanoseconds } from "./cpu.ts";

const caller = "spiffe://example.org/web";
const request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const rounds = 5;
const connections = Number(process.argv[2] ?? 1000);

/** Sessions may be resumed, and requests are answered by Envoy itself, without a filter: what is left is the connection. */
function simplify(bootstrap: Bootstrap): void {
  const [listener] = bootstrap.static_resources.listeners;
  const [{ transport_socket, filters }] = listener.filter_chains;
  const manager = filters[0].typed_config;
  manager.http_filters = manager.http_filters.slice(-1);
  manager.route_config.virtual_hosts[0].routes = [{ match: { prefix: "/" }, direct_response: { status: 200 } }];
  delete manager.access_log;
  transport_socket.typed_config.disable_stateless_session_resumption = false;
}

/** One connection; gives the newest session, and whether it took up the one it was given. */
async function once(local: LocalEnvoy, session?: Buffer): Promise<{ session: Buffer | undefined; isResumed: boolean }> {
  const { port, authorityPem: ca, identity } = await local.target(caller);
  const { certificatePem: cert, privateKeyPem: key } = identity!;
  const options = { host: "127.0.0.1", port, ca, cert, key, servername: "localhost" };
  const socket = connect(session === undefined ? options : { ...options, session });
  let newest: Buffer | undefined;
  let isResumed = false;
  socket.on("session", (made: Buffer) => {
    newest = made;
  });
  socket.on("secureConnect", () => {
    isResumed = socket.isSessionReused();
    socket.write(request);
  });
  // Envoy waits a second for whoever it has answered last to close first.
  socket.on("data", () => socket.end());
  await new Promise((resolve, reject) => socket.on("close", resolve).on("error", reject));
  return { session: newest, isResumed };
}

/** Microseconds of Envoy's CPU for one connection. */
async function measure(local: LocalEnvoy, session?: Buffer): Promise<number> {
  const before = cpuNanoseconds([local.envoy.pid]);
  for (let count = 0; count < connections; count++) {
    const { isResumed } = await once(local, session);
    if (isResumed !== (session !== undefined)) throw new Error("the session was not what this measures");
  }
  return (cpuNanoseconds([local.envoy.pid]) - before) / connections / 1000;
}

const local = await startLocalEnvoy({ wasm: loadEngine(), adjust: simplify });
try {
  const { session } = await once(local);
  if (session === undefined) throw new Error("Envoy gave out no session");
  const full: number[] = [];
  const resumed: number[] = [];
  for (let round = 0; round < rounds; round++) {
    full.push(await measure(local));
    resumed.push(await measure(local, session));
  }
  const least = (figures: number[]): string => `${Math.round(Math.min(...figures))} µs of CPU`;
  console.log(`a connection with a full handshake and one request: ${least(full)}`);
  console.log(`the same, resumed: ${least(resumed)}`);
} finally {
  await local.stop();
}
