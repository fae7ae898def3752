/**
 * The storm: clients that leave while their requests wait for keys, in every way and in every state of the keys, and in the very
 * round of Envoy's event loop in which those requests are decided.
 *
 * A stream that was reset is torn down at once, while its context stays addressable until the round ends. To have both in one
 * round, each wave does this when the server of the key set is asked:
 *
 *   tokens that keep the worker busy ──► clients leave ──► the server answers
 *   └─────────────── the worker reads the last two when it is done with the first ─┘
 *
 * Where the server never answers, it is a tick that decides, after the wait's end; the same is then done around that time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { key_wait_seconds_max } from "../../assembly/limits.ts";
import { followAccessLog } from "../../scripts/envoy/accesslog.ts";
import { readEnvoyMemory } from "../soak/envoymemory.ts";
import { judgeMemory, type Sample, verdictLines } from "../soak/report.ts";
import { makeKey } from "../support/jwks-server.ts";
import { Random } from "../support/random.ts";
import { Account } from "./account.ts";
import { type Ended, Http2Client, type Sent, sendHttp1 } from "./client.ts";
import { keepBusy, pathOf, StormWorld } from "./world.ts";

/** What the server of the keys does: the key comes, stays unknown, or no key set comes at all. */
const key_states = ["comes", "comes", "comes", "unknown", "unknown", "error", "broken", "hang"] as const;
/** How the clients leave; those that stay want an answer. */
const ways = ["reset", "reset", "destroy", "destroy", "stay"] as const;
const protocols = ["http2", "http2", "http1"] as const;

interface Wave {
  keys: (typeof key_states)[number];
  way: (typeof ways)[number];
  protocol: (typeof protocols)[number];
  upload: boolean;
}

/** How long and how hard. */
interface StormOptions {
  seconds: number;
  workers: number;
  seed: number;
  /** Called about every ten seconds. */
  onSample?: (line: string) => void;
}

/** How the storm went. */
interface StormResult {
  waves: number;
  requests: number;
  left: number;
  /** Answers by status to those that stayed; 0 for none. */
  answers: Record<string, number>;
  fetches: number;
  upstreamRequests: number;
  isAlive: boolean;
  slowestMs: number;
  /** What the access log has, by status, details and reason. */
  log: Record<string, number>;
  samples: Sample[];
  memory: string[];
  /** What must not be, in words; empty after a storm that did no harm. */
  problems: string[];
}

const set_count = 8;
const caller_count = 6;
const streams_each = 20;
const busy_tokens = 80;
const sample_ms = 10_000;
const wait_ms = key_wait_seconds_max * 1000;
/** No request may take longer, on a machine however busy: it waits, and then for its turn. */
const bound_ms = wait_ms + 10_000;
/** Over a shorter storm memory has no trend yet. */
const judged_seconds_min = 900;

