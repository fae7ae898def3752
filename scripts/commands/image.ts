/** `sallyport image`: the policy image alone, as plugin configuration carries it. */
import type { Command } from "commander";
import { imageChecksum } from "../policy/image/image.ts";
import { compileToShip, exampleKeysOption, type ShipOptions } from "./compile.ts";
import { counted, formatOption, type OutputFormat, printJson, showFindings, writeOutput } from "./output.ts";

/** Adds the verb to the program. */
export function registerImage(program: Command): void {
  program
    .command("image")
    .argument("<policy>", "the policy file")
    .description("write the policy image alone, for the configuration of the filter")
    .option("-o, --output <file>", "where to write it", "policy.bin")
    .addOption(exampleKeysOption())
    .addOption(formatOption())
    .action((path: string, { output, format, ...ship }: ShipOptions & { output: string; format: OutputFormat }) => {
      const { policy, image, warnings } = compileToShip(path, ship);
      writeOutput(output, image, "policy image");
      const rules = policy.rules.length;
      if (format === "json") {
        printJson({
          file: output,
          policy: policy.name,
          rules,
          bytes: image.length,
          checksum: imageChecksum(image),
          warnings,
        });
        return;
      }
      showFindings(warnings, "warning");
      process.stdout.write(
        `${output}: ${counted(image.length, "byte")}: policy \`${policy.name}\`, ${counted(rules, "rule")}, image ${imageChecksum(image)}\n`,
      );
    });
}
