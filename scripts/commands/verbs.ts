/** The verbs of the command line, in the order of `--help` and of docs/command-line.md. */
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { registerBuild } from "./build.ts";
import { registerCheck } from "./check.ts";
import { registerDiff } from "./diff.ts";
import { registerExplain } from "./explain.ts";
import { registerImage } from "./image.ts";
import { registerInit } from "./init.ts";
import { registerManifest } from "./manifest.ts";
import { registerRun } from "./run.ts";
import { registerTest } from "./test.ts";
import { registerToken } from "./token.ts";

/** Each adds its verb to the program: its arguments, its options and what they mean. The documents' tables are made from these. */
export const verbs = {
  init: registerInit,
  check: registerCheck,
  test: registerTest,
  explain: registerExplain,
  token: registerToken,
  diff: registerDiff,
  build: registerBuild,
  image: registerImage,
  manifest: registerManifest,
  run: registerRun,
} as const satisfies Record<string, (program: Command) => void>;

/** The program with all its verbs. Usage errors are thrown as CommanderError. */
export function createProgram(): Command {
  const program = new Command("sallyport")
    .description("Authorization for APIs in Envoy: policies checked, tested, explained and built into the filter")
    .version(manifest.version)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("(--help says how it is used)");
  for (const register of Object.values(verbs)) register(program);
  return program;
}
