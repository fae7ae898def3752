/** What a module is made of, as CycloneDX 1.6 JSON (https://cyclonedx.org/docs/1.6/json/). */
import type { Built } from "./built.ts";
import { sha256 } from "./content.ts";

/** The bill of materials of a module. It has no time of its own, so that the same module has the same one. */
export function billOfMaterials({ policy, module, image, engine, program }: Built): object {
  const hashes = (bytes: Uint8Array): object[] => [{ alg: "SHA-256", content: sha256(bytes) }];
  const engineRef = `pkg:npm/sallyport@${program.version}`;
  const libraries = Object.entries(program.engineSources).map(([name, version]) => ({
    type: "library",
    "bom-ref": purl(name, version),
    name,
    version,
    licenses: [{ license: { id: "Apache-2.0" } }],
    purl: purl(name, version),
  }));
  const parts = [
    {
      type: "library",
      "bom-ref": engineRef,
      name: "sallyport",
      version: program.version,
      description: "the engine: a filter for Envoy, without a policy",
      hashes: hashes(engine),
      licenses: [{ license: { id: "Apache-2.0" } }],
      purl: engineRef,
    },
    {
      type: "data",
      "bom-ref": "policy",
      name: policy.name,
      version: policy.checksum,
      description: "the policy, compiled",
      hashes: hashes(image),
      data: [{ type: "configuration" }],
    },
  ];
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(module)}`,
    version: 1,
    metadata: {
      tools: { components: [{ type: "application", name: "sallyport", version: program.version }] },
      component: {
        type: "application",
        "bom-ref": "module",
        name: policy.name,
        version: policy.checksum,
        description: "plugin.wasm: the engine with the policy inside",
        hashes: hashes(module),
      },
    },
    components: [...parts, ...libraries],
    dependencies: [
      { ref: "module", dependsOn: [engineRef, "policy"] },
      { ref: engineRef, dependsOn: libraries.map((one) => one["bom-ref"]) },
    ],
  };
}

function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** An identifier that follows from the module (RFC 9562 §5.8, version 8). */
function uuidOf(module: Uint8Array): string {
  const digits = sha256(module);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `a${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join("-");
}
