/**
 * Certificates that expire while Envoy runs, which is how SVIDs are revoked: not a new connection, not a resumed one, and an
 * open one no longer than the examples say. Callers and upstreams alike.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { Bootstrap, ExampleName } from "../../scripts/envoy/bootstrap.ts";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { managerOf, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { askOver } from "../support/sessions.ts";

const web = "spiffe://example.org/web";
const orders = "spiffe://example.org/orders";

const policyYaml = `
version: 1
name: expired
trust: { domains: [example.org] }
rules:
  - { name: web, callers: [${web}], allow: ["* /**"] }
`;

/** How long a certificate is good: longer than it takes a busy machine to use it. */
const good_seconds = 8;

let wasm: Uint8Array;
before(async () => {
  wasm = await moduleFor({ policyYaml });
});

/**
 * Does something with a certificate while it is good for a few seconds. Where that fails because the certificate has come to its end
 * already, it is done again with another one.
 * @returns what it came to, and what waits until the certificate is not good any more
 */
async function whileGood<T>(
  envoy: TestEnvoy,
  spiffeId: string,
  use: (identity: Identity) => Promise<T>,
): Promise<{ identity: Identity; used: T; expired: () => Promise<void> }> {
  for (let turn = 1; ; turn++) {
    // Certificates know whole seconds, and the last of them counts.
    const notAfter = new Date((Math.floor(Date.now() / 1000) + good_seconds) * 1000);
    const identity = await envoy.local.authority.issue({ spiffeId, notAfter });
    try {
      const used = await use(identity);
      return { identity, used, expired: () => sleep(Math.max(0, notAfter.getTime() + 1100 - Date.now())) };
    } catch (error) {
      if (Date.now() < notAfter.getTime() || turn === 3) throw error;
    }
  }
}

for (const example of ["inbound", "gateway"] satisfies ExampleName[]) {
  describe(`envoy/${example}.yaml`, { concurrency: true }, () => {
    for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
      test(`no session is resumed, so that an expired certificate opens no connection: ${version}`, async () => {
        const envoy = await startTestEnvoy({
          wasm,
          example,
          adjust: (bootstrap) => {
            const { common_tls_context } =
              bootstrap.static_resources.listeners[0].filter_chains[0].transport_socket.typed_config;
            common_tls_context.tls_params.tls_minimum_protocol_version = "TLSv1_2";
          },
        });
        try {
          const anyone = await envoy.local.target();
          const { identity, used, expired } = await whileGood(envoy, web, async (identity) => {
            const target = { ...anyone, identity };
            const first = await askOver(target, version);
            assert.equal(first.answer, "HTTP/1.1 200 OK");
            const second = await askOver(target, version, first.session);
            assert.deepEqual([second.answer, second.isResumed], ["HTTP/1.1 200 OK", false]);
            return [first.session, second.session];
          });
          await expired();
          for (const session of [undefined, ...used]) {
            assert.equal((await askOver({ ...anyone, identity }, version, session)).answer, undefined);
          }
        } finally {
          await envoy.stop();
        }
      });
    }

    describe("an open connection ends", () => {
      let envoy: TestEnvoy;
      before(async () => {
        envoy = await startTestEnvoy({
          wasm,
          example,
          adjust: (bootstrap) => {
            shorten(managerOf(bootstrap).common_http_protocol_options);
            managerOf(bootstrap).drain_timeout = "0.5s";
          },
        });
      });
      after(() => envoy?.stop());

      test("HTTP/2: a request under way is finished, and then there is no way back", async () => {
        const { serverName: authority = "localhost" } = await envoy.local.target();
        const { identity, used, expired } = await whileGood(envoy, web, async (identity) => {
          for (let turn = 0; turn < 4; turn++) {
            const session = await openHttp2(envoy, identity);
            const stream = session.request({ ":method": "POST", ":path": "/", ":authority": authority });
            stream.on("error", () => {});
            stream.write("begun, ");
            // Envoy says that it takes no more, and waits for what has begun.
            await inTime(once(session, "goaway"));
            const active = (await envoy.stats()).get(`http.${example}.downstream_rq_active`);
            if (active === 1) return { session, stream };
            // On a busy machine it came too late to this one.
            session.destroy();
          }
          return assert.fail("no request was under way on a connection that drains");
        });
        const { session, stream } = used;
        try {
          const closed = once(session, "close");
          await expired();
          stream.end("and done");
          const [headers] = await inTime(once(stream, "response"));
          assert.equal(headers[":status"], 200);
          await once(stream.resume(), "end");
          assert.equal(envoy.upstreamRequests.at(-1)?.body.toString(), "begun, and done");
          await inTime(closed);
        } finally {
          session.destroy();
        }
        assert.notEqual(await envoy.tlsRefusal({ identity }), undefined);
      });

      test("HTTP/1.1: an answer says that it is the last, and then there is no way back", async () => {
        const { port, authorityPem: ca, serverName: servername = "localhost" } = await envoy.local.target();
        const agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
        const ask = async ({ certificatePem: cert, privateKeyPem: key }: Identity): Promise<string | undefined> => {
          const to = { host: "127.0.0.1", port, ca, cert, key, servername, agent, headers: { host: servername } };
          const [response] = await inTime(once(request(to).end(), "response"));
          assert.equal(response.statusCode, 200);
          await once(response.resume(), "end");
          return response.headers.connection;
        };
        try {
          const { identity, expired } = await whileGood(envoy, web, async (identity) => {
            // A connection that nothing is asked over while it drains ends without a word; the next one is asked instead.
            const untilMs = Date.now() + good_seconds * 1000;
            for (;;) {
              const said = await ask(identity).catch((error: NodeJS.ErrnoException) => {
                if (error.code !== "ECONNRESET" || Date.now() > untilMs) throw error;
              });
              if (said === "close") return;
              await sleep(50);
            }
          });
          await expired();
          await assert.rejects(ask(identity));
        } finally {
          agent.destroy();
        }
      });
    });
  });
}

