/** Slips in tests: a request that is refused before any rule is looked at makes a `deny` pass for the wrong reason. */
import { isMap, type Node } from "yaml";
import { parseCaller } from "../policy/language/spiffe.ts";
import type { WarningCode } from "../policy/source/codes.ts";
import type { Reader, Slot } from "../policy/source/yaml.ts";
import type { Expectation } from "./expectation.ts";

/** What is wrong with a caller, or undefined. */
export function callerFault(caller: string | null): string | undefined {
  const parsed = caller === null ? undefined : parseCaller(caller);
  if (typeof parsed === "string") return `\`${caller}\` is refused as identity_malformed: ${parsed}`;
  if (parsed === undefined || parsed.kind === "exact") return undefined;
  return `\`${caller}\` is a pattern, refused as identity_malformed; name one caller`;
}

/** What is wrong with a path, or undefined. */
export function pathFault(path: string): string | undefined {
  if (path.startsWith("/")) return undefined;
  return `the path \`${path}\` is refused as request_malformed: a path begins with \`/\``;
}

interface Slip {
  code: WarningCode;
  /** The reason code it leads to. */
  refusal: string;
  slot: Slot | undefined;
  fault: string | undefined;
}

/** Warns once a place, unless the test asks for just that refusal, or for its status, as tests of malformed input do. */
export function warnOfSlips(reader: Reader, expect: Expectation, slips: readonly Slip[]): void {
  for (const { code, refusal, slot, fault } of slips) {
    if (fault === undefined || slot === undefined) continue;
    if (expect.reason === refusal || expect.status !== undefined) continue;
    const { warnings } = reader.reporter.findings;
    const known = warnings.length;
    reader.reporter.warn(code, reader.at(slot), fault);
    const added = warnings[known]!;
    const isSame = warnings
      .slice(0, known)
      .some(({ line, column, message }) => line === added.line && column === added.column && message === added.message);
    if (isSame) warnings.pop();
  }
}

/** Whether a file is a policy, or a part of one, that was given in the place of its tests. */
export function isPolicy(root: Node | null): boolean {
  if (!isMap(root) || root.has("tests") || root.has("policy")) return false;
  return root.has("rules") || root.has("trust");
}
