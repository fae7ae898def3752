/** The matrix against the engine: what is admitted has a cell that says so, and where a cell promises it nothing is denied. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { parseEndpoint } from "../../scripts/policy/language/endpoint.ts";
import { pathCovers } from "../../scripts/policy/language/pathpattern.ts";
import { type CallerPattern, callerCovers, parseCaller } from "../../scripts/policy/language/spiffe.ts";
import { admitsMethod } from "../../scripts/policy/meaning/relations.ts";
import { buildReport } from "../../scripts/report/build.ts";
import type { ReportData } from "../../scripts/report/data.ts";
import { parameters } from "../support/arbitrary.ts";
import { check } from "../support/policy.ts";
import { now } from "./made.ts";

const some = (...all: string[]): fc.Arbitrary<string> => fc.constantFrom(...all);
const few = (one: fc.Arbitrary<string>): fc.Arbitrary<string[]> => fc.uniqueArray(one, { minLength: 1, maxLength: 3 });
const ids = ["a", "b", "a/x", "a/y", "b/x", "c/d/e"].map((path) => `spiffe://example.org/${path}`);
const someRule = fc.record({
  callers: few(
    some(
      ...ids,
      "any",
      "anonymous",
      ...["**", "*", "a/*", "a/**", "*/x"].map((one) => `spiffe://example.org/${one}`),
      "spiffe://partner.net/**",
    ),
  ),
  endpoints: few(
    fc
      .tuple(
        some("GET", "POST", "HEAD", "*", "GET|POST"),
        some("/a", "/a/b", "/a/{x}", "/a/**", "/**", "/{x}/b", "/**/b", "/a/v{x}"),
      )
      .map((parts) => parts.join(" ")),
  ),
  hosts: fc.option(few(some("a.example.org", "*.example.org", "b.net")), { nil: undefined }),
  isDeny: some("", "", "deny"),
  when: fc.option(some("source.port > 1024", "source.port > 50000"), { nil: undefined, freq: 3 }),
});
const someRequest = fc.record({
  caller: some(...ids, "spiffe://example.org/z", "spiffe://partner.net/p", "spiffe://other.net/a", ""),
  method: some("GET", "POST", "HEAD", "PUT"),
  path: some("/a", "/a/b", "/a/c", "/a/b/b", "/c/b", "/", "/a/v1"),
  host: some("a.example.org", "x.a.example.org", "b.net", "c.net"),
});
type Request = typeof someRequest extends fc.Arbitrary<infer One> ? One : never;

/** The narrowest caller of a report that holds an ID. */
function callerIn({ callers }: ReportData, caller: string): number {
  const own = parseCaller(caller);
  if (typeof own === "string") return 0;
  const around = callers.flatMap(({ id }, at) => {
    const pattern = parseCaller(id);
    return typeof pattern === "object" && callerCovers(pattern, own) ? [{ at, pattern }] : [];
  });
  const isNarrowest = (one: CallerPattern): boolean => around.every(({ pattern }) => callerCovers(pattern, one));
  return around.find(({ pattern }) => isNarrowest(pattern))?.at ?? 0;
}

/** What a report has for a request: cells at the endpoints that hold it. */
function toldOf(data: ReportData, { caller, method, path, host }: Request) {
  const at = callerIn(data, caller);
  const asked = path === "/" ? [] : path.split("/").slice(1);
  return data.cells
    .filter(([one, endpoint]) => {
      const { host: named, method: of, path: written } = data.endpoints[endpoint]!;
      const isHost = named === "*" || named === host || (named.startsWith("*.") && host.endsWith(named.slice(1)));
      const pattern = parseEndpoint(`GET ${written}`);
      return (
        one === at &&
        isHost &&
        admitsMethod(of, method) &&
        "segments" in pattern &&
        pathCovers(pattern, { segments: asked, tail: false })
      );
    })
    .map(([, , grant]) => data.grants[grant]!);
}

test("random policies: the engine admits what is told, and nothing that is not", () => {
  const engine = new Engine(loadEngine());
  let [admitted, promised] = [0, 0];
  fc.assert(
    fc.property(
      fc.array(someRule, { minLength: 1, maxLength: 6 }),
      fc.array(someRequest, { minLength: 20, maxLength: 20 }),
      (rules, requests) => {
        const lines = rules.map(({ callers, endpoints, hosts, isDeny, when }, at) =>
          JSON.stringify({ name: `r${at}`, callers, hosts, [isDeny === "" ? "allow" : "deny"]: endpoints, when }),
        );
        const { policy, errors } = check(
          `version: 1\nname: random\ntrust: { domains: [example.org, partner.net] }\nrules:\n${lines.map((line) => `  - ${line}\n`).join("")}`,
        );
        // A deny rule for patterns that name nobody is refused, for example.
        if (policy === undefined || errors.length > 0) return;
        const data = buildReport([{ path: "random.yaml", policy, warnings: [] }], { at: now });
        const evaluator = engine.start(writeImage(policy), now);
        for (const request of requests) {
          const verdict = evaluator.ask({
            ...request,
            caller: request.caller === "" ? null : request.caller,
            source: "192.0.2.1:40000",
            headers: [],
            token: null,
          });
          const told = toldOf(data, request);
          const words = `${JSON.stringify(request)}: ${JSON.stringify(verdict)} ${JSON.stringify(told)}\n${lines.join("\n")}`;
          const may = told.some(({ extent, level }) => extent === "whole" && level !== "denied");
          const mayNot = told.some(({ level, denies }) => level === "denied" || denies.length > 0);
          const must = told.some(({ extent, level }) => extent === "whole" && level === "free") && !mayNot;
          if (verdict.decision === "allow") {
            admitted++;
            assert.equal(may, true, `admitted, and not told: ${words}`);
            assert.equal(
              told.some(({ extent, level }) => extent === "whole" && level === "denied"),
              false,
              `admitted, and told as denied: ${words}`,
            );
          } else assert.equal(must, false, `denied, and told as admitted: ${words}`);
          if (must) promised++;
        }
      },
    ),
    { numRuns: 150, ...parameters },
  );
  assert.equal(
    admitted > 100 && promised > 30,
    true,
    `few requests were admitted (${admitted}) or promised (${promised})`,
  );
});
