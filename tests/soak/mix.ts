/**
 * The mix of the soak: what is sent, in which shares, and what every request of it must come to. The file of requests is
 * shuffled once and then sent again and again, so what a stretch of it must come to is known to the last request.
 */
import type { LocalIssuer } from "../../scripts/envoy/issuer.ts";
import { stripSignature } from "../../scripts/envoy/issuer.ts";
import type { ProviderKey } from "../support/jwks-server.ts";
import { Random } from "../support/random.ts";

/** One request, as the load generator reads it (tests/bench/peers/load). */
export interface SoakRequest {
  method: string;
  path: string;
  host: string;
  headers: [name: string, value: string][];
  /** Where the client breaks it off: in the middle of its headers, or of its body. */
  abort?: "headers" | "body";
}

/** What a request must come to: `aborted`, or a reason code, `allowed` for one that is admitted. */
export type Expectation = "allowed" | "aborted" | "limited" | (string & {});

/** A kind of request. */
interface Kind {
  name: string;
  /** Of 1,000 requests. */
  share: number;
  /** @param turn how many of its kind came before, so that it is never the same token where it shall be a new one */
  make(turn: number): Promise<{ request: SoakRequest; expect: Expectation }>;
}

/** The file of requests, and what each line of it must come to. */
export interface Mix {
  requests: SoakRequest[];
  expectations: Expectation[];
  /** How many of 1,000 requests are of which kind. */
  shares: Record<string, number>;
}

/** Who signs the tokens. */
export interface Signers {
  /** Keys inside the policy. */
  corp: LocalIssuer;
  /** Keys that are fetched, and change all the time, save this one. */
  fetched: ProviderKey;
}

/** The status of a request with this outcome. */
export function statusOf(expectation: Expectation): string {
  if (expectation === "allowed") return "200";
  if (expectation === "aborted") return "aborted";
  if (expectation === "limited") return "429";
  return expectation.startsWith("token_") ? "401" : "403";
}

/** How many tokens come again and again. */
const known_tokens = 32;
/** Longer than any soak takes. */
const lifetime_seconds = 6 * 3600;
/** Names and values of the headers of a huge request: just under the 60 KiB that Envoy admits, with those it adds. */
const huge_bytes = 58 * 1024;
const huge_headers = 58;
/** The host every request names; the policy does not look at it. */
const host = "orders.example.org";

/**
 * Makes the mix.
 * @param count lines of the file. A quarter of them carries a new token, so 40,000 lines have 10,000, which is several
 *   times what a worker's cache keeps: when a token comes again it is new to the worker.
 */
export async function makeMix(signers: Signers, count: number, seed: number): Promise<Mix> {
  const kinds = makeKinds(signers.corp, await knownTokens(signers));
  const random = new Random(seed);
  const turns = kinds.flatMap((kind) =>
    Array.from({ length: Math.round((kind.share / 1000) * count) }, (_, turn) => ({ kind, turn })),
  );
  shuffle(turns, random);
  const made = await Promise.all(turns.map(({ kind, turn }) => kind.make(turn)));
  return {
    requests: made.map(({ request }) => request),
    expectations: made.map(({ expect }) => expect),
    shares: Object.fromEntries(kinds.map(({ name, share }) => [name, share])),
  };
}

/** How many of `count` requests from line `first` on, round and round, must come to what. */
export function expectedCounts(
  expectations: readonly Expectation[],
  first: number,
  count: number,
): Map<string, number> {
  const counts = new Map<string, number>();
  const rounds = Math.floor(count / expectations.length);
  const rest = count % expectations.length;
  for (const [line, expectation] of expectations.entries()) {
    const isInRest = (line - (first % expectations.length) + expectations.length) % expectations.length < rest;
    const times = rounds + (isInRest ? 1 : 0);
    if (times > 0) counts.set(expectation, (counts.get(expectation) ?? 0) + times);
  }
  return counts;
}

