/**
 * `sallyport`: the command line. Each verb is a file in scripts/commands/; what they share stands here: how usage is
 * checked, how errors are told, and what the program ends with (0 success, 1 a failed test, check or comparison, 2 wrong
 * usage or an invalid policy).
 */
import { Command, CommanderError } from "commander";
import manifest from "../package.json" with { type: "json" };
import { registerBuild } from "./commands/build.ts";
import { registerCheck } from "./commands/check.ts";
import { registerDiff } from "./commands/diff.ts";
import { registerExplain } from "./commands/explain.ts";
import { showFailure } from "./commands/failure.ts";
import { registerImage } from "./commands/image.ts";
import { registerInit } from "./commands/init.ts";
import { printJson } from "./commands/output.ts";
import { registerRun } from "./commands/run.ts";
import { registerTest } from "./commands/test.ts";
import { registerToken } from "./commands/token.ts";
import { PolicyError } from "./policy/source/diagnostic.ts";

const wrong_usage = 2;

/** The program with all its verbs. Usage errors are thrown as CommanderError. */
function createProgram(): Command {
  const program = new Command("sallyport")
    .description("Authorization for APIs in Envoy: policies checked, tested, explained and built into the filter")
    .version(manifest.version)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("(--help says how it is used)");
  const registrations = [
    registerInit,
    registerCheck,
    registerTest,
    registerExplain,
    registerToken,
    registerDiff,
    registerBuild,
    registerImage,
    registerRun,
  ];
  for (const register of registrations) register(program);
  return program;
}

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
