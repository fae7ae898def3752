/** Random tokens: mostly good ones, and one of each way to be bad. */
import * as fc from "fast-check";
import type { TokenParts } from "./keys.ts";
import { some } from "./some.ts";

/** Where the clock starts, in seconds since 1970; tokens are made for then. */
export const start_seconds = 1795255200;

const json = JSON.stringify;
const at = (offset: number): string => String(start_seconds + offset);
/** Mostly the first, sometimes another. */
const mostly = <T>(first: fc.Arbitrary<T>, other: fc.Arbitrary<T>, weight = 12): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: first, weight }, { arbitrary: other, weight: 1 });

/** Issuers and what their own tokens are signed with; `elsewhere` is no issuer of any policy. */
export const issuer_urls = {
  corp: "https://issuer.example.org",
  partner: "https://partner.example.net",
  twin: "https://issuer.example.org",
  app: "https://app.example.org",
  device: "https://device.example.org",
  elsewhere: "https://elsewhere.example",
};

/** Digests of client certificates, in hexadecimal digits. */
export const digests = ["0f".repeat(32), "ab01".repeat(16)];

interface Signer {
  /** Undefined: a JWT-SVID, which needs none. */
  iss: string | undefined;
  key: string;
  alg: string;
  kid: string | undefined;
}

