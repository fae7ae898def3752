/**
 * Tests made concrete: each with the token it really sends and a policy image that accepts the runner's keys. What runs
 * them may be the engine in the Node host (run.ts) or an Envoy: both get the same list.
 */
import type { FilterRequest } from "../evaluate/engine.ts";
import { decodeToken } from "../evaluate/token.ts";
import type { Place } from "../policy/language/model.ts";
import type { ErrorCode } from "../policy/source/codes.ts";
import { PolicyError } from "../policy/source/diagnostic.ts";
import { didYouMean } from "../policy/source/suggest.ts";
import { pathOfCalls } from "./body.ts";
import type { Expectation } from "./expectation.ts";
import type { PolicyTest, TestFile } from "./file.ts";
import { type CallerIdentity, certificateDigest, identify } from "./identity.ts";
import { isBearer, putToken } from "./location.ts";
import { MintError, mintToken } from "./mint.ts";
import type { TestIssuer, TestPolicy } from "./policy.ts";
import type { ClaimsToken, Position } from "./token.ts";

/** One test ready to be run anywhere. */
export interface ConcreteTest {
  /** The test file as it was named, and where in it the test stands. */
  file: string;
  line: number;
  column: number;
  name: string;
  request: FilterRequest;
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
  /** The digest of a caller's certificate, in lower-case hexadecimal digits, where callers have real ones. */
  digestOf?: (caller: string) => string;
}

const timeClaims = ["iat", "exp", "nbf"];

/** Makes a file's tests concrete. Throws PolicyError for a test that names what its policy does not have. */
export function concreteTests(file: TestFile, policy: TestPolicy, options: ConcreteOptions = {}): ConcreteFile {
  const problems: PolicyError["diagnostics"] = [];
  const realTime = Date.now();
  const tests = file.tests.map((test): ConcreteTest => {
    const written = test.now ?? realTime;
    const now = options.now ?? written;
    const fail = (code: ErrorCode, message: string, place: Position | undefined): void => {
      const { line, column } = place ?? test;
      // What the defaults say is wrong once, not in every test.
      if (place !== undefined && problems.some((one) => one.line === line && one.column === column)) return;
      problems.push({ file: file.path, line, column, code, message: `${test.name}: ${message}` });
    };
    const rule = test.expect.rule;
    if (rule !== undefined && !policy.rules.includes(rule)) {
      fail("unknown_rule", `the policy has no rule \`${rule}\`${didYouMean(rule, policy.rules)}`, test.rulePlace);
    }
    const { request, image } = sentRequest(test, policy, { written, now, digestOf: options.digestOf, fail });
    const { name, line, column, repeat, expect } = test;
    return { file: file.path, line, column, name, repeat, now, image, expect, request };
  });
  if (problems.length > 0) throw new PolicyError(problems);
  return { file: file.path, policy, tests };
}

/** What making a request concrete takes besides the test. */
interface Making {
  /** The test's clock as it is written, and the one that counts. */
  written: number;
  now: number;
  digestOf: ConcreteOptions["digestOf"];
  fail: (code: ErrorCode, message: string, place: Position | undefined) => void;
}

/** The request a test makes, and the image that is to judge it. */
function sentRequest(
  test: PolicyTest,
  policy: TestPolicy,
  { written, now, digestOf, fail }: Making,
): Pick<ConcreteTest, "request" | "image"> {
  const { token, svid, caller, source, destination } = test;
  const { callsOf, ...asked } = test.request;
  if (callsOf !== undefined) {
    const path = pathOfCalls(policy, callsOf);
    if (path === undefined)
      fail("request", `the policy has no \`${callsOf}\`: say the request's \`path\``, test.requestPlace);
    asked.path = path ?? "/";
  }
  const unasked = { source, destination, ...asked };
  if (svid != null && policy.svids.size === 0) {
    fail("svid", `${withoutSvids(policy, "caller")} there`, test.svidPlace);
    return { request: { caller, ...unasked, token: null }, image: policy.image };
  }
  const shiftSeconds = Math.floor(now / 1000) - Math.floor(written / 1000);
  const shown =
    svid === null || typeof svid !== "object" ? svid : { ...svid, claims: shifted(svid.claims, shiftSeconds) };
  const moved =
    token === null || typeof token === "string" ? token : { ...token, claims: shifted(token.claims, shiftSeconds) };
  try {
    const placed = prepare(policy, unasked, { caller, svid: shown, token: moved, now, digestOf });
    const has = (header: string | undefined): boolean => test.request.headers.some(([name]) => name === header);
    const { tokenHeader, svidHeader } = placed;
    if (has(tokenHeader))
      fail("conflict", `a token and the header \`${tokenHeader}\`: give one of them`, test.tokenPlace);
    if (has(svidHeader)) {
      const message = `a JWT-SVID and the header \`${svidHeader}\`: give one of them; \`svid: null\` is no JWT-SVID`;
      fail("conflict", message, test.svidPlace);
    }
    return placed;
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    fail("token", error.message, typeof token === "object" ? token?.place : undefined);
    return { request: { caller, ...unasked, token: null }, image: policy.image };
  }
}

