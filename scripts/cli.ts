/**
 * `sallyport`: the command line. Each verb is a file in scripts/commands/, and verbs.ts lists them; what they share stands
 * here: how errors are told, and what the program ends with (0 success, 1 a failed test, check or comparison, 2 wrong usage or
 * an invalid policy).
 */
import { CommanderError } from "commander";
import { showFailure } from "./commands/failure.ts";
import { printJson } from "./commands/output.ts";
import { createProgram } from "./commands/verbs.ts";
import { PolicyError } from "./policy/source/diagnostic.ts";

const wrong_usage = 2;

/** Tells what went wrong and gives the exit code for it. */
function report(error: unknown, format: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has said it already. Help and version were asked for; help in place of a missing verb was not.
    return error.exitCode === 0 ? 0 : wrong_usage;
  }
  const failure = showFailure(error);
  if (error instanceof PolicyError && format === "json") printJson(failure);
  return wrong_usage;
}

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const program = createProgram();
try {
  await program.parseAsync();
} catch (error) {
  const verb = program.commands.find((command) => command.name() === program.args[0]);
  process.exitCode = report(error, verb?.opts().format);
}
