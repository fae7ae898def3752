/** What was measured, told in figures: each case by itself, and what it adds to the bare router. */
import type { Kind, Measured, Protocol } from "./measure.ts";
import { differences, type Summary, summarize } from "./statistics.ts";

/** A case, as bench.json has it. Times are CPU a request. */
export interface CaseResult {
  chain: string;
  kind: Kind;
  title: string;
  protocol: Protocol;
  /** Whether it is a chain of the user's own. */
  isYours: boolean;
  requestsPerRound: number;
  /** How many answers had each status. */
  statuses: Record<string, number>;
  roundMicroseconds: number[];
  microseconds: Summary;
  /** Over the router of the same round. */
  addedMicroseconds: Summary;
  /** The least of all rounds over the router's least. */
  addedByMinimaMicroseconds: number;
}

/** @param measured the cases of one protocol, the bare router first */
export function caseResults(measured: readonly Measured[]): CaseResult[] {
  const router = measured[0]!.micros;
  return measured.map(({ case: item, requests, statuses, micros }) => ({
    chain: item.listener,
    kind: item.kind,
    title: item.title,
    protocol: item.protocol,
    isYours: item.anyStatus,
    requestsPerRound: requests,
    statuses,
    roundMicroseconds: micros,
    microseconds: summarize(micros),
    addedMicroseconds: summarize(differences(micros, router)),
    addedByMinimaMicroseconds: Math.min(...micros) - Math.min(...router),
  }));
}

/** The case of a chain, by its name and the kind of its requests. */
export function findCase(
  results: readonly CaseResult[],
  protocol: Protocol,
  chain: string,
  kind: Kind,
): CaseResult | undefined {
  return results.find((one) => one.protocol === protocol && one.chain === chain && one.kind === kind);
}
