/**
 * Bodies that a rule bounds, in a real Envoy: with `content-length` and without, with one that lies, over HTTP/1.1, HTTP/2 and gRPC. The
 * upstream counts what it gets, and never gets more than the bound.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { until } from "../support/until.ts";
import { startPlainUpstream } from "../support/upstream.ts";

const bound = 10_000;
const web = "spiffe://example.org/web";
const policyYaml = `
version: 1
name: bodies
trust: { domains: [example.org] }
rules:
  - { name: bounded, callers: [${web}], allow: ["POST /bounded/{id}"], maxBodyBytes: ${bound} }
  - { name: free, callers: [${web}], allow: ["POST /free/{id}"] }
`;

/** What a client got for a request. */
interface Answer {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  isReset: boolean;
}

describe("a body that a rule bounds", () => {
  /** Bytes of bodies that arrived, by path. */
  const arrived = new Map<string, number>();
  let upstream: Awaited<ReturnType<typeof startPlainUpstream>>;
  let envoy: TestEnvoy;
  let ids = 0;
  const newPath = (of = "bounded"): string => `/${of}/${++ids}`;

  /** Takes a request of either protocol. */
  const count = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    const path = request.url!;
    arrived.set(path, 0);
    request.on("data", (chunk: Buffer) => arrived.set(path, arrived.get(path)! + chunk.length));
    request.on("error", () => {});
    response.statusCode = 200;
    if (request.headers["x-early"] !== undefined) (response as ServerResponse).write("early\n");
    request.on("end", () => response.end("ok\n"));
  };

  before(async () => {
    upstream = await startPlainUpstream(count);
    envoy = await startTestEnvoy({ policyYaml, upstream: upstream.address });
  });
  after(async () => {
    await envoy?.stop();
    upstream?.stop();
  });

  /** A connection of its own, since Envoy ends one on which content-length and body differ. */
  async function openSession(to: TestEnvoy): Promise<ClientHttp2Session> {
    const { authorityPem, identity } = await to.local.target(web);
    const session = connect(`https://localhost:${to.local.port}`, {
      ...{ ca: authorityPem, cert: identity!.certificatePem, key: identity!.privateKeyPem },
      lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
    });
    session.on("error", () => {});
    await once(session, "connect");
    return session;
  }

  /** Sends a request over HTTP/2 in pieces, and sees what becomes of it. */
  async function overHttp2(
    path: string,
    pieces: readonly number[],
    more: OutgoingHttpHeaders = {},
    to = envoy,
  ): Promise<Answer> {
    const session = await openSession(to);
    const stream = session.request({ ":method": "POST", ":path": path, ...more }, { endStream: false });
    const answer: Answer = { status: undefined, headers: {}, isReset: false };
    stream.on("response", (headers) => Object.assign(answer, { status: headers[":status"], headers }));
    stream.on("error", () => {
      answer.isReset = true;
    });
    stream.resume();
    const closed = new Promise<void>((resolve) => stream.on("close", resolve));
    const isOver = (): boolean => {
      const { status, headers } = answer;
      // The upstream may answer while the body comes.
      const isRefused = status !== undefined && (status !== 200 || headers["grpc-status"] !== undefined);
      return stream.destroyed || stream.closed || isRefused;
    };
    let sent = 0;
    for (const bytes of pieces) {
      if (isOver()) break;
      stream.write(Buffer.alloc(bytes, 0x61));
      sent += bytes;
      // To end a body before its length is an error of HTTP/2, which may come before the answer to its headers.
      await until(`${sent} bytes arrive, or are refused`, () => isOver() || (arrived.get(path) ?? 0) >= sent);
    }
    if (!stream.destroyed) stream.end();
    await closed;
    if (stream.rstCode !== 0) answer.isReset = true;
    session.destroy();
    return answer;
  }

  /** Sends a head and pieces of a body over HTTP/1.1 as they are, and gives the statuses of the answers, until Envoy closes. */
  async function overHttp1(texts: readonly string[]): Promise<number[]> {
    const path = texts[0]!.split(" ")[1]!;
    const { authorityPem, identity } = await envoy.local.target(web);
    const socket = connectTls({
      ...{ host: "127.0.0.1", port: envoy.local.port, servername: "localhost", ca: authorityPem },
      ...{ cert: identity!.certificatePem, key: identity!.privateKeyPem, ALPNProtocols: ["http/1.1"] },
    });
    let text = "";
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    await once(socket, "secureConnect");
    for (const one of texts) {
      const before = arrived.get(path);
      socket.write(one);
      await until("it arrives, or is answered", () => socket.closed || text !== "" || arrived.get(path) !== before);
    }
    await until("Envoy closes the connection", () => socket.closed);
    return [...text.matchAll(/HTTP\/1\.1 (\d+)/gu)].map(([, status]) => Number(status));
  }

  const head = (path: string, ...headers: string[]): string =>
    [`POST ${path} HTTP/1.1`, "host: localhost", "connection: close", ...headers, "", ""].join("\r\n");
  const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${"a".repeat(bytes)}\r\n`;

  /** The record of the request with this path. */
  async function recordOf(path: string, of: TestEnvoy): Promise<AuditRecord> {
    let record: AuditRecord | undefined;
    await until(`${path} is in the access log`, async () => {
      record = (await of.local.accessLog()).find((line) => line.record?.path === path)?.record;
      return record !== undefined;
    });
    return record!;
  }

  async function assertDenied(path: string, by = envoy): Promise<void> {
    const record = await recordOf(path, by);
    const { admit, decision, reason } = record;
    assert.deepEqual([admit, decision, reason], [false, "deny", "body_too_large"], JSON.stringify(record));
    assert.ok((arrived.get(path) ?? 0) <= bound, `${arrived.get(path)} bytes arrived`);
  }

  test("HTTP/1.1 with content-length: up to the bound goes on, a byte more is answered at once", async () => {
    const [within, beyond] = [newPath(), newPath()];
    assert.deepEqual(await overHttp1([head(within, `content-length: ${bound}`), "a".repeat(bound)]), [200]);
    assert.equal(arrived.get(within), bound);
    // Nothing of the body is sent: the answer does not wait for it.
    assert.deepEqual(await overHttp1([head(beyond, `content-length: ${bound + 1}`)]), [413]);
    assert.equal(arrived.has(beyond), false);
    await assertDenied(beyond);
  });

  test("HTTP/1.1 in chunks: up to the bound goes on, a byte more is denied", async () => {
    const chunked = "transfer-encoding: chunked";
    const [within, beyond] = [newPath(), newPath()];
    assert.deepEqual(await overHttp1([head(within, chunked), chunk(4_000), chunk(6_000), "0\r\n\r\n"]), [200]);
    assert.equal(arrived.get(within), bound);
    assert.deepEqual(
      await overHttp1([head(beyond, chunked), chunk(4_000), chunk(6_000), chunk(1), "0\r\n\r\n"]),
      [413],
    );
    await assertDenied(beyond);
  });

  test("HTTP/1.1 with a content-length that is too small: what is beyond is no part of the body", async () => {
    const path = newPath();
    const statuses = await overHttp1([head(path, "content-length: 10"), "a".repeat(20_000)]);
    assert.equal(statuses[0], 200);
    assert.equal(arrived.get(path), 10);
  });

  test("HTTP/2 with content-length and without: up to the bound goes on, a byte more is denied", async () => {
    const paths = Array.from({ length: 4 }, () => newPath());
    const length = { "content-length": String(bound) };
    assert.equal((await overHttp2(paths[0]!, [bound / 2, bound / 2], length)).status, 200);
    assert.equal((await overHttp2(paths[1]!, [bound / 2, bound / 2])).status, 200);
    assert.deepEqual([arrived.get(paths[0]!), arrived.get(paths[1]!)], [bound, bound]);
    assert.equal((await overHttp2(paths[2]!, [1], { "content-length": String(bound + 1) })).status, 413);
    const { status, headers } = await overHttp2(paths[3]!, [bound / 2, bound / 2, 1, 1, 1]);
    assert.deepEqual([status, headers["content-type"]], [413, "application/problem+json"]);
    await assertDenied(paths[3]!);
  });

  test("HTTP/2 with a content-length that is too small: no more than the bound arrives", async () => {
    const path = newPath();
    // The upstream may have answered what it took for the whole of it.
    await overHttp2(path, [10, 5_000, 5_000, 5_000], { "content-length": "10" });
    assert.ok((arrived.get(path) ?? 0) <= bound);
  });

  test("one large piece is denied, and no more of it than the bound arrives", async () => {
    const path = newPath();
    assert.equal((await overHttp2(path, [60_000])).status, 413);
    await assertDenied(path);
  });

  test("gRPC: RESOURCE_EXHAUSTED while the call streams, as soon as it has passed the bound", async () => {
    // Calls go on over HTTP/2.
    const sessions = new Set<ServerHttp2Session>();
    const server = createServer(count).listen(0, "127.0.0.1");
    server.on("session", (session) => sessions.add(session));
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const other = await startTestEnvoy({ policyYaml, upstream: { host: "127.0.0.1", port, tls: false } });
    try {
      const call = { "content-type": "application/grpc", te: "trailers" };
      const [within, beyond] = [newPath(), newPath()];
      await overHttp2(within, [5_000, 5_000], call, other);
      assert.equal(arrived.get(within), bound);
      const { status, headers } = await overHttp2(beyond, [4_000, 4_000, 4_000], call, other);
      assert.deepEqual([status, headers["grpc-status"]], [200, "8"]);
      await assertDenied(beyond, other);
    } finally {
      await other.stop();
      for (const session of sessions) session.destroy();
      server.close();
    }
  });

  test("where the upstream's answer has begun, the stream is reset", async () => {
    const path = newPath();
    const { status, isReset } = await overHttp2(path, [1_000, ...Array.from({ length: 40 }, () => 1_000)], {
      "x-early": "1",
    });
    assert.deepEqual([status, isReset], [200, true]);
    await assertDenied(path);
  });

  test("many at once, each counted for itself", async () => {
    const paths = Array.from({ length: 40 }, () => newPath());
    const answers = await Promise.all(
      paths.map((path, index) => overHttp2(path, index % 2 === 0 ? [3_000, 3_000, 4_000] : [3_000, 4_000, 3_001])),
    );
    for (const [index, { status }] of answers.entries()) assert.equal(status, index % 2 === 0 ? 200 : 413);
    for (const [index, path] of paths.entries()) {
      if (index % 2 === 0) assert.equal(arrived.get(path), bound);
      else assert.ok((arrived.get(path) ?? 0) <= bound);
    }
  });

  test("a request with two values of content-length, or one that is no number, is refused by Envoy", async () => {
    for (const lengths of [["10x"], ["-1"], ["1", "2"]]) {
      const statuses = await overHttp1([head(newPath(), ...lengths.map((length) => `content-length: ${length}`))]);
      assert.deepEqual(statuses, [400], lengths.join(" and "));
    }
    const { status, isReset } = await overHttp2(newPath(), [10], { "content-length": "x" });
    assert.ok(status === 400 || isReset, `${status}`);
  });

  test("a rule without a bound lets any number go on", async () => {
    const path = newPath("free");
    assert.equal((await overHttp2(path, [30_000, 30_000])).status, 200);
    assert.equal(arrived.get(path), 60_000);
  });
});
