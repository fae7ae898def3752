/** Whether the demo showed what it promises: each answer against what its step expects, and all of them together. */
import type { AuditRecord } from "../evaluate/record.ts";
import type { Expectation } from "./story.ts";

/** What came of a step's requests. */
export interface Seen {
  /** The last answer: an HTTP status, or the name of a gRPC status. */
  got: string;
  /** The filter's account of the last request; undefined where it made none. */
  record: Pick<AuditRecord, "decision" | "reason"> | undefined;
  /** `Retry-After` of the last answer. */
  retryAfter: string | undefined;
  /** How many requests before the last were admitted. */
  earlierAdmitted: number;
}

/** Whether that is what the step expects of so many requests, in the answer and in the record. */
export function isExpected(expect: Expectation, times: number, seen: Seen): boolean {
  const reasonFits =
    expect.reason === undefined ? seen.record?.decision === "allow" : seen.record?.reason === expect.reason;
  const limitSaysWhen = expect.status !== 429 || seen.retryAfter !== undefined;
  const answerFits = seen.got === String(expect.status ?? expect.grpc);
  return answerFits && reasonFits && limitSaysWhen && seen.earlierAdmitted === times - 1;
}

/** The counts of a whole run. */
export interface Tally {
  steps: number;
  /** Steps whose answer was not the expected one. */
  failed: number;
  /** Requests that must have got through. */
  admitted: number;
  /** Requests that the order API received. */
  arrived: number;
}

/** The end of the story. */
export interface Conclusion {
  exitCode: 0 | 1;
  /** About what arrived at the order API. */
  arrivals: { ok: boolean; text: string };
  /** About all answers; the closing line. */
  answers: { ok: boolean; text: string };
}

/** Draws the conclusion. What was denied must not have arrived, and what was admitted must. */
export function conclude({ steps, failed, admitted, arrived }: Tally): Conclusion {
  const allArrived = arrived === admitted;
  return {
    exitCode: failed === 0 && allArrived ? 0 : 1,
    arrivals: {
      ok: allArrived,
      text: allArrived
        ? `The order API received ${arrived} requests: those admitted, and no other.`
        : `The order API received ${arrived} requests where ${admitted} were admitted.`,
    },
    answers: {
      ok: failed === 0,
      text: failed === 0 ? `All ${steps} answers as expected.` : `${failed} of ${steps} answers not as expected.`,
    },
  };
}
