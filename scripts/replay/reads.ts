/** What a rule reads of a request that a log may lack: it decides what the engine can be asked, and is what people are told. */
import * as code from "../../assembly/policy/instructions.ts";
import type { Condition, Instruction } from "../policy/language/condition.ts";
import type { Rule } from "../policy/language/model.ts";
import type { Known } from "./known.ts";

/** No request that is decided here has this header, so that to ask for it is an error in any condition. */
const unsent_header = "x-sallyport-unrecorded";

/** A condition as far as it can be told without what the log lacks. */
export interface Told {
  /** Asks for what is not known as for something that is an error: it is true or false only where that does not matter. */
  condition: Condition;
  /** What that is, in words, each once: `claims.tenant`, `request.headers["x-a"]`. */
  unknown: string[];
}

/** What of a condition is known. Equality, searches and all other functions pass an error on; only `&&`, `||` and the like absorb it. */
export function tellCondition(condition: Condition, known: Known): Told {
  const unknown = new Set<string>();
  const instructions = condition.instructions.map((instruction, at) => {
    const words = unknownOf(instruction, condition.instructions[at + 1], known);
    if (words === undefined) return instruction;
    unknown.add(words);
    return { op: code.op_header, text: unsent_header, start: instruction.start, end: instruction.end };
  });
  return { condition: { ...condition, instructions, usesClaims: false }, unknown: [...unknown] };
}

/** What an instruction asks of a request that is not known; undefined where it asks for nothing of the kind. */
function unknownOf({ op, a = 0, text }: Instruction, next: Instruction | undefined, known: Known): string | undefined {
  const name = typeof text === "string" ? text : "";
  switch (op) {
    case code.op_claims:
      return next !== undefined && (next.op === code.op_select || next.op === code.op_has)
        ? `claims.${String(next.text)}`
        : "claims";
    case code.op_body:
      return next?.op === code.op_select || next?.op === code.op_has ? `body.${String(next.text)}` : "body";
    case code.op_call:
      return "the call in the body";
    case code.op_header:
    case code.op_has_header:
      return `request.headers[${JSON.stringify(name)}]`;
    case code.op_query:
    case code.op_has_query:
      return `request.query[${JSON.stringify(name)}]`;
    case code.op_request:
      return a === code.request_scheme ? "request.scheme" : undefined;
    case code.op_source_ip:
      return known.source ? undefined : "source.ip";
    case code.op_source_port:
      return "source.port";
    case code.op_destination_port:
      return "destination.port";
    case code.op_now:
      return known.time === "moment" ? undefined : "now";
    default:
      return undefined;
  }
}

/** Bounds of a rule on sizes, which no log tells of as the filter counts them. */
export function sizesOf({ mostBytes }: Rule): string[] {
  if (mostBytes === undefined) return [];
  const parts = { headers: "bytes of headers", query: "bytes of the query", body: "bytes of the body" } as const;
  return (Object.keys(parts) as (keyof typeof parts)[])
    .filter((part) => mostBytes[part] !== undefined)
    .map((part) => parts[part]);
}

/** Whether a rule holds for a time only. */
export function isTimed({ startsSeconds, expiresSeconds }: Rule): boolean {
  return startsSeconds !== 0 || expiresSeconds !== 0;
}
