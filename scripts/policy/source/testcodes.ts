/** What is said of files of policy tests beyond what policies have: each code with the least that raises it. */
import type { CodeEntry } from "./codeentry.ts";

export const test_errors = {
  policy: {
    meaning: "a policy was given where its tests belong",
    example: { tests: "rules: []" },
  },
  request: {
    meaning: "a request that is none",
    example: { test: "request: /orders" },
  },
  expect: {
    meaning: "an expectation that is none",
    example: { test: "expect: maybe" },
  },
  conflict: {
    meaning: "two expectations, or two parts of a request, that exclude each other",
    example: { test: "expect: { allow: orders, deny: no_rule }" },
  },
  time: {
    meaning: "a time that is none",
    example: { test: "now: yesterday" },
  },
  unknown_rule: {
    meaning: "an expectation names a rule that the policy does not have",
    example: { test: "expect: { allow: oders }" },
  },
  unknown_reason: {
    meaning: "an expectation names a reason code that does not exist",
    example: { test: "expect: { deny: no_ruel }" },
  },
  token: {
    meaning: "a token that cannot be made, such as one of an issuer that the policy does not have",
    example: { test: "token: { issuer: partner, claims: {} }" },
  },
  svid: {
    meaning: "a JWT-SVID in a test of a policy that identifies callers by their certificates",
    example: { test: "svid: spiffe://example.org/web" },
  },
} as const satisfies Record<string, CodeEntry>;

export const test_warnings = {
  caller_malformed: {
    meaning: "the request is refused for its caller's form alone, which the test does not seem to be about",
    example: { test: "caller: example.org/web\nexpect: deny" },
  },
  path_malformed: {
    meaning: "the request is refused for its path's form alone, which the test does not seem to be about",
    example: { test: "request: GET orders\nexpect: deny" },
  },
} as const satisfies Record<string, CodeEntry>;
