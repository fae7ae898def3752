/**
 * Spoilt images and configurations against the release engine: it never traps, never takes the proxy down, and what it
 * does load it obeys. The seed is printed; SEED brings a run back.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as layout from "../../assembly/policy/layout.ts";
import { trailer_magic } from "../../assembly/policy/layout.ts";
import { type FilterRequest, hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { readImage } from "../../scripts/evaluate/image.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { concreteTests, mintFor } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { engine, markOf, nowSeconds, policyNamed } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { mutate, mutateSections, reseal } from "./mutate.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);

const module = new WebAssembly.Module(engine as Uint8Array<ArrayBuffer>);
/** Policies without a rule for anonymous callers, so that whoever comes without identity must be refused. */
const policies = ["endpoints", "tokens", "limits"].map(policyNamed);
const casesEach = 2500;
/** A VM serves so many cases, so that what one leaves behind is met by others. */
const casesAVm = 50;

const sound: FilterRequest = {
  caller: "spiffe://example.org/x",
  source: "10.0.0.1",
  method: "GET",
  path: "/a/b",
  host: "api.example.org",
  headers: [],
  token: null,
};
const token = mintFor(
  { issuer: "corp", claims: { scope: "a:read a:write" }, header: {} },
  policyNamed("tokens"),
  nowSeconds,
);
const forged = `${token.slice(0, -8)}AAAAAAAA`;

/** Requests of every kind. `token` of these says what the request carries. */
const requests: FilterRequest[] = [
  sound,
  { ...sound, caller: null },
  { ...sound, path: "/static/secret/key" },
  { ...sound, path: "/orders/1/items/2", method: "POST" },
  { ...sound, path: "/corp", token },
  { ...sound, path: "/scopes", token },
  { ...sound, path: "/corp", token: forged },
  { ...sound, path: "/either", caller: null, token },
  { ...sound, path: "/slow" },
  { ...sound, path: "/both" },
  { ...sound, path: "/static//key" },
  { ...sound, path: "/", host: "b.svc.example.org", caller: "spiffe://example.org/a/b/c/d" },
];

function load(): PluginHost {
  return PluginHost.load(module, { clock: () => BigInt(nowSeconds) * 1_000_000_000n });
}

