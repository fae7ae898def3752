/** The messages of `envoy.service.ratelimit.v3.RateLimitService`, as a test reads and writes them. */
import { encodeMessage } from "../../scripts/host/protobuf.ts";

/** What the service is asked. */
export interface Question {
  domain: string;
  /** The entries of each descriptor, by their keys. */
  descriptors: Record<string, string>[];
  /** The hits of each descriptor that has its own. */
  ownHits: (number | undefined)[];
  /** Those of the others. */
  hits: number;
}

const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** The fields of a message in their order. */
function fieldsOf(bytes: Uint8Array): [number, number | Uint8Array][] {
  const fields: [number, number | Uint8Array][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("the message ends in the middle of a number");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 0) {
      fields.push([tag >> 3, value]);
      continue;
    }
    if ((tag & 7) !== 2 || at + value > bytes.length) throw new Error("no message");
    fields.push([tag >> 3, bytes.slice(at, at + value)]);
    at += value;
  }
  return fields;
}

/** Reads a RateLimitRequest. Throws an Error where it is none, or has anything that the engine does not write. */
export function readQuestion(bytes: Uint8Array): Question {
  const question: Question = { domain: "", descriptors: [], ownHits: [], hits: 0 };
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1 && typeof value !== "number") question.domain = utf8(value);
    else if (field === 2 && typeof value !== "number") {
      const { entries, hits } = readDescriptor(value);
      question.descriptors.push(entries);
      question.ownHits.push(hits);
    } else if (field === 3 && typeof value === "number") question.hits = value;
    else throw new Error(`field ${field} of a RateLimitRequest`);
  }
  return question;
}

function readDescriptor(bytes: Uint8Array): { entries: Record<string, string>; hits: number | undefined } {
  const entries: Record<string, string> = {};
  let hits: number | undefined;
  for (const [field, value] of fieldsOf(bytes)) {
    if (typeof value === "number" || (field !== 1 && field !== 3)) throw new Error(`field ${field} of a descriptor`);
    const inner = fieldsOf(value);
    if (field === 3) {
      // A UInt64Value; zero is the one that says nothing.
      hits = Number(inner.find(([number]) => number === 1)?.[1] ?? 0);
      continue;
    }
    const [key, text] = inner.map(([, one]) => utf8(one as Uint8Array));
    entries[key!] = text!;
  }
  return { entries, hits };
}

/** What the service says of a descriptor. */
export interface Status {
  /** 1: OK, 2: over the limit. */
  code: number;
  /** Whether it has a rule for it. */
  hasLimit?: boolean;
  remaining?: number;
  resetSeconds?: number;
}

/** A RateLimitResponse; what it says as a whole is the worst of its parts, as with envoyproxy/ratelimit. */
export function writeAnswer(statuses: readonly Status[], overall = Math.max(1, ...statuses.map(({ code }) => code))) {
  return encodeMessage([
    [1, overall],
    ...statuses.map(({ code, hasLimit = true, remaining = 7, resetSeconds = 0 }) => {
      const limit = encodeMessage([
        [1, 100],
        [2, 1],
      ]);
      const status = encodeMessage([
        [1, code],
        [2, hasLimit ? limit : new Uint8Array()],
        [3, remaining],
        [4, encodeMessage([[1, resetSeconds]])],
      ]);
      return [2, status] as const;
    }),
  ]);
}

export const ok: Status = { code: 1 };
/** No room for so many seconds. */
export const over = (resetSeconds: number): Status => ({ code: 2, resetSeconds });
