/** The simulated worker (envoy.ts) decides as the whole engine does, request by request, and asks the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lease_divisor } from "../../assembly/limits.ts";
import type { GrpcCall } from "../../scripts/host/context.ts";
import type { Outcome as Ended } from "../../scripts/host/plugin.ts";
import { Fleet } from "../support/fleet.ts";
import { Random, runSeed } from "../support/random.ts";
import { readQuestion, writeAnswer } from "../support/ratelimit.ts";
import { outcomeOf } from "../support/workers.ts";
import { Envoy, type Mode, type Outcome, type Question } from "./envoy.ts";
import { compileLeases } from "./leases.ts";
import type { Verdict } from "./service.ts";

const rate = 3000;
const replicas = 4;
const leaseTokens = Math.floor(rate / (lease_divisor * replicas));
const newLeases = await compileLeases();

/** A worker of each kind, of which the test answers the questions. */
class Pair {
  readonly #fleet: Fleet;
  readonly #model: Envoy;
  readonly #asked: { call: number; question: Question }[] = [];
  readonly #waiting: { ended: Ended; call: number }[] = [];
  #now_ms = 0;
  readonly seen = { admitted: 0, denied: 0, waits: 0 };

  constructor(mode: Mode) {
    const limits = `x: { rate: ${rate}/h, per: [caller], scope: fleet, fleet: ${mode}, onError: local }`;
    this.#fleet = new Fleet({ limits, fleet: `cluster: rls, replicas: ${replicas}` });
    this.#fleet.tick(0);
    // The engine has seen a stream end, so that many may wait.
    this.#fleet.hosts[0]!.deleteContext(this.#fleet.get("/none", undefined, 0, true).context);
    const options = { mode, share: rate / replicas, period_ms: 3_600_000, leaseTokens };
    const send = (call: number, question: Question): void => void this.#asked.push({ call, question });
    this.#model = new Envoy(options, 7, send, newLeases());
    this.#now_ms = 1_000_000_000;
  }

  pass(milliseconds: number): void {
    this.#now_ms += milliseconds;
    this.#fleet.pass(milliseconds / 1000);
  }

  request(where: string): void {
    const before = this.#asked.length;
    const ended = this.#fleet.get();
    const outcome = this.#model.request(1, this.#now_ms);
    assert.equal(outcomeIn(ended), outcome, where);
    this.seen[outcome]++;
    assert.deepEqual(
      this.calls.map(hits),
      this.#asked.map(({ question }) => question.hits),
      where,
    );
    const call = this.#asked.slice(before).find(({ question }) => !question.isBlock)?.call;
    if (outcome === "waits") this.#waiting.push({ ended, call: call! });
  }

  get calls(): readonly GrpcCall[] {
    return this.#fleet.hosts[0]!.grpcCalls;
  }

  /** Answers one of the questions that are out, or ends it. */
  answer(number: number, verdict: Verdict | undefined, where: string): void {
    if (this.#asked.length === 0) return;
    const at = number % this.#asked.length;
    const { call, question } = this.#asked.splice(at, 1)[0]!;
    const status = { code: verdict?.isGranted ? 1 : 2, resetSeconds: verdict?.resetSeconds ?? 0 };
    const message = verdict === undefined ? 14 : writeAnswer([status]);
    this.#fleet.hosts[0]!.answerGrpc(this.calls[at]!.token, message);
    const outcome = this.#model.answer(call, question, verdict, this.#now_ms);
    if (outcome === undefined) return;
    const waiting = this.#waiting.splice(
      this.#waiting.findIndex((one) => one.call === call),
      1,
    )[0]!;
    assert.equal(outcomeIn(waiting.ended), outcome, where);
    this.seen[outcome]++;
  }
}

const hits = ({ message }: GrpcCall): number => readQuestion(message).hits;

function outcomeIn(ended: Ended): Outcome {
  const outcome = outcomeOf(ended);
  return outcome === "allowed" ? "admitted" : outcome === "limit_exceeded" ? "denied" : (outcome as Outcome);
}

for (const mode of ["exact", "leased"] as const) {
  test(`${mode}: the simulated worker is the engine`, () => {
    const seed = runSeed();
    const random = new Random(seed);
    const seen = { admitted: 0, denied: 0, waits: 0 };
    for (let run = 0; run < 9; run++) {
      const pair = new Pair(mode);
      let rest = 1800;
      // Each of them in every run of the test, or hardly anything would be denied where most questions fail.
      const failing = [1, 8, 30][run % 3]!;
      for (let step = 0; step < 1200; step++) {
        const where = `SEED=${seed}, ${mode}, run ${run}, step ${step}`;
        if (random.below(3) > 0) pair.request(where);
        else {
          const isFailed = random.below(failing) === 0 && failing < 30;
          const isGranted = random.below(10) > 0;
          pair.answer(random.below(4), isFailed ? undefined : { isGranted, resetSeconds: rest }, where);
        }
        if (random.below(20) > 0) continue;
        const seconds = random.pick([0.001, 0.02, 0.3, 1, 3]);
        // Beyond its deadline no question is out any more.
        if (seconds > 0.1) while (pair.calls.length > 0) pair.answer(0, undefined, where);
        pair.pass(seconds * 1000);
        rest = Math.max(1, Math.round(rest - seconds));
      }
      for (const key of ["admitted", "denied", "waits"] as const) seen[key] += pair.seen[key];
    }
    for (const count of Object.values(seen)) assert.ok(count > 100, JSON.stringify(seen));
  });
}
