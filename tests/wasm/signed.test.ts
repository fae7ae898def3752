/** Modules with trust keys: which images they take, which versions, and what is in force after one that they do not take. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { signImage } from "../../scripts/policy/signed/envelope.ts";
import { engine } from "../support/plugin.ts";
import { admits, allowing, SignedEnvoy, signedConfiguration, signingKey } from "../support/signed.ts";

const one = signingKey();
const two = signingKey();
const stranger = signingKey();
const own = allowing("own");
const [a, b, c] = ["a", "b", "c"].map((path) => allowing(path)) as [Uint8Array, Uint8Array, Uint8Array];

const trusting = (workers?: number): SignedEnvoy => new SignedEnvoy(own, [one], workers);

describe("whose images are taken", () => {
  test("those that a trusted key has signed, and the log tells their version, key and end", () => {
    const envoy = trusting();
    assert.equal(envoy.push(signedConfiguration(a, one, 7)), true, envoy.said);
    assert.match(envoy.said, new RegExp(`, of the configuration, version 7 \\(key ${one.id}\\), enforced$`, "u"));
    assert.deepEqual(envoy.admitted("own", "a"), ["a"]);
    assert.equal(envoy.push(signedConfiguration(b, one, 8, 4102444800)), true, envoy.said);
    assert.match(envoy.said, new RegExp(`version 8 \\(key ${one.id}, expires 4102444800\\)`, "u"));
  });

  test("of two trusted keys either one, so that one can follow the other", () => {
    const envoy = new SignedEnvoy(own, [one, two]);
    assert.equal(envoy.push(signedConfiguration(a, one, 1)), true, envoy.said);
    assert.equal(envoy.push(signedConfiguration(b, two, 2)), true, envoy.said);
    assert.deepEqual(envoy.admitted("own", "a", "b"), ["b"]);
    const after = new SignedEnvoy(own, [two]);
    assert.equal(after.push(signedConfiguration(a, one, 1)), false);
    assert.equal(after.push(signedConfiguration(b, two, 2)), true, after.said);
  });

  const refused: [string, string, RegExp][] = [
    [
      "another key",
      signedConfiguration(b, stranger, 9),
      new RegExp(`refused: image version 9 \\(key ${stranger.id}\\) is signed by no trusted key$`, "u"),
    ],
    ["no signature", pluginConfiguration(b), /refused: the policy is not signed$/u],
    ["no image", pluginConfiguration(Buffer.from("no image at all")), /refused: the policy is not signed$/u],
    [
      "another policy's name",
      signedConfiguration(allowing("b", "", "shop2"), one, 9),
      /version 9 .* is of another policy$/u,
    ],
    ["a name that begins alike", signedConfiguration(allowing("b", "", "sho"), one, 9), /is of another policy$/u],
    [
      "a signed image in a signed image",
      signedConfiguration(signImage(b, one.privateKey, { version: 9, expiresSeconds: undefined }), one, 10),
      /policy image: not a policy image/u,
    ],
    ["shadow mode by the configuration", '{"mode":"shadow"}', /refused: `mode: shadow` is not signed$/u],
  ];
  for (const [what, configuration, says] of refused) {
    test(`refused: ${what}; the old policy goes on`, () => {
      const envoy = trusting();
      assert.equal(envoy.push(signedConfiguration(a, one, 7)), true, envoy.said);
      assert.equal(envoy.push(configuration), false);
      assert.match(envoy.said, says);
      assert.deepEqual(envoy.admitted("own", "a", "b"), ["a"]);
    });
  }

  test("the key's ID of one key with the signature of another is a wrong signature", () => {
    const bytes = signImage(b, stranger.privateKey, { version: 9, expiresSeconds: undefined });
    bytes.set(one.publicBytes.subarray(0, 8), 24);
    const envoy = trusting();
    assert.equal(envoy.push(pluginConfiguration(bytes)), false);
    assert.match(envoy.said, new RegExp(`version 9 \\(key ${one.id}\\) has a wrong signature$`, "u"));
  });

  test("shadow mode that is signed is taken, and `mode: enforce` may be said by anybody", () => {
    const envoy = trusting();
    assert.equal(envoy.push(signedConfiguration(allowing("a", "mode: shadow"), one, 1)), true, envoy.said);
    assert.deepEqual(envoy.admitted("a", "b"), ["a", "b"]);
    const { policy } = JSON.parse(signedConfiguration(allowing("b", "mode: shadow"), one, 2));
    assert.equal(envoy.push(JSON.stringify({ mode: "enforce", policy })), true, envoy.said);
    assert.deepEqual(envoy.admitted("a", "b"), ["b"]);
  });

  test("a module without trust keys takes a signed image as any other, and says nothing of its version", () => {
    for (const module of [engine, embedImage(engine, own)]) {
      const host = PluginHost.load(module);
      const started = host.startPlugin(signedConfiguration(a, stranger, 7, 1));
      assert.equal(started.ok, true, started.logs[0]?.message);
      assert.match(started.logs[0]!.message, /, of the configuration, enforced$/u);
      assert.equal(admits(host, started.rootContext, "a"), true);
      assert.equal(host.startPlugin(signedConfiguration(b, stranger, 6)).ok, true);
      assert.equal(host.startPlugin().ok, module !== engine);
    }
  });
});

describe("which versions are taken", () => {
  test("newer ones, and the same again; older ones and another of the same version not", () => {
    const envoy = trusting();
    const nine = signedConfiguration(a, one, 9);
    assert.equal(envoy.push(nine), true, envoy.said);
    for (const worker of envoy.workers) assert.equal(envoy.start(worker.host, nine).ok, true, envoy.said);
    assert.equal(envoy.start(envoy.vm(), nine).ok, true, envoy.said);
    assert.equal(envoy.push(signedConfiguration(b, one, 7)), false);
    assert.match(
      envoy.said,
      new RegExp(`image version 7 \\(key ${one.id}\\) is older than 9, which was in force in this Envoy$`, "u"),
    );
    assert.equal(envoy.push(signedConfiguration(b, one, 9)), false);
    assert.match(envoy.said, /image version 9 .* is not the 9, which was in force in this Envoy$/u);
    // The same policy, signed with another end, is another image.
    assert.equal(envoy.push(signedConfiguration(a, one, 9, 4102444800)), false);
    assert.deepEqual(envoy.admitted("own", "a", "b"), ["a"]);
    assert.equal(envoy.push(signedConfiguration(b, one, 4294967295)), true, envoy.said);
    assert.deepEqual(envoy.admitted("own", "a", "b"), ["b"]);
  });

  test("an image that was in force, pushed again: Envoy does not ask, and workers go on with the newer one", () => {
    const envoy = trusting();
    const [seven, nine] = [signedConfiguration(a, one, 7), signedConfiguration(b, one, 9)];
    for (const configuration of [seven, nine, seven, seven]) assert.equal(envoy.push(configuration), true, envoy.said);
    assert.match(envoy.said, /image version 7 .* is older than 9, which was in force/u);
    assert.match(envoy.said, /policy shop in force, .* version 9 /u);
    assert.deepEqual(envoy.admitted("own", "a", "b"), ["b"]);
    assert.equal(envoy.push(signedConfiguration(c, one, 10)), true, envoy.said);
    assert.deepEqual(envoy.admitted("own", "a", "b", "c"), ["c"]);
    assert.equal(envoy.push(nine), true, envoy.said);
    assert.deepEqual(envoy.admitted("own", "a", "b", "c"), ["c"]);
  });

  test("the module's own policy after a signed one is older; the signed one goes on", () => {
    for (const count of [1, 3]) {
      const envoy = trusting(count);
      assert.equal(envoy.push("{}"), true, envoy.said);
      assert.deepEqual(envoy.admitted("own", "a"), ["own"]);
      assert.equal(envoy.push(signedConfiguration(a, one, 1)), true, envoy.said);
      assert.equal(envoy.push("{}"), true, envoy.said);
      assert.match(envoy.said, /image version 0 is older than 1, which was in force in this Envoy/u);
      assert.deepEqual(envoy.admitted("own", "a"), ["a"]);
    }
  });

  test("a VM that is built anew under an older configuration has nothing to go on with, and denies", () => {
    const envoy = trusting();
    const seven = signedConfiguration(a, one, 7);
    for (const configuration of [seven, signedConfiguration(b, one, 9)]) assert.equal(envoy.push(configuration), true);
    for (const older of [seven, "{}"]) {
      const host = envoy.vm();
      const { ok, rootContext } = envoy.start(host, older);
      // Not to be refused: the worker would be without the filter.
      assert.equal(ok, true, envoy.said);
      assert.match(envoy.said, /is older than 9, which was in force in this Envoy\n.*every request is denied$/u);
      for (const path of ["own", "a", "b"]) assert.equal(admits(host, rootContext, path), false);
    }
    // One that no thread has taken is refused.
    assert.equal(envoy.start(envoy.vm(), signedConfiguration(c, one, 8)).ok, false);
  });

  test("of many versions the last few are known to have been taken", () => {
    const envoy = trusting(1);
    const pushed = Array.from({ length: 10 }, (_, version) => signedConfiguration(a, one, version + 1));
    for (const configuration of pushed) assert.equal(envoy.push(configuration), true, envoy.said);
    const taken = pushed.map((configuration) => envoy.start(envoy.vm(), configuration).ok);
    assert.deepEqual(taken, [false, false, false, true, true, true, true, true, true, true]);
    assert.equal(envoy.sharedData.keys().filter((key) => key === "sallyport:version:1:shop").length, 1);
  });

  test("a root context that is left with streams open, and comes again without a word, is under what is in force", () => {
    const [seven, nine, ten] = [a, b, c].map((image, index) => signedConfiguration(image, one, [7, 9, 10][index]!));
    for (const first of [seven!, "{}"]) {
      const envoy = trusting(0);
      const host = envoy.vm();
      const admitted = (root: number): string[] => ["own", "a", "b", "c"].filter((path) => admits(host, root, path));
      const old = envoy.start(host, first).rootContext;
      const before = admitted(old);
      assert.equal(before.length, 1);
      const newer = envoy.start(host, nine!).rootContext;
      assert.deepEqual([admitted(old), admitted(newer)], [["b"], ["b"]]);
      // The old one is alone again, as where Envoy hands out the plugin that it still has.
      host.deleteContext(newer);
      assert.deepEqual(admitted(old), ["b"]);
      const [latest, twin] = [envoy.start(host, ten!).rootContext, envoy.start(host, ten!).rootContext];
      assert.deepEqual([admitted(old), admitted(latest), admitted(twin)], [["c"], ["c"], ["c"]]);
      host.deleteContext(twin);
      host.deleteContext(latest);
      assert.deepEqual(admitted(old), ["c"]);
      host.deleteContext(old);
      // Nothing is left: a VM that goes on has nothing to go on with.
      const again = envoy.start(host, first).rootContext;
      assert.match(envoy.said, /is older than 10.*\n.*every request is denied$/u);
      assert.deepEqual(admitted(again), []);
    }
  });

  test("of three root contexts the last that is left has what was in force", () => {
    const envoy = trusting(0);
    const host = envoy.vm();
    const roots = [a, b, c].map(
      (image, index) => envoy.start(host, signedConfiguration(image, one, index + 1)).rootContext,
    );
    for (const ended of [1, 2]) {
      host.deleteContext(roots[ended]!);
      assert.deepEqual(
        ["a", "b", "c"].filter((path) => admits(host, roots[0]!, path)),
        ["c"],
      );
    }
  });

  test("minimumVersion of the module's policy holds after every restart", () => {
    const module = (): SignedEnvoy => new SignedEnvoy(allowing("own", "minimumVersion: 12"), [one]);
    const envoy = module();
    assert.equal(envoy.push(signedConfiguration(a, one, 11)), false);
    assert.match(envoy.said, /image version 11 .* is older than 12, the `minimumVersion`$/u);
    assert.equal(envoy.push("{}"), true, envoy.said);
    assert.match(envoy.said, /, of the module, version 12, enforced$/u);
    assert.equal(envoy.push(signedConfiguration(a, one, 12)), true, envoy.said);
    assert.equal(envoy.push("{}"), true, envoy.said);
    assert.match(envoy.said, /image version 12 is not the 12, which was in force/u);
    assert.deepEqual(envoy.admitted("own", "a"), ["a"]);
    assert.equal(module().push(signedConfiguration(a, one, 12)), true);
  });

  test("minimumVersion of the signed policy binds its own version", () => {
    const envoy = trusting();
    assert.equal(envoy.push(signedConfiguration(allowing("a", "minimumVersion: 8"), one, 7)), false);
    assert.match(envoy.said, /image version 7 .* is older than 8, the `minimumVersion`$/u);
    assert.equal(envoy.push(signedConfiguration(allowing("a", "minimumVersion: 8"), one, 8)), true, envoy.said);
  });

  test("versions of policies of two names have nothing to do with each other", () => {
    const envoy = trusting();
    assert.equal(envoy.push(signedConfiguration(a, one, 9)), true);
    const other = new SignedEnvoy(allowing("own", "", "shop2"), [one]);
    other.options = { sharedData: envoy.sharedData };
    assert.equal(other.push(signedConfiguration(allowing("a", "", "shop2"), one, 3)), true, other.said);
  });
});

describe("the end of an image", () => {
  test("one that has ended is refused; one that is in force goes on, and comes again in new VMs", () => {
    const envoy = trusting();
    const ends = envoy.nowSeconds + 60;
    const configuration = signedConfiguration(a, one, 7, ends);
    assert.equal(envoy.push(configuration), true, envoy.said);
    envoy.nowSeconds = ends;
    assert.deepEqual(envoy.admitted("a"), ["a"]);
    const host = envoy.vm();
    const { ok, rootContext } = envoy.start(host, configuration);
    assert.equal(ok, true, envoy.said);
    assert.equal(admits(host, rootContext, "a"), true);
    assert.equal(envoy.push(signedConfiguration(b, one, 8, ends)), false);
    assert.match(
      envoy.said,
      new RegExp(`version 8 \\(key ${one.id}, expires ${ends}\\) has expired: now is ${ends}$`, "u"),
    );
    assert.equal(envoy.push(signedConfiguration(b, one, 8, ends + 1)), true, envoy.said);
    assert.deepEqual(envoy.admitted("a", "b"), ["b"]);
    // A new Envoy takes it no more.
    const restarted = trusting();
    restarted.nowSeconds = ends;
    assert.equal(restarted.push(configuration), false);
  });

  test("a host that does not tell the time when it is asked: an image with an end is refused", () => {
    const envoy = trusting();
    envoy.options = { faults: [{ call: "get_current_time_nanoseconds", nth: 1, result: WasmResult.InternalFailure }] };
    assert.equal(envoy.push(signedConfiguration(a, one, 1, 4102444800)), false);
    assert.match(envoy.said, /has expired: now is 0$/u);
  });
});

describe("a host whose shared data fails", () => {
  for (const call of ["get_shared_data", "set_shared_data"]) {
    for (const name of ["InternalFailure", "InvalidMemoryAccess", "CasMismatch"] as const) {
      const result = WasmResult[name];
      test(`${call} answers ${name}: nothing comes in force`, () => {
        const envoy = trusting();
        envoy.options = { faults: [{ call, result }] };
        assert.equal(envoy.push(signedConfiguration(a, one, 1)), false);
        assert.match(envoy.said, /configuration refused: .*shared data/u);
      });
    }
  }

  test("a value that is not ours under the name", () => {
    const envoy = trusting();
    envoy.sharedData.set("sallyport:version:1:shop", Buffer.from("9"), 0);
    assert.equal(envoy.push(signedConfiguration(a, one, 1)), false);
    assert.match(envoy.said, /shared data/u);
  });

  test("two VMs that were first at once: one is, and the other sees that", () => {
    const envoy = trusting();
    const [older, newer] = [envoy.vm(), envoy.vm()];
    // The newer one comes between what the older one reads and writes.
    const set = envoy.sharedData.set.bind(envoy.sharedData);
    let isFirst = true;
    envoy.sharedData.set = (key, value, cas) => {
      if (isFirst && key.startsWith("sallyport:version:")) {
        isFirst = false;
        assert.equal(newer.startPlugin(signedConfiguration(b, one, 2)).ok, true);
      }
      return set(key, value, cas);
    };
    assert.equal(envoy.start(older, signedConfiguration(a, one, 1)).ok, false);
    assert.match(envoy.said, /configuration refused: image version 1 .* is older than 2, which was in force/u);
    assert.equal(envoy.sharedData.get("sallyport:version:1:shop")!.value[0], 2);
    assert.equal(envoy.push(signedConfiguration(a, one, 1)), false);
  });

  test("a newer one that the main thread takes while a worker takes this one: the worker has it, and the newer one next", () => {
    const envoy = trusting();
    const [older, newer] = [signedConfiguration(a, one, 1), signedConfiguration(b, one, 2)];
    assert.equal(envoy.push(older), true, envoy.said);
    const worker = envoy.vm();
    const get = envoy.sharedData.get.bind(envoy.sharedData);
    let reads = 0;
    envoy.sharedData.get = (key) => {
      // The worker has looked once, and looks again as it puts the older one in force.
      if (key.startsWith("sallyport:version:") && ++reads === 2) {
        assert.equal(envoy.vm().startPlugin(newer).ok, true);
      }
      return get(key);
    };
    const { ok, rootContext } = envoy.start(worker, older);
    assert.equal(ok, true, envoy.said);
    assert.equal(reads > 2, true, "the worker looked once alone");
    assert.equal(admits(worker, rootContext, "a"), true);
    assert.equal(envoy.start(worker, newer).ok, true, envoy.said);
    assert.equal(envoy.sharedData.get("sallyport:version:1:shop")!.value[0], 2);
  });
});
