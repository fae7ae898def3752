/**
 * What other parts of Envoy do to requests that wait for keys, or were admitted after they had: filters before and behind ours that
 * answer themselves, a codec that has had enough, an upstream that breaks off, retries and internal redirects.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isAdmitted } from "../storm/account.ts";
import { assertAdmits, statusesOver, within } from "../storm/checks.ts";
import { connectHttp1, statusOf } from "../storm/client.ts";
import { duringFetch, Waiting } from "../storm/waiting.ts";
import { pathOf, type StormWorld, type WorldOptions } from "../storm/world.ts";
import { makeKey } from "../support/jwks-server.ts";
import { startPlainUpstream } from "../support/upstream.ts";

/** A filter that answers every request to a key set's path. */
const fault = {
  name: "envoy.filters.http.fault",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
    abort: { http_status: 418, percentage: { numerator: 100 } },
    headers: [{ name: ":path", string_match: { prefix: "/orders/" } }],
  },
};

/** Puts it before ours or behind it. */
const answering =
  (place: "before" | "behind"): WorldOptions["adjust"] =>
  (manager) => {
    const filters = manager.http_filters;
    filters.splice(place === "before" ? 0 : filters.length - 1, 0, fault);
  };

/** Changes the example's one route. */
const routing =
  (change: object): WorldOptions["adjust"] =>
  (manager) => {
    const [route] = manager.route_config.virtual_hosts[0].routes;
    Object.assign(route.route, change);
  };

const publishing = (world: StormWorld) => statusesOver(world, () => {});

// One by one: all requests have to be under way within the five seconds that the first of them waits.
describe("other filters, and the upstream", () => {
  test("a filter before ours that answers: ours is never asked, and says nothing", async () => {
    await within({ adjust: answering("before") }, async (world) => {
      const client = await world.connect("web");
      const token = await world.token(await makeKey("unknown"));
      assert.equal((await client.send({ path: pathOf(0), token }).ended).status, 418);
      client.destroy();
      const [line] = await world.accessLog(1);
      assert.deepEqual([line!.details, line!.record], ["fault_filter_abort", undefined]);
    });
  });

  test("a filter behind ours that answers what had waited: it was admitted, and that filter answered", async () => {
    await within(
      { adjust: answering("behind") },
      async (world) => {
        assert.deepEqual(await publishing(world), { 418: 16 });
        const lines = await world.accessLog(16, ({ status }) => status === 418);
        assert.equal(lines.length, 16);
        for (const line of lines) assert.deepEqual([line.details, isAdmitted(line)], ["fault_filter_abort", true]);
      },
      ({ details }) => details === "fault_filter_abort",
    );
  });

  test("a codec that ends a waiting upload, as the answer comes", async () => {
    await within({}, async (world) => {
      const [server] = world.servers;
      const key = await makeKey("codec");
      const token = await world.token(key);
      const busy = await world.connect("busy");
      const target = await world.target("codec");
      const sockets = await Promise.all(Array.from({ length: 16 }, () => connectHttp1(target)));
      const isDue = duringFetch(world, server!, busy, () => {
        for (const { socket } of sockets) socket.write("no number of bytes\r\n");
      });
      const head = `POST ${pathOf(0)} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n`;
      for (const { socket } of sockets) socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
      await isDue;
      const statuses = await Promise.all(sockets.map(async ({ closed }) => statusOf(await closed)));
      for (const status of statuses) assert.ok([400, 401].includes(status), `answered ${status}`);
      await assertAdmits(world);
    });
  });

  test("an upload larger than Envoy's buffer waits, and arrives whole", async () => {
    await within({}, async (world) => {
      const [server] = world.servers;
      const key = await makeKey("large");
      const token = await world.token(key);
      const client = await world.connect("large");
      const busy = await world.connect("busy");
      const isDue = duringFetch(world, server!, busy, () => server!.publish(key));
      const sent = client.send({ path: pathOf(0), token, upload: true, uploadBytes: 1_000_000 });
      await isDue;
      sent.finish();
      assert.equal((await sent.ended).status, 200);
      client.destroy();
      const [received] = world.local.upstream!.requests.filter(({ method }) => method === "POST");
      assert.equal(received!.body.length, 1_000_000);
    });
  });

  test("an upstream that breaks off, and retries: decided once, whatever comes of it", async () => {
    let breaks = 0;
    const upstream = await startPlainUpstream((request, response) => {
      if (request.url === "/busy") return response.end("done");
      if (breaks++ % 3 < 2) return request.socket.destroy();
      return response.end("at last");
    });
    try {
      const retry_policy = {
        retry_on: "reset,connect-failure",
        num_retries: 30,
        retry_back_off: { base_interval: "0.01s" },
      };
      const adjust: WorldOptions["adjust"] = (manager, bootstrap) => {
        routing({ retry_policy })!(manager, bootstrap);
        bootstrap.static_resources.clusters[0].circuit_breakers = { thresholds: [{ max_retries: 100 }] };
      };
      await within({ upstream: upstream.address, adjust }, async (world) => {
        assert.deepEqual(await publishing(world), { 200: 16 });
        const lines = await world.accessLog(16, ({ path }) => path === pathOf(0));
        assert.equal(lines.length, 16);
        assert.ok(lines.every(isAdmitted));
        assert.ok(
          lines.some(({ attempts }) => Number(attempts) > 1),
          "nothing was tried twice",
        );
      });
    } finally {
      upstream.stop();
    }
  });

  test("an upstream that breaks off, without retries: admitted, and 503", async () => {
    const upstream = await startPlainUpstream((request, response) => {
      if (request.url === "/busy") response.end("done");
      else request.socket.destroy();
    });
    try {
      await within({ upstream: upstream.address }, async (world) => {
        assert.deepEqual(await publishing(world), { 503: 16 });
      });
    } finally {
      upstream.stop();
    }
  });

  const redirecting = routing({
    internal_redirect_policy: {
      max_internal_redirects: 2,
      redirect_response_codes: [302],
      allow_cross_scheme_redirect: true,
    },
  });
  const rules = "  - { name: open, callers: [any], allow: [GET /open, GET /closed-by-redirect] }\n";
  for (const how of ["admitted", "left", "denied"] as const) {
    test(`an internal redirect is decided anew, and waits anew: ${how}`, async () => {
      const upstream = await startPlainUpstream((request, response) => {
        if (request.url !== "/open") return response.end(request.url);
        return response.writeHead(302, { location: `http://${request.headers.host}${pathOf(0)}` }).end();
      });
      try {
        await within({ upstream: upstream.address, adjust: redirecting, rules }, async (world) => {
          const [server] = world.servers;
          const busy = await world.connect("busy");
          let waiting!: Waiting;
          const isDue = duringFetch(world, server!, busy, () => {
            if (how === "admitted") server!.publish(waiting.key);
            if (how === "left") waiting.leave();
          });
          waiting = await Waiting.open(world, { path: "/open", uploads: false });
          await isDue;
          const expected = { admitted: 200, left: 0, denied: 401 }[how];
          assert.deepEqual(await waiting.statuses(), { [expected]: 8 });
          await assertAdmits(world);
          if (how === "left") return;
          // The line is the last decision's; the path shows what was asked for.
          await world.accessLog(8, ({ status, path }) => status === expected && path === pathOf(0));
        });
      } finally {
        upstream.stop();
      }
    });
  }
});
