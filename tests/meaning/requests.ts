/** Requests whose callers and tokens are mostly good, or bad in the one way that some change of a policy is about. */
import * as fc from "fast-check";
import type { TokenParts } from "../differential/arbitrary/keys.ts";
import { some } from "../differential/arbitrary/some.ts";
import { digests, issuer_urls, start_seconds } from "../differential/arbitrary/tokens.ts";
import type { Arrived } from "../differential/reference/request.ts";

/** A request, its tokens, and where each of them stands. */
export interface Asking {
  request: Arrived;
  tokens: { parts: TokenParts; place: number }[];
}

/** The first, save one time in so many. */
const mostly = <T>(usual: T, often: number, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { arbitrary: fc.constant(usual), weight: others.length * (often - 1) },
    { arbitrary: some(...others), weight: others.length },
  );

const signers: readonly { iss: string | undefined; key: string; alg: string; kid: string | undefined }[] = [
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec-2", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS256", kid: "r1" },
  { iss: issuer_urls.partner, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-384", alg: "ES384", kid: "p384" },
  { iss: issuer_urls.app, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.device, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.twin, key: "twin-ec", alg: "ES256", kid: "e1" },
  { iss: undefined, key: "svid-ec", alg: "ES256", kid: "s1" },
  { iss: undefined, key: "other-ec", alg: "ES256", kid: "s1" },
];

const ids = ["a", "b", "a/x", "c"].map((path) => `spiffe://example.org/${path}`);
const thumbprint = Buffer.from(digests[0]!, "hex").toString("base64url");

const token: fc.Arbitrary<TokenParts> = fc
  .record({
    signer: some(...signers),
    hasKid: mostly(true, 6, false),
    sub: some(...ids.slice(0, 2), "alice", "bob"),
    aud: mostly<unknown>("order-api", 4, "other", ["order-api", "other"]),
    expires: mostly(600, 4, -20, -100, 7200),
    issued: mostly<number | undefined>(-10, 4, -3500, undefined),
    more: fc.record(
      { level: some(1, 2), admin: some(true), groups: some(["a"], ["b"]), org: some({ id: "a" }) },
      { requiredKeys: [] },
    ),
    isBound: fc.boolean(),
  })
  .map(({ signer, hasKid, sub, aud, expires, issued, more, isBound }): TokenParts => {
    const { iss, key, alg, kid } = signer;
    const subject =
      key === "other-ec" ? "spiffe://partner.net/p" : key === "svid-ec" && !sub.startsWith("spiffe:") ? ids[0]! : sub;
    const claims = {
      iss,
      sub: subject,
      aud,
      exp: start_seconds + expires,
      iat: issued === undefined ? undefined : start_seconds + issued,
      cnf: isBound ? { "x5t#S256": thumbprint } : undefined,
      ...more,
    };
    const members = (one: object) =>
      Object.entries(one)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, JSON.stringify(value)] as const);
    return { header: members({ alg, kid: hasKid ? kid : undefined }), claims: members(claims), key, damage: "none" };
  });

export const someAsking: fc.Arbitrary<Asking> = fc
  .record({
    caller: some(...ids, "spiffe://partner.net/p", "spiffe://elsewhere.example/x", null, null),
    state: some(...ids),
    told: fc.oneof(
      { arbitrary: fc.constant(undefined), weight: 2 },
      { arbitrary: some(...ids, "spiffe://partner.net/p"), weight: 1 },
    ),
    forged: fc.oneof(
      { arbitrary: fc.constant([]), weight: 3 },
      { arbitrary: some([["x-caller", "root"]], [["x-user", "root"]], [["x-org", "root"]]), weight: 1 },
    ),
    tokens: some(0, 1, 1, 1, 1, 1, 2, 2).chain((count) =>
      fc.array(fc.record({ parts: token, place: fc.integer({ min: 1, max: 19 }) }), {
        minLength: count,
        maxLength: count,
      }),
    ),
  })
  .map(({ caller, state, told, forged, tokens }) => ({
    request: {
      caller,
      ...(caller !== null && { filterState: { "io.istio.peer_principal": caller, "app.peer": state } }),
      digest: caller === null ? null : digests[0]!,
      source: "10.0.0.1",
      method: "GET",
      path: "/a",
      host: "example.org",
      headers: [
        ...(forged as [string, string][]),
        ...(told === undefined ? [] : [["x-forwarded-client-cert", `URI=${told}`] as const]),
      ],
    },
    tokens,
  }));
