/**
 * Signed policies in a real Envoy, whose filter has its configuration from a file (ECDS): newer versions come in force, everything else
 * is refused and leaves the policy in force as it is, and what Envoy no longer asks about does not bring an older one back.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { askAdmin, parseAdmin } from "../../scripts/status/admin.ts";
import { judge } from "../../scripts/status/judge.ts";
import { Http2Client } from "../storm/client.ts";
import { managerOf } from "../support/envoy.ts";
import { ExtensionFile } from "../support/extensionfile.ts";
import { allowing, type SigningKey, signedConfiguration, signingKey } from "../support/signed.ts";
import { until } from "../support/until.ts";

const one = signingKey();
const two = signingKey();
const stranger = signingKey();
const statistics = "extension_config_discovery.http_filter.envoy.filters.http.wasm";
const paths = ["own", "a", "b", "c"];
const [a, b, c] = ["a", "b", "c"].map((path) => allowing(path)) as [Uint8Array, Uint8Array, Uint8Array];

/** An Envoy with two workers, and the file it has the filter's configuration from. */
class SignedWorld {
  readonly local: LocalEnvoy;
  readonly target: Target;
  readonly #file: ExtensionFile;

  private constructor(local: LocalEnvoy, target: Target, file: ExtensionFile) {
    this.local = local;
    this.target = target;
    this.#file = file;
  }

