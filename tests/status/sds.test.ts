/** `sallyport status` on the dump of an Envoy that has its certificate and bundle from SPIRE over SDS (`envoy/sds-spire.yaml`). */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { compilePolicyFile, loadEngine } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import type { Finding } from "../../scripts/status/codes.ts";
import { judge } from "../../scripts/status/judge.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

const folder = mkdtempSync(join(tmpdir(), "sallyport-status-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Envoy's own answer to /config_dump?include_eds; what has nothing to do with the filter is left out, and certificates are cut short. */
const dumped = readFileSync(new URL("sds.json", import.meta.url), "utf8");

function moduleOf(caller: string): Uint8Array {
  const path = join(folder, "policy.yaml");
  const rule = `{ name: reads, callers: [${caller}], allow: ["GET /**"] }`;
  writeFileSync(path, `version: 1\nname: shop\ntrust: { domains: [example.org] }\nrules: [${rule}]\n`);
  return embedImage(loadEngine(), compilePolicyFile(path).image);
}

const module = moduleOf("spiffe://example.org/web");
const anonymous = moduleOf("anonymous");

/** What SPIRE's agent sends where Envoy's node metadata has `disable_spiffe_cert_validation`. */
const plain = { trusted_ca: { inline_bytes: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J" } };

/** The parts of the dump that matter here. */
class Parts {
  readonly dump: Json = JSON.parse(dumped);
  readonly #secrets = this.dump.configs[2];
  readonly tls = this.dump.configs[1].static_listeners[0].listener.filter_chains[0].transport_socket.typed_config;
  readonly bundle = this.#secrets.dynamic_active_secrets.find(({ name }: Json) => name === "ROOTCA");

  /** The bundle as it comes with `disable_spiffe_cert_validation`. */
  sendPlain(): void {
    this.bundle.secret.validation_context = structuredClone(plain);
  }

  /** The entry of Envoy's process is missing: its certificate does not come. */
  withhold(name: string): void {
    const secrets = this.#secrets.dynamic_active_secrets;
    const [withheld] = secrets.splice(
      secrets.findIndex((secret: Json) => secret.name === name),
      1,
    );
    withheld.version_info = "uninitialized";
    withheld.secret = { "@type": withheld.secret["@type"], name };
    this.#secrets.dynamic_warming_secrets = [withheld];
  }
}

function findingsOf(bytes: Uint8Array, change: (parts: Parts) => void = () => {}): Finding[] {
  const parts = new Parts();
  change(parts);
  return judge({ dump: parts.dump }, { readsFiles: false, bytes }).findings;
}

test("nothing is wrong with the example", () => assert.deepEqual(findingsOf(module), []));

describe("callers without a certificate", () => {
  test("nothing is wrong where they may connect", () => {
    const change = (parts: Parts): void => {
      parts.sendPlain();
      parts.tls.require_client_certificate = false;
    };
    assert.deepEqual(findingsOf(anonymous, change), []);
    assert.deepEqual(
      findingsOf(module, change).map(({ code }) => code),
      ["client_certificate_optional"],
    );
  });

  test("the validator that came over SDS lets none connect", () => {
    const [found, ...others] = findingsOf(anonymous, ({ tls }) => {
      tls.require_client_certificate = false;
    });
    assert.deepEqual(others, []);
    assert.equal(found?.code, "client_certificate_demanded");
    assert.match(
      String(found?.path),
      /^configs\[2\]\.dynamic_active_secrets\[\d\]\.secret\.validation_context\.custom_validator_config$/u,
    );
  });

  test("nothing is wrong where they are meant to have one all the same", () => {
    assert.deepEqual(findingsOf(anonymous), []);
  });
});

test("a bundle that accepts what nobody has signed", () => {
  const found = findingsOf(module, (parts) => {
    parts.bundle.secret.validation_context = { ...plain, trust_chain_verification: "ACCEPT_UNTRUSTED" };
  });
  assert.deepEqual(
    found.map(({ code }) => code),
    ["client_certificate_unchecked"],
  );
});

for (const name of ["default", "ROOTCA"]) {
  test(`a secret that does not come: ${name}`, () => {
    const [found, ...others] = findingsOf(module, (parts) => parts.withhold(name));
    assert.deepEqual(others, []);
    assert.equal(found?.code, "secret_awaited");
    assert.match(String(found?.message), new RegExp(`^The secret "${name}" has not come over SDS`, "u"));
    assert.equal(found?.path, "configs[2].dynamic_warming_secrets[0].secret");
  });
}
