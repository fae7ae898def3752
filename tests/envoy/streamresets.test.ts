/**
 * Streams that clients reset: Envoy bounds them for each connection and ends the connection beyond, with everybody's requests on it.
 * The examples set a bound that a gateway stays inside. Envoy's own is the same with our filter and without it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect, constants } from "node:http2";
import { after, before, describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const policyYaml = `
version: 1
name: resets
trust: { domains: [example.org] }
rules:
  - { name: uploads, callers: [spiffe://example.org/web], allow: [POST /uploads] }
`;
/** More than the 1,000 at once that Envoy's own bound allows, with what comes back in the meantime. */
const resets = 1_500;
/** As many as may be open at once. */
const wave = 50;

/** Beside the example's listener one with Envoy's own bounds, and one that has no filter of ours besides. */
function addListeners(bootstrap: Bootstrap): void {
  managerOf(bootstrap).route_config.virtual_hosts[0].routes = [
    { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok\n" } } },
  ];
  const { listeners } = bootstrap.static_resources;
  const [example] = listeners;
  for (const name of ["own-bounds", "no-filter"]) {
    const listener = structuredClone(example);
    listener.name = name;
    const manager = listener.filter_chains[0].filters[0].typed_config;
    manager.stat_prefix = name;
    delete manager.http2_protocol_options.stream_reset_burst;
    delete manager.http2_protocol_options.stream_reset_rate;
    if (name === "no-filter") manager.http_filters = manager.http_filters.slice(-1);
    listeners.push(listener);
  }
}

describe("streams that a client resets", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({ policyYaml, adjust: addListeners });
  });
  after(() => envoy.stop());

  /** Sends uploads over one connection and breaks each of them off; then one whole request. */
  async function resetMany(listener: string): Promise<{ status: number | undefined; goaway: number | undefined }> {
    const { authorityPem, identity } = await envoy.local.target("spiffe://example.org/web");
    const session = connect(`https://localhost:${envoy.local.envoy.listenerPort(listener)}`, {
      ...{ ca: authorityPem, cert: identity!.certificatePem, key: identity!.privateKeyPem },
      lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
    });
    let goaway: number | undefined;
    session.on("goaway", (code) => {
      goaway = code;
    });
    session.on("error", () => {});
    await once(session, "connect");
    try {
      for (let sent = 0; sent < resets && goaway === undefined; sent += wave) {
        await Promise.all(Array.from({ length: wave }, () => resetOne(session)));
      }
      return { status: await statusOf(session), goaway };
    } finally {
      session.destroy();
    }
  }

  test("go on under the example's bounds, and so does the connection", async () => {
    assert.deepEqual(await resetMany("inbound"), { status: 200, goaway: undefined });
    assert.equal((await envoy.stats()).get("http.inbound.downstream_cx_protocol_error"), 0);
  });

  for (const [listener, what] of [
    ["own-bounds", "with our filter"],
    ["no-filter", "without it"],
  ] as const) {
    test(`end the connection under Envoy's own bounds, ${what}, and downstream_cx_protocol_error tells`, async () => {
      const { status, goaway } = await resetMany(listener);
      assert.deepEqual({ status, goaway }, { status: undefined, goaway: constants.NGHTTP2_INTERNAL_ERROR });
      assert.equal((await envoy.stats()).get(`http.${listener}.downstream_cx_protocol_error`), 1);
    });
  }
});

/** Begins an upload and resets it. Resolves when it has ended, one way or another. */
async function resetOne(session: ClientHttp2Session): Promise<void> {
  if (session.closed || session.destroyed) return;
  const stream = session.request({ ":method": "POST", ":path": "/uploads" }, { endStream: false });
  stream.on("error", () => {});
  stream.resume();
  stream.close(constants.NGHTTP2_CANCEL);
  if (!stream.destroyed) await once(stream, "close");
}

/** Of a whole request; undefined where it gets no answer. */
async function statusOf(session: ClientHttp2Session): Promise<number | undefined> {
  if (session.closed || session.destroyed) return undefined;
  const stream = session.request({ ":method": "POST", ":path": "/uploads" });
  let status: number | undefined;
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  stream.on("error", () => {});
  stream.resume();
  await once(stream, "close").catch(() => {});
  return status;
}
