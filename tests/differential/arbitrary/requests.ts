/** Random requests: most have a chance of meeting a rule, and some are hostile. */
import * as fc from "fast-check";
import type { Arrived } from "../reference/request.ts";
import { some } from "./some.ts";
import { digests } from "./tokens.ts";

/** How a token is put where it stands. */
export type Manner = "plainly" | "lower" | "twice" | "apart" | "encoded" | "amid" | "tampered" | "blank";

/** One token of a request. */
export interface Carried {
  /** Which of the scenario's tokens it is; null for one that cannot be read. */
  token: number | null;
  /** Where it stands, mostly a place of its issuer. */
  place: number;
  manner: Manner;
}

/** A request, and what comes before it. */
export interface Step {
  tokens: Carried[];
  /** So long after the request before. */
  afterMilliseconds: number;
  request: Arrived;
}

/** More tokens than these a scenario does not have. */
export const tokens_max = 8;

const mostly = <T>(first: fc.Arbitrary<T>, other: fc.Arbitrary<T>, weight: number): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: first, weight }, { arbitrary: other, weight: 1 });

export const ids = ["a", "b", "a/x", "a/y", "a/x/1"].map((path) => `spiffe://example.org/${path}`);
const caller = mostly(
  some<string | null>(...ids, ...ids, "spiffe://partner.net/p/q", "spiffe://example.org/c/d/e"),
  some<string | null>(
    ...[null, null, null, null, null, null, null, null],
    "spiffe://elsewhere.example/x",
    "spiffe://old.example.net/a/x",
    "spiffe://old.example.net/b",
    "spiffe://example.org",
    "spiffe://example.org/",
    "spiffe://example.org/a/",
    "spiffe://example.org//a",
    "spiffe://example.org/a/../b",
    "spiffe://Example.org/a",
    "spiffe://example.org:8443/a",
    "spiffe://example.org/%61",
    "spiffe://example.org/a?x",
    "SPIFFE://example.org/a",
    "https://example.org/a",
    `spiffe://example.org/${"a".repeat(2048)}`,
  ),
  6,
);

/** Of a certificate with several names Envoy writes them one after the other, and of none a dash. */
const state = mostly(
  caller.map((id) => id ?? ""),
  some("-", "spiffe://example.org/a,spiffe://example.org/b", "spiffe://example.org/a\0"),
  6,
);