  /** Starts it with a configuration; it ends with the test. */
  static async start(
    context: TestContext,
    keys: readonly SigningKey[],
    { configuration = "{}", embedded = allowing("own") } = {},
  ): Promise<SignedWorld> {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-signed-"));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = new ExtensionFile(join(folder, "ecds.json"));
    const local = await startLocalEnvoy({
      wasm: embedImage(
        loadEngine(),
        embedded,
        keys.map(({ publicBytes }) => publicBytes),
      ),
      concurrency: 2,
      logLevel: "warning",
      adjust: (bootstrap) => {
        const filter = managerOf(bootstrap).http_filters.find(
          ({ name }: { name: string }) => name === "envoy.filters.http.wasm",
        );
        file.take(filter);
        file.publish(configuration);
      },
    });
    context.after(() => local.stop());
    const target = await local.target("spiffe://example.org/web");
    const world = new SignedWorld(local, target, file);
    await until("the filter has its first configuration", async () => (await world.#count("config_reload")) > 0);
    return world;
  }

  async #count(name: string): Promise<number> {
    return (await this.local.envoy.stats()).get(`${statistics}.${name}`) ?? 0;
  }

  /** Pushes a configuration; whether Envoy took it. */
  async push(configuration: string): Promise<boolean> {
    const [reloads, rejected] = [await this.#count("config_reload"), await this.#count("update_rejected")];
    this.#file.publish(configuration);
    await until("Envoy has looked at it", async () => (await this.#count("config_reload")) > reloads);
    // The workers are told a moment later.
    await sleep(200);
    return (await this.#count("update_rejected")) === rejected;
  }

  /** The paths that are admitted, over connections enough for every worker; fails where they differ. */
  async admitted(): Promise<string[]> {
    const rounds = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const statuses = await Promise.all(
          paths.map(async (path) => (await sendRequest(this.target, { path: `/${path}` })).status),
        );
        return paths.filter((_, index) => statuses[index] === 200);
      }),
    );
    for (const round of rounds) assert.deepEqual(round, rounds[0], "workers differ");
    return rounds[0]!;
  }

  /** The codes of what `sallyport status` finds. */
  async statusCodes(): Promise<string[]> {
    const answers = await askAdmin(parseAdmin(`http://127.0.0.1:${this.local.envoy.adminPort}`));
    return judge(answers, { readsFiles: true }).findings.map(({ code }) => code);
  }

  /** Asserts that the log says so, sooner or later. */
  async says(words: RegExp): Promise<void> {
    await until(`the log says ${words}`, () => words.test(this.local.envoy.log()));
  }
}

describe("signed policies by ECDS", { concurrency: true }, () => {
  test("a newer version comes in force, an older one is refused by both versions' names", async (context) => {
    const world = await SignedWorld.start(context, [one]);
    assert.deepEqual(await world.admitted(), ["own"]);
    assert.equal(await world.push(signedConfiguration(a, one, 7)), true);
    assert.deepEqual(await world.admitted(), ["a"]);
    assert.equal(await world.push(signedConfiguration(b, one, 9)), true);
    assert.deepEqual(await world.admitted(), ["b"]);
    await world.says(
      new RegExp(`in force, 1 rules, image [0-9a-f]{8}, of the configuration, version 9 \\(key ${one.id}\\)`, "u"),
    );
    assert.equal(await world.push(signedConfiguration(c, one, 8)), false);
    await world.says(/configuration refused: image version 8 .* is older than 9, which was in force in this Envoy/u);
    assert.deepEqual(await world.admitted(), ["b"]);
    assert.equal(await world.push(signedConfiguration(c, one, 10)), true);
    assert.deepEqual(await world.admitted(), ["c"]);
  });

  test("what was in force and is pushed again, which Envoy does not ask about, does not come in force again", async (context) => {
    const world = await SignedWorld.start(context, [one]);
    const seven = signedConfiguration(a, one, 7);
    assert.equal(await world.push(seven), true);
    assert.equal(await world.push(signedConfiguration(b, one, 9)), true);
    for (const older of [seven, "{}", seven]) {
      await world.push(older);
      assert.deepEqual(await world.admitted(), ["b"]);
    }
    await world.says(/image version 7 .* is older than 9, which was in force in this Envoy/u);
    await world.says(/image version 0 is older than 9, which was in force in this Envoy/u);
    assert.ok((await world.statusCodes()).includes("image_superseded"), "status does not tell");
    assert.equal(await world.push(signedConfiguration(c, one, 10)), true);
    assert.deepEqual(await world.admitted(), ["c"]);
    assert.equal((await world.statusCodes()).includes("image_superseded"), false);
  });

  test("no signature, and that of another key: refused, and the old policy goes on", async (context) => {
    const world = await SignedWorld.start(context, [one]);
    assert.equal(await world.push(signedConfiguration(a, one, 7)), true);
    assert.equal(await world.push(pluginConfiguration(b)), false);
    await world.says(/configuration refused: the policy is not signed/u);
    assert.equal(await world.push(signedConfiguration(b, stranger, 9)), false);
    await world.says(new RegExp(`image version 9 \\(key ${stranger.id}\\) is signed by no trusted key`, "u"));
    assert.equal(await world.push('{"mode":"shadow"}'), false);
    await world.says(/`mode: shadow` is not signed/u);
    assert.deepEqual(await world.admitted(), ["a"]);
  });

  test("a module that trusts two keys takes both: one can follow the other", async (context) => {
    const world = await SignedWorld.start(context, [one, two]);
    assert.equal(await world.push(signedConfiguration(a, one, 1)), true);
    assert.equal(await world.push(signedConfiguration(b, two, 2)), true);
    assert.deepEqual(await world.admitted(), ["b"]);
  });

  test("an image that has ended is refused; one that ends in force goes on", async (context) => {
    const world = await SignedWorld.start(context, [one]);
    const end = Math.floor(Date.now() / 1000) + 5;
    assert.equal(await world.push(signedConfiguration(a, one, 7, end)), true);
    assert.deepEqual(await world.admitted(), ["a"]);
    await sleep(end * 1000 - Date.now() + 50);
    assert.deepEqual(await world.admitted(), ["a"]);
    assert.equal(await world.push(signedConfiguration(b, one, 8, end)), false);
    await world.says(new RegExp(`version 8 \\(key ${one.id}, expires ${end}\\) has expired: now is [0-9]+`, "u"));
    assert.deepEqual(await world.admitted(), ["a"]);
    assert.equal(await world.push(signedConfiguration(c, one, 8)), true);
    assert.deepEqual(await world.admitted(), ["c"]);
  });

  test("minimumVersion of the module's policy holds from the start", async (context) => {
    const embedded = allowing("own", "minimumVersion: 12");
    const world = await SignedWorld.start(context, [one], { embedded });
    assert.equal(await world.push(signedConfiguration(a, one, 11)), false);
    await world.says(/image version 11 .* is older than 12, the `minimumVersion`/u);
    assert.deepEqual(await world.admitted(), ["own"]);
    assert.equal(await world.push(signedConfiguration(a, one, 12)), true);
    assert.deepEqual(await world.admitted(), ["a"]);
  });

  test("an older image does not come in force again by streams that are still open under it", async (context) => {
    const world = await SignedWorld.start(context, [one], { configuration: signedConfiguration(a, one, 7) });
    const client = await Http2Client.open(world.target);
    context.after(() => client.destroy());
    const older = client.send({ path: "/a", upload: true });
    await sleep(200);
    assert.equal(await world.push(signedConfiguration(b, one, 9)), true);
    const newer = client.send({ path: "/b", upload: true });
    await sleep(200);
    // The worker of both still has its plugin of version 7, and Envoy hands it out without asking the module.
    await world.push(signedConfiguration(a, one, 7));
    assert.deepEqual(await world.admitted(), ["b"]);
    newer.finish();
    assert.equal((await newer.ended).status, 200);
    // Nothing of version 9 is left but what the module has kept.
    await sleep(200);
    assert.deepEqual(await world.admitted(), ["b"]);
    const again = client.send({ path: "/b", upload: true });
    again.finish();
    older.finish();
    assert.deepEqual([(await older.ended).status, (await again.ended).status], [200, 200]);
    assert.deepEqual(await world.admitted(), ["b"]);
    assert.equal(await world.push(signedConfiguration(c, one, 10)), true);
    assert.deepEqual(await world.admitted(), ["c"]);
  });
});
