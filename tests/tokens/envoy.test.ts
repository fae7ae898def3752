/** The tables of tokens sent through a real Envoy, each request once: status, and reason and detail by its access log. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Engine, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { tokenImage } from "./policy.ts";
import type { Said } from "./row.ts";
import { tables } from "./table.ts";

const image = tokenImage();
// Where the Node host refuses the image, there is no use in starting an Envoy.
new Engine(loadEngine()).start(image);

/** One request of a row, numbered in its host. */
interface Sent {
  name: string;
  issuer: string;
  authorization: readonly string[];
  expected: Said;
}

const sent: Sent[] = Object.entries(tables).flatMap(([table, rows]) =>
  rows.flatMap(({ name, shown, said, inEnvoy }) =>
    shown().map((one) => ({ ...one, name: `${table}: ${name}`, expected: inEnvoy ?? said })),
  ),
);

const connections = 8;
const met = new Map<number, Said>();
let envoy: TestEnvoy;

async function send(first: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  for (let number = first; number < sent.length; number += connections) {
    const { issuer, authorization } = sent[number]!;
    const { status } = await envoy.request({
      path: `/${issuer}`,
      caller: "spiffe://example.org/checkout-service",
      headers: {
        host: `${number}.example.org`,
        ...(authorization.length > 0 && { authorization: [...authorization] }),
      },
    });
    statuses.set(number, status);
  }
  return statuses;
}

async function sendAll(): Promise<void> {
  envoy = await startTestEnvoy({ wasm: loadEngine(), pluginConfiguration: JSON.parse(pluginConfiguration(image)) });
  const all = await Promise.all(Array.from({ length: connections }, (_, first) => send(first)));
  const statuses = new Map(all.flatMap((statuses) => [...statuses]));
  for (const { host, record } of await envoy.accessLog()) {
    const number = Number(host?.split(".")[0]);
    const { reason = "", detail = null } = (record ?? {}) as { reason?: string; detail?: string };
    met.set(number, { status: statuses.get(number)!, reason, detail });
  }
}

describe("in a real Envoy", () => {
  before(sendAll, { timeout: 120_000 });
  after(() => envoy?.stop(), { timeout: 30_000 });

  for (const [number, { name, issuer, expected }] of sent.entries()) {
    test(`${name}, ${issuer}`, () => assert.deepEqual(met.get(number), expected));
  }
});
