/** A suggested policy admits what was admitted and nothing that was not seen: random logs, and requests in them and beside them, in the engine. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { inferTemplates } from "../../scripts/discover/endpoints.ts";
import type { TemplateSegment } from "../../scripts/discover/templates.ts";
import { SuggestError, suggestPolicy } from "../../scripts/suggest/suggest.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { usage } from "../discover/usages.ts";
import { parameters } from "../support/arbitrary.ts";
import { type Asked, Asking, base_policy, temporaryFolder } from "./shop.ts";

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true }));
const base = join(folder, "base.yaml");
writeFileSync(base, base_policy);

const ids = ["ns/shop/sa/web", "ns/shop/sa/mobile", "ns/pay/sa/billing", "job"].map(
  (path) => `spiffe://example.org/${path}`,
);
const callers = [...ids, "spiffe://partner.example.net/shop", ""];
const hosts = ["api.example.org", "shop.example.org", "[::1]"];
const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "Custom_1"];
const paths = [
  "/",
  "/orders",
  "/orders/{number}",
  "/orders/{uuid}",
  "/orders/export",
  "/orders/export/{number}",
  "/orders/{number}/items",
  "/orders/{number}/items/{number}",
  "/orders/{number}/items/first",
  "/orders/export/items",
  "/orders/export/items/first",
  "/{number}",
  "/carts",
  "/a b",
  "/é",
  "/*",
  "/$metadata",
  "/:id",
  "/(x)",
  "/orders/7:cancel",
  "/shop.Cart/Add",
];
const scopes = ["", "orders:read", "orders:write", "openid orders:read", "openid orders:read orders:write"];

const part = (all: readonly string[], most: number): fc.Arbitrary<string[]> =>
  fc.subarray([...all], { minLength: 1, maxLength: most });

/** Of few callers, hosts, methods and paths at a time, so that they meet. */
const someLog: fc.Arbitrary<Usage[]> = fc
  .record({
    paths: part(paths, 8),
    callers: part(callers, 3),
    hosts: part(hosts, 2),
    methods: part(methods, 2),
    issuers: fc.oneof(part([""], 1), part(["", "corp", "partner", "https://corp.example.org"], 3)),
  })
  .chain((of) => fc.array(someUsage(of), { minLength: 1, maxLength: 25 }));

function someUsage(of: Record<"paths" | "callers" | "hosts" | "methods" | "issuers", string[]>): fc.Arbitrary<Usage> {
  return fc
    .record({
      method: fc.constantFrom(...of.methods),
      path: fc.constantFrom(...of.paths),
      caller: fc.constantFrom(...of.callers),
      host: fc.constantFrom(...of.hosts),
      issuer: fc.constantFrom(...of.issuers),
      scopes: fc.constantFrom(...scopes),
      admitted: fc.integer({ min: 0, max: 9 }).map((value) => value > 0),
      status: fc.constantFrom(200, 200, 201, 404, 401),
    })
    .map(({ method, path, issuer, scopes, admitted, ...rest }) =>
      usage(`${method} PATH`, {
        path,
        issuer,
        scopes: issuer === "" ? "" : scopes,
        admitted,
        peakMinute: 10_000,
        decision: "allow",
        ...rest,
        ...(!admitted && { status: 403, decision: "deny", reason: "no_rule" }),
      }),
    );
}

/** A caller with the endpoints that a log says it was let do: what a policy may not go beyond. */
interface Seen {
  host: string;
  method: string;
  segments: readonly TemplateSegment[];
  usages: readonly Usage[];
}

function seenIn(log: readonly Usage[]): Seen[] {
  const endpoints = inferTemplates(log).map(({ host, method, segments, usages }) => ({
    host,
    method,
    segments,
    usages: usages.filter(({ admitted }) => admitted),
  }));
  return endpoints.filter(({ usages }) => usages.length > 0);
}

const decoded = (path: string): string[] => (path === "/" ? [] : path.slice(1).split("/").map(decodeURIComponent));

function holds({ segments }: Seen, path: readonly string[]): boolean {
  return (
    segments.length === path.length &&
    segments.every((segment, place) => typeof segment !== "string" || segment === path[place])
  );
}

/** Whether all that one template holds the other holds too, and they are not the same. */
function isWithin(one: Seen, other: Seen): boolean {
  const pairs = one.segments.map((segment, place) => [segment, other.segments[place]!] as const);
  const isHeld = pairs.every(([inner, outer]) => typeof outer !== "string" || inner === outer);
  return isHeld && pairs.some(([inner, outer]) => typeof inner === "string" && typeof outer !== "string");
}

