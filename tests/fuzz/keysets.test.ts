/**
 * Spoilt key sets as the answer to a callout: the engine never traps, and what is no key set never takes the place of the last
 * good one. What is one is believed as it reads by node:crypto. The seed is printed; SEED brings a run back, CASES says how
 * many.
 */
import assert from "node:assert/strict";
import { createPublicKey, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { CalloutAnswer } from "../../scripts/host/callout.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { writeKeySets } from "../differential/arbitrary/keys.ts";
import { parseJson } from "../differential/reference/json.ts";
import { engine } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);
const cases = Number(process.env.CASES ?? 4000);
const cases_a_vm = 200;

const policy = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    issuer: https://idp.example.org
    audiences: [order-api]
    algorithms: [ES256, RS256, PS256, EdDSA]
    keys: { url: "https://idp.example.org/jwks.json", cluster: idp, refresh: 1s }
    leeway: 0s
rules:
  - { name: all, callers: [anonymous], allow: [GET /], token: idp }
`;

interface Signer {
  alg: string;
  privateKey: KeyObject;
  jwk: JsonWebKey & { kid: string };
}

function makeSigner(alg: string, kid: string): Signer {
  const { publicKey, privateKey } =
    alg === "ES256"
      ? makeKeyPair("ec", { namedCurve: "P-256" })
      : alg === "EdDSA"
        ? makeKeyPair("ed25519")
        : makeKeyPair("rsa", { modulusLength: 2048 });
  return { alg, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid } };
}

const now_seconds = 1795255200;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function tokenOf({ alg, privateKey, jwk: { kid } }: Signer): string {
  const claims = { iss: "https://idp.example.org", aud: "order-api", exp: now_seconds + 1_000_000 };
  const input = `${encode({ alg, kid })}.${encode(claims)}`;
  const options = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
  return `${input}.${sign(alg === "EdDSA" ? null : "sha256", Buffer.from(input), options).toString("base64url")}`;
}

const signers = [makeSigner("ES256", "a"), makeSigner("EdDSA", "b"), makeSigner("RS256", "c")];
const stranger = makeSigner("ES256", "a");
const good = { keys: signers.map(({ jwk }) => jwk) };
const tokens = signers.map(tokenOf);
const forged = tokenOf(stranger);

const odd = [
  "null",
  "1",
  '""',
  '"AQAB"',
  '"a"',
  '"sig"',
  '"enc"',
  "[]",
  "{}",
  '["verify"]',
  '["sign"]',
  '"ES256"',
  '"RS256"',
  '"oct"',
  '"OKP"',
  '"Ed448"',
  `"${"A".repeat(43)}"`,
  `"${"A".repeat(1366)}"`,
  `"${"_".repeat(1400)}"`,
];
const names = ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "d", "k", "x5c"];

/** The members of a key, written out. */
type Members = [name: string, json: string][];

const write = (members: Members): string =>
  `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(",")}}`;

/** A key set's text, spoilt in its structure. */
function spoilStructure(random: Random): string {
  let keys = good.keys.map((key): Members => Object.entries(key).map(([name, value]) => [name, JSON.stringify(value)]));
  for (let changes = random.below(4); changes > 0; changes--) {
    const key = random.pick(keys);
    const at = random.below(key.length);
    switch (random.below(8)) {
      case 0:
        key.splice(at, 1);
        break;
      case 1:
        key[at]![1] = random.pick(odd);
        break;
      case 2:
        key.push([random.pick(names), random.pick(odd)]);
        break;
      case 3:
        key[at]![1] = random.pick(random.pick(keys))[1];
        break;
      case 4:
        key[at]![1] = key[at]![1].replace(/[A-Za-z]/u, (letter) => (letter === "A" ? "B" : "A"));
        break;
      case 5:
        keys = random.below(2) === 0 ? keys.filter((one) => one !== key) : [...keys, key];
        if (keys.length === 0) keys = [[["kty", '"EC"']]];
        break;
      case 6:
        keys = [...keys].reverse();
        break;
      default:
        key.push([
          random.pick(["use", "key_ops", "alg"]),
          random.pick(['"sig"', '["verify"]', '"ES256"', '"PS256"', '"EdDSA"']),
        ]);
    }
    for (const one of keys) if (one.length === 0) one.push(["kty", '"EC"']);
  }
  const list = keys.map(write);
  if (random.below(12) === 0) list.push(random.pick(odd));
  const text = `{"keys":[${list.join(",")}]}`;
  return random.below(10) === 0
    ? random.pick([
        text.replace("keys", "Keys"),
        `[${text}]`,
        text.replace("}", "},"),
        `${text}${text}`,
        `{"keys":{}}`,
        "",
        "null",
        `{"keys":null}`,
        `{"keys":[],"keys":${text.slice(8)}`,
      ])
    : text;
}

/** Its bytes, changed. */
function spoilBytes(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text);
  const at = random.below(bytes.length);
  switch (random.below(5)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(8))]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length))]);
    default:
      bytes[at] = random.below(256);
      return bytes;
  }
}

function someAnswer(random: Random): Exclude<CalloutAnswer, string> & { body: Buffer } {
  const text = random.below(6) === 0 ? JSON.stringify(good) : spoilStructure(random);
  const body = random.below(3) === 0 && text !== "" ? spoilBytes(random, text) : Buffer.from(text);
  return {
    status: random.pick([200, 200, 200, 200, 200, 200, 203, 204, 206, 301, 304, 404, 500, 503, 0, 2000]),
    headers: random.pick([
      [],
      [["etag", '"x"']],
      [["etag", "x".repeat(200)]],
      [["cache-control", "max-age=0"]],
      [["cache-control", "public, MAX-AGE=99999999999999"]],
      [
        ["content-type", "text/html"],
        ["cache-control", ""],
        ["etag", ""],
      ],
      Array.from({ length: 50 }, (_, index) => [`x-${index}`, "y".repeat(index)] as const),
    ] as (readonly (readonly [string, string])[])[]),
    body,
  };
}

/** The members of a key set's keys as plain data, or undefined for what is none. */
function readSet(body: Buffer): JsonWebKey[] | undefined {
  const value = parseJson(body);
  const list = value instanceof Map ? value.get("keys") : undefined;
  if (!Array.isArray(list) || list.some((key) => !(key instanceof Map))) return undefined;
  return list.map((key) => Object.fromEntries((key as Map<string, unknown>).entries()) as JsonWebKey);
}

/** Whether a key of a set is this one, under its ID; where no key has the ID, under none. */
function holds(keys: readonly JsonWebKey[], { jwk }: Signer): boolean {
  const named = keys.filter((key) => key.kid === jwk.kid && materialOf(key) !== undefined);
  const counted = named.length > 0 ? named : keys.filter(({ kid }) => kid === undefined);
  return counted.some((key) => materialOf(key)?.equals(materialOf(jwk)!) === true);
}

/** The public key that the members make up, if they do. */
function materialOf({ kty, crv, x, y, n, e }: JsonWebKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty, crv, x, y, n, e } as JsonWebKey, format: "jwk" });
  } catch {
    return undefined;
  }
}

test(`${cases} spoilt answers`, () => {
  const folder = writeKeySets();
  writeFileSync(join(folder, "fetching.yaml"), policy);
  const { image } = compilePolicyFile(join(folder, "fetching.yaml"));
  const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
  let nanoseconds = BigInt(now_seconds) * 1_000_000_000n;
  let host: PluginHost;
  let root = 0;
  const what = (number: number): string => `case ${number}, SEED=${seed}`;
  const metric = (name: string): bigint => host.metrics().get(`sallyport_key_set_${name}.policy.shop;.set.idp`) ?? 0n;

  /** Lets time pass until the engine asks for the keys, and answers. */
  const fetch = (answer: CalloutAnswer, number: number): void => {
    for (let ticks = 0; host.calls.length === 0; ticks++) {
      assert.ok(ticks < 200, `${what(number)}: the keys are not asked for`);
      nanoseconds += 500_000_000n;
      assert.equal(host.tick(root).trapped, false, what(number));
    }
    assert.equal(host.calls.length, 1, what(number));
    const { trapped, error } = host.answer(host.calls[0]!.token, answer);
    assert.equal(trapped, false, `${what(number)}: ${error?.message}`);
    // It hands over what was counted.
    assert.equal(host.tick(root).trapped, false, what(number));
  };
  const isAdmitted = (token: string, number: number): boolean => {
    const request = { caller: null, source: "10.0.0.1", method: "GET", path: "/", host: "h", headers: [], token };
    const outcome = host.request(root, hostRequest(request));
    assert.equal(outcome.trapped, false, `${what(number)}: ${outcome.error?.message}`);
    // One that waits for a key is not admitted now, and would have the next answer asked for early.
    if (outcome.paused) host.deleteContext(outcome.context);
    return outcome.action === "continue";
  };

  let replaced = 0;
  let kept = 0;
  for (let number = 0; number < cases; number++) {
    if (number % cases_a_vm === 0) {
      host = PluginHost.load(module, { clock: () => nanoseconds, clusters: ["idp"] });
      const started = host.startPlugin(pluginConfiguration(image));
      assert.equal(started.ok, true);
      root = started.rootContext;
    }
    const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
    fetch({ body: JSON.stringify(good) }, number);
    for (const token of tokens) assert.ok(isAdmitted(token, number), `${what(number)}: the good set is not in force`);
    const answer = someAnswer(random);
    const failures = metric("failures");
    fetch(random.below(40) === 0 ? random.pick(["refused", "timeout", "reset"] as const) : answer, number);
    const isKept = metric("failures") > failures || answer.status === 304;
    const keys = readSet(answer.body);
    const shown = `${what(number)}: ${answer.status} ${answer.body.toString("latin1")}`;
    if (isKept) kept++;
    else {
      replaced++;
      assert.equal(answer.status, 200, shown);
      assert.ok(keys !== undefined, `rubbish was taken for a key set, ${shown}`);
    }
    for (const [index, signer] of signers.entries()) {
      const admits = isAdmitted(tokens[index]!, number);
      if (isKept) assert.ok(admits, `the last good set is gone, ${shown}`);
      else if (admits) assert.ok(holds(keys!, signer), `a token of ${signer.jwk.kid} passed, ${shown}`);
    }
    assert.equal(isAdmitted(forged, number), false, `a stranger's token passed, ${shown}`);
  }
  console.log(`${replaced} taken, ${kept} refused`);
  assert.ok(replaced > cases / 10 && kept > cases / 10, `${replaced} of ${cases} were taken`);
});
