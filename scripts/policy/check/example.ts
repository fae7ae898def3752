/**
 * Example keys: those that `sallyport init` made, whose private halves lie about. To try a policy with they are fine; a policy
 * that ships with one lets in whoever has the other half.
 */
import { createPublicKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Reporter } from "../source/diagnostic.ts";

/** What is said of example keys: nothing, a warning, or an error. */
export type ExampleKeys = "take" | "warn" | "refuse";

/** The member of a JWK that tells an example key, also where its private half is not there, as in a clone of the repository. */
export const example_member = "sallyport_example";

/** The folder beside a policy where private halves of example keys are. */
const private_folder = ".sallyport";
const private_ending = ".private.jwk.json";

/** Where the private key of an issuer's or a trust domain's examples lies, relative to the policy's folder. */
export function privateKeyPath(issuer: string): string {
  return join(private_folder, `${issuer}${private_ending}`);
}

/** Finds example keys among those of one policy. */
export class ExampleKeyCheck {
  private readonly policyFile: string;
  private readonly treatment: ExampleKeys;
  /** Private halves by their public keys; undefined until somebody asks. */
  private halves: ReadonlyMap<string, string> | undefined;

  /** @param policyFile the main file, beside whose keys the private halves are looked for */
  constructor(policyFile: string, treatment: ExampleKeys) {
    this.policyFile = policyFile;
    this.treatment = treatment;
  }

  /**
   * Reports a key that is an example.
   * @param reporter the key set's
   * @param at where the key stands in it
   * @param isMarked whether the key says so itself
   */
  check(reporter: Reporter, at: number, key: { kid: string; spki: Uint8Array }, isMarked: boolean): void {
    if (this.treatment === "take") return;
    this.halves ??= privateHalves(dirname(this.policyFile));
    const half = this.halves.get(Buffer.from(key.spki).toString("base64"));
    if (half === undefined && !isMarked) return;
    const name = key.kid === "" ? "this" : `\`${key.kid}\``;
    const why =
      half === undefined
        ? "`sallyport init` made it together with its private half"
        : `its private half is in \`${half}\``;
    const out =
      this.treatment === "refuse"
        ? "put your issuer's public keys in its place; to go on with it all the same, say --allow-example-keys"
        : "put your issuer's public keys in its place before this guards anything";
    const message = `${name} is an example key: ${why}, so whoever has that can sign tokens; ${out}`;
    if (this.treatment === "refuse") reporter.error("example_key", at, message);
    else reporter.warn("example_key", at, message);
  }
}

/** The files of private keys in the folder beside a policy, by the public keys that belong to them. What is none is passed over. */
function privateHalves(folder: string): Map<string, string> {
  const halves = new Map<string, string>();
  let names: string[];
  try {
    names = readdirSync(join(folder, private_folder)).filter((name) => name.endsWith(private_ending));
  } catch {
    return halves;
  }
  for (const name of names) {
    const path = join(folder, private_folder, name);
    try {
      const key = createPublicKey({ key: JSON.parse(readFileSync(path, "utf8")), format: "jwk" });
      halves.set(key.export({ format: "der", type: "spki" }).toString("base64"), path);
    } catch {
      // No private key, or none that can be read: `run` says so where it would sign with it.
    }
  }
  return halves;
}
