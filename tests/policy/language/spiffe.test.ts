/** SPIFFE IDs and patterns of callers: what they are read as, and which hold which, against every short ID. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CallerPattern,
  callerCovers,
  callerText,
  commonCallers,
  parseCaller,
} from "../../../scripts/policy/language/spiffe.ts";

const pattern = (text: string): CallerPattern => {
  const parsed = parseCaller(text);
  assert.ok(typeof parsed !== "string", `${text}: ${parsed as string}`);
  return parsed;
};

test("patterns and the names of their segments", () => {
  for (const [text, read, names] of [
    ["spiffe://a/b", "exact 1 0", {}],
    ["spiffe://a/**", "descendants 0 0", {}],
    ["spiffe://a/x/*", "child 1 0", {}],
    ["spiffe://a/ns/*/sa/gateway", "exact 4 2", {}],
    ["spiffe://a/ns/{ns}/sa/{sa}", "child 3 2", { ns: 1, sa: 3 }],
    ["spiffe://a/*/*/**", "descendants 2 3", {}],
    ["spiffe://a/{team}/**", "descendants 1 1", { team: 0 }],
  ] as const) {
    const { kind, segments, wildcards, captures } = pattern(text);
    assert.equal(`${kind} ${segments} ${wildcards}`, read, text);
    assert.deepEqual(Object.fromEntries(captures), names, text);
  }
});

test("what is no pattern says what to write", () => {
  for (const [text, message] of [
    ["spiffe://a/dev-*/web", /whole segment.*startsWith/su],
    ["spiffe://a/**/web", /only at the end/u],
    ["spiffe://a/x{id}", /whole segment/u],
    ["spiffe://a/{id}", /`caller\.id` has a meaning of its own/u],
    ["spiffe://a/{x}/{x}", /stands twice/u],
    ["spiffe://a/{1x}", /needs a name/u],
    ["spiffe://*/web", /cannot be a pattern/u],
    ["spiffe://{domain}/web", /cannot be a pattern/u],
    [`spiffe://a/${"*/".repeat(31)}*`, /at most 31 segments/u],
    ["spiffe://a/", /no slash at its end/u],
  ] as const) {
    const parsed = parseCaller(text);
    assert.ok(typeof parsed === "string", text);
    assert.match(parsed, message, text);
  }
});

const segments = ["ns", "x", "b"];
const ids = ((): string[] => {
  const all: string[] = [];
  const add = (id: string, depth: number): void => {
    for (const segment of depth === 0 ? [] : segments) {
      all.push(`${id}/${segment}`);
      add(`${id}/${segment}`, depth - 1);
    }
  };
  add("spiffe://a", 4);
  return all;
})();

test("which pattern holds another, and what two have in common", () => {
  const texts = "** * ns/** ns/* ns/x */x */** ns/*/x/* */b/** */b/x/ns ns/b x/*/x */*/* */*/*/* */*/** ns/*/**".split(
    " ",
  );
  const patterns = texts.map((text) => pattern(`spiffe://a/${text}`));
  const has = ({ kind, text }: CallerPattern): Set<string> => {
    const rest = { exact: "", child: "/[^/]+", descendants: "/.+" }[kind];
    const all = new RegExp(`^${text.replaceAll("*", "[^/]+")}${rest}$`, "u");
    return new Set(ids.filter((id) => all.test(id)));
  };
  for (const one of patterns) {
    for (const other of patterns) {
      const [own, others] = [has(one), has(other)];
      const what = `${callerText(one)} and ${callerText(other)}`;
      assert.equal(
        callerCovers(one, other),
        [...others].every((id) => own.has(id)),
        what,
      );
      const common = commonCallers(one, other);
      const both = [...own].filter((id) => others.has(id));
      assert.deepEqual(common === undefined ? [] : [...has(common)], both, what);
    }
  }
});
