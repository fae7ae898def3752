/**
 * A fleet over time: requests come to its Envoys, questions travel to the service and back, and what is decided is counted per key and
 * period. A discrete-event simulation: nothing happens between two events, and its clock is a number.
 */
import TinyQueue from "tinyqueue";
import { Random } from "../support/random.ts";
import { Envoy, type Mode, mix, type Outcome, type Question } from "./envoy.ts";
import type { Leases } from "./leases.ts";
import { Service, type ServiceOptions, type Verdict } from "./service.ts";
import { fraction, type Zipf } from "./zipf.ts";

export interface FleetOptions extends ServiceOptions {
  mode: Mode;
  envoys: number;
  /** Requests a second, of all keys together, and for how many periods. */
  rate: number;
  periods: number;
  /** To how many of the Envoys, drawn at random, a client has connections. */
  connections: number;
  deadline_ms: number;
  /** Tokens of a block at the most; 0 where blocks would be too small. */
  leaseTokens: number;
}

/** What came of a run. Shares are of 1. */
export interface Result {
  requestsPerSecond: number;
  admitted: number;
  /** The largest share of its limit that a key was admitted beyond it, in one period. */
  over: number;
  /** Of requests of keys that asked for no more than their limit in a period, the share that was denied. */
  honestDenied: number;
  /** Of what keys asked for within their limits, the share that was admitted. */
  used: number;
  /** Questions a second that reached the service; the share of requests that waited, and for how long on average and at the longest. */
  questionsPerSecond: number;
  waited: number;
  wait_ms: number;
  waitMax_ms: number;
}

/** An event: an answer to a question of an Envoy, or its deadline. */
interface Arrival {
  at_ms: number;
  envoy: number;
  call: number;
  question: Question;
  verdict: Verdict | undefined;
  /** When the request came that waits for it. */
  since_ms: number;
}

/** A question on its way. */
interface Travel {
  at_ms: number;
  arrive: () => void;
}

/** What a key asked for and was admitted in a period. */
interface Count {
  asked: number;
  denied: number;
  admitted: number;
}

export function simulate(options: FleetOptions, keys: Zipf, seed: number, newLeases: () => Leases): Result {
  const random = new Random(seed);
  const service = new Service(options, random);
  const events = new TinyQueue<Arrival | Travel>([], (a, b) => a.at_ms - b.at_ms);
  const { period_ms, deadline_ms } = options;
  // A whole number of periods after zero, so that a run begins with a period.
  const start_ms = period_ms * 1_000_000;
  let now = start_ms;
  let since = 0;

  const envoys = Array.from({ length: options.envoys }, (_, envoy) => {
    const ask = (call: number, question: Question): void => {
      const { there_ms, back_ms } = service.travel(now);
      const isInTime = back_ms <= now + deadline_ms;
      const arrival: Arrival = {
        at_ms: isInTime ? back_ms : now + deadline_ms,
        envoy,
        call,
        question,
        verdict: undefined,
        since_ms: now,
      };
      if (Number.isFinite(there_ms)) {
        // What is too late, or is lost on its way back, was counted all the same.
        const arrive = (): void => {
          const verdict = service.count(question.key, question.hits, there_ms);
          if (isInTime) arrival.verdict = verdict;
        };
        events.push({ at_ms: there_ms, arrive });
      }
      events.push(arrival);
    };
    const share = options.limit / options.envoys;
    const leases = options.mode === "leased" ? newLeases() : undefined;
    return new Envoy({ ...options, share }, random.word(), ask, leases);
  });

  const counts = new Map<number, Count>();
  const countOf = (key: number, at_ms: number): Count => {
    const name = Math.floor((at_ms - start_ms) / period_ms) * 0x1_0000_0000 + key;
    const count = counts.get(name) ?? { asked: 0, denied: 0, admitted: 0 };
    if (count.asked === 0) counts.set(name, count);
    return count;
  };
  const tally = { admitted: 0, waited: 0, wait_ms: 0, waitMax_ms: 0 };
  const decided = (outcome: Outcome, key: number): void => {
    if (outcome === "denied") countOf(key, since).denied++;
    if (outcome !== "admitted") return;
    tally.admitted++;
    countOf(key, now).admitted++;
  };
  const runUntil = (time: number): void => {
    for (let next = events.peek(); next !== undefined && next.at_ms <= time; next = events.peek()) {
      events.pop();
      now = next.at_ms;
      if ("arrive" in next) {
        next.arrive();
        continue;
      }
      const outcome = envoys[next.envoy]!.answer(next.call, next.question, next.verdict, now);
      if (outcome === undefined) continue;
      since = next.since_ms;
      const waited = now - since;
      tally.waited++;
      tally.wait_ms += waited;
      tally.waitMax_ms = Math.max(tally.waitMax_ms, waited);
      decided(outcome, next.question.key);
    }
  };

  const end_ms = start_ms + options.periods * period_ms;
  let requests = 0;
  for (let at = start_ms; ; requests++) {
    at += (-Math.log(1 - fraction(random)) * 1000) / options.rate;
    if (at >= end_ms) break;
    runUntil(at);
    now = at;
    since = at;
    const key = keys.draw(random);
    const connection = random.below(Math.min(options.connections, options.envoys));
    const envoy = mix(mix(key) ^ Math.imul(connection + 1, 0x85ebca6b)) % options.envoys;
    countOf(key, at).asked++;
    const outcome = envoys[envoy]!.request(key, at);
    if (outcome !== "waits") decided(outcome, key);
  }
  runUntil(Number.POSITIVE_INFINITY);

  let [over, honest, honestDenied, within, usedWithin] = [0, 0, 0, 0, 0];
  for (const { asked, denied, admitted } of counts.values()) {
    over = Math.max(over, admitted / options.limit - 1);
    within += Math.min(asked, options.limit);
    usedWithin += Math.min(admitted, options.limit);
    if (asked > options.limit) continue;
    honest += asked;
    honestDenied += denied;
  }
  const seconds = (options.periods * period_ms) / 1000;
  return {
    requestsPerSecond: requests / seconds,
    admitted: tally.admitted,
    over,
    honestDenied: honest === 0 ? 0 : honestDenied / honest,
    used: within === 0 ? 1 : usedWithin / within,
    questionsPerSecond: service.questions / seconds,
    waited: tally.waited / requests,
    wait_ms: tally.waited === 0 ? 0 : tally.wait_ms / tally.waited,
    waitMax_ms: tally.waitMax_ms,
  };
}
