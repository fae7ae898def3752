/** `sallyport keygen`: a key pair that signs policies. */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { makeSigningKey } from "../policy/signed/keys.ts";
import { reasonOf } from "../policy/source/read.ts";
import { formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";

interface KeygenOptions {
  output: string;
  name: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerKeygen(program: Command): void {
  program
    .command("keygen")
    .description("make a key pair (Ed25519) that signs policies: for `image --sign` and `build --trust-key`")
    .option("-o, --output <dir>", "the folder to write it into", ".")
    .option("--name <name>", "how its files are called: NAME.key.pem and NAME.pub.pem", parseName, "signing")
    .addOption(formatOption())
    .action(({ output, name, format }: KeygenOptions) => {
      const { privatePem, publicPem, id } = makeSigningKey();
      const [privateKey, publicKey] = [join(output, `${name}.key.pem`), join(output, `${name}.pub.pem`)];
      for (const path of [privateKey, publicKey])
        if (existsSync(path))
          throw new UsageError(`${path} exists, and a key is never written over; choose another --name, or folder`);
      write([
        { path: privateKey, text: privatePem, mode: 0o600 },
        { path: publicKey, text: publicPem, mode: 0o644 },
      ]);
      if (format === "json") {
        printJson({ privateKey, publicKey, keyId: id });
        return;
      }
      process.stdout.write(
        `${privateKey}: the private key of ${id}, for \`sallyport image --sign\`: keep it where policies are signed, and nowhere else\n` +
          `${publicKey}: the public key, for \`sallyport build --trust-key\`\n`,
      );
    });
}

function parseName(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/u.test(text)) throw new InvalidArgumentError("1 to 64 letters, digits, `-` and `_`.");
  return text;
}

/** Writes files that are not there, with their modes from the first byte on, or none of them. */
function write(files: readonly { path: string; text: string; mode: number }[]): void {
  const written: string[] = [];
  try {
    for (const { path, text, mode } of files) {
      mkdirSync(join(path, ".."), { recursive: true });
      const file = openSync(path, "wx", mode);
      written.push(path);
      try {
        writeSync(file, text);
      } finally {
        closeSync(file);
      }
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw new UsageError(`cannot write ${files[written.length]?.path ?? "the key"}: ${reasonOf(error)}`);
  }
}
