/** `sallyport manifest`: what other systems are given of a policy, in their own words. */
import { type Command, Option } from "commander";
import { stringify } from "yaml";
import { headingOf, type Manifest, ManifestError, type System, systems } from "../manifest/files.ts";
import { makeManifest } from "../manifest/manifest.ts";
import { type GivenOptions, refuseOthers } from "../manifest/options.ts";
import { type CompiledPolicy, compilePolicyFile } from "../policy/build.ts";
import { rateLimitConfiguration } from "../policy/fleet.ts";
import { writeFolder } from "./folder.ts";
import { formatOption, type OutputFormat, printJson, showFindings, UsageError, writeOutput } from "./output.ts";
import { addPlaceOptions } from "./place.ts";
import { readTrustKeys, type TrustOptions, trustKeyOption } from "./trust.ts";

interface ManifestOptions extends Omit<GivenOptions, "trustKey">, TrustOptions {
  for: System | "ratelimit";
  output?: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerManifest(program: Command): void {
  const command = program
    .command("manifest")
    .argument(
      "<policies...>",
      "the policy file; for ratelimit several, such as an old and a new one, in one configuration",
    )
    .description("write what another system is given of a policy: the filter and all around it, or limits of the fleet")
    .addOption(
      new Option("--for <system>", "envoy, istio, envoy-gateway, or envoyproxy/ratelimit for limits of the fleet")
        .choices([...systems, "ratelimit"])
        .makeOptionMandatory(),
    )
    .option("-o, --output <path>", "where to write it: a folder, for ratelimit a file; left out: standard output")
    .option("--image <reference>", "istio, envoy-gateway: the OCI image that has the module")
    .option("--url <url>", "istio, envoy-gateway: where the module is, in place of --image")
    .option(
      "--sha256 <hex>",
      "the digest of the image's manifest, or of the module; default with --url: that of the module of `build`",
    )
    .addOption(trustKeyOption());
  addPlaceOptions(command)
    .option("--helm", "istio, envoy-gateway: as a Helm chart")
    .addOption(formatOption())
    .action((paths: string[], options: ManifestOptions) =>
      run(paths, options).catch((error: unknown) => {
        throw error instanceof ManifestError ? new UsageError(error.message) : error;
      }),
    );
}

async function run(
  paths: string[],
  { for: system, output, format, trustKey, ...others }: ManifestOptions,
): Promise<void> {
  const given: GivenOptions = { ...others, ...(trustKey.length > 0 && { trustKey: readTrustKeys({ trustKey }) }) };
  if (system === "ratelimit") {
    refuseOthers(system, given, []);
    writeRateLimits(paths, output, format);
    return;
  }
  const [path, more] = paths as [string, string?];
  if (more !== undefined) throw new UsageError(`one policy at a time is for ${system}: leave out ${more}`);
  const compiled = compilePolicyFile(path);
  const manifest = await makeManifest(system, compiled, given);
  if (output === undefined) printManifest(manifest, compiled, given.helm === true, format);
  else writeManifest(system, manifest, compiled, output, format);
}

function printManifest(
  { applied, others }: Manifest,
  { warnings }: CompiledPolicy,
  isChart: boolean,
  format: OutputFormat,
): void {
  if (isChart) throw new UsageError("a chart is a folder: say where to write it with -o");
  if (format === "json") {
    const files = [...applied, ...others].map(({ name, about, text }) => ({ name, about, text }));
    printJson({ files, warnings });
    return;
  }
  showFindings(warnings, "warning");
  process.stdout.write(applied.map(({ name, text }) => `# ${name}\n${text}`).join("---\n"));
}

function writeManifest(
  system: System,
  { applied, others }: Manifest,
  { warnings }: CompiledPolicy,
  folder: string,
  format: OutputFormat,
): void {
  const files = [...applied, ...others];
  const removed = writeFolder(folder, files, headingOf(system));
  if (format === "json") {
    printJson({ directory: folder, files: files.map(({ name, about }) => ({ name, about })), removed, warnings });
    return;
  }
  showFindings(warnings, "warning");
  const width = Math.max(...files.map(({ name }) => name.length));
  const lines = files.map(({ name, about }) => `${folder}/${name.padEnd(width)}  ${about}\n`);
  for (const name of removed) lines.push(`${folder}/${name.padEnd(width)}  removed: this policy has no use for it\n`);
  process.stdout.write(lines.join(""));
}

function writeRateLimits(paths: string[], output: string | undefined, format: OutputFormat): void {
  const compiled = paths.map((path) => compilePolicyFile(path));
  const configuration = rateLimitConfiguration(compiled.map(({ policy }) => policy));
  if (typeof configuration === "string") throw new UsageError(configuration);
  const text = `${heading}${stringify(configuration)}`;
  if (output !== undefined) writeOutput(output, Buffer.from(text), "configuration of ours");
  if (format === "json") {
    const warnings = compiled.flatMap((one) => one.warnings);
    printJson({ ...(output === undefined ? {} : { file: output }), ...configuration, warnings });
    return;
  }
  for (const { warnings } of compiled) showFindings(warnings, "warning");
  if (output === undefined) process.stdout.write(text);
  else
    process.stdout.write(
      `${output}: ${configuration.descriptors.length} limits of domain \`${configuration.domain}\`\n`,
    );
}

/** Whose file it is; `writeOutput` knows it again by its beginning. */
const heading = "# Made by `sallyport manifest --for ratelimit`: the limits of a fleet, for envoyproxy/ratelimit.\n";
