/**
 * Keys behind a URL, with a real Envoy of two workers and a real server of key sets: tokens of a key that is published are
 * never refused and those of one that is not never admitted, whatever the server does.
 */
import assert from "node:assert/strict";
import { Agent, request as httpsRequest } from "node:https";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Target } from "../../scripts/envoy/client.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import {
  type JwksMode,
  type JwksServer,
  type KeyAlgorithm,
  makeKey,
  makeStrangers,
  type ProviderKey,
  providerAudience,
  providerIssuer,
  startJwksServer,
} from "../support/jwks-server.ts";

const refreshMs = 2_000;
/** How long after a refresh the last worker has the keys, and how late a refresh itself may be on a busy machine. */
const slackMs = 2_500;
const caller = "spiffe://example.org/web";
const unknownKey = "token_key_unknown";

const policyFor = (server: JwksServer, file = ""): string => `
version: 1
name: keys
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [RS256, PS256, ES256, EdDSA]
    keys: { url: "${server.url}", cluster: idp, refresh: ${refreshMs / 1000}s${file} }
rules:
  - { name: reads, callers: [${caller}], allow: ["GET /**"], token: corp }
`;

/** An Envoy whose cluster `idp` leads to the server. */
async function startKeyEnvoy(server: JwksServer, file?: ProviderKey): Promise<TestEnvoy> {
  const tls = {
    expect: { type: "IP_ADDRESS", value: "127.0.0.1" },
    authorityPem: server.authorityPem,
  } as const;
  return startTestEnvoy({
    policyYaml: policyFor(server, file === undefined ? "" : ", file: keys/corp.jwks.json"),
    ...(file === undefined ? {} : { issuers: { corp: { jwks: { keys: [file.jwk] } } } }),
    concurrency: 2,
    keyClusters: { idp: { host: "127.0.0.1", port: server.port, tls } },
  });
}

/** What a request came to: the status, and how long it took. */
interface Answer {
  status: number;
  tookMs: number;
}

/** A caller that keeps one connection, and so stays with one worker. */
class Caller {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(target: Target) {
    this.#port = target.port;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: target.authorityPem,
      servername: "localhost",
      cert: target.identity!.certificatePem,
      key: target.identity!.privateKeyPem,
    });
  }

  ask(token: string): Promise<Answer> {
    const startedMs = Date.now();
    return new Promise((resolve, reject) => {
      const headers = { host: "localhost", authorization: `Bearer ${token}` };
      const options = { agent: this.#agent, host: "127.0.0.1", port: this.#port, path: "/orders", headers };
      const outgoing = httpsRequest(options, (response) => {
        response.resume();
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode!, tookMs: Date.now() - startedMs }));
      });
      outgoing.setTimeout(20_000, () => outgoing.destroy(new Error("no answer in time")));
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  leave(): void {
    this.#agent.destroy();
  }
}

/** So many callers with a connection each; both workers have some of them. */
async function callersOf(envoy: TestEnvoy, count: number): Promise<Caller[]> {
  const target = await envoy.local.target(caller);
  return Array.from({ length: count }, () => new Caller(target));
}

async function status(envoy: TestEnvoy, token: string): Promise<number> {
  return (await envoy.request({ caller, path: "/orders", token })).status;
}

/** Waits until something holds, and says how long that took. */
async function until(what: string, limitMs: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const startedMs = Date.now();
  while (!(await holds())) {
    if (Date.now() - startedMs > limitMs) assert.fail(`after ${limitMs} ms still not so: ${what}`);
    await sleep(50);
  }
  return Date.now() - startedMs;
}

type Metric = "age_seconds" | "keys" | "refreshes" | "failures";

async function metric(envoy: TestEnvoy, name: Metric): Promise<number | undefined> {
  return (await envoy.stats()).get(`wasmcustom.sallyport_key_set_${name}.policy.keys;.set.corp`);
}

/** A key that has another one's ID. */
async function impostorOf({ kid, jwk }: ProviderKey): Promise<ProviderKey> {
  return makeKey(kid, jwk.alg as KeyAlgorithm);
}

