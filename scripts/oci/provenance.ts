/**
 * How a module was built: an in-toto statement (https://github.com/in-toto/attestation, Statement v1) with SLSA's provenance
 * (https://slsa.dev/spec/v1.0/provenance). It is not signed: it says what was built from what, and not who says so.
 */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import type { Built } from "./built.ts";
import { sha256 } from "./content.ts";

export const statement_type = "https://in-toto.io/Statement/v1";
export const predicate_type = "https://slsa.dev/provenance/v1";
/** What `sallyport oci` does with its parameters. */
const build_type = "pkg:npm/sallyport#oci/v1";

/** Something a build used. */
interface Dependency {
  name: string;
  uri?: string;
  digest: Record<string, string>;
}

/** @param imageDigest `sha256:` and 64 hexadecimal digits: the image's manifest */
export function provenance(built: Built, imageDigest: string): object {
  const { policy, engine, module, program, revision } = built;
  const package_ = `pkg:npm/sallyport@${program.version}`;
  const dependencies: Dependency[] = [
    { name: "engine.wasm", uri: package_, digest: { sha256: sha256(engine) } },
    ...policy.files.map((path) => ({
      name: nameOf(path, policy.path),
      digest: { sha256: sha256(readFileSync(path)) },
    })),
  ];
  if (revision !== undefined && /^[0-9a-f]{40}$/u.test(revision))
    dependencies.push({ name: "source", digest: { gitCommit: revision } });
  return {
    _type: statement_type,
    subject: [
      { name: policy.name, digest: { sha256: imageDigest.slice("sha256:".length) } },
      { name: "plugin.wasm", digest: { sha256: sha256(module) } },
    ],
    predicateType: predicate_type,
    predicate: {
      buildDefinition: {
        buildType: build_type,
        externalParameters: {
          policy: nameOf(policy.path, policy.path),
          ...(revision === undefined ? {} : { revision }),
          ...(policy.trustKeys.length === 0 ? {} : { trustKeys: policy.trustKeys }),
        },
        resolvedDependencies: dependencies,
      },
      runDetails: { builder: { id: package_, version: { sallyport: program.version } } },
    },
  };
}

/** A file's name as seen from the folder of the policy, wherever that is. */
function nameOf(path: string, policyPath: string): string {
  return relative(dirname(resolve(policyPath)), resolve(path))
    .split(sep)
    .join("/");
}
