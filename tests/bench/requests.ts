/** What is sent: the kinds of requests that are measured, and those by which all chains are first shown to decide alike. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Algorithm, World } from "./world.ts";

/** One request, as the load generator reads it (peers/load). */
export interface BenchRequest {
  method: string;
  path: string;
  host: string;
  headers: [name: string, value: string][];
}

/** Requests that are sent in turn, and the one status they must all get. */
export interface Load {
  name: string;
  status: number;
  /** The file of them, one JSON object a line. */
  path: string;
}

/** Requests that are sent once each, and what they must get. */
export interface Probes {
  path: string;
  statuses: number[];
  /** What each of them is, for messages. */
  names: string[];
}

/** How many tokens come again and again: fewer than the 100 that jwt_authn keeps by default. */
const known_tokens = 32;
/** How many requests a load has at least, so that they meet many rules of a large policy. */
const load_requests = 1024;

/** How the path of a rule's resource begins, down to the kind of thing that is there. */
export const resourcePrefix = (rule: number): string => `/resource-${rule}/order-`;

/** The path of a rule's resource. */
export const resourcePath = (rule: number): string => `${resourcePrefix(rule)}7`;

/** A request with what services commonly send beside the token. */
export function requestWith(token: string | undefined, path: string, method = "GET"): BenchRequest {
  return {
    method,
    path,
    host: "orders.example.org",
    headers: [
      ["user-agent", "orders-client/2.4.1"],
      ["accept", "application/json"],
      ["accept-encoding", "gzip"],
      ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
      ...(token === undefined ? [] : [["authorization", `Bearer ${token}`] satisfies [string, string]]),
    ],
  };
}

/** The loads of a run, each written to a file once. */
export class Loads {
  readonly #world: World;
  readonly #newTokens: number;
  readonly #made = new Map<string, Promise<Load>>();
  readonly #tokens = new Map<string, string[]>();

  /** @param newTokens how many different tokens stand for "new each time": more than any cache keeps */
  constructor(world: World, newTokens: number) {
    this.#world = world;
    this.#newTokens = newTokens;
  }

