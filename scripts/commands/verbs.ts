/** The verbs of the command line, in the order of `--help` and of docs/command-line.md. */
import { createHash } from "node:crypto";
import { Command, CommanderError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { loadEngine } from "../policy/build.ts";
import { registerBuild } from "./build.ts";
import { registerCheck } from "./check.ts";
import { registerDemo } from "./demo.ts";
import { registerDiff } from "./diff.ts";
import { registerDiscover } from "./discover.ts";
import { registerExplain } from "./explain.ts";
import { registerImage } from "./image.ts";
import { registerInit } from "./init.ts";
import { registerKeygen } from "./keygen.ts";
import { registerManifest } from "./manifest.ts";
import { registerOci } from "./oci.ts";
import { registerReplay } from "./replay.ts";
import { registerReport } from "./report.ts";
import { registerRollout } from "./rollout.ts";
import { registerRun } from "./run.ts";
import { registerStatus } from "./status.ts";
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
  keygen: registerKeygen,
  oci: registerOci,
  manifest: registerManifest,
  replay: registerReplay,
  rollout: registerRollout,
  report: registerReport,
  status: registerStatus,
  discover: registerDiscover,
  run: registerRun,
  demo: registerDemo,
} as const satisfies Record<string, (program: Command) => void>;

/** The program with all its verbs. Usage errors are thrown as CommanderError. */
export function createProgram(): Command {
  const program = new Command("sallyport")
    .description("Authorization for APIs in Envoy: policies checked, tested, explained and built into the filter")
    .option("-V, --version", "the version of the package, and the SHA-256 checksum of the engine")
    .on("option:version", () => {
      const version = versionText();
      process.stdout.write(`${version}\n`);
      throw new CommanderError(0, "commander.version", version);
    })
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("(--help says how it is used)");
  for (const register of Object.values(verbs)) register(program);
  return program;
}

/** Such as `0.1.0 (engine sha256:5f2a…)`; the annotations of an image say the same of the engine in it. */
function versionText(): string {
  return `${manifest.version} (engine sha256:${createHash("sha256").update(loadEngine()).digest("hex")})`;
}
