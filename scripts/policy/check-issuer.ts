/** Issuers: whose tokens are believed, by which keys and algorithms. */
import { dirname, isAbsolute, join } from "node:path";
import { issuer_keys, leeway_seconds, token_bytes } from "../../assembly/limits.ts";
import { algorithm_names, algorithmMask } from "./algorithms.ts";
import { checkName } from "./check-names.ts";
import { PolicyError, Reporter } from "./diagnostic.ts";
import { parseKeySet } from "./keys.ts";
import type { DraftIssuer, Issuer, PolicyKey } from "./model.ts";
import { readSource } from "./read.ts";
import { didYouMean } from "./suggest.ts";
import { parseDurationSeconds } from "./values.ts";
import type { Located } from "./yaml.ts";

/** The clock skew that is tolerated when an issuer does not say. */
const default_leeway_seconds = 60;
/** Ten years: a longer bound on a token's lifetime is a slip. */
const lifetime_seconds = 315360000;

/** Checks an issuer and reads its keys; undefined, and reported, when something it cannot do without is wrong. */
export function checkIssuer(reporter: Reporter, draft: DraftIssuer): Issuer | undefined {
  checkName(reporter, draft.name);
  const name = draft.name.value;
  const algorithms = checkAlgorithms(reporter, draft);
  const audiences = checkTexts(reporter, draft.audiences, "audience");
  if (draft.audiences?.length === 0) {
    reporter.error(
      "value",
      draft.name.at,
      `issuer \`${name}\` has no audiences: a token made for another service would do; name yours`,
    );
  }
  if (draft.issuer !== undefined) checkTexts(reporter, [draft.issuer], "issuer");
  const leewaySeconds = checkDuration(reporter, draft.leeway, leeway_seconds, 0) ?? default_leeway_seconds;
  const maxLifetimeSeconds = checkDuration(reporter, draft.maxLifetime, lifetime_seconds, 1) ?? 0;
  const keys = draft.keyFile === undefined ? undefined : readKeys(reporter, draft.keyFile);
  if (draft.issuer === undefined || keys === undefined || algorithms.length === 0) return undefined;
  warnMissingKeys(reporter, draft, algorithms, keys);
  return { name, issuer: draft.issuer.value, audiences, algorithms, keys, leewaySeconds, maxLifetimeSeconds };
}

function checkAlgorithms(reporter: Reporter, draft: DraftIssuer): string[] {
  if (draft.algorithms?.length === 0) {
    reporter.error(
      "value",
      draft.name.at,
      `issuer \`${draft.name.value}\` has no algorithms; name those it signs with, such as \`RS256\``,
    );
  }
  const known = new Set<string>();
  for (const { value, at } of draft.algorithms ?? []) {
    if (algorithm_names.includes(value)) known.add(value);
    else
      reporter.error(
        /^(PS(256|384|512)|EdDSA|Ed25519)$/u.test(value) ? "unsupported" : "algorithm",
        at,
        algorithmFault(value),
      );
  }
  return [...known];
}

function algorithmFault(name: string): string {
  if (name.toLowerCase() === "none") return "`none` is no signature: anybody could write such a token";
  if (/^HS\d+$/iu.test(name)) {
    return `\`${name}\` needs a secret that issuer and filter share, and who can check a token could make one; use \`RS256\` or \`ES256\``;
  }
  if (/^(PS(256|384|512)|EdDSA|Ed25519)$/u.test(name)) {
    return `\`${name}\` is not supported in this version; supported: ${algorithm_names.join(", ")}`;
  }
  return `\`${name}\` is no algorithm of tokens${didYouMean(name, algorithm_names)}`;
}

function checkTexts(reporter: Reporter, texts: Located<string>[] | undefined, what: string): string[] {
  const values = new Set<string>();
  for (const { value, at } of texts ?? []) {
    if (value === "") reporter.error("value", at, `an ${what} cannot be empty`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    else if (/[\u0000-\u001f\u007f\p{Cs}]/u.test(value))
      reporter.error("value", at, `an ${what} has no control characters`);
    else if (Buffer.byteLength(value) > token_bytes)
      reporter.error("bound", at, `an ${what} has at most ${token_bytes} bytes`);
    values.add(value);
  }
  return [...values];
}

function checkDuration(
  reporter: Reporter,
  text: Located<string> | undefined,
  mostSeconds: number,
  leastSeconds: number,
): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationSeconds(text.value);
  if (seconds === undefined) {
    reporter.error("invalid_duration", text.at, "a duration is a whole number and a unit: `30s`, `5m` or `1h`");
  } else if (seconds > mostSeconds || seconds < leastSeconds) {
    reporter.error("bound", text.at, `this duration is from ${leastSeconds}s to ${mostSeconds}s`);
  }
  return seconds;
}

/** Keys of a JWKS file, which is found from where the policy file is. */
function readKeys(reporter: Reporter, file: Located<string>): PolicyKey[] | undefined {
  const path = isAbsolute(file.value) ? file.value : join(dirname(reporter.source.file), file.value);
  let keys: PolicyKey[] | undefined;
  try {
    keys = parseKeySet(new Reporter(readSource(path), reporter.findings));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    reporter.error("file", file.at, `key set \`${path}\`: ${error.diagnostics[0]!.message}`);
    return undefined;
  }
  if (keys !== undefined && keys.length > issuer_keys) {
    reporter.error("bound", file.at, `an issuer has at most ${issuer_keys} keys; \`${path}\` has ${keys.length}`);
  }
  return keys;
}

function warnMissingKeys(reporter: Reporter, draft: DraftIssuer, algorithms: string[], keys: PolicyKey[]): void {
  const fitting = keys.reduce((mask, key) => mask | key.algorithms, 0);
  const without = algorithms.filter((name) => (fitting & algorithmMask([name])) === 0);
  if (without.length === algorithms.length) {
    const message = `no key of \`${draft.keyFile!.value}\` fits ${algorithms.join(" or ")}, so no token of \`${draft.name.value}\` could be verified`;
    reporter.error("key_missing", draft.keyFile!.at, message);
    return;
  }
  for (const { value, at } of draft.algorithms ?? []) {
    if (without.includes(value))
      reporter.warn("algorithm_without_key", at, `no key of \`${draft.keyFile!.value}\` fits \`${value}\``);
  }
}
