/**
 * `npm run test:oci`: the image in a registry as it is, Debian's docker-registry, and read by skopeo, which has nothing of ours. Both are
 * installed where they are missing. What is pushed and what is copied there from the folder is the same image, by its digest.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { referrersTag } from "../../scripts/oci/push.ts";
import { folderOf, plain_policy, sallyport } from "../cli/program.ts";
import { findOnPath, must } from "../fleet/systems.ts";
import { freePort } from "../lifecycle/world.ts";
import { until } from "../support/until.ts";

const files = folderOf({ "policy.yaml": plain_policy });
const folder = files.path("");
let host: string;
let stop: () => Promise<void>;

before(async () => {
  await findOnPath("docker-registry", ["docker-registry"]);
  await findOnPath("skopeo", ["skopeo"]);
  host = `127.0.0.1:${await freePort()}`;
  const configuration = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: join(folder, "registry") } },
    http: { addr: host },
  };
  // JSON is YAML.
  writeFileSync(join(folder, "registry.yml"), JSON.stringify(configuration));
  const child = spawn("docker-registry", ["serve", join(folder, "registry.yml")], { stdio: "ignore" });
  const ended = once(child, "exit");
  stop = async () => {
    child.kill();
    await ended;
  };
  await until(
    "the registry answers",
    async () => (await fetch(`http://${host}/v2/`).catch(() => undefined))?.status === 200,
  );
});
after(async () => {
  await stop?.();
  files.remove();
});

/** Runs `sallyport oci`, and gives what it says as JSON. */
function oci(...args: string[]) {
  const { code, stdout, stderr } = sallyport(["oci", "policy.yaml", "--no-revision", "--format", "json", ...args], {
    cwd: folder,
  });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const skopeo = (...args: string[]): Promise<string> => must("skopeo", args, folder);
const inRegistry = (name: string): string => `docker://${host}/${name}`;

/** The module in an image that skopeo wrote into a folder. */
function moduleIn(directory: string): Buffer {
  const manifest = JSON.parse(readFileSync(join(folder, directory, "manifest.json"), "utf8"));
  const layer = gunzipSync(readFileSync(join(folder, directory, manifest.layers[0].digest.replace("sha256:", ""))));
  const size = Number.parseInt(layer.toString("latin1", 124, 135), 8);
  assert.equal(layer.toString("latin1", 0, 12), "plugin.wasm\0");
  return layer.subarray(512, 512 + size);
}

test("pushed: skopeo finds it by its tag, with the digest that was told, and the module in it", async () => {
  const { digest, image, referrersBy } = oci("--push", `${host}/team/shop:v1`);
  assert.equal(image, `${host}/team/shop:v1`);
  const seen = JSON.parse(await skopeo("inspect", "--tls-verify=false", inRegistry("team/shop:v1")));
  assert.equal(seen.Digest, digest);
  await skopeo("copy", "--src-tls-verify=false", inRegistry(`team/shop@${digest}`), "dir:pulled");
  assert.equal(sallyport(["build", "policy.yaml", "-o", "filter.wasm"], { cwd: folder }).code, 0);
  assert.deepEqual(moduleIn("pulled"), readFileSync(join(folder, "filter.wasm")));

  // This version of the registry has no referrers API: an index lists what refers to the image.
  assert.equal(referrersBy, "tag");
  const index = JSON.parse(
    await skopeo("inspect", "--raw", "--tls-verify=false", inRegistry(`team/shop:${referrersTag(digest)}`)),
  );
  const types = index.manifests.map(({ artifactType }: { artifactType: string }) => artifactType);
  assert.deepEqual(types, ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]);
  for (const { digest: attached } of index.manifests) {
    const manifest = JSON.parse(
      await skopeo("inspect", "--raw", "--tls-verify=false", inRegistry(`team/shop@${attached}`)),
    );
    assert.equal(manifest.subject.digest, digest);
  }
});

test("pushed twice: nothing changes; the tag moves to another image", async () => {
  const before = oci("--push", `${host}/team/moving:v1`).digest;
  assert.equal(oci("--push", `${host}/team/moving:v1`).digest, before);
  writeFileSync(join(folder, "other.yaml"), plain_policy.replace("/healthz", "/livez"));
  const moved = sallyport(["oci", "other.yaml", "--push", `${host}/team/moving:v1`, "--format", "json"], {
    cwd: folder,
  });
  const { digest } = JSON.parse(moved.stdout);
  assert.notEqual(digest, before);
  assert.equal(JSON.parse(await skopeo("inspect", "--tls-verify=false", inRegistry("team/moving:v1"))).Digest, digest);
});

test("the folder: skopeo reads it, copies it, and the digest stays what it was", async () => {
  const { digest } = oci("-o", "image");
  assert.equal(JSON.parse(await skopeo("inspect", "oci:image:shop")).Digest, digest);
  await skopeo("copy", "--dest-tls-verify=false", "oci:image:shop", inRegistry("team/copied:v1"));
  assert.equal(JSON.parse(await skopeo("inspect", "--tls-verify=false", inRegistry("team/copied:v1"))).Digest, digest);
  await skopeo("copy", "--src-tls-verify=false", inRegistry("team/copied:v1"), "dir:copied");
  assert.deepEqual(moduleIn("copied"), readFileSync(join(folder, "filter.wasm")));
});

test("a large policy is pushed, too", async () => {
  const rules = Array.from(
    { length: 20_000 },
    (_, at) => `  - { name: r${at}, callers: [spiffe://example.org/s${at}], allow: [GET /p${at}/**] }\n`,
  );
  mkdirSync(join(folder, "large"));
  writeFileSync(
    join(folder, "large/policy.yaml"),
    `version: 1\nname: large\ntrust: { domains: [example.org] }\nrules:\n${rules.join("")}`,
  );
  const { code, stdout, stderr } = sallyport(
    ["oci", "large/policy.yaml", "--push", `${host}/large:v1`, "--format", "json"],
    { cwd: folder },
  );
  assert.equal(code, 0, stderr);
  await skopeo("copy", "--src-tls-verify=false", inRegistry(`large@${JSON.parse(stdout).digest}`), "dir:pulled-large");
  assert.ok(moduleIn("pulled-large").length > 1_000_000);
  assert.ok(readdirSync(join(folder, "pulled-large")).includes("manifest.json"));
});