/** By the log alone: whether this caller, or nobody in particular, was let do this, and always with a token like this or without one. */
function isSeen(seen: readonly Seen[], asked: Asked): boolean {
  const path = decoded(asked.path);
  const methods = asked.method === "HEAD" ? ["GET", "HEAD"] : [asked.method];
  const near = seen.filter((one) => one.host === asked.host && methods.includes(one.method) && holds(one, path));
  return near.some((one) => {
    if (near.some((other) => isWithin(other, one))) return false;
    return [asked.caller, ""].some((caller) => {
      const usages = one.usages.filter((each) => each.caller === caller);
      if (caller === "" && !usages.some(({ status }) => status < 400)) return false;
      if (usages.some(({ issuer }) => issuer === "")) return true;
      const names = asked.issuer === "corp" ? ["corp", "https://corp.example.org"] : [asked.issuer];
      return names.some((name) => {
        const own = usages.filter(({ issuer }) => issuer === name);
        const [first = [], ...others] = own.map((each) => each.scopes.split(" ").filter((scope) => scope !== ""));
        const always = first.filter((scope) => others.every((other) => other.includes(scope)));
        return own.length > 0 && always.every((scope) => asked.scopes.includes(scope));
      });
    });
  });
}

const values: Record<string, string> = { "{number}": "1234", "{uuid}": "0b8f7a52-7f7c-4f0e-9b5c-6a9c1f1c5a11" };

/** The request that a usage stands for. */
function requestOf({ caller, host, method, path, issuer, scopes }: Usage): Asked {
  const segments = path
    .split("/")
    .map((segment) => values[segment] ?? segment.replace(/[^A-Za-z0-9:.$-]/gu, encodeURIComponent));
  const sent = segments.join("/").replaceAll("*", "%2A").replaceAll("(", "%28").replaceAll(")", "%29");
  return {
    ...{ caller, host, method, path: sent, issuer: issuer.startsWith("https:") ? "corp" : issuer },
    scopes: scopes.split(" ").filter((scope) => scope !== ""),
  };
}

/** A request like one of the log but for something. */
const someOther: fc.Arbitrary<(asked: Asked, log: readonly Usage[]) => Asked> = fc.oneof(
  {
    weight: 6,
    // What somebody else asked for, or the same caller elsewhere.
    arbitrary: fc.nat().map((place) => (asked: Asked, log: readonly Usage[]) => ({
      ...asked,
      path: requestOf(log[place % log.length]!).path,
    })),
  },
  fc
    .constantFrom(...callers, "spiffe://example.org/other", "spiffe://example.org/ns/shop/sa/web/x")
    .map((caller) => (asked: Asked) => ({ ...asked, caller })),
  fc
    .constantFrom(...hosts, "other.example.org", "x.api.example.org")
    .map((host) => (asked: Asked) => ({ ...asked, host })),
  fc.constantFrom(...methods, "PATCH", "get").map((method) => (asked: Asked) => ({ ...asked, method })),
  fc
    .constantFrom("export", "first", "items", "orders", "other", "7")
    .map((name) => (asked: Asked) => ({ ...asked, path: asked.path.replace(/[^/]*$/u, name) })),
  fc
    .constantFrom("/export", "/x")
    .map((more) => (asked: Asked) => ({ ...asked, path: `${asked.path === "/" ? "" : asked.path}${more}` })),
  fc.constant((asked: Asked) => ({ ...asked, path: asked.path.replace(/\/[^/]*$/u, "") || "/" })),
  fc
    .constantFrom(...paths)
    .map((path) => (asked: Asked) => ({ ...asked, path: requestOf(usage("GET PATH", { path })).path })),
  fc.constantFrom("", "corp", "partner").map((issuer) => (asked: Asked) => ({ ...asked, issuer })),
  fc
    .constantFrom(...scopes)
    .map((text) => (asked: Asked) => ({ ...asked, scopes: text.split(" ").filter((one) => one !== "") })),
  fc.constant((asked: Asked) => ({ ...asked, scopes: asked.scopes.slice(1) })),
);

describe("a suggested policy", () => {
  test("admits what was admitted, and nothing else", { timeout: 280_000 }, () => {
    let inside = 0;
    let outside = 0;
    fc.assert(
      fc.property(someLog, fc.array(fc.tuple(fc.nat(), someOther), { minLength: 30, maxLength: 30 }), (log, others) => {
        const seen = seenIn(log);
        let text: string;
        try {
          ({ text } = suggestPolicy(log, { policy: base, output: join(folder, "suggested.yaml") }));
        } catch (error) {
          assert.ok(error instanceof SuggestError && /no admitted request/u.test(error.message), String(error));
          return;
        }
        const asking = new Asking(text);
        const admitted = log.filter((one) => one.admitted && isSeen(seen, requestOf(one)));
        for (const one of admitted) {
          const asked = requestOf(one);
          const { decision, reason } = asking.ask(asked);
          assert.equal(decision, "allow", `${reason}: ${JSON.stringify(asked)} was admitted, and is not by\n${text}`);
          inside++;
        }
        for (const [place, other] of others) {
          const asked = other(requestOf(log[place % log.length]!), log);
          if (isSeen(seen, asked)) continue;
          const { decision, rule } = asking.ask(asked);
          assert.equal(
            decision,
            "deny",
            `${JSON.stringify(asked)} was not seen, and rule ${rule} admits it in\n${text}`,
          );
          outside++;
        }
      }),
      { numRuns: 120, ...parameters },
    );
    assert.ok(inside > 200 && outside > 500, `${inside} requests in the logs and ${outside} beside them were tried`);
  });
});
