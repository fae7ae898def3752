/**
 * Tests made concrete: each with the token it really sends and a policy image that accepts the runner's keys. What runs
 * them may be the engine in the Node host (run.ts) or an Envoy: both get the same list.
 */
import type { DoorRequest } from "../evaluate/engine.ts";
import { PolicyError } from "../policy/diagnostic.ts";
import { didYouMean } from "../policy/suggest.ts";
import type { Expectation, PolicyTest, TestFile } from "./file.ts";
import { MintError, mintToken } from "./mint.ts";
import type { TestPolicy } from "./policy.ts";
import type { ClaimsToken, Position, TestToken } from "./token.ts";

/** One test ready to be run anywhere. */
export interface ConcreteTest {
  /** The test file as it was named, and where in it the test stands. */
  file: string;
  line: number;
  column: number;
  name: string;
  request: DoorRequest;
  /** The policy image the test is for. */
  image: Uint8Array;
  /** How often the request is made; the last answer counts. */
  repeat: number;
  /** The clock in milliseconds since 1970, which the token's times were made for. */
  now: number;
  expect: Expectation;
}

/** A test file with everything its tests need. */
export interface ConcreteFile {
  file: string;
  policy: TestPolicy;
  tests: readonly ConcreteTest[];
}

export interface ConcreteOptions {
  /**
   * Milliseconds since 1970 to use as every test's clock, for runs against a proxy whose clock cannot be set. Times among a
   * test's own claims move along by as much, so that what was expired stays so.
   */
  now?: number;
}

const timeClaims = ["iat", "exp", "nbf"];

/** Makes a file's tests concrete. Throws PolicyError for a test that names what its policy does not have. */
export function concreteTests(file: TestFile, policy: TestPolicy, options: ConcreteOptions = {}): ConcreteFile {
  const problems: PolicyError["diagnostics"] = [];
  const realTime = Date.now();
  const tests = file.tests.map((test): ConcreteTest => {
    const written = test.now ?? realTime;
    const now = options.now ?? written;
    const fail = (code: string, message: string, place: Position | undefined): void => {
      const { line, column } = place ?? test;
      // What the defaults say is wrong once, not in every test.
      if (place !== undefined && problems.some((one) => one.line === line && one.column === column)) return;
      problems.push({ file: file.path, line, column, code, message: `${test.name}: ${message}` });
    };
    const rule = test.expect.rule;
    if (rule !== undefined && !policy.rules.includes(rule)) {
      fail("unknown_rule", `the policy has no rule \`${rule}\`${didYouMean(rule, policy.rules)}`, test.rulePlace);
    }
    const token = makeToken(test.token, policy, written, now, fail);
    const image = token === test.token ? policy.image : policy.standInImage;
    return concrete(file.path, test, token, now, image);
  });
  if (problems.length > 0) throw new PolicyError(problems);
  return { file: file.path, policy, tests };
}

function concrete(file: string, test: PolicyTest, token: string | null, now: number, image: Uint8Array): ConcreteTest {
  const { name, line, column, repeat, expect, caller, source, request } = test;
  return { file, line, column, name, repeat, now, image, expect, request: { caller, source, ...request, token } };
}

function makeToken(
  token: TestToken,
  policy: TestPolicy,
  written: number,
  now: number,
  fail: (code: string, message: string, place: Position | undefined) => void,
): string | null {
  if (token === null || typeof token === "string") return token;
  const shiftSeconds = Math.floor(now / 1000) - Math.floor(written / 1000);
  const claims = Object.fromEntries(
    Object.entries(token.claims).map(([name, value]) =>
      timeClaims.includes(name) && typeof value === "number" ? [name, value + shiftSeconds] : [name, value],
    ),
  );
  try {
    return mintFor({ ...token, claims }, policy, now / 1000);
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    fail("token", error.message, token.place);
    return null;
  }
}

/**
 * Makes a token for an issuer of a policy. Throws MintError where there is no such issuer or no such algorithm.
 * @param nowSeconds the clock its times start from, seconds since 1970
 */
export function mintFor(token: ClaimsToken, policy: TestPolicy, nowSeconds: number): string {
  const issuer = policy.issuers.get(token.issuer);
  if (issuer === undefined) {
    const hint = didYouMean(token.issuer, policy.issuers.keys());
    throw new MintError(`the policy has no issuer \`${token.issuer}\`${hint}`);
  }
  return mintToken(token, issuer, nowSeconds);
}
