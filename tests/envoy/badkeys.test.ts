/**
 * Key sets with keys that look right and are not, as a provider that is broken or broken into might publish them, in a real
 * Envoy: no token is good by such a key, nothing falls over, and the good keys beside them serve. One listener has the host
 * verify what it can; the other has no such function, and verifies all in the module.
 */
import assert from "node:assert/strict";
import { createECDH, createHash, type JsonWebKey, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { statsWithCounts } from "../support/counts.ts";
import { moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import {
  type JwksServer,
  type KeyAlgorithm,
  makeKey,
  type ProviderKey,
  providerAudience,
  providerIssuer,
  startJwksServer,
} from "../support/jwks-server.ts";

const caller = "spiffe://example.org/web";
const listeners = ["inbound", "module"] as const;

const policyFor = (server: JwksServer, name: string): string => `
version: 1
name: ${name}
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [RS256, PS256, ES256, ES384, ES512, EdDSA]
    keys: { url: "${server.url}", cluster: idp, refresh: 1h }
rules:
  - { name: reads, callers: [${caller}], allow: ["GET /**"], token: corp }
`;

/** A key that is none, and signatures that somebody may hope are good by it. */
interface BadKey {
  kid: string;
  alg: string;
  jwk: JsonWebKey;
  /** Signatures of a text. */
  signatures: (text: string) => Buffer[];
  /** The key is left out of the set, as the documents say: nobody knows it. */
  isLeftOut?: boolean;
}

// Numbers.

const toNumber = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString("hex") || "0"}`);

function toBytes(value: bigint, size: number): Buffer {
  const hex = value.toString(16).padStart(2 * size, "0");
  assert.equal(hex.length, 2 * size, "it fits");
  return Buffer.from(hex, "hex");
}

const modulo = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let factor = modulo(base, modulus);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return result;
}

/** By Fermat: the modulus is prime. */
const inverse = (value: bigint, prime: bigint): bigint => power(value, prime - 2n, prime);

/** From 1 to below the limit. */
const randomBelow = (limit: bigint, size: number): bigint => 1n + modulo(toNumber(randomBytes(size + 8)), limit - 1n);

const base64url = (value: Buffer | string): string => Buffer.from(value).toString("base64url");

// Curves (FIPS 186-5, SP 800-186 §3.2.1).

interface Curve {
  alg: "ES256" | "ES384" | "ES512";
  crv: string;
  /** OpenSSL's name. */
  name: string;
  hash: string;
  size: number;
  p: bigint;
  b: bigint;
  n: bigint;
}

const curves: Curve[] = [
  {
    alg: "ES256",
    crv: "P-256",
    name: "prime256v1",
    hash: "sha256",
    size: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  {
    alg: "ES384",
    crv: "P-384",
    name: "secp384r1",
    hash: "sha384",
    size: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  {
    alg: "ES512",
    crv: "P-521",
    name: "secp521r1",
    hash: "sha512",
    size: 66,
    p: 2n ** 521n - 1n,
    b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    n: 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
];

const cubeOf = ({ p, b }: Curve, x: bigint): bigint => modulo(x ** 3n - 3n * x + b, p);

/** y of the point, if there is one: all three primes are 3 mod 4. */
function rootAt(curve: Curve, x: bigint): bigint | undefined {
  const square = cubeOf(curve, x);
  const root = power(square, (curve.p + 1n) / 4n, curve.p);
  return (root * root) % curve.p === square ? root : undefined;
}

/** The least x from 1 on that has a point, or has none. */
function smallX(curve: Curve, hasPoint: boolean): bigint {
  let x = 1n;
  while ((rootAt(curve, x) !== undefined) !== hasPoint) x++;
  return x;
}

function hashNumber({ hash, size }: Curve, text: string): bigint {
  // None of the hashes is longer than its curve's order.
  assert.ok(size >= 32);
  return toNumber(createHash(hash).update(text).digest());
}

/** A real key pair of the curve, and signing with it. */
function makePair(curve: Curve) {
  const { size, n, name } = curve;
  const d = randomBelow(n, size);
  const publicOf = (k: bigint): { x: bigint; y: bigint } => {
    const ecdh = createECDH(name);
    ecdh.setPrivateKey(toBytes(k, size));
    const point = ecdh.getPublicKey();
    return { x: toNumber(point.subarray(1, 1 + size)), y: toNumber(point.subarray(1 + size)) };
  };
  return {
    ...publicOf(d),
    publicOf,
    sign: (text: string): Buffer => {
      const k = randomBelow(n, size);
      const r = publicOf(k).x % n;
      const s = (inverse(k, n) * (hashNumber(curve, text) + r * d)) % n;
      return Buffer.concat([toBytes(r, size), toBytes(s, size)]);
    },
  };
}

function badCurveKeys(curve: Curve): BadKey[] {
  const { alg, crv, size, p, n } = curve;
  const pair = makePair(curve);
  const { x, y } = pair;
  const random = (): Buffer =>
    Buffer.concat([toBytes(randomBelow(n, size), size), toBytes(randomBelow(n, size), size)]);
  const usual = (text: string): Buffer[] => [
    random(),
    pair.sign(text),
    Buffer.concat([toBytes(1n, size), toBytes(1n, size)]),
    Buffer.concat([toBytes(n - 1n, size), toBytes(n - 1n, size)]),
  ];
  const key = (what: string, point: { x: bigint; y: bigint }, signatures = usual): BadKey => ({
    kid: `${alg}-${what}`,
    alg,
    jwk: { kty: "EC", crv, x: base64url(toBytes(point.x, size)), y: base64url(toBytes(point.y, size)) },
    signatures,
  });
  /**
   * What a verifier takes that does not look whether the point is on the curve. A point (x, 0) is of order 2 on a curve of its
   * own, so that an even multiple of it is nothing, and R = u1 G + u2 Q is u1 G.
   */
  const forge = (text: string): Buffer[] => {
    const e = hashNumber(curve, text) % n;
    for (;;) {
      const k = randomBelow(n, size);
      const r = pair.publicOf(k).x % n;
      const s = (e * inverse(k, n)) % n;
      if (((r * inverse(s, n)) % n) % 2n === 0n) return [Buffer.concat([toBytes(r, size), toBytes(s, size)])];
    }
  };
  const small = smallX(curve, true);
  const most = 256n ** BigInt(size) - 1n;
  return [
    key("y-plus-1", { x, y: (y + 1n) % p }),
    key("x-plus-1", { x: (x + 1n) % p, y }),
    key("swapped", { x: y, y: x }),
    key("negative", { x, y: p - y }),
    key("zero", { x: 0n, y: 0n }),
    key("no-point-at-x", { x: smallX(curve, false), y }),
    key("order-2", { x: 5n, y: 0n }, (text) => [...forge(text), ...usual(text)]),
    key("x-not-reduced", { x: small + p, y: rootAt(curve, small)! }),
    key("x-is-p", { x: p, y: rootAt(curve, 0n) ?? 1n }),
    key("y-is-p", { x, y: p }, (text) => [...forge(text), ...usual(text)]),
    key("all-ones", { x: most, y: most }),
    // Only here there is room for the real key's numbers, and more.
    ...(alg === "ES512"
      ? [
          key("real-x-not-reduced", { x: x + p, y }),
          key("real-y-not-reduced", { x, y: y + p }),
          key("real-x-with-high-bits", { x: x + 2n ** 527n, y }),
        ]
      : []),
    // Points of the wrong size are left out.
    {
      ...key("short", { x, y }),
      jwk: { kty: "EC", crv, x: base64url(toBytes(x, size).subarray(1)), y: base64url(toBytes(y, size)) },
      isLeftOut: true,
    },
  ];
}

// RSA.

/** The first bits of the cube are what a careless reader of PKCS #1 v1.5 looks at (CVE-2006-4339). */
function cubeForgery(size: number): (text: string) => Buffer {
  return (text) => {
    const info = Buffer.from("003031300d060960864801650304020105000420", "hex");
    const head = Buffer.concat([
      Buffer.from("0001ffffffffffffffff", "hex"),
      info,
      createHash("sha256").update(text).digest(),
    ]);
    const wanted = toNumber(Buffer.concat([head, Buffer.alloc(size - head.length, 0xff)]));
    let low = 0n;
    let high = 1n << BigInt(Math.ceil((8 * size) / 3) + 1);
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** 3n <= wanted) low = middle;
      else high = middle;
    }
    assert.deepEqual(toBytes(low ** 3n, size).subarray(0, head.length), head);
    return toBytes(low, size);
  };
}

function badRsaKeys(): BadKey[] {
  const random = (size: number, change: (bytes: Buffer) => void = () => {}): Buffer => {
    const modulus = randomBytes(size);
    modulus[0]! |= 0x80;
    modulus[size - 1]! |= 1;
    change(modulus);
    return modulus;
  };
  const key = (alg: string, what: string, n: Buffer, e = "AQAB", more: Partial<BadKey> = {}): BadKey => ({
    kid: `${alg}-${what}`,
    alg,
    jwk: { kty: "RSA", n: base64url(n), e },
    signatures: () => {
      const modulus = toNumber(n);
      const last = modulus > 0n ? modulus - 1n : 0n;
      const numbers = [0n, 1n, last, modulus].map((value) => toBytes(value, n.length));
      return [
        toBytes(modulo(toNumber(randomBytes(n.length)), modulus || 1n), n.length),
        randomBytes(n.length),
        ...numbers,
      ];
    },
    ...more,
  });
  const leftOut = { isLeftOut: true };
  return ["RS256", "PS256"].flatMap((alg) => {
    const cubed = key(alg, "e-3", random(256), "Aw");
    const { signatures } = cubed;
    return [
      { ...cubed, signatures: (text: string) => [...signatures(text), cubeForgery(256)(text)] },
      key(alg, "random", random(256)),
      key(alg, "all-ones", Buffer.alloc(256, 0xff)),
      key(alg, "all-ones-8192", Buffer.alloc(1024, 0xff)),
      key(
        alg,
        "power-of-2-plus-1",
        random(256, (n) => n.fill(0, 1, 255).set([0x80], 0) ?? n.set([1], 255)),
      ),
      key(
        alg,
        "2049-bits",
        random(257, (n) => n.set([1], 0)),
      ),
      key(alg, "e-huge", random(256), "_____w"),
      key(
        alg,
        "even",
        random(256, (n) => n.set([n[255]! & 0xfe], 255)),
        "AQAB",
        leftOut,
      ),
      key(
        alg,
        "2047-bits",
        random(256, (n) => n.set([0x7f], 0)),
        "AQAB",
        leftOut,
      ),
      key(
        alg,
        "8193-bits",
        random(1025, (n) => n.set([1], 0)),
        "AQAB",
        { ...leftOut, signatures: () => [randomBytes(1024)] },
      ),
      key(alg, "leading-zero", Buffer.concat([Buffer.alloc(1), random(256)]), "AQAB", leftOut),
      key(alg, "zero", Buffer.alloc(256), "AQAB", leftOut),
      key(alg, "e-1", random(256), "AQ", leftOut),
      key(alg, "e-0", random(256), "AA", leftOut),
      key(alg, "e-even", random(256), "AQAA", leftOut),
      key(alg, "e-leading-zero", random(256), "AAEAAQ", leftOut),
      key(alg, "e-long", random(256), "AQAAAAE", leftOut),
    ];
  });
}

// Ed25519 (RFC 8032 §5.1).

function badEdwardsKeys(): BadKey[] {
  const p = 2n ** 255n - 19n;
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const d = modulo(-121665n * inverse(121666n, p), p);
  const isPoint = (y: bigint): boolean => {
    const square = modulo((y * y - 1n) * inverse(d * y * y + 1n, p), p);
    return square === 0n || power(square, (p - 1n) / 2n, p) === 1n;
  };
  const little = (value: bigint): Buffer => toBytes(value, 32).reverse();
  /** A scalar times the base point: the public key of a seed (§5.1.5). */
  const basePoint = (): { scalar: bigint; point: Buffer } => {
    const { privateKey, publicKey } = makeKeyPair("ed25519");
    const seed = Buffer.from(privateKey.export({ format: "jwk" }).d!, "base64url");
    const half = createHash("sha512").update(seed).digest().subarray(0, 32);
    half[0]! &= 248;
    half[31] = (half[31]! & 127) | 64;
    return {
      scalar: toNumber(half.reverse()) % order,
      point: Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url"),
    };
  };
  /** Good by a key that is nothing, for every text: R = S B. */
  const forge = (): Buffer => {
    const { scalar, point } = basePoint();
    return Buffer.concat([point, little(scalar)]);
  };
  const random = (): Buffer => Buffer.concat([randomBytes(32), little(randomBelow(order, 32))]);
  const one = Buffer.concat([little(1n), little(0n)]);
  const key = (what: string, x: Buffer, more: Partial<BadKey> = {}): BadKey => ({
    kid: `EdDSA-${what}`,
    alg: "EdDSA",
    jwk: { kty: "OKP", crv: "Ed25519", x: base64url(x) },
    signatures: () => [random(), randomBytes(64), one, Buffer.alloc(64), Buffer.alloc(64, 0xff), forge()],
    ...more,
  });
  const sign = 2n ** 255n;
  let none = 2n;
  while (isPoint(none)) none++;
  // By a key of small order a signature can be good that nobody made (RFC 8032 has no check against that); a random one cannot.
  const small = { signatures: () => [random(), Buffer.alloc(64, 0xff)] };
  return [
    key("no-point", little(none)),
    key("no-point-odd", little(none + sign)),
    key("all-ones", Buffer.alloc(32, 0xff)),
    key("y-is-p", little(p)),
    key("y-is-p-plus-1", little(p + 1n)),
    key("y-is-p-plus-1-odd", little(p + 1n + sign)),
    key("minus-zero", little(1n + sign)),
    key("minus-zero-below", little(p - 1n + sign)),
    key("neutral", little(1n), small),
    key("order-2", little(p - 1n), small),
    key("order-4", little(0n), small),
    key("short", randomBytes(31), { isLeftOut: true }),
    key("long", randomBytes(33), { isLeftOut: true }),
  ];
}

/** Real keys of the curves, whose tokens are signed here: that they are good shows that what forges above reckons rightly. */
function goodCurveKey(curve: Curve): Pick<ProviderKey, "kid" | "jwk" | "token"> {
  const { alg, crv, size } = curve;
  const kid = `good-own-${alg}`;
  const { x, y, sign } = makePair(curve);
  const jwk = { kty: "EC", crv, x: base64url(toBytes(x, size)), y: base64url(toBytes(y, size)), kid, alg, use: "sig" };
  return { kid, jwk, token: async () => tokensOf({ kid, alg, jwk, signatures: (text) => [sign(text)] })[0]! };
}

/** A token with any signature. */
function tokensOf({ kid, alg, signatures }: BadKey): string[] {
  const now = Math.floor(Date.now() / 1000);
  const header = base64url(JSON.stringify({ alg, kid, typ: "JWT" }));
  const claims = { iss: providerIssuer, aud: providerAudience, sub: kid, iat: now, exp: now + 3600 };
  const text = `${header}.${base64url(JSON.stringify(claims))}`;
  return signatures(text).map((signature) => `${text}.${base64url(signature)}`);
}

describe("keys that look right and are not", () => {
  const bad = [...curves.flatMap(badCurveKeys), ...badRsaKeys(), ...badEdwardsKeys()];
  const algorithms: KeyAlgorithm[] = ["RS256", "PS256", "ES256", "EdDSA"];
  let good: Pick<ProviderKey, "kid" | "jwk" | "token">[];
  let server: JwksServer;
  let envoy: TestEnvoy;
  const targets = new Map<string, Target>();

  before(async () => {
    good = await Promise.all(algorithms.map((algorithm) => makeKey(`good-${algorithm}`, algorithm)));
    good.push(...curves.map(goodCurveKey));
    server = await startJwksServer();
    // The good ones first, in the middle and last.
    const jwks = bad.map(({ kid, jwk }) => ({ ...jwk, kid, use: "sig" }));
    const half = jwks.length >> 1;
    server.publish(good[0]!, ...jwks.slice(0, half), good[1]!, good[2]!, ...jwks.slice(half), ...good.slice(3));
    const second = await moduleFor({ policyYaml: policyFor(server, "module") });
    envoy = await startTestEnvoy({
      policyYaml: policyFor(server, "inbound"),
      keyClusters: {
        idp: {
          host: "127.0.0.1",
          port: server.port,
          tls: { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem: server.authorityPem },
        },
      },
      adjust: (bootstrap) => addModuleListener(bootstrap, second),
    });
    const target = await envoy.local.target(caller);
    for (const name of listeners) targets.set(name, { ...target, port: envoy.local.envoy.listenerPort(name) });
  });
  after(async () => {
    await envoy?.stop();
    await server?.stop();
  });

  /** A second listener, whose filter may not ask the host to verify. */
  function addModuleListener(bootstrap: Bootstrap, wasm: Uint8Array): void {
    const listener = structuredClone(bootstrap.static_resources.listeners[0]);
    listener.name = "module";
    const { config } = listener.filter_chains[0].filters[0].typed_config.http_filters[0].typed_config;
    config.name = "module";
    config.vm_config.vm_id = "module";
    config.vm_config.code.local = { inline_bytes: Buffer.from(wasm).toString("base64") };
    delete config.capability_restriction_config.allowed_capabilities.proxy_call_foreign_function;
    bootstrap.static_resources.listeners.push(listener);
  }

  let sent = 0;
  const ask = async (listener: string, token: string, path = "/good"): Promise<number> => {
    sent++;
    const headers = { authorization: `Bearer ${token}` };
    return (await sendRequest(targets.get(listener)!, { path, headers })).status;
  };

  const assertGood = async (): Promise<void> => {
    for (const listener of listeners) {
      for (const key of good) assert.equal(await ask(listener, await key.token()), 200, `${listener}, ${key.kid}`);
    }
  };

  test("the good keys of the set serve", async () => {
    for (const listener of listeners) {
      const token = await good[0]!.token();
      for (let turn = 0; turn < 50 && (await ask(listener, token)) !== 200; turn++) await sleep(100);
    }
    await assertGood();
    const impostors = await Promise.all(algorithms.map((algorithm) => makeKey(`good-${algorithm}`, algorithm)));
    for (const listener of listeners) {
      for (const one of impostors) assert.equal(await ask(listener, await one.token()), 401, `${listener}, ${one.kid}`);
    }
  });

  test("the set has all keys but those that are left out", async () => {
    const stats = await envoy.stats();
    const expected = good.length + bad.filter(({ isLeftOut }) => isLeftOut !== true).length;
    for (const listener of listeners) {
      assert.equal(stats.get(`wasmcustom.sallyport_key_set_keys.policy.${listener}.set.corp`), expected, listener);
    }
  });

  for (const isLeftOut of [false, true]) {
    const reason = isLeftOut ? "token_key_unknown" : "token_signature";
    test(`no token is good by one that is ${isLeftOut ? "left out" : "kept"}: ${reason}`, async () => {
      const wrong: string[] = [];
      const paths: string[] = [];
      const tasks = listeners.flatMap((listener) =>
        bad
          .filter((one) => (one.isLeftOut === true) === isLeftOut)
          .flatMap((one) =>
            // A request waits for a key that nobody has: one of each is enough.
            tokensOf(one)
              .slice(0, isLeftOut ? 1 : undefined)
              .map((token, index) => ({ listener, token, path: `/${listener}/${one.kid}/${index}` })),
          ),
      );
      const askAll = async (): Promise<void> => {
        for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
          const { listener, token, path } = task;
          paths.push(path);
          const status = await ask(listener, token, path);
          if (status !== 401) wrong.push(`${path}: ${status}`);
        }
      };
      const already = sent;
      await Promise.all(Array.from({ length: isLeftOut ? 60 : 8 }, askAll));
      assert.deepEqual(wrong, []);
      assert.ok(paths.length > 20, `${paths.length} requests`);
      const lines = (await envoy.local.accessLog(sent)).filter(({ path }) => paths.includes(String(path)));
      assert.equal(lines.length, sent - already);
      const others = lines.filter(({ record }) => record?.reason !== reason);
      assert.deepEqual(
        others.map(({ path, record }) => `${path}: ${record?.reason} ${record?.cause ?? ""}`),
        [],
      );
    });
  }

  test("after all that the good keys still serve, and nothing has failed", async () => {
    await assertGood();
    const stats = await statsWithCounts(envoy.local);
    for (const [name, value] of stats) {
      if (/sallyport_failures|vm_reload|wasm.*crash/u.test(name)) assert.equal(value, 0, name);
    }
    assert.equal(stats.get("server.live"), 1);
    const log = envoy.local.envoy.log();
    assert.doesNotMatch(log, /backtrace|Function: \w+ failed|unreachable|RuntimeError|Caught/u);
  });
});
