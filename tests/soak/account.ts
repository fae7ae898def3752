/**
 * Whether every request of the soak came to what it must: by status as the client saw it, stretch by stretch, and at the end by
 * reason as the filter's own metrics have it. The two are counted on the two sides of Envoy, so neither can hide what the
 * other missed.
 */
import type { RunResult } from "../bench/tools.ts";
import { callers, limit, policy_name } from "./envoy.ts";
import { type Expectation, expectedCounts, statusOf } from "./mix.ts";

/** What the load generator says of a run, as far as the books need it. */
export type RunAnswer = Pick<RunResult, "statuses" | "failures" | "first_failure">;

const aborted = "aborted";
const limited = "limited";
/** Envoy's statistic; its middle is the `stat_prefix` of the example. */
const protocol_errors = "http.inbound.downstream_cx_protocol_error";

/** The books of a soak. */
export class Account {
  readonly #expectations: readonly Expectation[];
  /** Where in the file each client stands. */
  readonly #next = new Map<string, number>();
  readonly #expected = new Map<string, number>();
  #limitedAdmitted = 0;
  /** What went wrong, in words, oldest first. */
  readonly problems: string[] = [];

  constructor(expectations: readonly Expectation[]) {
    this.#expectations = expectations;
  }

  /** How many requests came to what, as it was expected of them. */
  get expected(): ReadonlyMap<string, number> {
    return this.#expected;
  }

  /** Requests that a limit had room for. */
  get limitedAdmitted(): number {
    return this.#limitedAdmitted;
  }

  /** Takes down a run of one client: the next `count` requests of the file. */
  add(client: string, count: number, answer: RunAnswer): void {
    const first = this.#next.get(client) ?? 0;
    this.#next.set(client, first + count);
    const expected = expectedCounts(this.#expectations, first, count);
    const statuses = new Map<string, number>();
    for (const [expectation, times] of expected) {
      this.#expected.set(expectation, (this.#expected.get(expectation) ?? 0) + times);
      statuses.set(statusOf(expectation), (statuses.get(statusOf(expectation)) ?? 0) + times);
    }
    // A limit lets some of its requests through; how many is held against its rate in the end.
    const admitted = (answer.statuses["200"] ?? 0) - (statuses.get("200") ?? 0);
    if (admitted > 0 && admitted <= (expected.get(limited) ?? 0)) {
      this.#limitedAdmitted += admitted;
      statuses.set("200", (statuses.get("200") ?? 0) + admitted);
      statuses.set("429", (statuses.get("429") ?? 0) - admitted);
    }
    const where = `${client}, requests ${first} to ${first + count - 1}`;
    for (const status of new Set([...statuses.keys(), ...Object.keys(answer.statuses)])) {
      const [is, must] = [answer.statuses[status] ?? 0, statuses.get(status) ?? 0];
      if (is !== must) this.problems.push(`${where}: ${is} answered ${status} where ${must} must be`);
    }
    if (answer.failures > 0) {
      this.problems.push(`${where}: ${answer.failures} without an answer, the first: ${answer.first_failure}`);
    }
  }

  /**
   * Holds the books against Envoy's statistics.
   * @param seconds how long requests have been sent, for the limit's rate
   */
  close(stats: ReadonlyMap<string, number>, seconds: number): void {
    const metric = (name: string): number => stats.get(`wasmcustom.sallyport_${name}`) ?? 0;
    const reasons = new Map(this.#expected);
    const admitted = (reasons.get("allowed") ?? 0) + this.#limitedAdmitted;
    const overLimit = (reasons.get(limited) ?? 0) - this.#limitedAdmitted;
    for (const other of ["allowed", limited, aborted]) reasons.delete(other);
    reasons.set("limit_exceeded", overLimit);

    // A request that is broken off reaches the filter or does not: over HTTP/1.1 half of the headers never do.
    const uploads = metric(`rules.policy.${policy_name};.rule.uploads;.decision.allow`);
    const brokenOff = this.#expected.get(aborted) ?? 0;
    if (uploads > brokenOff) this.problems.push(`the filter admitted ${uploads} uploads where ${brokenOff} were sent`);
    this.#hold("the filter admitted", metric(`requests.policy.${policy_name};.decision.allow`), admitted + uploads);

    const prefix = `wasmcustom.sallyport_denials.policy.${policy_name};.reason.`;
    for (const [name, count] of stats) {
      const reason = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
      if (reason === undefined) continue;
      this.#hold(`the filter denied for ${reason}`, count, reasons.get(reason) ?? 0);
      reasons.delete(reason);
    }
    for (const [reason, count] of reasons) this.#hold(`the filter denied for ${reason}`, 0, count);
    for (const [name, count] of stats) {
      if (name.startsWith("wasmcustom.sallyport_failures.") && count > 0) this.problems.push(`${name}: ${count}`);
    }

    // With everybody's requests on them: for example since their clients reset more streams than Envoy allows.
    const ended = stats.get(protocol_errors) ?? 0;
    if (ended > 0) this.problems.push(`Envoy ended ${ended} connections for an error of the protocol`);

    const buckets = Object.keys(callers).length;
    const most = Math.ceil(buckets * (limit.burst + limit.per_second * seconds * 1.01));
    if (this.#limitedAdmitted > most) {
      this.problems.push(`the limit let ${this.#limitedAdmitted} through where ${most} may pass in ${seconds} s`);
    }
  }

  #hold(what: string, is: number, must: number): void {
    if (is !== must) this.problems.push(`${what}: ${is} by its metrics, ${must} by what was sent`);
  }
}