/** Why a policy without JWT-SVIDs takes none. @param instead what to give in its place */
export function withoutSvids({ filterState }: TestPolicy, instead: string): string {
  const by = filterState === undefined ? "their certificates" : "filter state";
  return `the policy knows callers by ${by}: give \`${instead}\`, or write \`identity: either\``;
}

/** Claims whose times move along with the clock. */
function shifted(claims: ClaimsToken["claims"], seconds: number): ClaimsToken["claims"] {
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) =>
      timeClaims.includes(name) && typeof value === "number" ? [name, value + seconds] : [name, value],
    ),
  );
}

/** Who asks with what, as tests and `explain` say it. */
export interface Asking extends Pick<PolicyTest, "caller" | "svid" | "token"> {
  /** The clock in milliseconds since 1970. */
  now: number;
  digestOf?: ConcreteOptions["digestOf"];
}

/** A request with its tokens in it, the image that is to judge it, and the headers that carry them, if any do. */
export interface Prepared extends Pick<ConcreteTest, "request" | "image"> {
  tokenHeader: string | undefined;
  svidHeader: string | undefined;
}

/**
 * Puts what a request asks with into it, where its policy looks for it.
 * @throws MintError for a token that cannot be made
 */
export function prepare(
  policy: TestPolicy,
  request: Omit<FilterRequest, "caller" | "token">,
  { caller, svid, token, now, digestOf = certificateDigest }: Asking,
): Prepared {
  const issuer = token === null || typeof token === "string" ? undefined : issuerOf(token, policy);
  const isBound = issuer?.bind === "certificate";
  const identity = identify(policy, caller, svid, isBound, now / 1000);
  const made =
    token === null || typeof token === "string"
      ? token
      : mintFor(token, policy, now / 1000, bearerOf(identity, digestOf));
  const place = issuer?.place ?? rawPlaceOf(policy, made);
  const { certificate } = identity;
  const usesDigests = [...policy.issuers.values()].some(({ bind }) => bind === "certificate");
  let sent: FilterRequest = {
    ...request,
    caller: policy.filterState === undefined ? certificate : null,
    token: null,
    ...(policy.filterState !== undefined &&
      certificate !== null && { filterState: { [policy.filterState]: certificate } }),
    ...(usesDigests && certificate !== null && { certificateDigest: digestOf(certificate) }),
  };
  if (made !== null)
    sent = isBearer(place) ? { ...sent, token: made } : { ...putToken(sent, place, made), placedToken: made };
  const svidPlace = policy.svids.values().next().value?.place;
  if (identity.svid !== null && svidPlace !== undefined) sent = putToken(sent, svidPlace, identity.svid);
  return {
    request: sent,
    image: policy.imageWith({ issuers: issuer !== undefined, svids: typeof svid !== "string" }),
    tokenHeader: made === null ? undefined : headerOf(place),
    svidHeader: identity.svid === null ? undefined : headerOf(svidPlace),
  };
}

/** Where a raw token goes: to its issuer as far as it names one of the policy's, which nobody has verified yet. */
function rawPlaceOf({ issuers, rawPlace }: TestPolicy, token: string | null): Place {
  const iss = token === null ? undefined : decodeToken(token).claims?.iss;
  const issuer = iss === undefined ? undefined : [...issuers.values()].find((one) => one.iss === iss);
  return issuer?.place ?? rawPlace;
}

function headerOf(place: Place | undefined): string | undefined {
  return place?.kind === "header" ? place.name : undefined;
}

/** Who carries a token, for issuers that bind theirs. */
export interface Bearer {
  /** The caller's SPIFFE ID; null: it has none. */
  id: string | null;
  /** The digest of its certificate, in hexadecimal digits. */
  digest: string;
}

function bearerOf({ id, certificate }: CallerIdentity, digestOf: (caller: string) => string): Bearer {
  return { id, digest: digestOf(certificate ?? "") };
}

/** The claims that bind a token to its bearer. */
function boundTo({ bind }: TestIssuer, { id, digest }: Bearer): Record<string, unknown> {
  if (bind === "certificate") return { cnf: { "x5t#S256": Buffer.from(digest, "hex").toString("base64url") } };
  return bind === "caller" && id !== null ? { sub: id } : {};
}

function issuerOf(token: ClaimsToken, policy: TestPolicy): TestIssuer {
  const issuer = policy.issuers.get(token.issuer);
  if (issuer !== undefined) return issuer;
  const hint = didYouMean(token.issuer, policy.issuers.keys());
  throw new MintError(`the policy has no issuer \`${token.issuer}\`${hint}`);
}

/**
 * Makes a token for an issuer of a policy. Throws MintError where there is no such issuer or no such algorithm.
 * @param nowSeconds the clock its times start from, seconds since 1970
 * @param bearer who carries it, for issuers that bind their tokens
 */
export function mintFor(token: ClaimsToken, policy: TestPolicy, nowSeconds: number, bearer?: Bearer): string {
  const issuer = issuerOf(token, policy);
  return mintToken(token, issuer, nowSeconds, bearer && boundTo(issuer, bearer));
}
