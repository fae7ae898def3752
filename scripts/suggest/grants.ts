/**
 * Admitted requests → grants: one caller, one endpoint, and what every one of its requests had. What cannot stand in a policy is
 * left out, with the reason.
 */
import { response_bytes_max } from "../../assembly/limits.ts";
import type { Endpoint, Grouped } from "../discover/endpoints.ts";
import { encodeName, kindOf } from "../discover/names.ts";
import type { TemplateSegment } from "../discover/templates.ts";
import { parseEndpoint } from "../policy/language/endpoint.ts";
import { parseCaller } from "../policy/language/spiffe.ts";
import { parseHost, scopeFault } from "../policy/language/values.ts";
import { segmentsOf } from "../traffic/segments.ts";
import { isCallerUnknown, type Usage } from "../traffic/usage.ts";
import { escaped } from "./hostile.ts";
import { addTo } from "./lists.ts";

/** In place of a caller that the log does not tell: a person has to say who it is. */
export const unknown_caller = "?";

/** What one caller was let do, and what each of its requests had. */
export interface Grant {
  /** A SPIFFE ID; "" for everybody; `unknown_caller`. */
  caller: string;
  /** "" for every host. */
  host: string;
  method: string;
  segments: readonly TemplateSegment[];
  /** The path as a policy has it. */
  path: string;
  /** As the log has it; "" where no token is asked for. */
  issuer: string;
  /** In order; all of them are asked for. */
  scopes: readonly string[];
  usages: Usage[];
}

/** Requests that no rule of the suggestion is for, though they were admitted. */
export interface LeftOut {
  why: string;
  /** What they asked for, escaped. */
  what: string;
  requests: number;
}

/** Grants, and what is none. */
export interface Granted {
  grants: Grant[];
  /** Those with the most requests first. */
  leftOut: LeftOut[];
  /** Requests that were denied. */
  denied: number;
}

/**
 * What a policy that would have denied a request may have said for the request to become a rule all the same: that it knows of no
 * such rule, or that there were too many. Whatever else it said was about this very request.
 */
const shadow_reasons: ReadonlySet<string> = new Set(["no_rule", "limit_exceeded"]);

/** A rule's scopes have so many bytes at the most, with a blank between each two. */
const scopes_bytes_max = response_bytes_max / 2;

/** @param domains trust domains whose members may be named; undefined: any */
export function grantsOf(traffic: Grouped, domains?: ReadonlySet<string>): Granted {
  const left = new Map<string, LeftOut>();
  const grants: Grant[] = [];
  let denied = 0;
  const leave = (usage: Usage, why: string): void => {
    const { method, host, path, caller, count } = usage;
    const what = `${escaped(method)} ${escaped(host)}${escaped(path)} by ${caller === "" ? "nobody known" : escaped(caller)}`;
    const known = left.get(`${why} ${what}`);
    if (known === undefined) left.set(`${why} ${what}`, { why, what, requests: count });
    else known.requests += count;
  };
  const admitted = (usages: readonly Usage[]): Usage[] =>
    usages.filter((usage) => {
      if (!usage.admitted) denied += usage.count;
      return usage.admitted;
    });
  for (const usage of admitted([...traffic.noise, ...traffic.attempts.flatMap(({ usages }) => usages)]))
    leave(usage, "nothing shows that there is such an endpoint");
  // Who can hide the host of one line must not have a rule for every host.
  const hasHosts = traffic.endpoints.some(({ host }) => host !== "");
  for (const endpoint of withoutOperations(traffic.endpoints)) {
    const path = pathText(endpoint.segments);
    const isHostless = hasHosts && endpoint.host === "";
    const endpointWhy = isHostless
      ? "the log does not say for which host, as it does of others"
      : endpointFault(endpoint, path);
    const byCaller = new Map<string, Usage[]>();
    for (const usage of admitted(endpoint.usages)) {
      const why = endpointWhy ?? usageFault(usage) ?? callerFault(usage.caller, domains);
      if (why !== undefined) leave(usage, why);
      else addTo(byCaller, isCallerUnknown(usage) ? unknown_caller : usage.caller, usage);
    }
    for (const [caller, usages] of byCaller) {
      if ((caller === "" || caller === unknown_caller) && !usages.some(({ status }) => status < 400)) {
        for (const usage of usages)
          leave(usage, "nobody known asked for it, and it was always refused by what is behind");
        continue;
      }
      for (const asked of tokensOf(usages)) {
        const fault = scopesFault(asked.scopes);
        if (fault === undefined)
          grants.push({
            caller,
            host: endpoint.host,
            method: endpoint.method,
            segments: endpoint.segments,
            path,
            ...asked,
          });
        else for (const usage of asked.usages) leave(usage, fault);
      }
    }
  }
  const leftOut = [...left.values()].sort((a, b) => b.requests - a.requests);
  return { grants: withoutCovered(grants), leftOut, denied };
}