/** Lets the storm loose on an Envoy of its own. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const world = await StormWorld.start({ sets: set_count, concurrency: options.workers });
  const storm = new Storm(world, options);
  try {
    return await storm.run();
  } finally {
    await world.stop();
  }
}

class Storm {
  readonly #world: StormWorld;
  readonly #options: StormOptions;
  readonly #random: Random;
  readonly #account = new Account();
  readonly #result: StormResult = {
    ...{ waves: 0, requests: 0, left: 0, answers: {}, fetches: 0, upstreamRequests: 0, isAlive: true, slowestMs: 0 },
    ...{ log: {}, samples: [], memory: [], problems: [] },
  };
  #busyClients: Http2Client[] = [];
  #untilMs = 0;

  constructor(world: StormWorld, options: StormOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<StormResult> {
    const endFollowing = followAccessLog(this.#world.local.accessLogPath, (line) => this.#account.add(line));
    // The kernel gives connections to workers; of several, every worker has one.
    for (let count = 0; count < 3 * this.#options.workers - 2; count++) {
      this.#busyClients.push(await this.#world.connect("busy"));
    }
    this.#untilMs = Date.now() + this.#options.seconds * 1000;
    const sampling = this.#sample();
    await Promise.all(this.#world.servers.map((_, set) => this.#waves(set)));
    await sampling;
    for (const client of this.#busyClients) client.destroy();
    if (!this.#world.hasDied) await this.#conclude();
    // What the last requests left in the log.
    await sleep(500);
    endFollowing();
    this.#close();
    return this.#result;
  }

  get #goesOn(): boolean {
    return Date.now() < this.#untilMs && !this.#world.hasDied;
  }

  /** One wave after another on a key set. Sets do not wait for each other. */
  async #waves(set: number): Promise<void> {
    while (this.#goesOn) {
      const wave: Wave = {
        keys: this.#random.pick(key_states),
        way: this.#random.pick(ways),
        protocol: this.#random.pick(protocols),
        upload: this.#random.below(3) === 0,
      };
      try {
        await this.#wave(set, wave);
        this.#result.waves++;
      } catch (error) {
        // Where Envoy is gone, no connection succeeds.
        if (!this.#world.hasDied) this.#problem(`a wave broke off: ${(error as Error).message}`);
        await sleep(100);
      }
    }
  }

  async #wave(set: number, wave: Wave): Promise<void> {
    const world = this.#world;
    const server = world.servers[set]!;
    const key = await makeKey(`storm-${this.#random.word()}`);
    const token = await world.token(key, set);
    const burst = await world.busyTokens(busy_tokens);
    const name = `caller-${this.#random.below(caller_count)}`;
    const target = await world.target(name);
    // Envoy lets a connection live for ten minutes.
    for (const [index, busy] of this.#busyClients.entries()) {
      if (!busy.isOpen) this.#busyClients[index] = await world.connect("busy");
    }
    const client = wave.protocol === "http2" ? await Http2Client.open(target) : undefined;
    const sent: Sent[] = [];
    const leave = async (): Promise<void> => {
      this.#burst(burst);
      await sleep(8);
      if (wave.way === "stay") for (const one of sent) one.finish();
      else this.#result.left += sent.length;
      if (wave.way === "destroy" && client !== undefined) client.destroy();
      else if (wave.way !== "stay") for (const one of sent) one.leave();
      await sleep(6);
    };
    server.publish();
    server.mode = wave.keys === "comes" || wave.keys === "unknown" ? "ok" : wave.keys;
    server.beforeAnswer = async () => {
      server.beforeAnswer = undefined;
      if (wave.keys === "comes") server.publish(key);
      if (wave.keys !== "hang") await leave();
    };
    const sentMs = Date.now();
    const request = { path: pathOf(set), token, upload: wave.upload };
    for (let count = 0; count < streams_each; count++) {
      sent.push(client === undefined ? sendHttp1(target, request) : client.send(request));
    }
    this.#result.requests += sent.length;
    const ended = Promise.all(sent.map((one) => this.#watch(one, wave)));
    if (wave.keys === "hang") {
      // What has waited long enough is decided by the next tick, some time within its period.
      await Promise.race([ended, sleep(wait_ms - 20 + this.#random.below(200) - (Date.now() - sentMs))]);
      await leave();
    }
    await ended;
    client?.destroy();
    server.beforeAnswer = undefined;
  }

  #burst(tokens: readonly string[]): void {
    const each = Math.ceil(tokens.length / this.#busyClients.length);
    this.#busyClients.forEach((client, index) => {
      keepBusy(client, tokens.slice(index * each, (index + 1) * each));
    });
    this.#result.requests += tokens.length;
  }

  async #watch(one: Sent, { keys, way, protocol }: Wave): Promise<void> {
    const timeout = new AbortController();
    const ended = await Promise.race([one.ended, sleep(bound_ms, undefined, { signal: timeout.signal })]);
    timeout.abort();
    if (this.#world.hasDied) return;
    if (ended === undefined) {
      this.#problem(`${protocol}, keys ${keys}, ${way}: no end after ${bound_ms} ms`);
      one.leave();
      return;
    }
    this.#take(ended, keys, way);
  }

  #take({ status, tookMs }: Ended, keys: Wave["keys"], way: Wave["way"]): void {
    const { answers } = this.#result;
    this.#result.slowestMs = Math.max(this.#result.slowestMs, tookMs);
    if (status === 200 && keys !== "comes") this.#problem(`admitted with a key that nobody published (keys ${keys})`);
    if (way !== "stay") return;
    answers[status] = (answers[status] ?? 0) + 1;
    if (status !== 200 && status !== 401) this.#problem(`who stayed was answered ${status} (keys ${keys})`);
  }

  #problem(text: string): void {
    if (this.#result.problems.length < 100) this.#result.problems.push(text);
  }

  async #sample(): Promise<void> {
    while (this.#goesOn) {
      const { local } = this.#world;
      const memory = await readEnvoyMemory(local.envoy).catch(() => undefined);
      if (memory === undefined) return;
      const sample = { done: this.#result.requests, ...memory };
      this.#result.samples.push(sample);
      this.#options.onSample?.(
        `${this.#result.waves} waves, ${this.#result.requests} requests, ${this.#result.left} left, ` +
          `RSS ${(memory.rssBytes / 2 ** 20).toFixed(0)} MiB, ${this.#result.problems.length + this.#account.problems.length} problems`,
      );
      for (let waited = 0; waited < sample_ms && this.#goesOn; waited += 100) await sleep(100);
    }
  }

  /** With all clients gone Envoy has nothing left of them, and decides as ever. */
  async #conclude(): Promise<void> {
    const gauges = [
      ...[
        "http.inbound.downstream_rq_active",
        "http.inbound.downstream_cx_active",
        "cluster.orders.upstream_rq_active",
      ],
      ...this.#world.servers.map((_, set) => `cluster.idp-${set}.upstream_rq_active`),
    ];
    for (const gauge of gauges) {
      const deadlineMs = Date.now() + bound_ms;
      // Once at 0 is enough: keys go on being fetched, so a moment later one may be under way.
      let left = await this.#world.stat(gauge);
      for (; left !== 0 && Date.now() < deadlineMs; left = await this.#world.stat(gauge)) await sleep(100);
      if (left !== 0) this.#problem(`${gauge} is ${left} when all clients are gone`);
    }
    for (const [set, server] of this.#world.servers.entries()) {
      const key = await makeKey("after");
      const token = await this.#world.token(key, set);
      server.mode = "ok";
      server.publish(key);
      // A server that failed last is asked again after a while.
      const deadlineMs = Date.now() + 2 * bound_ms;
      let status = 0;
      do {
        const client = await this.#world.connect("after");
        status = (await client.send({ path: pathOf(set), token }).ended).status;
        client.destroy();
      } while (status !== 200 && Date.now() < deadlineMs && (await sleep(200)) === undefined);
      if (status !== 200) this.#problem(`key set ${set}: a good token is answered ${status} after the storm`);
    }
    this.#result.upstreamRequests = await this.#world.stat("cluster.orders.upstream_rq_total");
  }

  #close(): void {
    const result = this.#result;
    result.isAlive = !this.#world.hasDied;
    result.fetches = this.#world.servers.reduce((sum, { requests }) => sum + requests.length, 0);
    result.log = Object.fromEntries([...this.#account.kinds].sort());
    result.problems.push(...this.#account.problems);
    if (!result.isAlive) {
      const critical = this.#world.local.envoy
        .log()
        .split("\n")
        .filter((line) => line.includes("[critical]"));
      // All else follows from it.
      result.problems = [`Envoy has died:\n${critical.slice(0, 4).join("\n")}`];
      return;
    }
    if (result.upstreamRequests > this.#account.admitted) {
      result.problems.push(
        `the upstream had ${result.upstreamRequests} requests where ${this.#account.admitted} were recorded as admitted`,
      );
    }
    if (!("200" in result.answers) || !("401" in result.answers)) {
      result.problems.push("no request that stayed was admitted, or none was denied: the storm tried too little");
    }
    if (this.#options.seconds < judged_seconds_min) return;
    const memory = judgeMemory(result.samples, result.requests);
    result.memory = verdictLines(memory, result.requests, "requests");
    if (!memory.isFlat) result.problems.push("memory grew");
  }
}