  /** Admitted requests for the resources of so many rules, with tokens that come again. */
  known(rules: number, algorithm: Algorithm = "RS256"): Promise<Load> {
    const tokens = this.#tokensOf(algorithm, known_tokens);
    return this.#load(`known-${algorithm}-${rules}`, 200, (index) =>
      requestWith(tokens[index % tokens.length]!, resourcePath(spread(index, rules))),
    );
  }

  /** Admitted requests, each with a token of its own. */
  fresh(rules: number, algorithm: Algorithm): Promise<Load> {
    const tokens = this.#tokensOf(algorithm, this.#newTokens);
    const request = (index: number) => requestWith(tokens[index]!, resourcePath(spread(index, rules)));
    return this.#load(`new-${algorithm}-${rules}`, 200, request, tokens.length);
  }

  /** Requests that no rule admits, with a good token. */
  unmatched(): Promise<Load> {
    const tokens = this.#tokensOf("RS256", known_tokens);
    return this.#load("unmatched", 403, (index) => requestWith(tokens[index % tokens.length]!, `/nothing/${index}`));
  }

  /** Requests without a token, where a rule asks for one. */
  tokenless(rules: number): Promise<Load> {
    return this.#load(`tokenless-${rules}`, 401, (index) => requestWith(undefined, resourcePath(spread(index, rules))));
  }

  /** Requests over their limit. */
  limited(): Promise<Load> {
    const tokens = this.#tokensOf("RS256", known_tokens);
    return this.#load("limited", 429, (index) => requestWith(tokens[index % tokens.length]!, "/limited/order-7"));
  }

  /** The requests by which chains with policies for so many resources are shown to decide alike, sent by the caller. */
  async probes(rules: number): Promise<Probes> {
    const { token } = this.#world;
    const now = Math.floor(Date.now() / 1000);
    const good = token("RS256");
    const last = resourcePath(rules - 1);
    const forged = `${good.slice(0, -8)}${good.slice(-8) === "AAAAAAAA" ? "BBBBBBBB" : "AAAAAAAA"}`;
    return this.#probes(`probes-${rules}`, [
      [200, "the first resource", requestWith(good, resourcePath(0))],
      [200, "the last resource", requestWith(good, last)],
      [200, "a token by ES256", requestWith(token("ES256"), last)],
      [401, "no token", requestWith(undefined, last)],
      [401, "a token that has expired", requestWith(token("RS256", { exp: now - 3600 }), last)],
      [401, "a token not valid yet", requestWith(token("RS256", { nbf: now + 3600 }), last)],
      [401, "a token with another signature", requestWith(forged, last)],
      [401, "what is no token", requestWith("not.a.token", last)],
      [401, "a token of another issuer", requestWith(token("RS256", { iss: "https://else.example.org" }), last)],
      [403, "a path without a rule", requestWith(good, "/nothing")],
      [403, "a method without a rule", requestWith(good, last, "DELETE")],
    ]);
  }

  /** Good requests, sent by a member of the trust domain that no rule names. */
  async probesOfStranger(): Promise<Probes> {
    const request = requestWith(this.#world.token("RS256"), resourcePath(0));
    return this.#probes("stranger", [[403, "a caller without a rule", request]]);
  }

  /** Requests where a policy asks for a claim and for a kind of thing, sent by the caller. */
  async probesOfClaim(): Promise<Probes> {
    const { token } = this.#world;
    return this.#probes("claim", [
      [200, "a token of the tenant", requestWith(token("RS256"), resourcePath(0))],
      [403, "a token of another tenant", requestWith(token("RS256", { tenant: "other" }), resourcePath(0))],
      [403, "a token of no tenant", requestWith(token("RS256", { tenant: undefined }), resourcePath(0))],
      [403, "another kind of thing", requestWith(token("RS256"), "/resource-0/invoice-7")],
    ]);
  }

  /** Requests for what may be had once, sent by the caller. */
  async probesOfLimit(): Promise<Probes> {
    const request = requestWith(this.#world.token("RS256"), "/limited/order-7");
    return this.#probes("limit", [
      [200, "what may be had once", request],
      [429, "what was had once", request],
      [429, "what was had once", request],
    ]);
  }

  /**
   * The same, sent by the neighbour after the caller had it.
   * @param own whether each caller has a bucket of its own
   */
  async probesOfNeighbour(own: boolean): Promise<Probes> {
    const request = requestWith(this.#world.token("RS256"), "/limited/order-7");
    return this.#probes(`neighbour-${own}`, [
      [own ? 200 : 429, own ? "what another caller had" : "what another caller had, of one bucket for all", request],
      [429, "what was had once, by a second caller", request],
    ]);
  }

  async #probes(name: string, expected: [status: number, what: string, request: BenchRequest][]): Promise<Probes> {
    const { path } = await this.#load(name, 0, (index) => expected[index]![2], expected.length);
    return { path, statuses: expected.map(([status]) => status), names: expected.map(([, what]) => what) };
  }

  #tokensOf(algorithm: Algorithm, count: number): string[] {
    const key = `${algorithm}-${count}`;
    const made = this.#tokens.get(key) ?? Array.from({ length: count }, () => this.#world.token(algorithm));
    this.#tokens.set(key, made);
    return made;
  }

  #load(name: string, status: number, make: (index: number) => BenchRequest, count = load_requests): Promise<Load> {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const write = async (): Promise<Load> => {
      const path = join(this.#world.directory, `${name}.jsonl`);
      const lines = Array.from({ length: count }, (_, index) => JSON.stringify(make(index)));
      await writeFile(path, `${lines.join("\n")}\n`);
      return { name, status, path };
    };
    const made = write();
    this.#made.set(name, made);
    return made;
  }
}

/** A stride that shares no factor with round numbers visits rules far from each other, the same way each time. */
function spread(index: number, rules: number): number {
  return (index * 7919) % rules;
}
