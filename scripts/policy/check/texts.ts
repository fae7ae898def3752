/** Texts and durations, as issuers and key sets have them. */
import { policy_text_bytes_max } from "../../../assembly/limits.ts";
import { parseDurationSeconds } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";

/** Reports texts that no claim could be equal to. @param what how messages call one */
export function checkTexts(reporter: Reporter, texts: readonly Located<string>[], what: string): string[] {
  const values = new Set<string>();
  for (const { value, at } of texts) {
    if (value === "") reporter.error("value", at, `an ${what} cannot be empty`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    else if (/[\u0000-\u001f\u007f\p{Cs}]/u.test(value))
      reporter.error("value", at, `an ${what} has no control characters`);
    else if (Buffer.byteLength(value) > policy_text_bytes_max)
      reporter.error("bound", at, `an ${what} has at most ${policy_text_bytes_max} bytes`);
    values.add(value);
  }
  return [...values];
}

/** The seconds of a duration; undefined where there is none, or none that can be read, which is reported. @param unit what a bare number is most likely in */
export function checkDuration(
  reporter: Reporter,
  text: Located<string> | undefined,
  mostSeconds: number,
  leastSeconds: number,
  unit: "s" | "m" = "s",
): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationSeconds(text.value);
  if (seconds === undefined) {
    const likely = likelyDuration(text.value, unit);
    const way = likely === undefined ? "" : `; write \`${likely}\``;
    const message = `a duration is a whole number and a unit: \`30s\`, \`5m\` or \`1h\`${way}`;
    reporter.error("invalid_duration", text.at, message);
  } else if (seconds > mostSeconds || seconds < leastSeconds) {
    reporter.error("bound", text.at, `this duration is from ${leastSeconds}s to ${mostSeconds}s`);
  }
  return seconds;
}

/** What a text was probably meant to be. */
function likelyDuration(text: string, unit: "s" | "m"): string | undefined {
  const [, digits, word] = /^([0-9]{1,6}) *(|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)$/iu.exec(text) ?? [];
  if (digits === undefined || word === undefined) return undefined;
  const named = word === "" ? unit : word[0]!.toLowerCase();
  return named === "d" ? `${Number(digits) * 24}h` : `${Number(digits)}${named}`;
}
