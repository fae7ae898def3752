/** Answers to denied requests, which the engine keeps for the next request that is denied alike: none is ever another request's, or policy's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type HostOptions, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import type { LocalResponse } from "../../scripts/host/reply.ts";
import { engine, nowSeconds } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { imageOf } from "../support/workers.ts";

/** A policy that denies in many ways, each name ending in `suffix`. */
const policy = (suffix: string): Uint8Array =>
  imageOf(
    `version: 1
name: shop${suffix}
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://corp.example.org", audiences: [shop], algorithms: [RS256], keys: { file: keys.json } }
  told:
    issuer: "https://told.example.org"
    audiences: [shop]
    algorithms: [RS256]
    keys: { file: keys.json }
    challenge: { realm: elsewhere }
limits:
  slow${suffix}: { rate: 1/h, burst: 1, per: [caller] }
  told${suffix}: { rate: 1/m, burst: 1, per: [caller], headers: always }
quarantine: [{ name: probing${suffix}, when: [condition_false], denials: 1, within: 1m, for: 5m }]
rules:
  - { name: slow${suffix}, callers: [any], allow: [GET /slow], limit: slow${suffix} }
  - { name: told${suffix}, callers: [any], allow: [GET /told], limit: told${suffix} }
  - { name: token${suffix}, callers: [any], allow: [GET /token], token: corp }
  - { name: other${suffix}, callers: [any], allow: [GET /other], token: told }
  - { name: closed${suffix}, callers: [any], deny: [GET /closed] }
  - { name: probed${suffix}, callers: [any], allow: [GET /probed], when: source.port == 0 }
`,
    { "keys.json": JSON.stringify({ keys: [key] }) },
  );
const key = {
  ...{ kty: "RSA", kid: "one", alg: "RS256", e: "AQAB" },
  n: Buffer.concat([Buffer.from([0xc1]), Buffer.alloc(254, 0x5a), Buffer.from([0x01])]).toString("base64url"),
};

interface Asked {
  path: string;
  caller?: string;
  token?: string;
  isGrpc?: boolean;
}

const denied: readonly Asked[] = [
  { path: "/slow" },
  { path: "/told" },
  { path: "/token" },
  { path: "/token", token: "x" },
  { path: "/other" },
  { path: "/closed" },
  { path: "/nothing" },
  { path: "//" },
  { path: "/slow", caller: "spiffe://elsewhere.org/x" },
  { path: "/slow", caller: "spiffe://example.org/shut" },
].flatMap((asked) => [asked, { ...asked, isGrpc: true }]);

class Vm {
  readonly host: PluginHost;
  root: number;
  seconds = nowSeconds;

  constructor(image: Uint8Array, options: HostOptions = {}) {
    this.host = PluginHost.load(engine, { clock: () => BigInt(this.seconds) * 1_000_000_000n, ...options });
    this.root = this.start(image);
  }

  /** Puts a policy in force beside those that are. */
  start(image: Uint8Array): number {
    const started = this.host.startPlugin(pluginConfiguration(image));
    assert.ok(started.ok, started.logs.map(({ message }) => message).join());
    this.root = started.rootContext;
    return this.root;
  }

  /** Uses up what may be had once. */
  useUp(): this {
    for (const path of ["/slow", "/told"]) this.ask({ path });
    this.ask({ path: "/probed", caller: "spiffe://example.org/shut" });
    return this;
  }

  ask({ path, caller = "spiffe://example.org/web", token, isGrpc = false }: Asked, root = this.root): Outcome {
    const headers: [string, string][] = isGrpc ? [["content-type", "application/grpc"]] : [];
    return this.host.request(
      root,
      hostRequest({
        ...{ caller, source: "10.1.2.3", method: "GET", path, host: "example.org" },
        ...{ headers: token === undefined ? headers : [...headers, ["authorization", `Bearer ${token}`]], token: null },
      }),
    );
  }

  answer(asked: Asked, root = this.root): LocalResponse {
    const { localResponse, action } = this.ask(asked, root);
    assert.equal(action, "pause", asked.path);
    return localResponse!;
  }
}

const image = policy("");
/** What each request is answered by a VM that has answered nothing before. */
const firstAnswers = denied.map((asked) => new Vm(image).useUp().answer(asked));

describe("the answer to a denied request", () => {
  test("is what it is by itself, whatever was answered before", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const vm = new Vm(image).useUp();
    assert.equal(new Set(firstAnswers.map((answer) => JSON.stringify(answer))).size, denied.length);
    for (let step = 0; step < 600; step++) {
      const index = random.below(denied.length);
      const times = 1 + random.below(3);
      for (let time = 0; time < times; time++) {
        assert.deepEqual(vm.answer(denied[index]!), firstAnswers[index], `SEED=${seed}, step ${step}`);
      }
    }
  });

  test("says when the limit has room again, at each time", () => {
    const vm = new Vm(image).useUp();
    const waits = [0, 0, 1, 1, 60, 60].map((seconds) => {
      vm.seconds += seconds;
      const { headers } = vm.answer({ path: "/slow" });
      return new Map(headers).get("retry-after");
    });
    assert.deepEqual(waits, ["3600", "3600", "3599", "3598", "3538", "3478"]);
  });

  test("is not what the answer to an admitted request was told in between", () => {
    const vm = new Vm(image).useUp();
    const first = vm.answer({ path: "/slow" });
    const admitted = vm.host.request(vm.root, {
      ...hostRequest({
        ...{ caller: "spiffe://example.org/new", source: "10.1.2.3", method: "GET", path: "/told" },
        ...{ host: "example.org", headers: [], token: null },
      }),
      keepOpen: true,
    });
    assert.equal(admitted.action, "continue");
    assert.equal(new Map(vm.host.respond(admitted.context, [[":status", "200"]])).get("ratelimit"), '"told";r=0;t=60');
    assert.deepEqual(vm.answer({ path: "/slow" }), first);
  });

  test("is that of its policy, of two side by side", () => {
    const vm = new Vm(image).useUp();
    const old = vm.root;
    const other = policy("-2");
    vm.start(other);
    vm.useUp();
    for (const asked of denied) {
      const own = [firstAnswers[denied.indexOf(asked)], new Vm(other).useUp().answer(asked)];
      const answers = [old, vm.root, old, vm.root].map((root) => vm.answer(asked, root));
      assert.deepEqual(answers, [...own, ...own]);
    }
  });

  test("is that of its policy, of one that has the memory that another one had", () => {
    const vm = new Vm(image);
    for (const asked of denied.filter(({ path }) => ["/token", "/other", "/closed"].includes(path))) {
      const next = policy(`-${denied.indexOf(asked)}`);
      vm.answer(asked);
      vm.host.deleteContext(vm.root);
      vm.start(next);
      assert.deepEqual(vm.answer(asked), new Vm(next).answer(asked));
    }
  });
});
