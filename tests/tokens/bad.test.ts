/**
 * Bad tokens, and the good ones next to them, against the release engine in the Node host: where the host verifies and where
 * the module does, the verdicts are the same, and a token that is shown again is met as it was the first time.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FilterRequest, hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type HostOptions, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { markOf } from "../support/plugin.ts";
import { nowSeconds } from "./mint.ts";
import { tokenImage } from "./policy.ts";
import type { Row, Said, Shown } from "./row.ts";
import { tables } from "./table.ts";

const wasm = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);
const configuration = pluginConfiguration(tokenImage());

/** A worker with the policy in it. */
class Worker {
  readonly #host: PluginHost;
  readonly #root: number;

  constructor(options: HostOptions) {
    this.#host = PluginHost.load(wasm, { clock: () => BigInt(nowSeconds) * 1_000_000_000n, ...options });
    const started = this.#host.startPlugin(configuration);
    assert.ok(started.ok, started.logs.map(({ message }) => message).join("\n"));
    this.#root = started.rootContext;
  }

  ask({ issuer, authorization }: Shown): { said: Said; outcome: Outcome } {
    const request: FilterRequest = {
      caller: "spiffe://example.org/checkout-service",
      source: "10.1.2.3",
      method: "GET",
      path: `/${issuer}`,
      host: "orders.example.org",
      headers: authorization.map((value) => ["authorization", value] as const),
      token: null,
    };
    const outcome = this.#host.request(this.#root, hostRequest(request));
    const record = JSON.parse(outcome.filterState.get("sallyport") ?? "{}");
    const status = outcome.localResponse?.requestedStatus ?? (outcome.action === "continue" ? 200 : 0);
    return { said: { status, reason: record.reason, detail: record.detail ?? null }, outcome };
  }
}

const workers = {
  "the host verifies": new Worker({}),
  "the module verifies": new Worker({ foreignFunctions: new Map() }),
};

function assertMet({ shown, said }: Row): void {
  for (const one of shown()) {
    for (const [who, worker] of Object.entries(workers)) {
      for (const time of ["first", "second"]) {
        const met = worker.ask(one);
        assert.equal(met.outcome.trapped, false, `${one.issuer}: ${met.outcome.error?.message}`);
        assert.deepEqual(met.said, said, `issuer ${one.issuer}, ${who}, shown the ${time} time`);
        const mark = markOf(met.outcome);
        assert.equal(mark === true, said.status === 200, `the mark for the enforcement check is ${mark}`);
      }
    }
  }
}

for (const [name, rows] of Object.entries(tables)) {
  describe(name, () => {
    for (const row of rows) test(row.name, () => assertMet(row));
  });
}

test("no two lines have one name", () => {
  for (const rows of Object.values(tables)) {
    const names = rows.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
  }
});
