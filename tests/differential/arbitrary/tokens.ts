/** Random tokens: mostly good ones, and one of each way to be bad. */
import * as fc from "fast-check";
import type { TokenParts } from "./keys.ts";

/** Where the clock starts, in seconds since 1970; tokens are made for then. */
export const start_seconds = 1795255200;

const json = JSON.stringify;
const at = (offset: number): string => String(start_seconds + offset);
const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
/** Mostly the first, sometimes another. */
const mostly = <T>(first: fc.Arbitrary<T>, other: fc.Arbitrary<T>, weight = 12): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: first, weight }, { arbitrary: other, weight: 1 });

/** Issuers and what their own tokens are signed with; `elsewhere` is no issuer of any policy. */
export const issuer_urls = {
  corp: "https://issuer.example.org",
  partner: "https://partner.example.net",
  twin: "https://issuer.example.org",
  elsewhere: "https://elsewhere.example",
};

interface Signer {
  iss: string;
  key: string;
  alg: string;
  kid: string | undefined;
}

const signers: Signer[] = [
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec-2", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS256", kid: "r1" },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.partner, key: "partner-384", alg: "ES384", kid: "p384" },
  { iss: issuer_urls.twin, key: "twin-ec", alg: "ES256", kid: "e1" },
];
const bad_signers: Signer[] = [
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: undefined },
  { iss: issuer_urls.corp, key: "corp-rsa", alg: "RS512", kid: "r1" },
  { iss: issuer_urls.corp, key: "stranger", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "e2" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "nope" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "RS256", kid: "e1" },
  { iss: issuer_urls.partner, key: "stranger", alg: "ES256", kid: "enc" },
  { iss: issuer_urls.elsewhere, key: "corp-ec", alg: "ES256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "HS256", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "none", kid: "e1" },
  { iss: issuer_urls.corp, key: "corp-ec", alg: "ES256", kid: "" },
];

/** Claims as JSON texts, since `1`, `1.0` and `1e0` are three things to a condition. */
const odd_values = ['"a"', '"1"', '""', "1", "2", "1.0", "1.5", "1e0", "-1", "0", "true", "false", "null", "[]", "{}"];
const odd = some(...odd_values);
const claim_values: Record<string, fc.Arbitrary<string>> = {
  sub: mostly(some('"alice"', '"bob"', '"a"', '"é"'), some("7", "null"), 40),
  scope: mostly(
    some('"read"', '"read write"', '"write"', '"read  admin write"', '"reader write"', '"re ad"', '""'),
    odd,
    8,
  ),
  scp: mostly(
    some('"read write"', '["reader","write"]', '["read","write"]', '["write"]', '["read",1]', '"admin"'),
    odd,
    8,
  ),
  level: mostly(some("0", "1", "2", "3"), some("1.5", "2.0", "1e0", "-1", "9007199254740993", "1e9", '"2"', "null"), 3),
  admin: mostly(some("true", "false"), odd, 4),
  groups: mostly(
    some('["a","b"]', '["a"]', "[]", '["b","c","a"]'),
    some('["a",1]', '"a"', "[null]", '{"a":1}', "1"),
    4,
  ),
  device: mostly(
    some('{"posture":"healthy","level":2}', '{"posture":"bad"}', '{"posture":null,"level":1}', '{"os":{"name":"a"}}'),
    odd,
    5,
  ),
  org: some('{"id":"a"}', '{"id":"b"}', '{"id":1}', "{}", '"a"'),
  ip: mostly(some('"10.1.2.3"', '"2001:db8::1"', '"192.0.2.7"', '"::ffff:10.0.0.1"'), some('"nowhere"', "1"), 4),
  since: mostly(some(at(-3600), at(-1), at(0), at(60)), some(`${at(0)}.5`, '"2026"', "null"), 5),
  "x-y": odd,
};

/** Dates: sound ones, and each way not to be. */
const dates = fc.record({
  exp: mostly(
    some<string | undefined>(at(600), at(60), at(5), at(3600)),
    some<string | undefined>(undefined, at(-30), at(-60), at(-61), at(-3600), '"soon"', `${at(60)}.9`, "-5"),
  ),
  nbf: mostly(
    fc.constant<string | undefined>(undefined),
    some<string | undefined>(at(-10), at(30), at(60), at(61), at(3600), "null"),
    8,
  ),
  iat: mostly(
    some<string | undefined>(at(0), at(-60), undefined),
    some<string | undefined>(at(61), at(-7200), '"x"'),
    8,
  ),
});

const audiences = mostly(
  some<string | undefined>('"order-api"', '["order-api","other"]', '["x","order-api"]', '"other"'),
  some<string | undefined>(undefined, '"x"', "[]", "7", '["order-api",1]', "null"),
);

export const someToken: fc.Arbitrary<TokenParts> = fc
  .record({
    signer: mostly(some(...signers), some(...bad_signers), 8),
    dates,
    aud: audiences,
    claims: fc.record(claim_values, { requiredKeys: [] }),
    more: mostly(
      some<readonly (readonly [string, string])[]>([]),
      some<readonly (readonly [string, string])[]>(
        [["iss", '"twice"']],
        [["deep", "[[[[[[1]]]]]]"]],
        [["u", '"\\ud800"']],
      ),
      30,
    ),
    header: mostly(
      some<readonly (readonly [string, string])[]>([["typ", '"JWT"']]),
      some<readonly (readonly [string, string])[]>([["crit", '["b64"]']], [["b64", "false"]], [["alg", '"ES256"']]),
      30,
    ),
    damage: mostly(
      fc.constant<TokenParts["damage"]>("none"),
      some<TokenParts["damage"]>("signature", "payload", "cut", "longer", "padded", "huge"),
      15,
    ),
  })
  .map(({ signer, dates: times, aud, claims, more, header, damage }) => ({
    header: [
      ["alg", json(signer.alg)] as const,
      ...(signer.kid === undefined ? [] : [["kid", json(signer.kid)] as const]),
      ...header,
    ],
    claims: [
      ["iss", json(signer.iss)] as const,
      ...Object.entries({ ...times, aud, ...claims }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      ),
      ...more,
    ],
    key: signer.key,
    damage,
  }));