/** Runs cases, each with randomness of its own, and says which one failed. */
function forEachCase(name: string, count: number, run: (random: Random, host: PluginHost) => void): void {
  let host = load();
  for (let number = 0; number < count; number++) {
    if (number % casesAVm === 0) host = load();
    try {
      run(new Random(seed ^ Math.imul(number + 1, 0x9e3779b1)), host);
    } catch (error) {
      throw new Error(`${name}, case ${number}, SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Whatever an image says, these hold for a request it was asked about while it enforces. */
function assertObeyed(image: Uint8Array, request: FilterRequest, outcome: Outcome): void {
  assert.equal(outcome.trapped, false, outcome.error?.message);
  const admitted = outcome.action === "continue";
  assert.equal(markOf(outcome) === true, admitted, "the mark says what was done");
  assert.equal(outcome.localResponse === undefined, admitted, "who is refused gets an answer");
  if (!admitted) return;
  assert.doesNotMatch(request.path, /\/\//, "an ambiguous path passed");
  const record = JSON.parse(outcome.filterState.get("sallyport")!) as { decision: string; rule: string };
  assert.equal(record.decision, "allow");
  // A rule of that name must be there to admit this request: for its caller, and without a token if it brought no good one.
  const isGood = request.token !== null && request.token !== forged;
  const admitting = readImage(image).rules.filter(
    ({ name, action, needsToken, places }) =>
      name === record.rule &&
      action === "allow" &&
      (isGood || !needsToken) &&
      (request.caller !== null || places.some(({ group }) => group === 1)),
  );
  assert.ok(admitting.length > 0, `${record.rule} had no right to admit ${JSON.stringify(request)}`);
}

describe("images", () => {
  test("with a broken checksum are refused, and nobody is admitted", () => {
    forEachCase("broken", casesEach, (random, host) => {
      const { standInImage } = random.pick(policies);
      const image = mutate(random, standInImage);
      if (Buffer.compare(image, standInImage) === 0) return;
      const { ok, trapped, logs, rootContext } = host.startPlugin(pluginConfiguration(image));
      assert.equal(trapped, false);
      assert.equal(ok, false, "a damaged image was taken");
      assert.equal(logs.length, 1);
      const outcome = host.request(rootContext, hostRequest(random.pick(requests)));
      assert.equal(outcome.trapped, false);
      assert.equal(outcome.action, "pause");
      host.deleteContext(rootContext);
    });
  });

  test("sealed again are refused, or obeyed", () => {
    let loaded = 0;
    forEachCase("resealed", casesEach * 2, (random, host) => {
      const image = reseal(mutate(random, random.pick(policies).standInImage));
      const configuration = { policy: Buffer.from(image).toString("base64"), mode: "enforce" };
      const { ok, trapped, error, logs, rootContext } = host.startPlugin(JSON.stringify(configuration));
      assert.equal(trapped, false, error?.message);
      // Refused or in force, one line says so.
      assert.equal(logs.length, 1);
      if (ok) loaded++;
      for (const request of requests) {
        const outcome = host.request(rootContext, hostRequest(request));
        if (ok) assertObeyed(image, request, outcome);
        else assert.equal(outcome.action, "pause");
        assert.equal(outcome.trapped, false, outcome.error?.message);
      }
      host.deleteContext(rootContext);
    });
    assert.ok(loaded > casesEach / 20, `only ${loaded} spoilt images loaded: the test no longer tests much`);
  });

  test("inside a module are refused, or obeyed", () => {
    for (let number = 0; number < 200; number++) {
      const random = new Random(seed ^ number);
      const { standInImage } = random.pick(policies);
      const built = Buffer.from(embedImage(engine, standInImage));
      const imageAt = built.indexOf(standInImage);
      const isSealed = number % 2 === 0;
      const spoilt = Buffer.alloc(standInImage.length);
      spoilt.set(mutate(random, standInImage).subarray(0, spoilt.length));
      const image = isSealed ? reseal(spoilt) : spoilt;
      built.set(image, imageAt);
      const host = PluginHost.load(built);
      const { ok, trapped, rootContext } = host.startPlugin('{"mode":"enforce"}');
      const what = `embedded, case ${number}, SEED=${seed}`;
      assert.equal(trapped, false, what);
      if (!isSealed && Buffer.compare(image, standInImage) !== 0) assert.equal(ok, false, what);
      if (!ok) continue;
      for (const request of requests) assertObeyed(image, request, host.request(rootContext, hostRequest(request)));
    }
  });

  test("that a spoilt trailer points at are refused", () => {
    const { standInImage } = policies[0]!;
    const built = embedImage(engine, standInImage);
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32LE(trailer_magic);
    const trailerAt = Buffer.from(built).lastIndexOf(trailer);
    for (let number = 0; number < 200; number++) {
      const random = new Random(seed ^ number);
      const spoilt = Buffer.from(built);
      const wordAt = trailerAt + 4 * random.below(4);
      spoilt.writeUInt32LE(
        random.pick([0, 1, 8, 16, 0x7fffffff, 0xffffffff, random.word(), random.below(1 << 20)]),
        wordAt,
      );
      const isSame = spoilt.readUInt32LE(wordAt) === Buffer.from(built).readUInt32LE(wordAt);
      const { ok, trapped } = PluginHost.load(spoilt).startPlugin();
      assert.equal(trapped, false, `trailer, case ${number}, SEED=${seed}`);
      assert.equal(ok, isSame, `trailer, case ${number}, SEED=${seed}`);
    }
  });
});

/** What says where tokens stand, whose they are and by which keys they are verified. */
const token_sections = [
  layout.section_policy,
  layout.section_issuers,
  layout.section_keys,
  layout.section_key_sets,
  layout.section_places,
  layout.section_words,
];

/** What says whose segments have names, and where they are read. */
const caller_sections = [
  layout.section_rules,
  layout.section_entries,
  layout.section_callers,
  layout.section_shapes,
  layout.section_forwards,
  layout.section_words,
];

const spoilt: Record<string, readonly number[]> = {
  places: token_sections,
  bound: token_sections,
  svid: token_sections,
  either: token_sections,
  algorithms: token_sections,
  callerpatterns: caller_sections,
};

describe("images whose tokens, keys, places, JWT-SVIDs and callers' patterns are spoilt", () => {
  for (const [name, sections] of Object.entries(spoilt)) {
    test(`${name}: refused, or without a trap`, () => {
      const policy = policyNamed(name);
      const file = fileURLToPath(new URL(`../policy/cases/${name}.yaml`, import.meta.url));
      const asked = concreteTests(readTestFile(file), policy, { now: nowSeconds * 1000 }).tests.map(
        ({ request }) => request,
      );
      // With where keys are fetched from, which the image of tests leaves out.
      const { image: fetching } = compilePolicyFile(policy.path);
      let refused = 0;
      forEachCase(name, 1000, (random) => {
        const host = PluginHost.load(module, {
          clock: () => BigInt(nowSeconds) * 1_000_000_000n,
          clusters: ["spire"],
          // The module's own arithmetic reads the keys, too.
          ...(random.below(3) === 0 && { foreignFunctions: new Map() }),
        });
        const sound = random.below(4) === 0 ? fetching : policy.standInImage;
        const image = reseal(mutateSections(random, sound, sections));
        const configuration = { policy: Buffer.from(image).toString("base64"), mode: "enforce" };
        const { ok, trapped, error, logs, rootContext } = host.startPlugin(JSON.stringify(configuration));
        assert.equal(trapped, false, error?.message);
        if (!ok) {
          refused++;
          assert.equal(logs.length, 1);
        }
        const ticked = host.tick(rootContext);
        assert.equal(ticked.trapped, false, ticked.error?.message);
        for (const { token: number } of host.calls) {
          const answered = host.answer(number, { body: '{"keys":[]}' });
          assert.equal(answered.trapped, false, answered.error?.message);
        }
        for (let number = 0; number < 12; number++) {
          const outcome = host.request(rootContext, hostRequest(random.pick(asked)));
          assert.equal(outcome.trapped, false, outcome.error?.message);
          const isAdmitted = outcome.action === "continue";
          assert.ok(ok || !isAdmitted, "a refused image admitted");
          assert.equal(markOf(outcome) === true, isAdmitted, "the mark says what was done");
          if (outcome.paused) host.deleteContext(outcome.context);
        }
      });
      assert.ok(refused > 100 && refused < 1000, `${refused} of 1000 were refused`);
    });
  }
});

test("spoilt configurations are refused, or mean what they meant", () => {
  forEachCase("configuration", casesEach, (random, host) => {
    const { standInImage } = policies[2]!;
    const text = Buffer.from(`{"policy":"${Buffer.from(standInImage).toString("base64")}","mode":"enforce"}`);
    // Half of the changes go to the JSON around the image.
    const near = random.below(2) === 0 ? text.length - 1 - random.below(24) : random.below(12);
    const configuration = random.below(2) === 0 ? mutate(random, text) : text.fill(random.below(256), near, near + 1);
    const { ok, trapped, error, logs, rootContext } = host.startPlugin(configuration);
    assert.equal(trapped, false, error?.message);
    assert.equal(logs.length, 1, logs.map(({ message }) => message).join("\n"));
    if (ok) {
      const parsed = JSON.parse(Buffer.from(configuration).toString("utf8")) as { policy: string };
      assert.equal(
        Buffer.compare(Buffer.from(parsed.policy, "base64"), standInImage),
        0,
        "another policy came into force",
      );
    }
    const outcome = host.request(rootContext, hostRequest({ ...sound, caller: null, path: "/slow" }));
    assert.equal(outcome.action, "pause");
    assert.equal(outcome.trapped, false);
    host.deleteContext(rootContext);
  });
});
