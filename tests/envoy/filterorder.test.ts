/** What docs/filters.md says of other filters and settings beside ours, by its own configurations, in a real Envoy. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { LocalIssuer } from "../../scripts/envoy/issuer.ts";
import { connectHttp1 } from "../storm/client.ts";
import { makeCorpIssuer, managerOf, startTestEnvoy, type TestEnvoy, type TestEnvoyOptions } from "../support/envoy.ts";
import { until } from "../support/until.ts";

const policyYaml = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [RS256], keys: { file: keys/corp.jwks.json } }
rules:
  - { name: reads, callers: [spiffe://example.org/web], allow: [GET /open, POST /open, GET /socket] }
  - { name: tokens, callers: [spiffe://example.org/web], allow: [GET /token], token: corp }
`;
const web = "spiffe://example.org/web";
const origin = "https://shop.example.org";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

/** The block of docs/filters.md with this name. */
function documented(name: string): Json {
  const page = readFileSync(join(import.meta.dirname, "../../docs/filters.md"), "utf8");
  const [, block] = new RegExp(`\`\`\`yaml ${name}\\n(.*?)\`\`\``, "su").exec(page) ?? [];
  assert.ok(block !== undefined, `docs/filters.md has no block ${name}`);
  return parse(block);
}

/** Runs with an Envoy whose connection manager was changed. */
async function within(
  change: (manager: Json) => void,
  run: (envoy: TestEnvoy) => Promise<void>,
  more: Partial<TestEnvoyOptions> = {},
): Promise<void> {
  const envoy = await startTestEnvoy({
    policyYaml,
    issuers: { corp: issuer },
    ...more,
    adjust: (bootstrap) => change(managerOf(bootstrap)),
  });
  try {
    await run(envoy);
  } finally {
    await envoy.stop();
  }
}

let issuer: LocalIssuer;
before(async () => {
  issuer = await makeCorpIssuer();
});

describe("CORS", () => {
  const preflight = (from: string) => ({
    caller: web,
    method: "OPTIONS",
    path: "/open",
    headers: { origin: from, "access-control-request-method": "POST" },
  });

  test("in front: preflights of its origins are answered, others are judged, and denials can be read by scripts", async () => {
    const change = (manager: Json): void => {
      manager.http_filters.unshift(documented("cors"));
      manager.route_config.virtual_hosts[0].typed_per_filter_config = documented("cors-policy");
    };
    await within(change, async (envoy) => {
      const answered = await envoy.request(preflight(origin));
      assert.equal(answered.status, 200);
      assert.equal(answered.headers["access-control-allow-origin"], origin);
      assert.equal((await envoy.request(preflight("https://evil.example.net"))).status, 403);
      const denied = await envoy.request({ caller: web, path: "/closed", headers: { origin } });
      assert.deepEqual([denied.status, denied.headers["access-control-allow-origin"]], [403, origin]);
      assert.equal(envoy.upstreamRequests.length, 0);
    });
  });

  test("behind the check: the policy denies the preflight", async () => {
    const change = (manager: Json): void => {
      manager.http_filters.splice(-1, 0, documented("cors"));
      manager.route_config.virtual_hosts[0].typed_per_filter_config = documented("cors-policy");
    };
    await within(change, async (envoy) => {
      assert.equal((await envoy.request(preflight(origin))).status, 403);
    });
  });
});

describe("jwt_authn in front", () => {
  for (const [forward, status] of [
    [true, 200],
    [false, 401],
  ] as const) {
    test(`with forward ${forward}: ${status}`, async () => {
      const change = (manager: Json): void => {
        const filter = documented("jwt-authn");
        const { corp } = filter.typed_config.providers;
        corp.local_jwks = { inline_string: JSON.stringify(issuer.jwks) };
        corp.forward = forward;
        manager.http_filters.unshift(filter);
      };
      await within(change, async (envoy) => {
        const token = await issuer.token();
        const judged = await envoy.judge({ caller: web, path: "/token", token });
        assert.equal(judged.status, status);
        assert.equal(judged.record?.reason, forward ? "allowed" : "token_missing");
      });
    });
  }
});

