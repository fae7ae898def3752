/** `npm run demo:learn`, shorter: policies suggested from a shop's traffic admit that traffic in a real Envoy, and none of the attacks. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { attacks, services } from "../../scripts/learn/shop.ts";
import { type LearnOutcome, learn } from "../../scripts/learn/story.ts";
import { openTraffic } from "../../scripts/traffic/open.ts";
import { program } from "../support/program.ts";

let folder: string;
let outcome: LearnOutcome;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-learn-"));
  outcome = await learn({
    folder: join(folder, "shop"),
    sallyport: [process.execPath, program],
    requests: 700,
    seed: 17,
    print: () => {},
    paint: (_, text) => text,
  });
});
after(() => rm(folder, { recursive: true, force: true }));

describe("a shop whose policies are learnt from its traffic", () => {
  test("what was seen is admitted again, to the last request", () => {
    assert.deepEqual(
      outcome.day.filter((status) => status >= 400),
      [],
    );
    assert.equal(outcome.day.length, 700);
  });

  test("what was not seen is denied: every attack", () => {
    assert.deepEqual(
      attacks.flatMap(({ caller, method, path }, index) =>
        outcome.attacks[index]! < 400 ? [`${caller} ${method} ${path}: ${outcome.attacks[index]}`] : [],
      ),
      [],
    );
    assert.equal(outcome.attacks.length, attacks.length);
  });

  test("the inventory names products by a variable, and numbers and UUIDs too", () => {
    const inventory = outcome.outputs.get("inventory")!;
    assert.match(inventory, /GET \/products\/\{product\} /u);
    assert.match(inventory, /GET \/carts\/\{cartId\} /u);
    assert.match(inventory, /DELETE \/carts\/\{cartId\}\/items\/\{itemId\} /u);
  });

  test("what Envoy wrote is read: who called, how much came back, and which scopes a token had", async () => {
    const traffic = await openTraffic([join(folder, "shop/day1")]);
    try {
      const usages = await traffic.usages();
      assert.equal(
        usages.reduce((sum, { count }) => sum + count, 0),
        700,
      );
      for (const { caller, path, bytesOut, issuer, scopes, durations } of usages) {
        assert.equal(caller.startsWith("spiffe://example.org/ns/shop/sa/"), true, caller);
        assert.equal(bytesOut > 0, true, path);
        assert.equal(issuer === "login", scopes !== "", path);
        assert.equal(
          durations.some((number) => number > 0),
          true,
          path,
        );
      }
    } finally {
      await traffic.close();
    }
  });

  test("the rule that nobody used is taken away, and no other", () => {
    const patch = outcome.outputs.get("tighten")!;
    const removed = patch.split("\n").filter((line) => /^-(?!--)/u.test(line));
    assert.match(removed.join("\n"), /name: warehouse/u);
    assert.equal(removed.filter((line) => line.includes("name:")).length, 1, patch);
  });

  test("replay finds the request that a change denies", () => {
    assert.match(outcome.outputs.get("replay")!, /nightly-report/u);
  });

  test("payments are marked as sensitive, and the report tells whose identity leads there", () => {
    assert.match(outcome.outputs.get("report")!, /reaches \d+ endpoints, 1 of them sensitive/u);
  });

  test("the report is one page about all eight services", async () => {
    const page = await readFile(join(folder, "shop/report.html"), "utf8");
    for (const service of services) assert.equal(page.includes(`/sa/${service}`), true, service);
  });
});
