/** Arguments that more than one verb takes. */
import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { reasonOf } from "../policy/source/read.ts";
import { parseTime } from "../policytest/time.ts";
import { UsageError } from "./output.ts";

/** An option's time in milliseconds since 1970. */
export function parseAt(text: string): number {
  const time = parseTime(text);
  if (time === undefined) throw new InvalidArgumentError("a time looks like 2026-11-21T10:00:00Z.");
  return time;
}

/** A token argument's text, as `readArgument` has it, without white space at its ends. */
export function readTokenArgument(argument: string): string {
  return isReference(argument) ? readArgument(argument, "the token").trim() : argument;
}

/** An argument's text: itself, the content of `@file`, or for `-` standard input. @param what names it in errors */
export function readArgument(argument: string, what: string): string {
  if (!isReference(argument)) return argument;
  const path = argument === "-" ? 0 : argument.slice(1);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const name = path === 0 ? "standard input" : path;
    throw new UsageError(`cannot read ${what} from ${name}: ${reasonOf(error)}`);
  }
}

function isReference(argument: string): boolean {
  return argument === "-" || argument.startsWith("@");
}
