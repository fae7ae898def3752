/** Signed images that are damaged or made up: each is refused with one line, nothing traps, and the policy in force goes on. `SEED` repeats a run. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { signImage } from "../../scripts/policy/signed/envelope.ts";
import { engine } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { admits, allowing, signingKey } from "../support/signed.ts";

const keys = [signingKey(), signingKey()] as const;
const module = embedImage(
  engine,
  allowing("own"),
  keys.map(({ publicBytes }) => publicBytes),
);
const sound = signImage(allowing("a"), keys[0].privateKey, { version: 7, expiresSeconds: undefined });
/** What comes before the image, and behind it. */
const head_bytes = 32;
const signature_bytes = 64;
/** L, the order of the base point: R‖(S + L) is a signature too where nobody looks (RFC 8032 §8.4). */
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

/** A VM with version 1 in force; what is to be refused is given to it time after time. */
class Victim {
  readonly host = PluginHost.load(module);
  readonly root: number;

  constructor() {
    const first = signImage(allowing("first"), keys[1].privateKey, { version: 1, expiresSeconds: undefined });
    const { ok, rootContext } = this.host.startPlugin(pluginConfiguration(first));
    assert.equal(ok, true, this.host.logs[0]?.message);
    this.root = rootContext;
  }

  /** Asserts that the bytes are refused. @param what the case, for messages */
  refuses(bytes: Uint8Array, what: string): void {
    const { ok, trapped, logs, rootContext, error } = this.host.startPlugin(pluginConfiguration(bytes));
    assert.equal(trapped, false, `${what}: ${error?.message}`);
    assert.equal(ok, false, `${what} was taken`);
    assert.equal(logs.length, 1, `${what}: ${JSON.stringify(logs)}`);
    assert.match(logs[0]!.message, /^sallyport: configuration refused: /u, what);
    this.host.deleteContext(rootContext);
  }

  /** Asserts that what was in force is, and that the sound image still comes in force. */
  assertUnharmed(): void {
    assert.equal(admits(this.host, this.root, "first"), true);
    const { ok, rootContext, logs } = this.host.startPlugin(pluginConfiguration(sound));
    assert.equal(ok, true, logs[0]?.message);
    assert.equal(admits(this.host, rootContext, "a"), true);
  }
}

/** Runs with a victim, and looks at it afterwards. */
function withVictim(work: (victim: Victim) => void): void {
  const victim = new Victim();
  work(victim);
  victim.assertUnharmed();
}

describe("every byte counts", () => {
  test("one that is changed, wherever it stands", () => {
    const random = new Random(runSeed());
    withVictim((victim) => {
      for (let at = 0; at < sound.length; at++) {
        const bytes = sound.slice();
        bytes[at]! ^= 1 << random.below(8);
        victim.refuses(bytes, `byte ${at} of ${sound.length} as ${bytes[at]}`);
      }
    });
  });

  test("one that is missing, or one more, at either end", () => {
    withVictim((victim) => {
      for (let size = 1; size < sound.length; size++) victim.refuses(sound.subarray(0, size), `${size} bytes`);
      victim.refuses(sound.subarray(1), "without the first byte");
      for (const more of [1, 2, 3, 4, 8, 64]) {
        victim.refuses(Buffer.concat([sound, Buffer.alloc(more)]), `${more} bytes more behind it`);
        victim.refuses(Buffer.concat([Buffer.alloc(more), sound]), `${more} bytes more in front of it`);
      }
    });
  });

  test("S above the order, by which one signature would be two", () => {
    const bytes = Buffer.from(sound);
    const at = bytes.length - 32;
    let s = 0n;
    for (let index = 31; index >= 0; index--) s = (s << 8n) | BigInt(bytes[at + index]!);
    for (let index = 0, other = s + order; index < 32; index++, other >>= 8n) bytes[at + index] = Number(other & 0xffn);
    withVictim((victim) => victim.refuses(bytes, "S + L"));
  });

  test("the parts of two sound images, put together", () => {
    const other = signImage(allowing("b"), keys[0].privateKey, { version: 9, expiresSeconds: 4102444800 });
    const cuts = [16, 20, 24, head_bytes, sound.length - signature_bytes, sound.length - 32];
    assert.equal(other.length, sound.length);
    withVictim((victim) => {
      for (const cut of cuts) {
        for (const [first, second] of [
          [sound, other],
          [other, sound],
        ] as const) {
          const bytes = Buffer.concat([first.subarray(0, cut), second.subarray(cut)]);
          if (bytes.equals(sound) || bytes.equals(other)) continue;
          victim.refuses(bytes, `cut at ${cut}`);
        }
      }
    });
  });

  test("the signature of the same words by another trusted key", () => {
    const other = signImage(allowing("a"), keys[1].privateKey, { version: 7, expiresSeconds: undefined });
    const bytes = Buffer.concat([sound.subarray(0, -signature_bytes), other.subarray(-signature_bytes)]);
    withVictim((victim) => victim.refuses(bytes, "key 0 with the signature of key 1"));
  });
});

test("bytes of any kind, and sound ones with several changes", () => {
  const seed = runSeed();
  const random = new Random(seed);
  withVictim((victim) => {
    for (let count = 0; count < 2000; count++) {
      const size = 1 + random.below(2 * sound.length);
      const bytes = Buffer.from(Array.from({ length: size }, () => random.below(256)));
      // Many begin as an envelope does, some with a key that is trusted.
      if (random.below(4) > 0) bytes.set(sound.subarray(0, Math.min(size, random.pick([16, 24, head_bytes]))));
      victim.refuses(bytes, `SEED=${seed}, case ${count}: ${bytes.toString("hex")}`);
      const changed = sound.slice();
      for (let change = 1 + random.below(8); change > 0; change--)
        changed[random.below(changed.length)]! ^= 1 + random.below(255);
      if (Buffer.compare(changed, sound) !== 0) victim.refuses(changed, `SEED=${seed}, change ${count}`);
    }
  });
});

test("what a trusted key has signed need not be an image", () => {
  const seed = runSeed();
  const random = new Random(seed);
  const image = allowing("a");
  withVictim((victim) => {
    for (let count = 0; count < 500; count++) {
      const bytes = Buffer.from(image.subarray(0, random.pick([0, 1, 4, 16, 100, image.length - 4, image.length])));
      for (let change = 1 + random.below(4); change > 0 && bytes.length > 0; change--) {
        bytes[random.below(bytes.length)]! ^= 1 + random.below(255);
      }
      if (bytes.equals(image)) continue;
      const says = { version: 2 + random.below(5), expiresSeconds: undefined };
      victim.refuses(signImage(bytes, keys[0].privateKey, says), `SEED=${seed}, case ${count}`);
    }
  });
});