const signers: Signer[] = [
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec-2", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS256", kid: "r1" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-384", alg: "ES384", kid: "p384" },
  { iss: issuer_urls.twin, key: "twin-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "PS256", kid: "r1" },
  { iss: issuer_urls.corp, key: "corp-ed", alg: "EdDSA", kid: "e1" },
  { iss: issuer_urls.partner, key: "partner-521", alg: "ES512", kid: "p521" },
  { iss: issuer_urls.partner, key: "partner-ps", alg: "PS256", kid: undefined },
  { iss: issuer_urls.app, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.app, key: "corp-ec-2", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.app, key: "corp-rsa", alg: "PS512", kid: "r1" },
  { iss: issuer_urls.app, key: "corp-ed", alg: "EdDSA", kid: undefined },
  { iss: "https://login.example.org/app/v2", key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: "https://login.example.org/app/v2", key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.device, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.device, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.device, key: "partner-ps", alg: "PS256", kid: "ps" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.corp, key: "corp-ec-2", alg: "ES256", kid: undefined },
  { iss: issuer_urls.corp, key: "corp-ed", alg: "Ed25519", kid: "e1" },
  { iss: issuer_urls.partner, key: "partner-ec-2", alg: "ES256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-ec-2", alg: "ES256", kid: "nobody" },
  { iss: issuer_urls.partner, key: "partner-ec", alg: "ES256", kid: "again" },
  { iss: issuer_urls.twin, key: "twin-ec-2", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.twin, key: "twin-ec-3", alg: "ES256", kid: "t3" },
];
const svid_signers: Signer[] = [
  { iss: undefined, key: "svid-ec", alg: "ES256", kid: "s1" },
  { iss: undefined, key: "svid-ec", alg: "ES256", kid: "s1" },
  { iss: undefined, key: "svid-rsa", alg: "PS384", kid: "s2" },
  { iss: undefined, key: "svid-rsa", alg: "RS256", kid: undefined },
  { iss: undefined, key: "other-ec", alg: "ES256", kid: "s1" },
];
const bad_svid_signers: Signer[] = [
  { iss: undefined, key: "svid-ed", alg: "EdDSA", kid: "s1" },
  { iss: undefined, key: "stranger", alg: "ES256", kid: undefined },
  { iss: undefined, key: "corp-ec", alg: "ES256", kid: "x" },
  { iss: undefined, key: "svid-rsa", alg: "PS256", kid: "s1" },
  { iss: issuer_urls.corp, key: "svid-ec", alg: "ES256", kid: "s1" },
];
const bad_signers: Signer[] = [
  { iss: "https://login.example.org/../v2", key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: "https://login.example.org/app/a/v2", key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: "https://app.example.org.example.org", key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.partner, key: "partner-ec-2", alg: "ES256", kid: "again" },
  { iss: issuer_urls.partner, key: "partner-ec-2", alg: "ES256", kid: "p384" },
  { iss: issuer_urls.partner, key: "stranger", alg: "ES256", kid: undefined },
  { iss: issuer_urls.twin, key: "twin-ec-3", alg: "ES256", kid: undefined },
  { iss: issuer_urls.twin, key: "twin-ec-3", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS512", kid: "r1" },
  { iss: issuer_urls.corp, key: "stranger", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "nope" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "RS256", kid: "e1" },
  { iss: issuer_urls.partner, key: "stranger", alg: "ES256", kid: "enc" },
  { iss: issuer_urls.elsewhere, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "HS256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "EdDSA", kid: "r1" },
  { iss: issuer_urls.corp, key: "corp-ed", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.app, key: "twin-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.partner, key: "partner-ps", alg: "PS384", kid: "ps" },
  { iss: issuer_urls.partner, key: "partner-ps", alg: "RS256", kid: undefined },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "none", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "" },
];

/** Claims as JSON texts, since `1`, `1.0` and `1e0` are three things to a condition. */
const odd_values = ['"a"', '"1"', '""', "1", "2", "1.0", "1.5", "1e0", "-1", "0", "true", "false", "null", "[]", "{}"];
const odd = some(...odd_values);
const thumbprints = digests.map((digest) => Buffer.from(digest, "hex").toString("base64url"));
const cnf = mostly(
  some(json({ "x5t#S256": thumbprints[0] }), ...thumbprints.map((one) => json({ "x5t#S256": one }))),
  some(
    json({ "x5t#S256": `${thumbprints[0]}=` }),
    json({ "x5t#S256": digests[0] }),
    json({ "x5t#S256": thumbprints[0]!.slice(1) }),
    json({ "x5t#S256": [thumbprints[0]] }),
    json({ jkt: thumbprints[0] }),
    json({ jkt: thumbprints[0], "x5t#S256": thumbprints[0] }),
    json(thumbprints[0]),
    "{}",
    "null",
  ),
  5,
);
const claim_values: Record<string, fc.Arbitrary<string>> = {
  tenant: mostly(
    some('"app"', '"app"', '"app"', '"device"', '"a"'),
    some('"app/a"', '".."', '""', '"app.example.org"', '["app"]', '"-app"', "null"),
    8,
  ),
  sub: mostly(
    some(
      '"alice"',
      '"bob"',
      '"a"',
      '"é"',
      ...["a", "a", "b", "a/x"].map((path) => json(`spiffe://example.org/${path}`)),
      json("spiffe://old.example.net/a"),
    ),
    some("7", "null"),
    40,
  ),
  scope: mostly(
    some(
      ...['"read"', '"read write"', '"write"', '"read  admin write"', '"reader write"', '"re ad"', '""'],
      ...['["read","write"]', '["read write","admin"]', '["write",1,""]', '"read\\twrite"', '" read\\nwrite "'],
    ),
    odd,
    8,
  ),
  scp: mostly(
    some('"read write"', '["reader","write"]', '["read","write"]', '["write"]', '["read",1]', '"admin"'),
    odd,
    8,
  ),
  level: mostly(
    some("0", "1", "2", "3"),
    some(
      ...["1.5", "2.0", "1e0", "-1", "9007199254740993", "1e9", '"2"', "null"],
      ...["18446744073709551615", "123456789012345678901234567890", "1e300", "1E+0001", "-0.00000000000000000001"],
    ),
    3,
  ),
  admin: mostly(some("true", "false"), odd, 4),
  groups: mostly(
    some('["a","b"]', '["a"]', "[]", '["b","c","a"]'),
    some(
      '["a",1]',
      '"a"',
      "[null]",
      '{"a":1}',
      "1",
      '["x",123456789012345678901234567890,"a"]',
      "[1e300]",
      '[["a"],[123456789012345678901234567890]]',
      '["b",1e999]',
    ),
    4,
  ),
  device: mostly(
    some('{"posture":"healthy","level":2}', '{"posture":"bad"}', '{"posture":null,"level":1}', '{"os":{"name":"a"}}'),
    odd,
    5,
  ),
  client_id: mostly(some('"order-api"', '"order-api"', '"other"', '["a","order-api"]'), odd, 6),
  "https://x.example/for": mostly(some('"order-api"', '["order-api"]'), odd, 6),
  roles: some('["read"]', '"admin write"', '["write","x"]', "{}"),
  org: some('{"id":"a"}', '{"id":"b"}', '{"id":1}', "{}", '"a"'),
  ip: mostly(some('"10.1.2.3"', '"2001:db8::1"', '"192.0.2.7"', '"::ffff:10.0.0.1"'), some('"nowhere"', "1"), 4),
  since: mostly(some(at(-3600), at(-1), at(0), at(60)), some(`${at(0)}.5`, '"2026"', "null"), 5),
  "x-y": odd,
  "https://x.example/roles": mostly(some('["a","b"]', '"a"', '{"name":"a"}'), odd, 4),
  cnf,
};

/** Dates: sound ones, and each way not to be. */
const dates = fc.record({
  exp: mostly(
    some<string | undefined>(at(600), at(60), at(3600), at(3600), at(3500), `${at(3000)}.5`),
    some<string | undefined>(undefined, at(-30), at(-60), at(-61), at(-3600), '"soon"', `${at(60)}.9`, "-5"),
  ),
  nbf: mostly(
    fc.constant<string | undefined>(undefined),
    some<string | undefined>(at(-10), at(30), at(60), at(61), at(3600), "null"),
    8,
  ),
  iat: mostly(
    some<string | undefined>(at(0), at(-60), at(-30), undefined),
    some<string | undefined>(at(61), at(-7200), '"x"'),
    8,
  ),
});

const audiences = mostly(
  some<string | undefined>(
    '"order-api"',
    '["order-api","other"]',
    '["other","x","order-api"]',
    '["order-api","other"]',
  ),
  some<string | undefined>(undefined, '"other"', '"x"', "[]", "7", '["order-api",1]', "null"),
);

const headers_of_all = mostly(
  some<TokenParts["header"]>([["typ", '"JWT"']]),
  some<TokenParts["header"]>(
    ...[
      '"at+jwt"',
      '"jwt"',
      '"application/AT+JWT"',
      '"logout+jwt"',
      '"vnd.example+jwt"',
      '"application/a/jwt"',
      "7",
    ].map((typ): TokenParts["header"] => [["typ", typ]]),
    [["crit", '["b64"]']],
    [["b64", "false"]],
    [["alg", '"ES256"']],
    [["typ", '"JOSE"']],
    [],
  ),
  12,
);
const damages = mostly(
  fc.constant<TokenParts["damage"]>("none"),
  some<TokenParts["damage"]>("signature", "payload", "cut", "longer", "padded", "huge"),
  15,
);

function headerOf({ alg, kid }: Signer, more: TokenParts["header"]): TokenParts["header"] {
  return [["alg", json(alg)], ...(kid === undefined ? [] : [["kid", json(kid)] as const]), ...more];
}

/** Tokens of issuers. */
const issuerToken: fc.Arbitrary<TokenParts> = fc
  .record({
    signer: mostly(some(...signers), some(...bad_signers), 8),
    dates,
    aud: audiences,
    claims: fc.record(claim_values, { requiredKeys: ["cnf", "sub", "tenant"] }),
    more: mostly(
      some<readonly (readonly [string, string])[]>([]),
      some<readonly (readonly [string, string])[]>(
        [["iss", '"twice"']],
        [["deep", "[[[[[[1]]]]]]"]],
        [["deep", `${'{"a":['.repeat(8)}{"a":1,"a":[ ]}${"]}".repeat(8)}`]],
        [["deep", `${"[".repeat(40)}${"]".repeat(39)}`]],
        [["deep", `${"[".repeat(20)}01${"]".repeat(20)}`]],
        [["u", '"\\ud800"']],
      ),
      30,
    ),
    header: headers_of_all,
    damage: damages,
  })
  .map(({ signer, dates: times, aud, claims, more, header, damage }) => ({
    header: headerOf(signer, header),
    claims: [["iss", json(signer.iss)] as const, ...given({ ...times, aud, ...claims }), ...more],
    key: signer.key,
    damage,
  }));

/** JWT-SVIDs, mostly of the domain that signs them. */
const svidToken: fc.Arbitrary<TokenParts> = fc
  .record({
    signer: mostly(some(...svid_signers), some(...bad_svid_signers), 8),
    ofSigner: mostly(fc.constant(true), fc.constant(false), 8),
    path: mostly(some("/a", "/b", "/a/x", "/p/q"), some("", "/", "/a//b", "/%61", "?x"), 12),
    sub: mostly(
      fc.constant<string | undefined>("own"),
      some<string | undefined>(undefined, "7", '""', '"alice"', '"spiffe://elsewhere.example/x"'),
    ),
    dates,
    aud: audiences,
    typ: mostly(
      some<TokenParts["header"]>([["typ", '"JWT"']], [], [["typ", '"JOSE"']]),
      some<TokenParts["header"]>([["typ", '"at+jwt"']], [["typ", "7"]], [["typ", '"jwt"']]),
    ),
    damage: damages,
  })
  .map(({ signer, ofSigner, path, sub, dates: times, aud, typ, damage }) => {
    const domain = (signer.key === "other-ec") === ofSigner ? "partner.net" : "example.org";
    const subject = sub === "own" ? json(`spiffe://${domain}${path}`) : sub;
    const iss = signer.iss === undefined ? undefined : json(signer.iss);
    return {
      header: headerOf(signer, typ),
      claims: given({ iss, sub: subject, aud, ...times }),
      key: signer.key,
      damage,
    };
  });

const given = (claims: Record<string, string | undefined>): [name: string, json: string][] =>
  Object.entries(claims).filter((entry): entry is [string, string] => entry[1] !== undefined);

export const someToken: fc.Arbitrary<TokenParts> = fc.oneof(
  { arbitrary: issuerToken, weight: 7 },
  { arbitrary: svidToken, weight: 1 },
);
