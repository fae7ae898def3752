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
export function checkIssuer(reporter: Reporter, { name, value: draft }: DraftIssuer): Issuer | undefined {
  checkName(reporter, name);
  if (draft === undefined) return undefined;
  const algorithms = checkAlgorithms(reporter, draft.algorithms?.value ?? []);
  const audiences = checkTexts(reporter, draft.audiences?.value ?? [], "audience");
  if (draft.issuer !== undefined) checkTexts(reporter, [draft.issuer], "issuer");
  const leewaySeconds = checkDuration(reporter, draft.leeway, leeway_seconds, 0) ?? default_leeway_seconds;
  const maxLifetimeSeconds = checkDuration(reporter, draft.maxLifetime, lifetime_seconds, 1) ?? 0;
  const file = draft.keys?.file;
  const keys = file === undefined ? undefined : readKeys(reporter, file);
  if (draft.issuer === undefined || keys === undefined || algorithms.length === 0) return undefined;
  warnMissingKeys(reporter, name.value, file!, draft.algorithms?.value ?? [], keys);
  warnMissingBounds(reporter, name, draft);
  return {
    name: name.value,
    issuer: draft.issuer.value,
    audiences,
    algorithms,
    keys,
    leewaySeconds,
    maxLifetimeSeconds,
  };
}

function checkAlgorithms(reporter: Reporter, names: readonly Located<string>[]): string[] {
  const known = new Set<string>();
  for (const { value, at } of names) {
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

function checkTexts(reporter: Reporter, texts: readonly Located<string>[], what: string): string[] {
  const values = new Set<string>();
  for (const { value, at } of texts) {
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
    const way = /^[0-9]{1,9}$/u.test(text.value) ? `; write \`${Number(text.value)}s\`` : "";
    const message = `a duration is a whole number and a unit: \`30s\`, \`5m\` or \`1h\`${way}`;
    reporter.error("invalid_duration", text.at, message);
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

function warnMissingKeys(
  reporter: Reporter,
  issuer: string,
  file: Located<string>,
  names: readonly Located<string>[],
  keys: PolicyKey[],
): void {
  const fitting = keys.reduce((mask, key) => mask | key.algorithms, 0);
  const known = names.filter(({ value }) => algorithm_names.includes(value));
  const without = known.filter(({ value }) => (fitting & algorithmMask([value])) === 0);
  if (without.length === known.length) {
    const all = known.map(({ value }) => value).join(" or ");
    const message = `no key of \`${file.value}\` fits ${all}, so no token of \`${issuer}\` could be verified`;
    reporter.error("key_missing", file.at, message);
    return;
  }
  for (const { value, at } of without)
    reporter.warn("algorithm_without_key", at, `no key of \`${file.value}\` fits \`${value}\``);
}

/** What an issuer does not say of time is decided by default, which a reviewer should see. */
function warnMissingBounds(
  reporter: Reporter,
  name: Located<string>,
  { leeway, maxLifetime }: NonNullable<DraftIssuer["value"]>,
): void {
  if (leeway === undefined) {
    const message = `issuer \`${name.value}\` has no \`leeway\`, so its tokens are good until ${default_leeway_seconds}s after \`exp\`; say how far clocks may differ`;
    reporter.warn("leeway_missing", name.at, message);
  }
  if (maxLifetime === undefined) {
    const message = `issuer \`${name.value}\` has no \`maxLifetime\`, so a token may be issued for years; say for how long, such as \`1h\``;
    reporter.warn("lifetime_missing", name.at, message);
  }
}