const source = some(
  "10.1.2.3",
  "10.1.2.3:443",
  "10.1.2.3:0",
  "[2001:db8::1]:0",
  "192.0.2.7:5000",
  "2001:db8::1",
  "[2001:db8::2]:443",
  "::ffff:10.0.0.1",
);
const method = mostly(
  some("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD"),
  some("HEAD", "PATCH", "head", "get", "Delete", "BREW", "brew", "", "GET POST", "G\u00c9T", "X".repeat(33)),
  25,
);
const host = mostly(
  some("example.org", "api.example.org", "x.y.example.org", "API.Example.org:8443", "api.example.org.", "other.net"),
  some(
    "",
    "a..example.org",
    "user@example.org",
    "example.org:80a",
    "[::1]:443",
    ".example.org",
    "example.org,b",
    "[::1",
  ),
  40,
);
const segment = mostly(
  some("a", "b", "a", "b", "c"),
  some(
    "d",
    "A",
    "%61",
    "%C3%A9",
    "e",
    "*",
    "%2A",
    "{x}",
    "a%20b",
    "ab",
    "aab",
    "abb",
    "aba",
    "%C3%A9b",
    "b%C3%A9",
    ":a",
    "b:a",
    "a%3Aa",
    "%61%E2%82%ACb",
  ),
  3,
);
const segments = fc.oneof(
  some("/a", "/a/b", "/b", "/a/c", "/b/a", "/"),
  fc.array(segment, { maxLength: 4, size: "+1" }).map((parts) => `/${parts.join("/")}`),
);
const path = mostly(
  mostly(segments, some("/shop.Orders/Create", "/shop.Orders/List"), 10),
  some(
    "", "a", "*", "//a", "/a/", "/a//b", "/./a", "/a/..", "/a/%2e%2e/b", "/%2E/a", "/a%2Fb", "/a%5cb", "/a\\b", "/a;b", "/a%3Bb",
    "/a%00", "/a%2561", "/%25%36%31", "/a%", "/a%4", "/a%zz", "/%C3", "/%FF/a", "/a#b", "/a b", "/\u00e9", "/a%25", "/..a", "/a/b.", "/%2E%61", "/a/b%2e",
  ), // biome-ignore format: one way to be ambiguous a word
  16,
);
/** In forms that a rule's `paths` may open, alone and together. */
const form = some(
  "/a/", "/a/b/", "/b/a/", "/a%2Fb", "/a%2fb/c", "/%2Fa", "/a/b%2F", "/a//b", "//a", "//", "/a//", "/a;b", "/a;v=1/b", "/a/%3Bx", "/a/b;", "/;/a",
  "/A", "/A/B", "/%C3%89", "/a/%C3%89", "/A/%C3%A9", "/a%2F..%2Fb", "/a/..;/b", "/a/.;x", "/a%2F%2Fb", "/a%2Fb;x/", "/A%2FB/", "/a//B;/", "/%2E%2E%2Fa",
  "/a%2Fb/../c", "/a%2F%5Cb", "/a%2F%252E", "/A;b//c/", "/%C5%BF/a", "/a/b%3Bc%2F/d",
); // biome-ignore format: one form a word
const anyPath = mostly(path, form, 6);
const query = mostly(
  some(
    "",
    "",
    "?q=1",
    "?q=a",
    "?q=a%20b&r=1",
    "?r=b&q=%C3%A9",
    "?q",
    "?q=&r=2",
    "?%71=a",
    "?x=/..//;",
    "?q=3",
    "?q=20&r=2",
  ),
  some(
    "?q=1&q=2",
    "?q=a+b",
    "?q=1;r=2",
    "?q=%zz",
    "?q=%FF",
    "?%zz=1&q=1",
    "?r=a+b&q=1",
    "?q+=1",
    "?",
    "?&&q=1&",
    "?=1&q=2",
    "?access_token=x&t=y",
    "?q=1&r=%00",
    "?r=%zz&q=1",
    "?t=a+b&q=1",
    "?%74=x.y.z&access%5ftoken=1&q=1&&",
    "?t&T=1&%zz",
    "?q=1;t=x",
    "?q=-5&r=007",
    "?q=9223372036854775807&r=+2",
    "?q=9223372036854775808&r=-9223372036854775808",
    "?q=-9223372036854775809&r=-",
    "?q=1.5&r=1e3",
    "?q=18446744073709551617&r=00000000000000000000000002",
  ),
  3,
);
const header = fc.tuple(
  some("x-a", "x-b", "x-tier"),
  mostly(
    some("a", "b", "1", "10.1.2.3", "gold", "A", "b a", "a,B", "2", "-3"),
    some(" a  b ", "", "\u00c3\u00a9", "\u00e9", "a, b"),
    8,
  ),
);
const odd_headers: (readonly [string, string])[][] = [
  [["content-type", "application/grpc"]],
  [["authorization", "Basic YWxpY2U6"]],
  [["authorization", "bearer x.y.z"]],
  [["authorization", "Bearer "]],
  [["authorization", "Bearer\tx.y.z"]],
  [["authorization", "Basic YWxpY2U6, bearer x.y.z"]],
  [["authorization", "Bearer x"], ["authorization", "Bearer y"]],
  [["authorization", "DPoP x.y.z"], ["authorization", "Basic YWxpY2U6"]],
  [["x-user-token", "x.y.z"]],
  [["x-app-token", "V1:x.y.z"]],
  [["x-app-token", "v2:x.y.z"], ["x-app-token", "none"]],
  [["cookie", "session=x; theme=dark; session=y"], ["cookie", "__Host-app="]],
  [["cookie", "Session=x;theme=dark;; sessions=y;session"], ["cookie", ""]],
]; // biome-ignore format: one case a line
/** What a gateway says of its caller, or anybody who would like to be one. */
const told = mostly(
  some(
    "URI=spiffe://example.org/b",
    "By=x;Hash=00ff;URI=spiffe://example.org/a/y;DNS=x",
    "URI=spiffe://example.org/b,uri=spiffe://partner.net/p/q",
    'Subject="CN=a,O=\\"b\\";URI=c";URI="spiffe://example.org/a/x/1"',
    "By=x;Hash=00; URI=spiffe://example.org/a/x",
    `Hash=${digests[0]!.toUpperCase()};URI=spiffe://example.org/b`,
    `Hash=${digests[1]};URI=spiffe://example.org/b`,
    `Hash=${digests[1]};URI=spiffe://example.org/b,Hash=${digests[0]};URI=spiffe://example.org/a`,
    `URI=spiffe://example.org/a/y,Hash=${digests[0]};URI=spiffe://example.org/a`,
    `Hash=${digests[0]}`,
    "By=x;URI=spiffe://old.example.net/a/x",
    "By=spiffe://old.example.net/a;URI=spiffe://example.org/b",
    `By=spiffe://old.example.net/a;URI=spiffe://example.org/b,By=x;URI=spiffe://old.example.net/b`,
  ),
  some(
    "", "URI", "URI=", ",", "Hash=00", "URI=spiffe://example.org/a;URI=spiffe://example.org/b", "URI=spiffe://example.org/b,",
    'URI="spiffe://example.org/b', 'URI="spiffe://example.org/b"x', "Hash=1;Hash=2;URI=spiffe://example.org/b",
    "Hash=1;Hash=;URI=spiffe://example.org/b", "Hash=;Hash=1;URI=spiffe://example.org/b",
    `Hash=${digests[0]};URI=spiffe://example.org/a;URI=spiffe://example.org/b`, `Hash=${digests[0]!.slice(2)}zz;URI=spiffe://example.org/b`,
    "URI=spiffe://elsewhere.example/x", "URI=spiffe://example.org/b;", "U-I=x;URI=spiffe://example.org/b", "URI = x",
  ), // biome-ignore format: one way to be wrong a word
  3,
);
const gateway = fc.array(
  told.map((value) => ["x-forwarded-client-cert", value] as const),
  { minLength: 1, maxLength: 2 },
);
const forged = some<(readonly [string, string])[]>(
  [["x-user", "mallory"]],
  [
    ["x_user", "mallory"],
    ["x-caller", "spiffe://example.org/admin"],
  ],
  [
    ["x-org", "a"],
    ["x-org", "b"],
  ],
);
/** What a request says of its body. */
const lengths = some<(readonly [string, string])[]>(
  ...["0", "9", "10", "11", "0010", "65536", "65537", "4294967295", "99999999999999999999999"].map(
    (length): (readonly [string, string])[] => [["content-length", length]],
  ),
  ...["", "-1", "+1", "9a", "0x9", "9, 9", " 9", "1e1"].map((length): (readonly [string, string])[] => [
    ["content-length", length],
  ]),
  [
    ["content-length", "9"],
    ["content-length", "9"],
  ],
);
/** Hops that a request says it has made. */
const hops = fc
  .tuple(
    some("x-hops", "x-hops", "x-depth", "x_hops"),
    some("0", "1", "2", "3", "8", "9", "0002", "99999", "100000", "", "-1", "1.0", " 1", "1,1"),
    fc.boolean(),
  )
  .map(([name, value, isTwice]): (readonly [string, string])[] =>
    Array.from({ length: isTwice && value === "1" ? 2 : 1 }, () => [name, value] as const),
  );