function makeKinds(corp: LocalIssuer, known: readonly string[]): Kind[] {
  const knownToken = (turn: number): string => known[turn % known.length]!;
  const get = (path: string, token?: string, more: [string, string][] = []): SoakRequest => ({
    method: "GET",
    path,
    host,
    headers: [
      ["user-agent", "soak/1.0"],
      ["accept", "application/json"],
      ...(token === undefined ? [] : [["authorization", `Bearer ${token}`] as [string, string]]),
      ...more,
    ],
  });
  const upload = (turn: number, abort: "headers" | "body"): SoakRequest => ({
    ...get("/uploads", knownToken(turn)),
    method: "POST",
    abort,
  });
  const order = (turn: number): string => `/orders/${turn}?page=${turn % 7}`;
  return [
    {
      name: "token seen before",
      share: 290,
      make: async (turn) => ({ request: get(order(turn), knownToken(turn)), expect: "allowed" }),
    },
    {
      name: "token never seen",
      share: 250,
      make: async (turn) => ({ request: get(order(turn), await newToken(corp, turn)), expect: "allowed" }),
    },
    { name: "invalid token", share: 150, make: (turn) => invalid(corp, turn, get) },
    {
      name: "no token",
      share: 100,
      make: async (turn) => ({ request: get(order(turn)), expect: "token_missing" }),
    },
    {
      name: "denied by the policy",
      share: 100,
      make: async (turn) =>
        turn % 2 === 0
          ? { request: get(`/nothing/${turn}`, knownToken(turn)), expect: "no_rule" }
          : { request: { ...get(order(turn), knownToken(turn)), method: "DELETE" }, expect: "rule_denied" },
    },
    {
      name: "over its limit",
      share: 90,
      make: async () => ({ request: get("/limited"), expect: "limited" }),
    },
    {
      name: "58 KiB of headers",
      share: 10,
      make: async (turn) => ({ request: get(order(turn), knownToken(turn), padding(turn)), expect: "allowed" }),
    },
    {
      name: "broken off in its headers",
      share: 5,
      make: async (turn) => ({ request: upload(turn, "headers"), expect: "aborted" }),
    },
    {
      name: "broken off in its body",
      share: 5,
      make: async (turn) => ({ request: upload(turn, "body"), expect: "aborted" }),
    },
  ];
}

async function knownTokens({ corp, fetched }: Signers): Promise<string[]> {
  const exp = Math.floor(Date.now() / 1000) + lifetime_seconds;
  return Promise.all(
    Array.from({ length: known_tokens }, (_, number) =>
      number % 2 === 0
        ? corp.token({ claims: { ...claimsOf(number), exp } })
        : fetched.token({ ...claimsOf(number), exp }),
    ),
  );
}

const claimsOf = (number: number) => ({ sub: `user-${number}`, scope: "orders:read orders:write", tenant: "acme" });

/** Every tenth is RS256, which takes long to sign; Envoy verifies it faster than the others. */
function newToken(corp: LocalIssuer, turn: number): Promise<string> {
  return corp.token({
    claims: { ...claimsOf(turn), jti: `new-${turn}` },
    expiresInSeconds: lifetime_seconds,
    algorithm: turn % 10 === 0 ? "RS256" : "ES256",
  });
}

type Get = (path: string, token?: string) => SoakRequest;

async function invalid(
  corp: LocalIssuer,
  turn: number,
  get: Get,
): Promise<{ request: SoakRequest; expect: Expectation }> {
  const path = `/orders/${turn}`;
  const token = await newToken(corp, turn);
  switch (turn % 6) {
    case 0:
      return { request: get(path, "not.a.token"), expect: "token_malformed" };
    case 1:
      return { request: get(path, stripSignature(token)), expect: "token_algorithm" };
    case 2:
      return {
        request: get(path, await corp.token({ claims: claimsOf(turn), expiresInSeconds: -3600, algorithm: "ES256" })),
        expect: "token_expired",
      };
    case 3:
      return {
        request: get(
          path,
          await corp.token({ header: { kid: "nobody" }, expiresInSeconds: lifetime_seconds, algorithm: "ES256" }),
        ),
        expect: "token_key_unknown",
      };
    case 4:
      return {
        request: get(
          path,
          await corp.token({ claims: { aud: "elsewhere" }, expiresInSeconds: lifetime_seconds, algorithm: "ES256" }),
        ),
        expect: "token_audience",
      };
    default:
      return { request: get(path, forged(token)), expect: "token_signature" };
  }
}

/** The token with another signature of the same length, that of nobody. */
function forged(token: string): string {
  const at = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(at), "base64url");
  signature[signature.length >> 1]! ^= 0xff;
  return token.slice(0, at) + signature.toString("base64url");
}

function padding(turn: number): [string, string][] {
  const value = String(turn % 10).repeat(huge_bytes / huge_headers - 10);
  return Array.from({ length: huge_headers }, (_, number) => [`x-huge-${100 + number}`, value]);
}

function shuffle<T>(items: T[], random: Random): void {
  for (let left = items.length - 1; left > 0; left--) {
    const other = random.below(left + 1);
    [items[left], items[other]] = [items[other]!, items[left]!];
  }
}
