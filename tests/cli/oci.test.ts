/** `oci`: the image in a folder and in a registry, what is said of it, and what the program ends with. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sha256 } from "../../scripts/oci/content.ts";
import { type RegistrySetting, startRegistry } from "../support/registry.ts";
import { folderWith, plain_policy, policyText, sallyport, sallyportBeside } from "./program.ts";

/** A registry that ends with the test. */
async function registryFor(context: TestContext, setting?: RegistrySetting) {
  const registry = await startRegistry(setting);
  context.after(registry.stop);
  return registry;
}

/** Every file of a folder, by its path, with its content. */
function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, path, name }) => [
      join(parentPath ?? path, name).slice(folder.length),
      sha256(readFileSync(join(parentPath ?? path, name))),
    ]),
  );
}

test("oci -o: an image with the module that build writes, and its digests, said which is for what", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  assert.equal(sallyport(["build", "policy.yaml", "-o", "filter.wasm"], { cwd: folder }).code, 0);
  const { code, stdout, stderr } = sallyport(["oci", "policy.yaml", "-o", "image"], { cwd: folder });
  assert.equal(code, 0, stderr);
  const module = readFileSync(join(folder, "filter.wasm"));
  const index = JSON.parse(readFileSync(join(folder, "image/index.json"), "utf8"));
  const [{ digest, annotations }] = index.manifests;
  assert.equal(annotations["org.opencontainers.image.ref.name"], "shop");
  assert.match(
    stdout,
    new RegExp(`^  manifest    ${digest.slice(7)}\n .*WasmPlugin \\(Istio\\) with an oci:// URL.*Envoy Gateway`, "mu"),
  );
  assert.match(stdout, new RegExp(`^  module      ${sha256(module)}\n .*http\\(s\\)`, "mu"));
  assert.match(stdout, /^written to image, where it is called shop$/mu);
  assert.match(
    stderr,
    /^note: the image names no revision, since the policy is in no git repository.*--revision says one$/mu,
  );
  const blob = (of: string) => readFileSync(join(folder, "image/blobs", of.replace(":", "/")));
  const [{ digest: layer }] = JSON.parse(blob(digest).toString()).layers;
  assert.deepEqual(gunzipSync(blob(layer)).subarray(512, 512 + module.length), module);
});

test("oci: the same policy gives the same bytes, from any folder", (context) => {
  const files = { "policy.yaml": plain_policy };
  const [one, two] = [folderWith(context, files), folderWith(context, files)];
  assert.equal(sallyport(["oci", "policy.yaml", "-o", "image"], { cwd: one }).code, 0);
  assert.equal(sallyport(["oci", join(two, "policy.yaml"), "-o", join(two, "image")], { cwd: one }).code, 0);
  assert.deepEqual(contentOf(join(one, "image")), contentOf(join(two, "image")));
  // Over an image of ours it is written again.
  assert.equal(sallyport(["oci", "policy.yaml", "-o", "image", "--revision", "r2"], { cwd: one }).code, 0);
  assert.notDeepEqual(contentOf(join(one, "image")), contentOf(join(two, "image")));
});

test("oci --format json: digests, annotations, and each file the policy was read from in the provenance", (context) => {
  const folder = folderWith(context, { "policy.yaml": policyText, "keys.json": '{"keys": []}' });
  const keyless = policyText.replace(
    "keys: { file: keys.json }",
    "keys: { url: https://idp.example.org/jwks.json, cluster: idp, header: { name: x-api-key, file: api.key } }",
  );
  writeFileSync(join(folder, "policy.yaml"), keyless);
  writeFileSync(join(folder, "api.key"), "secret\n");
  const args = ["oci", "policy.yaml", "-o", "image", "--revision", "v1.2.3", "--format", "json"];
  const { code, stdout } = sallyport(args, { cwd: folder });
  assert.equal(code, 0, stdout);
  const said = JSON.parse(stdout);
  assert.equal(said.directory, "image");
  assert.equal(said.annotations["org.opencontainers.image.revision"], "v1.2.3");
  assert.match(said.annotations["sallyport.engine.sha256"], /^[0-9a-f]{64}$/u);
  // A credential goes into the image, and its name into no document.
  assert.match(said.notes.join(), /holds the credential.*let nobody else pull it/u);
  const blob = (of: string) => JSON.parse(readFileSync(join(folder, "image/blobs", of.replace(":", "/")), "utf8"));
  const statement = blob(blob(said.provenance).layers[0].digest);
  const names = statement.predicate.buildDefinition.resolvedDependencies.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ["engine.wasm", "policy.yaml"]);
});