const headers = fc
  .tuple(
    fc.array(header, { maxLength: 3 }),
    mostly(
      fc.constant<(readonly [string, string])[]>([]),
      fc.oneof(some(...odd_headers), gateway, gateway, forged, lengths, lengths, hops, hops),
      5,
    ),
  )
  .map(([plain, odd]) => [...plain, ...odd]);

const carried: fc.Arbitrary<Carried> = fc.record({
  token: mostly(fc.nat(tokens_max - 1) as fc.Arbitrary<number | null>, fc.constant(null), 50),
  place: fc.nat(999),
  manner: mostly(
    fc.constant<Manner>("plainly"),
    some<Manner>("lower", "twice", "apart", "encoded", "amid", "tampered", "tampered", "blank"),
    9,
  ),
});

export const someStep: fc.Arbitrary<Step> = fc
  .record({
    tokens: fc.oneof(
      { arbitrary: fc.constant<Carried[]>([]), weight: 3 },
      { arbitrary: carried.map((one) => [one]), weight: 16 },
      { arbitrary: fc.array(carried, { minLength: 2, maxLength: 3 }), weight: 5 },
    ),
    afterMilliseconds: mostly(some(0, 0, 0, 0, 0, 0, 0, 1, 250, 500, 1000, 7000), some(20000), 60),
    caller,
    filterState: fc.record({ "io.istio.peer_principal": state, "app.peer": state }, { requiredKeys: [] }),
    digest: some(digests[0]!, digests[0]!, digests[1]!, digests[0]!.toUpperCase(), null),
    source,
    destination: some<number | undefined>(80, 443, 9090, undefined),
    method,
    host,
    path: anyPath,
    query,
    headers,
  })
  .map(({ tokens, afterMilliseconds, path: plain, query: asked, ...request }) => ({
    tokens,
    afterMilliseconds,
    request: { ...request, path: plain + asked },
  }));
