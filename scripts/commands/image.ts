/** `sallyport image`: the policy image alone, as plugin configuration carries it, signed where a key is given. */
import { type Command, InvalidArgumentError } from "commander";
import { imageChecksum } from "../policy/image/image.ts";
import type { Policy } from "../policy/language/model.ts";
import { policy_version_max, type Signing, signImage } from "../policy/signed/envelope.ts";
import { keyIdOf, rawOf, readSigningKey } from "../policy/signed/keys.ts";
import { parseAt } from "./arguments.ts";
import { compileToShip, exampleKeysOption, type ShipOptions, shadowWords } from "./compile.ts";
import {
  counted,
  formatOption,
  type OutputFormat,
  printJson,
  showFindings,
  UsageError,
  writeOutput,
} from "./output.ts";
import { withFile } from "./trust.ts";

interface ImageOptions extends ShipOptions {
  output: string;
  sign?: string;
  imageVersion?: number;
  /** Milliseconds since 1970. */
  expires?: number;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerImage(program: Command): void {
  program
    .command("image")
    .argument("<policy>", "the policy file")
    .description(
      "write the policy image alone, for the configuration of the filter; signed, for modules with trust keys",
    )
    .option("-o, --output <file>", "where to write it", "policy.bin")
    .option("--sign <key>", "sign it with this private key (Ed25519, PKCS#8, PEM); needs --image-version")
    .option("--image-version <number>", "its version: an Envoy never goes back to an older one", parseVersion)
    .option(
      "--expires <time>",
      "from then on no module takes it into force anew, such as 2027-01-31T00:00:00Z",
      parseAt,
    )
    .addOption(exampleKeysOption())
    .addOption(formatOption())
    .action((path: string, { output, format, ...options }: ImageOptions) => {
      checkOptions(options);
      const { policy, image, warnings } = compileToShip(path, options);
      const signed = signedOf(image, policy, options);
      const bytes = signed?.bytes ?? image;
      writeOutput(output, bytes, signed === undefined ? "policy image" : "signed policy image");
      const rules = policy.rules.length;
      const checksum = imageChecksum(image);
      if (format === "json") {
        const { keyId = null, version = null, expires = null } = signed?.says ?? {};
        const about = { file: output, policy: policy.name, rules, bytes: bytes.length, checksum };
        printJson({ ...about, mode: policy.mode, version, keyId, expires, warnings });
        return;
      }
      showFindings(warnings, "warning");
      process.stdout.write(
        `${output}: ${counted(bytes.length, "byte")}: policy \`${policy.name}\`, ${counted(rules, "rule")}, image ${checksum}${signed === undefined ? "" : words(signed.says)}${shadowWords(policy)}\n`,
      );
    });
}

function parseVersion(text: string): number {
  const version = /^[0-9]{1,10}$/u.test(text) ? Number(text) : 0;
  if (version < 1 || version > policy_version_max)
    throw new InvalidArgumentError(`a version is a whole number from 1 to ${policy_version_max}.`);
  return version;
}

/** What a signature says, as people and JSON are told. */
interface Says {
  version: number;
  keyId: string;
  /** RFC 3339; null: never. */
  expires: string | null;
}

function checkOptions({ sign, imageVersion, expires }: Partial<ImageOptions>): void {
  if (sign === undefined && (imageVersion !== undefined || expires !== undefined))
    throw new UsageError("--image-version and --expires are part of what is signed: give the key with --sign");
  if (sign !== undefined && imageVersion === undefined)
    throw new UsageError(
      "a signed image has a version: give --image-version, a number that grows with each image, such as a count of releases or `date +%s`",
    );
  if (expires !== undefined && (expires < 1000 || expires / 1000 > policy_version_max))
    throw new UsageError("--expires lies between 1970 and 2106");
}

function signedOf(
  image: Uint8Array,
  policy: Policy,
  { sign, imageVersion, expires }: Partial<ImageOptions>,
): { bytes: Uint8Array; says: Says } | undefined {
  if (sign === undefined) return undefined;
  const { minimumVersion = 0 } = policy;
  const signing: Signing = {
    version: imageVersion!,
    expiresSeconds: expires === undefined ? undefined : Math.floor(expires / 1000),
  };
  if (signing.version < minimumVersion)
    throw new UsageError(
      `--image-version ${signing.version} is older than the policy's own \`minimumVersion\`, ${minimumVersion}: every module would refuse it`,
    );
  const key = withFile(sign, readSigningKey);
  if (signing.expiresSeconds !== undefined && signing.expiresSeconds * 1000 <= Date.now())
    process.stderr.write("note: --expires has passed: no module takes this image\n");
  if (policy.mode === "shadow" && signing.expiresSeconds === undefined)
    process.stderr.write(
      "note: a signed policy in shadow mode lets every request through wherever nothing newer is in force: give it an end (--expires), and sign the next version right after\n",
    );
  const says: Says = { version: signing.version, keyId: keyIdOf(rawOf(key)), expires: timeOf(signing.expiresSeconds) };
  return { bytes: signImage(image, key, signing), says };
}

const timeOf = (seconds: number | undefined): string | null =>
  seconds === undefined ? null : new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

function words({ version, keyId, expires }: Says): string {
  return `, version ${version}, signed by key ${keyId}, ${expires === null ? "without an end" : `until ${expires}`}`;
}
