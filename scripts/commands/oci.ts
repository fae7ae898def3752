/** `sallyport oci`: the filter as an OCI image, in a folder or in a registry, with what it is made of and how it was built. */
import { type Command, InvalidArgumentError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import type { Built } from "../oci/built.ts";
import { type Bundle, bundle } from "../oci/bundle.ts";
import { findCredentials } from "../oci/credentials.ts";
import { mayWriteLayout, writeLayout } from "../oci/layout.ts";
import { pushBundle, type ReferrersBy, referrersTag } from "../oci/push.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { Registry } from "../oci/registry.ts";
import { findRevision } from "../oci/revision.ts";
import { RegistryError } from "../oci/transport.ts";
import { loadEngineFor } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import type { Policy } from "../policy/language/model.ts";
import { embedImage } from "../policy/module/embed.ts";
import type { Diagnostic } from "../policy/source/diagnostic.ts";
import { reasonOf } from "../policy/source/read.ts";
import { compileToShip, exampleKeysOption, type ShipOptions } from "./compile.ts";
import { showFailure } from "./failure.ts";
import { formatOption, type OutputFormat, printJson, showFindings, UsageError } from "./output.ts";
import { readTrustKeys, type TrustOptions, trustKeyOption, trustLines, trustOf } from "./trust.ts";

interface OciOptions extends ShipOptions, TrustOptions {
  output?: string;
  push?: Reference;
  /** False: none is to be named. */
  revision?: string | false;
  format: OutputFormat;
}

/** Adds the verb to the program. Exit 1: the registry did not take the image. */
export function registerOci(program: Command): void {
  program
    .command("oci")
    .argument("<policy>", "the policy file")
    .description(
      "write the filter as an OCI image for Istio and Envoy Gateway, or push it, with its SBOM and provenance",
    )
    .option("-o, --output <dir>", "the folder to write it into, as an OCI image layout")
    .option("--push <image>", "where to push it: REGISTRY/NAME:TAG", parseImage)
    .option("--revision <revision>", "the revision of the policy's source; left out: the commit, by git", parseRevision)
    .option("--no-revision", "name no revision")
    .addOption(trustKeyOption())
    .addOption(exampleKeysOption())
    .addOption(formatOption())
    .action(async (path: string, options: OciOptions) => {
      process.exitCode = await run(path, options);
    });
}

function parseImage(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

function parseRevision(text: string): string {
  if (!/^[!-~]{1,256}$/u.test(text)) throw new InvalidArgumentError("a revision is 1 to 256 visible ASCII characters.");
  return text;
}

async function run(path: string, { output, push, revision, format, ...ship }: OciOptions): Promise<number> {
  if (output === undefined && push === undefined)
    throw new UsageError("say where the image goes: -o DIR for a folder, --push REGISTRY/NAME:TAG for a registry");
  if (output !== undefined) checkFolder(output);
  const { built, notes, warnings } = buildModule(path, ship, revision);
  const made = bundle(built);
  const tag = push?.tag ?? built.policy.name;
  if (output !== undefined) write(output, made, tag);
  if (format === "text") {
    showFindings(warnings, "warning");
    for (const note of notes) process.stderr.write(`note: ${note}\n`);
    process.stdout.write(describe(built, made));
    if (output !== undefined) process.stdout.write(`\nwritten to ${output}, where it is called ${tag}\n`);
  }
  let referrersBy: ReferrersBy | undefined;
  if (push !== undefined) {
    try {
      referrersBy = await pushBundle(new Registry(push, findCredentials(push.registry)), made, tag);
    } catch (error) {
      const said = error instanceof RegistryError ? error.message : reasonOf(error);
      const failure = showFailure(new Error(`${push.registry}/${push.name}:${tag} was not pushed: ${said}`));
      if (format === "json") printJson({ ...failure, warnings });
      return 1;
    }
    if (format === "text") process.stdout.write(pushedText(push, made, referrersBy));
  }
  if (format === "json")
    printJson({ ...summary(built, made), ...places({ output, push, referrersBy }), notes, warnings });
  return 0;
}

/** The module of a policy with all that it is made from, and what is to be said of it. Throws PolicyError. */
function buildModule(
  path: string,
  ship: ShipOptions & TrustOptions,
  revision: OciOptions["revision"],
): { built: Built; notes: string[]; warnings: Diagnostic[] } {
  const keys = readTrustKeys(ship);
  const { policy, image, warnings, files } = compileToShip(path, ship);
  const engine = loadEngineFor(image);
  const { named, notes } = revisionOf(files, revision);
  if (holdsCredential(policy))
    notes.push(
      "the image holds the credential that the policy shows its key server (`keys.header`): let nobody else pull it",
    );
  notes.push(...trustLines(keys, policy).map((line) => (keys.length === 0 ? line : `the module ${line}`)));
  const built: Built = {
    policy: { name: policy.name, checksum: imageChecksum(image), path, files, ...trustOf(keys, policy) },
    image,
    engine,
    module: embedImage(engine, image, keys),
    program: { version: manifest.version, engineSources },
    revision: named,
  };
  return { built, notes, warnings };
}

/** Packages whose code the compiler puts into the engine, at the versions that built it. */
const engineSources = {
  assemblyscript: manifest.devDependencies.assemblyscript,
  "@solo-io/proxy-runtime": manifest.devDependencies["@solo-io/proxy-runtime"],
};

function revisionOf(
  files: readonly string[],
  asked: string | false | undefined,
): { named: string | undefined; notes: string[] } {
  if (asked !== undefined) return { named: asked === false ? undefined : asked, notes: [] };
  const found = findRevision(files);
  if ("commit" in found) return { named: found.commit, notes: [] };
  return { named: undefined, notes: [`the image names no revision, since ${found.problem}; --revision says one`] };
}

function holdsCredential({ issuers }: Policy): boolean {
  return issuers.some(({ keySet }) => keySet.source?.header !== undefined);
}

function checkFolder(path: string): void {
  let mayWrite: boolean;
  try {
    mayWrite = mayWriteLayout(path);
  } catch (error) {
    throw new UsageError(`cannot write into ${path}: ${reasonOf(error)}`);
  }
  if (!mayWrite)
    throw new UsageError(`${path} exists and is no image of ours; it was left as it is, choose another folder with -o`);
}

function write(path: string, made: Bundle, tag: string): void {
  try {
    writeLayout(path, made, tag);
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${reasonOf(error)}`);
  }
}

/** What was made, without where it is. */
function summary({ policy }: Built, { annotations, moduleSha256, image, sbom, provenance }: Bundle): object {
  return {
    policy: policy.name,
    checksum: policy.checksum,
    digest: image.manifest.descriptor.digest,
    moduleSha256,
    sbom: sbom.manifest.descriptor.digest,
    provenance: provenance.manifest.descriptor.digest,
    annotations,
  };
}

function places({
  output,
  push,
  referrersBy,
}: {
  output: string | undefined;
  push: Reference | undefined;
  referrersBy: ReferrersBy | undefined;
}): object {
  return {
    ...(output === undefined ? {} : { directory: output }),
    ...(push === undefined ? {} : { image: `${push.registry}/${push.name}:${push.tag}`, referrersBy }),
  };
}

function describe({ policy, program, revision }: Built, { moduleSha256, image, sbom, provenance }: Bundle): string {
  const hex = (digest: string): string => digest.slice("sha256:".length);
  const lines = [
    `policy \`${policy.name}\`, checksum ${policy.checksum}, engine of sallyport ${program.version}, ${revision === undefined ? "no revision" : `revision ${revision}`}`,
    `  manifest    ${hex(image.manifest.descriptor.digest)}`,
    "              `sha256` of a WasmPlugin (Istio) with an oci:// URL, and of an image in an EnvoyExtensionPolicy (Envoy Gateway)",
    `  module      ${moduleSha256}`,
    "              `sha256` wherever the module itself is fetched by http(s): WasmPlugin, EnvoyExtensionPolicy, Envoy's remote code",
    `  SBOM        ${hex(sbom.manifest.descriptor.digest)}`,
    `  provenance  ${hex(provenance.manifest.descriptor.digest)}`,
  ];
  return `${lines.join("\n")}\n`;
}

function pushedText({ registry, name, tag }: Reference, { image }: Bundle, referrersBy: ReferrersBy): string {
  const { digest } = image.manifest.descriptor;
  const how = referrersBy === "api" ? "by the registry's referrers API" : `by the tag ${referrersTag(digest)}`;
  return `\npushed ${registry}/${name}:${tag}, which is ${registry}/${name}@${digest}\n  SBOM and provenance are found ${how}\n`;
}
