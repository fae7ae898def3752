/**
 * Paths that `paths` opens, through an Envoy whose connection manager is set as the examples have it but for what the policy needs:
 * Envoy leaves them as they are, the filter decides by them, and the upstream gets them as sent.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const caller = "spiffe://example.org/x";

interface Settings {
  normalize: unknown;
  merge: unknown;
  slashes: unknown;
}

function settingsOf(bootstrap: Bootstrap): Settings {
  const { normalize_path, merge_slashes, path_with_escaped_slashes_action } = managerOf(bootstrap);
  return { normalize: normalize_path, merge: merge_slashes, slashes: path_with_escaped_slashes_action };
}

describe("a policy that takes every form", () => {
  let envoy: TestEnvoy;
  let settings: Settings | undefined;
  before(async () => {
    envoy = await startTestEnvoy({
      policyYaml: await readFile("tests/policy/policies/paths.yaml", "utf8"),
      adjust: (bootstrap) => {
        settings = settingsOf(bootstrap);
      },
    });
  });
  after(() => envoy.stop());

  test("has normalization, and what would destroy the forms is off", () => {
    assert.deepEqual(settings, { normalize: true, merge: false, slashes: "KEEP_UNCHANGED" });
  });

  const admitted = [
    "/orders/",
    "/orders",
    "/projects/shop%2Fcart",
    "/projects/shop%2fcart/",
    "/d/a/",
    "/b//2026/x.csv",
    "/b//",
    "/e//x",
    "/cars/8;color=red",
    "/cars/8%3Bcolor=red",
    "/matrix;v=1/x",
    "/STRA%C3%9FE/x",
    "/ALL/a%2Fb//c;d/",
  ];
  for (const path of admitted) {
    test(`${path} goes on as it is`, async () => {
      const { response, record } = await envoy.judge({ caller, path });
      assert.equal(response.status, 200, JSON.stringify(record));
      assert.equal(JSON.parse(response.body).path, path);
    });
  }

  const denied = [
    "/f%2Fadmin",
    "/f/ADMIN%2Fy",
    "/f/x%2F..%2Fadmin",
    "/f/x%2F%2E%2E%2Fadmin",
    "/b//secret/x.csv",
    "/b/secret;a/x.csv",
    "/b/y/..;/secret",
    "//admin",
    "/ALL/%2F/;x/SECRET%3By%2Fz/",
    "/f/x/../admin",
    "/f/./admin",
    "/b/x/%2e%2e/secret",
  ];
  for (const path of denied) {
    test(`${path} is denied`, async () => {
      const { response, record } = await envoy.judge({ caller, path });
      assert.equal(response.status, 403, JSON.stringify(record));
      assert.equal(record?.reason, "rule_denied");
    });
  }

  for (const path of ["/items/a%2Fb", "/f/x%252Fy", "/orders//", "/strict/x/"]) {
    test(`${path} is ambiguous`, async () => {
      const { response, record } = await envoy.judge({ caller, path });
      assert.equal(response.status, 400, JSON.stringify(record));
      assert.equal(record?.reason, "path_ambiguous");
    });
  }
});

test("a policy that takes none leaves Envoy as the examples have it", async () => {
  let settings: Settings | undefined;
  const envoy = await startTestEnvoy({
    policyYaml: `
version: 1
name: plain
trust: { domains: [example.org] }
rules: [{ name: all, callers: [any], allow: ["GET /**"] }]
`,
    adjust: (bootstrap) => {
      settings = settingsOf(bootstrap);
    },
  });
  try {
    assert.deepEqual(settings, { normalize: true, merge: true, slashes: "REJECT_REQUEST" });
    assert.equal((await envoy.request({ caller, path: "/a%2Fb" })).status, 400);
    const merged = await envoy.request({ caller, path: "/a//b" });
    assert.equal(JSON.parse(merged.body).path, "/a/b");
  } finally {
    await envoy.stop();
  }
});