/** A policy does not tell apart what is asked for inside a request. */
function withoutOperations(
  endpoints: readonly Endpoint[],
): Pick<Endpoint, "host" | "method" | "segments" | "usages">[] {
  const joined = new Map<string, { host: string; method: string; segments: Endpoint["segments"]; usages: Usage[] }>();
  for (const { host, method, segments, usages } of endpoints) {
    const key = JSON.stringify([host, method, segments.map((one) => (typeof one === "string" ? one : 0))]);
    const known = joined.get(key) ?? { host, method, segments, usages: [] };
    for (const usage of usages) known.usages.push(usage);
    joined.set(key, known);
  }
  return [...joined.values()];
}

/** A template in the policy's words: every character that has a meaning there, or is not ASCII, is percent-encoded. */
export function pathText(segments: readonly TemplateSegment[]): string {
  const texts = segments.map((segment) =>
    // What no policy can name stays, and `endpointFault` finds it.
    typeof segment === "string" ? (encodeName(segment) ?? segment) : `{${segment.variable}}`,
  );
  return `/${texts.join("/")}`;
}

/** Why a policy cannot name an endpoint and mean what was seen, or undefined. */
function endpointFault(
  { host, method, segments }: Pick<Endpoint, "host" | "method" | "segments">,
  path: string,
): string | undefined {
  if (host !== "") {
    const pattern = parseHost(host);
    if (typeof pattern === "string" || pattern.kind !== "exact" || pattern.text !== host)
      return "no policy can name its host";
  }
  // A method that stands alone: `GET|PUT` and `*` are more than what was asked for.
  if (!/^[A-Za-z0-9_-]+$/u.test(method)) return "no policy can name its method";
  const parsed = parseEndpoint(`${method} ${path}`);
  const isMeant =
    "segments" in parsed &&
    !parsed.tail &&
    parsed.segments.length === segments.length &&
    parsed.segments.every(
      (segment, place) => segment === (typeof segments[place] === "string" ? segments[place] : null),
    );
  return isMeant ? undefined : "no policy can name its path without `paths`, or at all";
}

function usageFault({ path, decision, reason }: Usage): string | undefined {
  if (decision === "deny" && !shadow_reasons.has(reason))
    return `it was let through in shadow mode only (${escaped(reason)})`;
  // A variable may stand for it: what no policy would name is no reason to have one.
  return segmentsOf(path)?.every(isSound) ? undefined : "its path has characters that no policy should name";
}

function isSound(segment: string): boolean {
  const kind = kindOf(segment);
  if (kind !== undefined) return kind !== "other";
  return encodeName(segment) !== undefined;
}

function callerFault(caller: string, domains: ReadonlySet<string> | undefined): string | undefined {
  if (caller === "") return undefined;
  const pattern = parseCaller(caller);
  if (typeof pattern === "string" || pattern.kind !== "exact" || pattern.wildcards !== 0 || pattern.text !== caller)
    return "the caller has no sound SPIFFE ID";
  return domains === undefined || domains.has(pattern.trustDomain)
    ? undefined
    : "the caller's trust domain is not one of the policy's";
}

function scopesFault(scopes: readonly string[]): string | undefined {
  if (scopes.some((scope) => scopeFault(scope) !== undefined)) return "no policy can name its scopes";
  return scopes.join(" ").length > scopes_bytes_max ? "its scopes are longer than a rule may have" : undefined;
}

/**
 * What all requests of one caller to one endpoint had: where one had no token, none is asked for; else each issuer has the scopes
 * that all of its tokens had.
 */
function tokensOf(usages: readonly Usage[]): Pick<Grant, "issuer" | "scopes" | "usages">[] {
  if (usages.some(({ issuer }) => issuer === "")) return [{ issuer: "", scopes: [], usages: [...usages] }];
  const byIssuer = new Map<string, Usage[]>();
  for (const usage of usages) addTo(byIssuer, usage.issuer, usage);
  return [...byIssuer].map(([issuer, of]) => {
    const [first, ...others] = of.map(({ scopes }) => new Set(scopes.split(" ").filter((scope) => scope !== "")));
    const scopes = [...first!].filter((scope) => others.every((other) => other.has(scope))).sort();
    return { issuer, scopes, usages: of };
  });
}

/** Whether whoever may do the one may do the other: of two grants for one endpoint. */
export function asksNoMore(one: Pick<Grant, "issuer" | "scopes">, other: Pick<Grant, "issuer" | "scopes">): boolean {
  if (one.issuer === "") return true;
  return one.issuer === other.issuer && one.scopes.every((scope) => other.scopes.includes(scope));
}

/** A rule for everybody is one for callers with an identity too: what it holds of theirs is counted with it. */
function withoutCovered(grants: readonly Grant[]): Grant[] {
  const key = ({ host, method, path }: Grant): string => `${method} ${host}${path}`;
  const open = new Map<string, Grant[]>();
  for (const grant of grants) if (grant.caller === "") addTo(open, key(grant), grant);
  return grants.filter((grant) => {
    if (grant.caller === "") return true;
    const over = open.get(key(grant))?.find((one) => asksNoMore(one, grant));
    if (over !== undefined) for (const usage of grant.usages) over.usages.push(usage);
    return over === undefined;
  });
}
