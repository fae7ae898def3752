/** `sallyport build`: the engine with a policy inside, ready for Envoy. */
import type { Command } from "commander";
import { holding_member } from "../envoy/holding.ts";
import { loadEngineFor } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import { readBodyBytesOf } from "../policy/image/name.ts";
import { embedImage, leftOutCallbacks } from "../policy/module/embed.ts";
import { compileToShip, exampleKeysOption, type ShipOptions, shadowWords } from "./compile.ts";
import { counted, formatOption, type OutputFormat, printJson, showFindings, writeOutput } from "./output.ts";
import { readTrustKeys, type TrustOptions, trustKeyOption, trustLines, trustOf } from "./trust.ts";

interface BuildOptions extends ShipOptions, TrustOptions {
  output: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerBuild(program: Command): void {
  program
    .command("build")
    .argument("<policy>", "the policy file")
    .description("write the engine with the policy inside: the module that Envoy loads")
    .option("-o, --output <file>", "where to write it", "sallyport.wasm")
    .addOption(trustKeyOption())
    .addOption(exampleKeysOption())
    .addOption(formatOption())
    .action((path: string, { output, format, ...options }: BuildOptions) => {
      const keys = readTrustKeys(options);
      const { policy, image, warnings } = compileToShip(path, options);
      const module = embedImage(loadEngineFor(image), image, keys);
      writeOutput(output, module, "Wasm module");
      const rules = policy.rules.length;
      if (format === "json") {
        printJson({
          file: output,
          policy: policy.name,
          mode: policy.mode,
          rules,
          bytes: module.length,
          imageBytes: image.length,
          checksum: imageChecksum(image),
          readsBodyBytes: readBodyBytesOf(image) ?? null,
          leftOut: leftOutCallbacks(image),
          ...trustOf(keys, policy),
          warnings,
        });
        return;
      }
      showFindings(warnings, "warning");
      const parts = `policy \`${policy.name}\`, ${counted(rules, "rule")}, in ${counted(image.length, "byte")} of it`;
      process.stdout.write(
        `${output}: ${counted(module.length, "byte")}: ${parts}, image ${imageChecksum(image)}${shadowWords(policy)}\n`,
      );
      const bodyBytes = readBodyBytesOf(image);
      if (bodyBytes !== undefined) {
        process.stdout.write(
          `  the engine with bodies: the policy reads them, up to ${counted(bodyBytes, "byte")}. The plugin's configuration needs \`${holding_member}: true\` (Envoy 1.35), as \`manifest\` writes it; without it such requests are answered 503\n`,
        );
      }
      const left = leftOutCallbacks(image);
      if (left.length > 0) {
        const names = left.join(", ");
        process.stdout.write(
          `  without ${names}, which this policy does not need: a policy that does, by the filter's configuration, is refused\n`,
        );
      }
      for (const line of trustLines(keys, policy)) process.stdout.write(`  ${line}\n`);
      process.stdout.write(
        `  the enforcement check lets by what begins with {"admit":true,"policy":"${policy.name}",\n`,
      );
    });
}
