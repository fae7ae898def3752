/** Streams that stay open, from clients through Envoy to an upstream that answers when it is told to, and how many there may be. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { UpstreamAddress } from "../../scripts/envoy/bootstrap.ts";
import type { Target } from "../../scripts/envoy/client.ts";
import { until } from "./until.ts";
import { startPlainUpstream } from "./upstream.ts";

/** An upstream that does with a request what its path ends in. */
export class OpenUpstream {
  /** What is open. */
  readonly waiting = new Set<ServerResponse>();
  /** How many requests have come so far. */
  arrived = 0;
  address!: UpstreamAddress;
  stop!: () => void;

  static async start(): Promise<OpenUpstream> {
    const upstream = new OpenUpstream();
    return Object.assign(upstream, await startPlainUpstream((request, response) => upstream.take(request, response)));
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    request.on("error", () => {});
    request.resume();
    this.arrived++;
    const how = request.url!.split("/").at(-1)!;
    if (how === "now") response.end("ok\n");
    else if (how === "reset") request.socket.destroy();
    else if (how === "broken") response.writeHead(200).write("early\n", () => request.socket.destroy());
    else {
      this.waiting.add(response);
      response.on("close", () => this.waiting.delete(response));
      if (how.endsWith("early")) response.writeHead(200).write("early\n");
    }
  }

  /** Answers what waits. */
  finish(): void {
    for (const response of this.waiting) response.end("done\n");
  }
}

/** A stream of a client. */
export interface OpenStream {
  session: ClientHttp2Session;
  stream: ClientHttp2Stream;
  /** Of its answer, as soon as that begins; undefined where the stream ends without one. */
  status: Promise<number | undefined>;
  closed: Promise<void>;
}

export async function openSession({ port, authorityPem, identity }: Target): Promise<ClientHttp2Session> {
  const session = connect(`https://localhost:${port}`, {
    ...{ ca: authorityPem, cert: identity!.certificatePem, key: identity!.privateKeyPem },
    lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
  });
  session.on("error", () => {});
  await once(session, "connect");
  return session;
}

/** Begins a request. With `upload` its body does not end. */
export function begin(session: ClientHttp2Session, path: string): OpenStream {
  const stream = session.request({ ":method": "POST", ":path": path }, { endStream: !path.endsWith("upload") });
  stream.on("error", () => {});
  stream.resume();
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  const answered = new Promise<number | undefined>((resolve) =>
    stream.on("response", (headers) => resolve(headers[":status"])),
  );
  return { session, stream, status: Promise.race([answered, closed.then(() => undefined)]), closed };
}

export const cancel = ({ stream }: OpenStream): void => stream.close(constants.NGHTTP2_CANCEL);

/** Clients of one caller, and what may be open of it. */
export class OpenStreams {
  readonly #upstream: OpenUpstream;
  readonly #target: () => Promise<Target>;

  constructor(upstream: OpenUpstream, target: () => Promise<Target>) {
    this.#upstream = upstream;
    this.#target = target;
  }

  async connect(): Promise<ClientHttp2Session> {
    return openSession(await this.#target());
  }

  /** So many streams that are admitted, each over a connection of its own, once all have come to the upstream. */
  async fill(count: number, how: string): Promise<OpenStream[]> {
    const before = this.#upstream.arrived;
    const sessions = await Promise.all(Array.from({ length: count }, () => this.connect()));
    const streams = sessions.map((session) => begin(session, `/open/${how}`));
    await until(`${count} streams are let through`, () => this.#upstream.arrived === before + count, 10_000);
    return streams;
  }

  /** How many more are let through at a time, over connections of their own; `most` and one more are tried. */
  async room(most: number): Promise<number> {
    const { waiting } = this.#upstream;
    const before = new Set(waiting);
    const sessions = await Promise.all(Array.from({ length: most + 1 }, () => this.connect()));
    let denied = 0;
    const streams = sessions.map((session) => begin(session, "/open/hang"));
    for (const { status } of streams) void status.then((code) => (denied += code === 429 ? 1 : 0));
    const arrived = () => [...waiting].filter((response) => !before.has(response));
    await until("each is let through or denied", () => arrived().length + denied > most, 10_000);
    const room = arrived().length;
    for (const response of arrived()) response.end("done\n");
    const statuses = await Promise.all(streams.map(({ status }) => status));
    assert.equal(statuses.filter((status) => status === 200).length, room);
    await Promise.all(streams.map(({ closed }) => closed));
    for (const session of sessions) session.destroy();
    return room;
  }

  /** Once so many are let through at a time, and no more: Envoy ends a stream a moment later than a client that breaks it off. */
  async untilRoom(room: number, most = room): Promise<void> {
    let last = -1;
    const isThere = async (): Promise<boolean> => {
      last = await this.room(most);
      return last === room;
    };
    await until(`${room} are let through`, isThere, 10_000).catch((error: Error) => {
      throw new Error(`${error.message}; it was ${last}`);
    });
  }
}
