/** `sallyport manifest`: what other systems need to know of a policy, in their own words. */
import { type Command, Option } from "commander";
import { stringify } from "yaml";
import { compilePolicyFile } from "../policy/build.ts";
import { rateLimitConfiguration } from "../policy/fleet.ts";
import { formatOption, type OutputFormat, printJson, showFindings, UsageError, writeOutput } from "./output.ts";

interface ManifestOptions {
  for: "ratelimit";
  output?: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerManifest(program: Command): void {
  program
    .command("manifest")
    .argument("<policies...>", "the policy file; several, such as an old and a new one, in one configuration")
    .description("write what another system needs to know of a policy: limits of the fleet for envoyproxy/ratelimit")
    .addOption(new Option("--for <system>", "the system").choices(["ratelimit"]).makeOptionMandatory())
    .option("-o, --output <file>", "where to write it; left out: standard output")
    .addOption(formatOption())
    .action((paths: string[], { output, format }: ManifestOptions) => {
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
    });
}

/** Whose file it is; `writeOutput` knows it again by its beginning. */
const heading = "# Made by `sallyport manifest --for ratelimit`: the limits of a fleet, for envoyproxy/ratelimit.\n";