test("grpc_web in front: our denial has a gRPC status", async () => {
  const change = (manager: Json): void => {
    manager.http_filters.unshift(documented("grpc-web"));
  };
  await within(change, async (envoy) => {
    const { response, record } = await envoy.judge({
      caller: web,
      method: "POST",
      path: "/shop.Orders/Place",
      headers: { "content-type": "application/grpc-web+proto" },
      body: "\0\0\0\0\0",
    });
    assert.equal(record?.reason, "no_rule");
    assert.deepEqual([response.status, response.headers["grpc-status"]], [403, "7"]);
  });
});

describe("WebSockets", () => {
  const upstream = createServer();
  let port: number;
  before(async () => {
    upstream.on("upgrade", (_, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello");
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => void upstream.listen(0, "127.0.0.1", resolve));
    port = (upstream.address() as AddressInfo).port;
  });
  after(() => {
    upstream.close();
    upstream.closeAllConnections();
  });

  const upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
  /** What comes back to a handshake before a second has passed. */
  const shake = async (envoy: TestEnvoy, path: string): Promise<string> => {
    const { socket, closed } = await connectHttp1(await envoy.local.target(web));
    let got = "";
    socket.on("data", (bytes: Buffer) => {
      got += bytes.toString("latin1");
      if (got.includes("hello")) socket.end();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${upgrade}\r\n`);
    setTimeout(() => socket.destroy(), 1_000).unref();
    await closed;
    return got;
  };

  test("the handshake is judged like any request", async () => {
    const change = (manager: Json): void => {
      manager.upgrade_configs = [documented("websocket")];
    };
    const more = { upstream: { host: "127.0.0.1", port, tls: false } } as const;
    await within(
      change,
      async (envoy) => {
        assert.match(await shake(envoy, "/socket"), /^HTTP\/1\.1 101 .*hello$/su);
        assert.match(await shake(envoy, "/closed"), /^HTTP\/1\.1 403 /u);
      },
      more,
    );
  });

  test("an open one outlives max_connection_duration, and ends with max_stream_duration", async () => {
    const more = { upstream: { host: "127.0.0.1", port, tls: false } } as const;
    for (const isBounded of [false, true]) {
      const change = (manager: Json): void => {
        manager.upgrade_configs = [documented("websocket")];
        const options = manager.common_http_protocol_options;
        options.max_connection_duration = "1s";
        assert.equal(documented("websocket-bound").max_stream_duration, "3600s");
        if (isBounded) options.max_stream_duration = "2s";
      };
      await within(
        change,
        async (envoy) => {
          const { socket, closed } = await connectHttp1(await envoy.local.target(web));
          let got = "";
          socket.on("data", (bytes: Buffer) => {
            got += bytes.toString("latin1");
          });
          socket.write(`GET /socket HTTP/1.1\r\nhost: localhost\r\n${upgrade}\r\n`);
          await until("it is open", () => got.endsWith("hello"));
          if (isBounded) {
            await closed;
            return;
          }
          await sleep(3_000);
          socket.write("still here");
          await until("it is open still", () => got.endsWith("still here"));
          socket.destroy();
          await closed;
        },
        more,
      );
    }
  });

  test("without upgrade_configs Envoy refuses it", async () => {
    const more = { upstream: { host: "127.0.0.1", port, tls: false } } as const;
    await within(
      () => {},
      async (envoy) => assert.match(await shake(envoy, "/socket"), /^HTTP\/1\.1 403 /u),
      more,
    );
  });
});

describe("expect: 100-continue", () => {
  for (const isProxied of [false, true]) {
    test(`a denied upload, proxy_100_continue ${isProxied}`, async () => {
      const change = (manager: Json): void => {
        manager.proxy_100_continue = isProxied;
      };
      await within(change, async (envoy) => {
        const { socket, closed } = await connectHttp1(await envoy.local.target(web));
        let got = "";
        socket.on("data", (bytes: Buffer) => {
          got += bytes.toString("latin1");
        });
        socket.write("POST /closed HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
        setTimeout(() => socket.destroy(), 1_000).unref();
        await closed;
        assert.match(got, isProxied ? /^HTTP\/1\.1 403 /u : /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 403 /u);
      });
    });
  }
});