describe("keys behind a URL", () => {
  let server: JwksServer;
  let envoy: TestEnvoy;
  let first: ProviderKey;
  /** What the server has published last. */
  let current: ProviderKey;
  before(async () => {
    server = await startJwksServer();
    first = await makeKey("first", "RS256");
    current = first;
    await server.leave();
    envoy = await startKeyEnvoy(server);
  });
  after(async () => {
    await envoy?.stop();
    await server?.stop();
  });

  test("before the first answer nobody knows whether a token is good, which is 503; then they are", async () => {
    const { status: early, record } = await envoy.judge({ caller, path: "/orders", token: await first.token() });
    assert.deepEqual([early, record?.reason], [503, "keys_unavailable"]);
    server.publish(first);
    await server.comeBack();
    const token = await first.token();
    await until("a token of a published key is admitted", 8_000, async () => (await status(envoy, token)) === 200);
    assert.equal(await metric(envoy, "keys"), 1);
    assert.equal(await status(envoy, await (await impostorOf(first)).token()), 401);
  });

  test("the server is asked with what it said last, and once for both workers", async () => {
    const asked = server.requests.length;
    await sleep(2 * refreshMs + 500);
    const since = server.requests.slice(asked).map((request) => request.status);
    assert.ok(since.length >= 1 && since.length <= 3, `${since}`);
    assert.deepEqual([...new Set(since)], [304]);
  });

  test("a key that comes is good at once, one that goes is not for long, and all the while under load", async () => {
    const second = await makeKey("second", "ES256");
    const removed = current;
    const [old, fresh] = [await removed.token(), await second.token()];
    const forged = [await (await impostorOf(removed)).token(), await (await impostorOf(second)).token()];
    const callers = await callersOf(envoy, 8);
    const wrong: string[] = [];
    /** What each kind of token must be answered with now; undefined where both answers are right. */
    let expected: { old?: number; fresh?: number } = { old: 200 };
    let freshIsOut = false;
    let running = true;
    let asked = 0;
    let slowestFreshMs = 0;
    const load = callers.map(async (one, index) => {
      for (let turn = index; running; turn++) {
        const kind = turn % 4 === 3 ? "forged" : turn % 4 === 2 && freshIsOut ? "fresh" : "old";
        const token = kind === "forged" ? forged[(turn >> 2) % 2]! : kind === "fresh" ? fresh : old;
        const wanted = kind === "forged" ? 401 : expected[kind];
        const { status: got, tookMs } = await one.ask(token);
        asked++;
        if (kind === "fresh") slowestFreshMs = Math.max(slowestFreshMs, tookMs);
        // What is right may have changed on the way: it must be wrong by both.
        const now = kind === "forged" ? 401 : expected[kind];
        if (wanted !== undefined && now !== undefined && got !== wanted && got !== now) {
          wrong.push(`${kind}: ${got} in place of ${wanted}, after ${tookMs} ms`);
        }
        await sleep(5);
      }
    });
    await sleep(500);
    server.publish(removed, second);
    expected = { old: 200, fresh: 200 };
    freshIsOut = true;
    await sleep(refreshMs + slackMs);
    const waitedMs = slowestFreshMs;
    server.publish(second);
    expected = { fresh: 200 };
    await sleep(refreshMs + slackMs);
    expected = { old: 401, fresh: 200 };
    await sleep(1_000);
    running = false;
    await Promise.all(load);
    for (const one of callers) one.leave();
    current = second;
    assert.deepEqual(wrong, []);
    assert.ok(asked > 500, `only ${asked} requests`);
    assert.ok(waitedMs < refreshMs + slackMs, `a new key had to wait ${waitedMs} ms`);
    const stats = await envoy.stats();
    for (const worker of [0, 1]) {
      const connections = stats.get(`listener.127.0.0.1_0.worker_${worker}.downstream_cx_total`) ?? 0;
      assert.ok(connections > 0, `worker ${worker} had no connection`);
    }
  });

  const troubles: (JwksMode | "refuse")[] = ["refuse", "error", "garbage", "truncated", "broken", "huge", "hang"];
  for (const trouble of troubles) {
    test(`${trouble}: the last good keys stay, and a refresh follows when that is over`, async () => {
      const good = await current.token();
      const bad = await (await impostorOf(current)).token();
      const failures = (await metric(envoy, "failures")) ?? 0;
      if (trouble === "refuse") await server.leave();
      else server.mode = trouble;
      const asked = server.requests.length;
      await until("the failure is counted", 10_000, async () => {
        assert.equal(await status(envoy, good), 200);
        assert.equal(await status(envoy, bad), 401);
        return ((await metric(envoy, "failures")) ?? 0) > failures;
      });
      if (trouble !== "refuse") assert.ok(server.requests.length > asked, "the server was not asked");
      assert.equal(await metric(envoy, "keys"), 1);

      const next = await makeKey(`after-${trouble}`, "ES256");
      const token = await next.token();
      server.mode = "ok";
      server.publish(current, next);
      if (trouble === "refuse") await server.comeBack();
      await until("the new key is good", 10_000, async () => {
        assert.equal(await status(envoy, good), 200);
        return (await status(envoy, token)) === 200;
      });
      server.publish(next);
      current = next;
      const keys = async () => (await metric(envoy, "keys")) === 1;
      await until("the set has one key again", refreshMs + slackMs, keys);
    });
  }

  test("a slow server is waited for", async () => {
    const next = await makeKey("slow", "EdDSA");
    server.mode = "slow";
    server.publish(next);
    const { status: answered, response } = await envoy.judge({ caller, path: "/orders", token: await next.token() });
    assert.equal(answered, 200, JSON.stringify(response));
    server.mode = "ok";
    current = next;
  });

  test("1,000 keys, of every algorithm", async () => {
    const algorithms = ["RS256", "PS256", "ES256", "EdDSA"] as const;
    const keys = await Promise.all(algorithms.map((algorithm) => makeKey(`many-${algorithm}`, algorithm)));
    const strangers = makeStrangers(1_000 - keys.length);
    server.publish(...strangers.slice(0, 500), ...keys, ...strangers.slice(500));
    const tokens = await Promise.all(keys.map((key) => key.token()));
    await until("they are all there", refreshMs + slackMs, async () => (await metric(envoy, "keys")) === 1_000);
    await sleep(slackMs / 2);
    for (const one of await callersOf(envoy, 6)) {
      for (const [index, token] of tokens.entries()) {
        assert.equal((await one.ask(token)).status, 200, algorithms[index]);
      }
      one.leave();
    }
    for (const key of keys) assert.equal(await status(envoy, await (await impostorOf(key)).token()), 401, key.kid);
    current = keys[0]!;
    server.publish(current);
    await until("the set is small again", refreshMs + slackMs, async () => (await metric(envoy, "keys")) === 1);
  });

  test("a flood of keys that nobody has: 401 in bounded time, and the server hardly notices", async () => {
    const strange = await makeKey("nobody", "ES256");
    const good = await current.token();
    const [, payload, signature] = (await strange.token()).split(".");
    let kids = 0;
    /** Any signature will do for a key that is not there. */
    const nextToken = (): string => {
      const header = Buffer.from(JSON.stringify({ alg: "ES256", typ: "JWT", kid: `nobody-${kids++}` }));
      return `${header.toString("base64url")}.${payload}.${signature}`;
    };
    const lines = (await envoy.local.accessLog()).length;
    const asked = server.requests.length;
    const startedMs = Date.now();
    const answers: Answer[] = [];
    let flooding = true;
    const honest = (await callersOf(envoy, 1))[0]!;
    const goodAnswers = (async () => {
      const all: Answer[] = [];
      for (; flooding; await sleep(20)) all.push(await honest.ask(good));
      return all;
    })();
    // More than may wait, of one caller, so that some are answered at once.
    const callers = await callersOf(envoy, 200);
    await Promise.all(
      callers.map(async (one) => {
        for (; Date.now() - startedMs < 3 * refreshMs; await sleep(50)) answers.push(await one.ask(nextToken()));
      }),
    );
    const tookMs = Date.now() - startedMs;
    flooding = false;
    for (const one of callers) one.leave();
    const admitted = await goodAnswers;
    honest.leave();
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [401]);
    assert.deepEqual([...new Set(admitted.map((answer) => answer.status))], [200]);
    const slowest = Math.max(...answers.map((answer) => answer.tookMs));
    assert.ok(slowest < 8_000, `one waited ${slowest} ms`);
    assert.ok(answers.length > 2 * callers.length, `${answers.length} answers`);
    const reasons = (await envoy.local.accessLog(lines + answers.length + admitted.length))
      .slice(lines)
      .filter((line) => line.status === 401)
      .map((line) => line.record?.reason);
    assert.deepEqual([...new Set(reasons)], [unknownKey]);
    const requests = server.requests.slice(asked);
    const bound = tookMs / refreshMs + 2;
    assert.ok(requests.length <= bound, `${requests.length} requests in ${tookMs} ms`);
  });

  test("a client that goes away while it waits leaves nothing behind", async () => {
    const unknown = await makeKey("gone", "ES256");
    const token = await unknown.token();
    const leaving = await callersOf(envoy, 20);
    const answers = leaving.map((one) => one.ask(token).catch((error: Error) => error));
    await sleep(100);
    for (const one of leaving) one.leave();
    await Promise.all(answers);
    await until(
      "no request is under way",
      5_000,
      async () => (await envoy.stats()).get("http.inbound.downstream_rq_active") === 0,
    );
    server.publish(current, unknown);
    await until("the key is known", 10_000, async () => (await status(envoy, token)) === 200);
    assert.equal(await status(envoy, await current.token()), 200);
  });

  test("the metrics tell how old the keys are, how many, and how often they came or failed to", async () => {
    const stats = await envoy.stats();
    const read = (name: Metric) => stats.get(`wasmcustom.sallyport_key_set_${name}.policy.keys;.set.corp`);
    assert.equal(read("keys"), 2);
    assert.ok(read("age_seconds")! <= (refreshMs + slackMs) / 1000, `${read("age_seconds")} s old`);
    assert.ok(read("refreshes")! >= troubles.length, `${read("refreshes")} refreshes`);
    assert.ok(read("failures")! >= troubles.length, `${read("failures")} failures`);
    const lines = await envoy.prometheus();
    for (const name of ["age_seconds", "keys", "refreshes", "failures"]) {
      const labels = `{sallyport_policy="keys",sallyport_set="corp"}`;
      assert.ok(
        lines.some((line) => line.startsWith(`sallyport_key_set_${name}${labels}`)),
        `no sallyport_key_set_${name}${labels}`,
      );
    }
  });
});

test("keys of a file serve until the first answer, and then those of the answer alone", async () => {
  const server = await startJwksServer();
  const [embedded, published] = [await makeKey("embedded", "PS256"), await makeKey("published", "RS256")];
  await server.leave();
  const envoy = await startKeyEnvoy(server, embedded);
  try {
    const tokens = [await embedded.token(), await published.token()] as const;
    for (let count = 0; count < 6; count++) assert.equal(await status(envoy, tokens[0]), 200);
    assert.equal(await status(envoy, tokens[1]), 401);
    server.publish(published);
    await server.comeBack();
    await until("the published key is good", 8_000, async () => (await status(envoy, tokens[1])) === 200);
    await sleep(slackMs / 2);
    const askAll = (token: string) => Promise.all(Array.from({ length: 6 }, () => status(envoy, token)));
    assert.deepEqual(await askAll(tokens[0]), Array(6).fill(401));
    assert.deepEqual(await askAll(tokens[1]), Array(6).fill(200));
  } finally {
    await envoy.stop();
    await server.stop();
  }
});