test("oci --push: what is said, in words and as JSON", async (context) => {
  const { host, manifests } = await registryFor(context, { hasReferrers: false });
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const args = ["oci", "policy.yaml", "--push", `${host}/team/shop:v1`, "--no-revision"];
  const told = await sallyportBeside(args, folder);
  assert.equal(told.code, 0, told.stderr);
  const digest = `sha256:${sha256(manifests.get("v1")!.bytes)}`;
  assert.ok(told.stdout.includes(`pushed ${host}/team/shop:v1, which is ${host}/team/shop@${digest}\n`));
  assert.ok(told.stdout.includes(`found by the tag ${digest.replace(":", "-")}\n`));
  const { code, stdout } = await sallyportBeside([...args, "-o", "image", "--format", "json"], folder);
  const said = JSON.parse(stdout);
  assert.deepEqual([code, said.image, said.digest, said.referrersBy], [0, `${host}/team/shop:v1`, digest, "tag"]);
  // In the folder it is called as in the registry.
  const index = JSON.parse(readFileSync(join(folder, "image/index.json"), "utf8"));
  assert.deepEqual(index.manifests[0].annotations, { "org.opencontainers.image.ref.name": "v1" });
});

test("oci --push with what docker login wrote; a registry that refuses ends it with 1", async (context) => {
  const { host, manifests } = await registryFor(context, { auth: "bearer", account: "ann:pass" });
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const push = () =>
    sallyportBeside(["oci", "policy.yaml", "--push", `${host}/team/shop:v1`], folder, { DOCKER_CONFIG: folder });
  const refused = await push();
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^error: \S+\/team\/shop:v1 was not pushed: \S+ wants credentials for team\/shop.*`docker login /mu,
  );
  const auth = Buffer.from("ann:pass").toString("base64");
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }));
  assert.equal((await push()).code, 0);
  assert.ok(manifests.has("v1"));
});

test("oci --push over TLS: only where the registry's certificate is of an authority that is trusted", async (context) => {
  const authority = await makeAuthority({ trustDomain: "example.org" });
  const { certificatePem, privateKeyPem } = await authority.issue({
    spiffeId: "spiffe://example.org/registry",
    ipAddresses: ["127.0.0.1"],
  });
  const tls = { cert: certificatePem, key: privateKeyPem };
  const { host, manifests } = await registryFor(context, { tls, auth: "bearer" });
  const folder = folderWith(context, { "policy.yaml": plain_policy, "ca.pem": authority.certificatePem });
  const args = ["oci", "policy.yaml", "--push", `${host}/team/shop:v1`];
  const refused = await sallyportBeside(args, folder);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /certificate of \S+ is of no authority that is trusted here.*NODE_EXTRA_CA_CERTS/u);
  const { code, stderr } = await sallyportBeside(args, folder, { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") });
  assert.equal(code, 0, stderr);
  assert.ok(manifests.has("v1"));
});

test("oci --push --format json: an error is JSON, too", async (context) => {
  const { host } = await registryFor(context, { failures: [{ at: "GET /v2/", statuses: [404] }] });
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const { code, stdout } = await sallyportBeside(
    ["oci", "policy.yaml", "--push", `${host}/a:b`, "--format", "json"],
    folder,
  );
  assert.equal(code, 1);
  assert.match(
    JSON.parse(stdout).errors[0].message,
    /was not pushed: http:\/\/\S+\/v2\/ answers 404, as no registry does/u,
  );
});

test("oci: wrong usage ends with 2, and nothing is written", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const said = (...args: string[]): string => {
    const { code, stdout, stderr } = sallyport(["oci", "policy.yaml", ...args], { cwd: folder });
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    return stderr;
  };
  assert.match(said(), /-o DIR for a folder, --push REGISTRY\/NAME:TAG for a registry/u);
  assert.match(said("-o", "."), /^error: \. exists and is no image of ours; it was left as it is/mu);
  assert.match(said("-o", "policy.yaml"), /policy\.yaml.*not a directory/u);
  assert.match(said("--push", "shop:v1"), /names no registry.*registry\.example\.org\/team\/sallyport:v1/u);
  assert.match(said("-o", "image", "--revision", "two words"), /a revision is 1 to 256 visible ASCII/u);
  assert.deepEqual(readdirSync(folder).sort(), ["policy.yaml"]);
});
