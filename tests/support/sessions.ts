/** Connections that take up a TLS session of an earlier one. */
import { connect, type SecureVersion } from "node:tls";
import type { Target } from "../../scripts/envoy/client.ts";

/** What a connection came to. */
export interface Outcome {
  /** The first line of the answer; undefined where the connection was refused. */
  answer: string | undefined;
  /** Whether it took up the session that it was given. */
  isResumed: boolean;
  /** The newest session that the server gave out. */
  session: Buffer | undefined;
}

/** One request over a connection of its own, which takes up a session where it is given one. */
export async function askOver(target: Target, version: SecureVersion, session?: Buffer): Promise<Outcome> {
  const outcome: Outcome = { answer: undefined, isResumed: false, session: undefined };
  const { certificatePem: cert, privateKeyPem: key } = target.identity!;
  const { port, authorityPem: ca, serverName: servername = "localhost" } = target;
  const given = session === undefined ? {} : { session };
  const versions = { minVersion: version, maxVersion: version };
  const socket = connect({ host: "127.0.0.1", port, ca, cert, key, servername, ...versions, ...given });
  socket.on("session", (made: Buffer) => {
    outcome.session = made;
  });
  socket.on("secureConnect", () => {
    outcome.isResumed = socket.isSessionReused();
    socket.write(`GET / HTTP/1.1\r\nhost: ${servername}\r\nconnection: close\r\n\r\n`);
  });
  socket.on("data", (data: Buffer) => {
    outcome.answer ??= data.toString("latin1").split("\r\n")[0];
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("close", () => resolve()));
  return outcome;
}
