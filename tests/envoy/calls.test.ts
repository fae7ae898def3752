/** A real Envoy with a policy that reads bodies: however a body comes, it is decided as a whole, and nothing reaches the upstream before. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { RestResponse } from "../../scripts/envoy/client.ts";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import type { EnvoyStatus } from "../../scripts/status/judge.ts";
import { sallyport } from "../cli/program.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { clientOf, type PieceClient, startWatchedUpstream, type WatchedUpstream } from "../support/pieces.ts";
import { until } from "../support/until.ts";

const web = "spiffe://example.org/web";
const json = { "content-type": "application/json" };
/** The policy of tests/wasm, and a rule that reads no body. */
const policyYaml = `${readFileSync("tests/policy/policies/callsonly.yaml", "utf8")}
  - name: plain
    callers: ["${web}"]
    allow: ["GET /plain", "POST /plain"]
`;
const call = (name: string, text = ""): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: { text } } });
/** An admitted call of so many bytes. */
const sized = (bytes: number): string => call("get_a", "x".repeat(bytes - call("get_a").length));
const most_bytes = 65_536;
/** Long enough for bytes to come to an upstream on the same machine, were they let through. */
const moment_ms = 50;

describe("bodies that are held", () => {
  let upstream: WatchedUpstream;
  let envoy: TestEnvoy;
  const clients = new Map<boolean, PieceClient>();
  const takeTrailers = (bootstrap: Bootstrap): void => {
    managerOf(bootstrap).http_protocol_options = { enable_trailers: true };
  };

  before(async () => {
    upstream = await startWatchedUpstream();
    envoy = await startTestEnvoy({ policyYaml, upstream: upstream.address, adjust: takeTrailers });
    for (const http2 of [false, true]) clients.set(http2, await clientOf(await envoy.local.target(web), http2));
  });
  after(async () => {
    for (const client of clients.values()) client.close();
    await envoy?.stop();
    upstream?.stop();
  });

  /** The newest record that a request left. */
  async function record(): Promise<AuditRecord> {
    const line = (await envoy.local.accessLog(++answered)).at(-1);
    return line!.record!;
  }
  let answered = 0;

  for (const http2 of [false, true]) {
    const over = http2 ? "HTTP/2" : "HTTP/1.1";
    const open = (path: string, headers: Record<string, string> = json) => clients.get(http2)!.open(path, headers);
    const send = async (body: string | Uint8Array, headers: Record<string, string> = json): Promise<RestResponse> => {
      const request = open("/mcp", headers);
      await request.write(body);
      request.end();
      const answer = await request.answer;
      return answer;
    };
    const assertAdmitted = async (answer: RestResponse, body: string): Promise<void> => {
      const { decision, reason } = await record();
      assert.deepEqual([answer.status, decision, reason], [200, "allow", "allowed"], answer.body);
      assert.equal(upstream.bodies.at(-1), body);
    };
    const assertDenied = async (answer: RestResponse, status: number, reason: string): Promise<void> => {
      const { decision, reason: given } = await record();
      assert.deepEqual([answer.status, decision, given], [status, "deny", reason], answer.body);
    };

    test(`cut anywhere, over ${over}`, async () => {
      const body = call("get_weather", "Ü");
      const bytes = Buffer.from(body);
      for (let cut = 1; cut < bytes.length; cut++) {
        const request = open("/mcp");
        await request.write(bytes.subarray(0, cut));
        await sleep(2);
        await request.write(bytes.subarray(cut));
        request.end();
        await assertAdmitted(await request.answer, body);
      }
    });

    test(`byte by byte, with nothing upstream before the last, over ${over}`, async () => {
      for (const [name, status] of [
        ["get_weather", 200],
        ["delete_all", 403],
      ] as const) {
        const bytes = Buffer.from(call(name));
        const [before, count] = [upstream.bytes(), upstream.bodies.length];
        const request = open("/mcp");
        for (const byte of bytes) {
          await request.write(Buffer.of(byte));
          await sleep(1);
        }
        await sleep(moment_ms);
        assert.equal(upstream.bytes(), before, "something has come to the upstream");
        request.end();
        const answer = await request.answer;
        if (status === 200) await assertAdmitted(answer, call(name));
        else {
          await assertDenied(answer, 403, "no_rule");
          assert.deepEqual(JSON.parse(answer.body), {
            jsonrpc: "2.0",
            id: 7,
            error: { code: -32001, message: "Forbidden" },
          });
          assert.deepEqual([upstream.bytes(), upstream.bodies.length], [before, count]);
        }
      }
    });

    test(`sizes at the bound, told before or not, over ${over}`, async () => {
      for (const bytes of [most_bytes - 1, most_bytes, most_bytes + 1]) {
        for (const length of [{}, { "content-length": String(bytes) }] as Record<string, string>[]) {
          const arrived = upstream.bytes();
          const request = open("/mcp", { ...json, ...length });
          const answer = request.answer.catch((error: NodeJS.ErrnoException) => error);
          void request.write(sized(bytes));
          request.end();
          const got = await answer;
          if (bytes <= most_bytes) {
            assert.ok(!(got instanceof Error), String(got));
            await assertAdmitted(got, sized(bytes));
            continue;
          }
          // A client over HTTP/1.1 that still writes may meet the closed connection in place of the answer.
          if (got instanceof Error) assert.equal((await record()).reason, "body_too_large");
          else await assertDenied(got, 413, "body_too_large");
          assert.equal(upstream.bytes(), arrived);
        }
      }
    });

    test(`trailers end a body, over ${over}`, async () => {
      for (const name of ["get_a", "delete_all"]) {
        const before = upstream.bytes();
        const request = open("/mcp", http2 ? json : { ...json, trailer: "x-end" });
        await request.write(call(name));
        await sleep(moment_ms);
        assert.equal(upstream.bytes(), before);
        request.end({ "x-end": "1" });
        const answer = await request.answer;
        if (name === "get_a") await assertAdmitted(answer, call(name));
        else await assertDenied(answer, 403, "no_rule");
      }
    });

    test(`a client that leaves leaves nothing behind, over ${over}`, async () => {
      const before = upstream.bytes();
      for (let count = 0; count < 20; count++) {
        const request = open("/mcp");
        await request.write(call("get_a").slice(0, 20));
        await sleep(5);
        request.leave();
        await request.answer.catch(() => {});
      }
      await until("none is held any more", async () =>
        [...(await envoy.stats())].every(
          ([name, value]) => !name.endsWith("inbound.downstream_rq_active") || value === 0,
        ),
      );
      assert.equal(upstream.bytes(), before);
      answered += 20;
      await envoy.local.accessLog(answered);
      await assertAdmitted(await send(call("get_a")), call("get_a"));
    });

    test(`what is no JSON, or compressed, over ${over}`, async () => {
      const before = upstream.bytes();
      await assertDenied(
        await send(gzipSync(call("get_a")), { ...json, "content-encoding": "gzip" }),
        415,
        "body_unsupported",
      );
      await assertDenied(await send(call("get_a"), { "content-type": "text/plain" }), 415, "body_unsupported");
      await assertDenied(await send(`${call("get_a")}{}`), 400, "body_malformed");
      assert.equal(upstream.bytes(), before);
    });

    test(`a rule that reads no body waits for none, over ${over}`, async () => {
      const before = upstream.bytes();
      const request = open("/plain", { "content-type": "text/plain" });
      await request.write("a");
      await until("the first byte has gone on", () => upstream.bytes() > before, 10_000);
      request.end();
      assert.equal((await request.answer).status, 200);
      assert.equal((await record()).rule, "plain");
    });
  }

  test("a client that waits to be asked for its body is asked by Envoy", async () => {
    const request = clients.get(false)!.open("/mcp", { ...json, expect: "100-continue" });
    await until("100 Continue has come", () => request.isContinued(), 10_000);
    await request.write(call("delete_all"));
    request.end();
    const answer = await request.answer;
    assert.deepEqual([answer.status, (await record()).reason], [403, "no_rule"]);
  });

  test("1,000 at once are held and decided, within a bounded memory", async () => {
    const count = 1_000;
    const each = 100;
    const allocated = async (): Promise<number> =>
      Number((JSON.parse(await envoy.local.envoy.admin("/memory")) as { allocated: string }).allocated);
    const target = await envoy.local.target(web);
    const many = await Promise.all(Array.from({ length: count / each }, () => clientOf(target, true)));
    const [memory, bytes] = [await allocated(), upstream.bytes()];
    const filler = "x".repeat(4_096);
    const requests = Array.from({ length: count }, (_, index) => ({
      name: index % 2 === 0 ? "get_a" : "delete_all",
      request: many[Math.floor(index / each)]!.open("/mcp", json),
    }));
    await Promise.all(requests.map(({ name, request }) => request.write(call(name, filler).slice(0, -1))));
    await until("all have come", async () =>
      [...(await envoy.stats())].some(
        ([name, value]) => name.endsWith("inbound.downstream_rq_active") && value === count,
      ),
    );
    await sleep(moment_ms);
    assert.equal(upstream.bytes(), bytes, "something has come to the upstream");
    const held = (await allocated()) - memory;
    assert.ok(held < 100 << 20, `${held} bytes for ${count} requests`);
    await Promise.all(requests.map(({ request }) => request.write("}")));
    for (const { request } of requests) request.end();
    const answers = await Promise.all(requests.map(({ request }) => request.answer));
    for (const [index, { status }] of answers.entries()) assert.equal(status, index % 2 === 0 ? 200 : 403, `${index}`);
    for (const client of many) client.close();
    answered += count;
  });
});

