/** The image, its attachments and the folder they are written into: their form, and that equal input gives equal bytes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Ajv } from "ajv";
import { bundle } from "../../scripts/oci/bundle.ts";
import { type Packed, sha256 } from "../../scripts/oci/content.ts";
import { compressed, tarOf } from "../../scripts/oci/layer.ts";
import { mayWriteLayout, writeLayout } from "../../scripts/oci/layout.ts";
import { findRevision } from "../../scripts/oci/revision.ts";
import { billOfMaterials } from "../../scripts/oci/sbom.ts";
import { folderWith } from "../cli/program.ts";
import { madeIn } from "./made.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests read members as they expect them
const parsed = (bytes: Uint8Array): any => JSON.parse(Buffer.from(bytes).toString("utf8"));
const manifestOf = ({ manifest }: Packed) => parsed(manifest.bytes);
const documentOf = (packed: Packed) =>
  parsed(packed.blobs.find(({ descriptor }) => descriptor.digest === manifestOf(packed).layers[0].digest)!.bytes);

test("the layer is a tar archive with plugin.wasm alone, which tar unpacks", (context) => {
  const folder = folderWith(context);
  const module = Buffer.from(Array.from({ length: 1300 }, (_, at) => at % 251));
  writeFileSync(join(folder, "layer.tar.gz"), compressed(tarOf(module)));
  const listed = execFileSync("tar", ["-tvzf", "layer.tar.gz", "--utc", "--numeric-owner"], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.match(listed, /^-rw-r--r-- 0\/0 +1300 1970-01-01 00:00 plugin\.wasm\n$/u);
  execFileSync("tar", ["-xzf", "layer.tar.gz"], { cwd: folder });
  assert.deepEqual(readFileSync(join(folder, "plugin.wasm")), module);
});

test("the image has the form that Istio and Envoy Gateway pull", (context) => {
  const built = madeIn(folderWith(context), { revision: "r1" });
  const { image, moduleSha256, annotations } = bundle(built);
  const { config, layers, ...rest } = manifestOf(image);
  assert.deepEqual(rest, {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    annotations: { "module.wasm.image/variant": "compat", ...annotations },
  });
  assert.deepEqual(annotations, {
    "org.opencontainers.image.title": "Sallyport with policy shop",
    "org.opencontainers.image.revision": "r1",
    "sallyport.policy": "shop",
    "sallyport.policy.checksum": "1a2b3c4d",
    "sallyport.engine.version": "0.1.0",
    "sallyport.engine.sha256": sha256(built.engine),
    "sallyport.module.sha256": moduleSha256,
  });
  assert.equal(moduleSha256, sha256(built.module));
  assert.deepEqual(
    layers.map((one: { mediaType: string }) => one.mediaType),
    ["application/vnd.oci.image.layer.v1.tar+gzip"],
  );
  const byDigest = (digest: string) => image.blobs.find(({ descriptor }) => descriptor.digest === digest)!.bytes;
  const archive = gunzipSync(byDigest(layers[0].digest));
  assert.deepEqual(archive.subarray(512, 512 + built.module.length), built.module);
  assert.deepEqual(parsed(byDigest(config.digest)).rootfs, { type: "layers", diff_ids: [`sha256:${sha256(archive)}`] });
});

test("a layer's bytes are the same on every machine and in every version of Node", () => {
  // A compressor that gives other bytes gives every image another digest: that is a change to tell of in CHANGELOG.md.
  const module = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * at) >> 7));
  assert.equal(sha256(compressed(tarOf(module))), "541697b153466493442d29050dd1468628dbc4f5ab3a5e0b92c7acff7a8b4a92");
});

test("equal input gives an equal image, wherever the policy lies; another revision another one", (context) => {
  const [one, two] = [folderWith(context), folderWith(context)];
  assert.deepEqual(bundle(madeIn(one)), bundle(madeIn(two)));
  const digest = (revision: string) => bundle(madeIn(one, { revision })).image.manifest.descriptor.digest;
  assert.notEqual(digest("a"), digest("b"));
});

test("SBOM and provenance refer to the image, as OCI 1.1 has it", (context) => {
  const { image, sbom, provenance } = bundle(madeIn(folderWith(context)));
  const { mediaType, digest, size } = image.manifest.descriptor;
  for (const [attached, type] of [
    [sbom, "application/vnd.cyclonedx+json"],
    [provenance, "application/vnd.in-toto+json"],
  ] as const) {
    const { artifactType, subject, config, layers } = manifestOf(attached);
    assert.deepEqual([artifactType, layers[0].mediaType], [type, type]);
    assert.deepEqual(subject, { mediaType, digest, size });
    assert.deepEqual(
      [config.mediaType, config.digest, config.data],
      ["application/vnd.oci.empty.v1+json", `sha256:${sha256("{}")}`, "e30="],
    );
    assert.equal(attached.manifest.descriptor.artifactType, type);
  }
});

test("the SBOM is CycloneDX 1.6 by its own schema, and names the module by its checksum", (context) => {
  const built = madeIn(folderWith(context));
  const require = createRequire(import.meta.url);
  const schema = (name: string) =>
    JSON.parse(
      readFileSync(
        require.resolve("@cyclonedx/cyclonedx-library/package.json").replace("package.json", `res/schema/${name}`),
        "utf8",
      ),
    );
  const ajv = new Ajv({ strict: false, validateFormats: false });
  for (const name of ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}`);
  const validate = ajv.compile(schema("bom-1.6.SNAPSHOT.schema.json"));
  const bom = documentOf(bundle(built).sbom);
  assert.ok(validate(bom), JSON.stringify(validate.errors));
  assert.ok(!validate({ ...(bom as object), components: [{ type: "engine" }] }), "the schema would see what is wrong");
  assert.deepEqual(bom, JSON.parse(JSON.stringify(billOfMaterials(built))));
  assert.deepEqual(bom.metadata.component.hashes, [{ alg: "SHA-256", content: sha256(built.module) }]);
  assert.deepEqual(
    bom.components.map(({ purl, name }: { purl?: string; name: string }) => purl ?? name),
    ["pkg:npm/sallyport@0.1.0", "shop", "pkg:npm/assemblyscript@0.28.20", "pkg:npm/%40solo-io/proxy-runtime@0.1.8"],
  );
});

test("the provenance says which files, engine and commit the image was built from", (context) => {
  const folder = folderWith(context);
  const revision = "0123456789abcdef0123456789abcdef01234567";
  const built = madeIn(folder, { revision });
  mkdirSync(join(folder, "keys"));
  const keys = join(folder, "keys/corp.json");
  writeFileSync(keys, "{}");
  const { image, provenance } = bundle({ ...built, policy: { ...built.policy, files: [...built.policy.files, keys] } });
  const statement = documentOf(provenance);
  assert.equal(statement._type, "https://in-toto.io/Statement/v1");
  assert.equal(statement.predicateType, "https://slsa.dev/provenance/v1");
  assert.deepEqual(statement.subject, [
    { name: "shop", digest: { sha256: image.manifest.descriptor.digest.replace("sha256:", "") } },
    { name: "plugin.wasm", digest: { sha256: sha256(built.module) } },
  ]);
  assert.deepEqual(statement.predicate.buildDefinition.resolvedDependencies, [
    { name: "engine.wasm", uri: "pkg:npm/sallyport@0.1.0", digest: { sha256: sha256(built.engine) } },
    { name: "policy.yaml", digest: { sha256: sha256("name: shop\n") } },
    { name: "keys/corp.json", digest: { sha256: sha256("{}") } },
    { name: "source", digest: { gitCommit: revision } },
  ]);
});

test("a layout has everything by its digest, and is written over where it was written here", (context) => {
  const folder = folderWith(context);
  const layout = join(folder, "deep/image");
  const made = bundle(madeIn(folder));
  assert.ok(mayWriteLayout(layout));
  writeLayout(layout, made, "v1");
  for (const name of readdirSync(join(layout, "blobs/sha256")))
    assert.equal(sha256(readFileSync(join(layout, "blobs/sha256", name))), name);
  const index = parsed(readFileSync(join(layout, "index.json")));
  assert.deepEqual(
    index.manifests.map(({ digest }: { digest: string }) => digest),
    [made.image, made.sbom, made.provenance].map(({ manifest }) => manifest.descriptor.digest),
  );
  assert.deepEqual(index.manifests[0].annotations, { "org.opencontainers.image.ref.name": "v1" });

  assert.ok(mayWriteLayout(layout));
  writeLayout(layout, bundle(madeIn(folder, { revision: "two" })), "v2");
  assert.equal(
    parsed(readFileSync(join(layout, "index.json"))).manifests[0].annotations["org.opencontainers.image.ref.name"],
    "v2",
  );
  assert.deepEqual(readdirSync(join(folder, "deep")), ["image"]);
});

test("a folder with anything else in it, another layout too, is not written over", (context) => {
  const folder = folderWith(context, { "mine.txt": "mine" });
  assert.ok(!mayWriteLayout(folder));
  const other = join(folder, "other");
  mkdirSync(join(other, "blobs"), { recursive: true });
  assert.ok(!mayWriteLayout(other));
  writeFileSync(join(other, "oci-layout"), "{}");
  writeFileSync(join(other, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [] }));
  assert.ok(!mayWriteLayout(other));
  writeFileSync(join(other, "index.json"), JSON.stringify({ annotations: { "sallyport.layout": "1" } }));
  assert.ok(mayWriteLayout(other));
});

test("the revision is the commit, where git has all files as they are", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": "a",
    "keys.json": "b",
    ".gitignore": "secret.json\n",
    "secret.json": "c",
  });
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: folder,
      encoding: "utf8",
      stdio: "pipe",
    });
  const revision = (...names: string[]) => findRevision(names.map((name) => join(folder, name)));
  assert.match((revision("policy.yaml") as { problem: string }).problem, /no git repository/u);
  git("init", "-q");
  git("add", "policy.yaml");
  git("commit", "-qm", "one");
  assert.deepEqual(revision("policy.yaml"), { commit: git("rev-parse", "HEAD").trim() });
  assert.match((revision("policy.yaml", "keys.json") as { problem: string }).problem, /no commit of keys\.json/u);
  assert.match((revision("policy.yaml", "secret.json") as { problem: string }).problem, /no commit of secret\.json/u);
  writeFileSync(join(folder, "policy.yaml"), "changed");
  assert.match((revision("policy.yaml") as { problem: string }).problem, /no commit of policy\.yaml/u);
});