test("where Envoy tells the filter the end of certificates, an open connection is denied after it", async () => {
  const envoy = await startTestEnvoy({
    wasm,
    pluginConfiguration: { certificateEnd: "checked" },
    adjust: (bootstrap) => {
      bootstrap.static_resources.listeners[0].filter_chains[0].filters.unshift(parse(documented("certificate-end")));
    },
  });
  const ask = async (session: ClientHttp2Session): Promise<number> => {
    const stream = session.request({ ":path": "/", ":authority": "localhost" });
    const [headers] = await inTime(once(stream, "response"));
    await once(stream.resume(), "end");
    return headers[":status"];
  };
  let session: ClientHttp2Session | undefined;
  try {
    const { used, expired } = await whileGood(envoy, web, async (identity) => {
      session?.destroy();
      session = await openHttp2(envoy, identity);
      assert.equal(await ask(session), 200);
      return session;
    });
    await expired();
    assert.equal(await ask(used), 403);
    const { record, details } = (await envoy.local.accessLog(2)).at(-1)!;
    assert.deepEqual([record?.reason, record?.caller], ["identity_expired", web]);
    assert.match(String(details), /^sallyport_denied\{identity_expired\}/u);
    // A certificate that is good goes on.
    assert.equal((await envoy.request({ path: "/", caller: web })).status, 200);
  } finally {
    session?.destroy();
    await envoy.stop();
  }
});

/** Opens a connection over HTTP/2; where it is refused, the first request over it says so. */
async function openHttp2(envoy: TestEnvoy, { certificatePem: cert, privateKeyPem: key }: Identity) {
  const { port, authorityPem: ca, serverName: servername = "localhost" } = await envoy.local.target();
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, cert, key, servername });
  session.on("error", () => {});
  return session;
}

/** The YAML block of docs/operations.md that names a filter so. */
function documented(name: string): string {
  const text = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const blocks = [...text.matchAll(/```yaml\n(.*?)```/gsu)].map(([, block]) => block!);
  const [found, ...others] = blocks.filter((block) => block.includes(`name: ${name}\n`));
  assert.ok(found !== undefined && others.length === 0, `one block of docs/operations.md has the filter ${name}`);
  return found;
}

/** The example's bound on a connection's life, as far as a test can wait for it. */
function shorten(options: Bootstrap): void {
  assert.equal(options.max_connection_duration, "600s");
  options.max_connection_duration = "1s";
}

/** Waits, but not for ever: what does not come is a failure. */
async function inTime<T>(event: Promise<T>): Promise<T> {
  const wait = new AbortController();
  const late = sleep(20_000, undefined, { signal: wait.signal }).then(() => assert.fail("it did not come"));
  try {
    return await Promise.race([event, late]);
  } finally {
    wait.abort();
    late.catch(() => {});
  }
}

describe("upstreams", { concurrency: true }, () => {
  for (const keepsAlive of [false, true]) {
    test(`an upstream whose certificate has expired gets no more requests, over ${keepsAlive ? "an open connection" : "a new connection"}`, async () => {
      const upstream = createServer((_request, response) => {
        if (!keepsAlive) response.setHeader("connection", "close");
        response.end("orders");
      });
      upstream.listen(0, "127.0.0.1");
      await once(upstream, "listening");
      const { port } = upstream.address() as AddressInfo;
      const envoy = await startTestEnvoy({
        wasm,
        upstream: { host: "127.0.0.1", port, tls: { expect: { type: "URI", value: orders } } },
        adjust: ({ static_resources: { clusters } }) => {
          const [options] = Object.values<Bootstrap>(clusters[0].typed_extension_protocol_options);
          shorten(options!.common_http_protocol_options);
        },
      });
      try {
        const ask = async (): Promise<number> => (await envoy.request({ path: "/", caller: web })).status;
        const { expired } = await whileGood(envoy, orders, async ({ certificatePem: cert, privateKeyPem: key }) => {
          upstream.setSecureContext({ cert, key });
          for (let turn = 0; turn < 2; turn++) assert.equal(await ask(), 200);
        });
        await expired();
        assert.equal(await ask(), 503);
      } finally {
        await envoy.stop();
        upstream.closeAllConnections();
        upstream.close();
      }
    });
  }
});
