/** `sallyport demo`: the filter in a real Envoy, shown by requests that it admits and denies. */
import type { Command } from "commander";
import { EnvoyNotFoundError } from "../envoy/find.ts";
import { EnvoyStartError } from "../envoy/process.ts";
import { formatOption, type OutputFormat, printJson } from "./output.ts";
import { painter } from "./terminal.ts";

/** Adds the verb to the program. Exit 1: an answer was not the expected one, or there is no Envoy to ask. */
export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description("show the filter in a real Envoy, by 21 requests; on a terminal Envoy stays up until Ctrl-C")
    .addOption(formatOption())
    .action(async ({ format }: { format: OutputFormat }) => {
      process.exitCode = await demo(format);
    });
}

async function demo(format: OutputFormat): Promise<number> {
  const isText = format === "text";
  const paint = painter(process.stdout);
  const print = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  try {
    // Loaded here: no other verb needs its gRPC client.
    const { runDemo } = await import("../demo/demo.ts");
    const { exitCode, ...report } = await runDemo({
      print: isText ? print : () => {},
      paint,
      onDownload: (message) => process.stderr.write(`${message}\n`),
      staysUp: isText && process.stdin.isTTY === true && process.stdout.isTTY === true,
    });
    if (!isText) printJson({ ok: exitCode === 0, ...report });
    return exitCode;
  } catch (error) {
    if (!(error instanceof EnvoyNotFoundError) && !(error instanceof EnvoyStartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}
