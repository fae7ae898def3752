/** `sallyport check`: errors and warnings of a policy, each with its place and a way out. */
import type { Command } from "commander";
import { compileToShip, exampleKeysOption, type ShipOptions } from "./compile.ts";
import { counted, formatOption, type OutputFormat, printJson, showFindings } from "./output.ts";

/** Adds the verb to the program. An invalid policy is thrown as PolicyError, which the program shows; warnings alone are no failure. */
export function registerCheck(program: Command): void {
  program
    .command("check")
    .argument("<policy>", "the policy file")
    .description("find errors and warnings in a policy, each with its place and a fix")
    .addOption(exampleKeysOption())
    .addOption(formatOption())
    .action((path: string, { format, ...ship }: ShipOptions & { format: OutputFormat }) => {
      const { policy, warnings } = compileToShip(path, ship);
      if (format === "json") {
        printJson({ errors: [], warnings });
        return;
      }
      showFindings(warnings, "warning");
      process.stdout.write(
        `${path}: sound: ${counted(policy.rules.length, "rule")}, ${counted(warnings.length, "warning")}\n`,
      );
    });
}
