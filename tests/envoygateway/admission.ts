/** Who gets through a Gateway that has what `manifest` writes: callers by certificate and token, and nobody else. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { tlsRefusal } from "../../scripts/envoy/client.ts";
import { until } from "../support/until.ts";
import { selfSigned } from "./selfsigned.ts";
import { type Caller, stranger, World, web } from "./world.ts";

let world: World;
before(async () => {
  world = await World.make();
  await world.install(world.build());
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
});
after(() => world?.stop());

describe("a caller", () => {
  test("whom a rule names is admitted, over HTTP/1.1 and HTTP/2; another is not", async () => {
    assert.equal(await world.status(web), 200);
    assert.equal(await world.status(web, { http2: true }), 200);
    assert.equal(await world.status(web, { path: "/other" }), 403);
    assert.equal(await world.status(stranger), 403);
  });

  test("has a good token where a rule wants one", async () => {
    const asked = { method: "POST", path: "/orders" };
    const token = await world.corp.token({ algorithm: "ES256", claims: { scope: "orders:write" } });
    const narrow = await world.corp.token({ algorithm: "ES256", claims: { scope: "orders:read" } });
    assert.equal(await world.status(web, { ...asked, token }), 200);
    assert.equal(await world.status(web, asked), 401);
    assert.equal(await world.status(web, { ...asked, token: narrow }), 403);
    assert.equal(await world.status(stranger, { ...asked, token }), 403);
  });

  test("cannot say who it is by a header: the upstream hears what its certificate says", async () => {
    const headers = { "x-forwarded-client-cert": `URI=${web}` };
    assert.equal(await world.status(stranger, { headers }), 403);
    assert.equal(
      await world.status(web, {
        path: "/orders/xfcc",
        headers: { "x-forwarded-client-cert": "URI=spiffe://example.org/root" },
      }),
      200,
    );
    const { headers: arrived } = world.received.find(({ path }) => path === "/orders/xfcc")!;
    assert.match(String(arrived["x-forwarded-client-cert"]), /^By=[^,]*;URI=spiffe:\/\/example\.org\/web$/u);
  });

  test("is asked for one reading of the path", async () => {
    assert.equal(await world.status(web, { path: "/orders%2F1" }), 400);
    assert.equal(await world.status(web, { path: "/other/..%2forders/1" }), 400);
    assert.equal(await world.status(web, { path: "/other/../orders/7" }), 200);
    assert.equal(world.received.at(-1)!.path, "/orders/7");
  });
});

describe("a connection is refused", () => {
  /** What TLS says of a caller; requests of it never arrive. */
  async function refusal(caller: Caller): Promise<string> {
    const before = world.received.length;
    assert.equal(await world.status(caller), 0);
    const said = await tlsRefusal(await world.target(caller));
    assert.equal(world.received.length, before);
    return said ?? "not refused";
  }

  test("without a certificate", async () => {
    assert.match(await refusal(undefined), /CERTIFICATE_REQUIRED/u);
  });

  test("with a certificate of an authority that is not in the bundle, whatever SPIFFE ID it has", async () => {
    const own = await makeAuthority({ trustDomain: "example.org" });
    // It has the name of the good one, so that its signature is looked at.
    assert.match(await refusal(await own.issue({ spiffeId: web })), /DECRYPT_ERROR/u);
    assert.match(await refusal(await selfSigned(web)), /UNKNOWN_CA/u);
  });

  test("with a certificate that has expired", async () => {
    const hour_ms = 3_600_000;
    const expired = await world.authority.issue({
      spiffeId: web,
      notBefore: new Date(Date.now() - 2 * hour_ms),
      notAfter: new Date(Date.now() - hour_ms),
    });
    assert.match(await refusal(expired), /CERTIFICATE_EXPIRED/u);
  });
});

describe("an operator", () => {
  test("keeps what the class of Gateways says, beside what the manifest adds", async () => {
    const { command_line_options } = JSON.parse(await world.admin("/server_info"));
    assert.equal(command_line_options.concurrency, 2);
  });

  test("has labels on metrics", async () => {
    const counted = 'sallyport_rules{sallyport_policy="shop",sallyport_rule="reads",sallyport_decision="allow"}';
    const denied = 'sallyport_denials{sallyport_policy="shop",sallyport_reason="no_rule"}';
    await until("both are counted", async () => {
      const lines = (await world.admin("/stats/prometheus")).split("\n");
      const countOf = (name: string): number =>
        Number(
          lines
            .find((line) => sameLabels(line, name))
            ?.split(" ")
            .at(-1) ?? 0,
        );
      return countOf(counted) >= 4 && countOf(denied) >= 2;
    });
  });

  test("has a record of each request, with the reason", async () => {
    const asked: [caller: string, path: string, reason: string][] = [
      [web, "/orders/recorded", "allowed"],
      [web, "/recorded", "no_rule"],
      [stranger, "/orders/recorded-too", "no_rule"],
    ];
    for (const [caller, path] of asked) await world.status(caller, { path });
    const found: unknown[] = [];
    await until("all are in the access log", async () => {
      const lines = await world.accessLog();
      found.splice(0);
      for (const [, path] of asked) {
        const line = lines.find((one) => one.path === path);
        if (line?.record !== undefined) found.push([line.record.caller, path, line.record.reason]);
      }
      return found.length === asked.length;
    });
    assert.deepEqual(found, asked);
  });
});

/** Whether a line is of this metric, with its labels in any order. */
function sameLabels(line: string, metric: string): boolean {
  const [, name, labels] = /^(\w+)\{(.*)\}/u.exec(metric)!;
  return line.startsWith(`${name}{`) && labels!.split(",").every((label) => line.includes(label));
}