test("where the connection manager leaves the 100 to the upstream, whoever waits for it is denied", async () => {
  const upstream = await startWatchedUpstream();
  const adjust = (bootstrap: Bootstrap): void => {
    managerOf(bootstrap).proxy_100_continue = true;
  };
  const envoy = await startTestEnvoy({ policyYaml, upstream: upstream.address, adjust });
  try {
    const headers = { ...json, expect: "100-continue", "content-length": "10" };
    const client = await clientOf(await envoy.local.target(web), false);
    const { status } = await client.open("/mcp", headers).answer;
    client.close();
    const [line] = await envoy.local.accessLog(1);
    const { reason, detail } = line!.record!;
    assert.deepEqual([status, reason, detail], [503, "body_unavailable", "expect"]);
    assert.equal(upstream.bytes(), 0);
  } finally {
    await envoy.stop();
    upstream.stop();
  }
});

test("without the setting: 503 within seconds, one line of log, and other requests as ever", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-calls-"));
  const path = join(folder, "policy.yaml");
  writeFileSync(path, policyYaml);
  const upstream = await startWatchedUpstream();
  const adjust = (bootstrap: Bootstrap): void => {
    delete managerOf(bootstrap).http_filters[0].typed_config.config.allow_on_headers_stop_iteration;
  };
  const envoy = await startTestEnvoy({ policyYaml, upstream: upstream.address, adjust });
  try {
    const post = (path: string) =>
      envoy.request({ caller: web, method: "POST", path, headers: json, body: call("get_a") });
    const held = await Promise.all([post("/mcp"), post("/mcp"), post("/mcp")]);
    for (const { status } of held) assert.equal(status, 503);
    assert.equal(upstream.bytes(), 0);
    assert.equal((await post("/mcp")).status, 503);
    assert.equal((await post("/plain")).status, 200);
    assert.equal((await envoy.request({ caller: web, path: "/plain" })).status, 200);
    const denied = (await envoy.accessLog()).map(({ record }) => record?.reason);
    assert.deepEqual(denied.filter((reason) => reason === "body_unavailable").length, 4, String(denied));
    const lines = envoy.local.envoy.log().match(/the host hands over no bodies while their headers are held/gu);
    assert.equal(lines?.length, 1);
    await until("the tick hands over what was counted", async () =>
      (await envoy.prometheus()).some((line) => /sallyport_denials\{.*body_unavailable.*\} 4$/u.test(line)),
    );
    const admin = `http://127.0.0.1:${envoy.local.envoy.adminPort}`;
    const { code, stdout } = sallyport(["status", path, "--admin", admin, "--format", "json"]);
    const [{ findings } = assert.fail(stdout)] = (JSON.parse(stdout) as { envoys: EnvoyStatus[] }).envoys;
    assert.deepEqual([code, findings.map((one) => one.code).sort()], [1, ["bodies_unavailable", "holding_unset"]]);
  } finally {
    await envoy.stop();
    upstream.stop();
    rmSync(folder, { recursive: true });
  }
});
