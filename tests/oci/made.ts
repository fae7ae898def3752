/** A bundle to push and look at: the policy and the engine are a few bytes that only look like some. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Built } from "../../scripts/oci/built.ts";

/** A module and what it was built from, with its policy file in a folder. */
export function madeIn(folder: string, changes: Partial<Built> = {}): Built {
  const path = join(folder, "policy.yaml");
  writeFileSync(path, "name: shop\n");
  return {
    policy: { name: "shop", checksum: "1a2b3c4d", path, files: [path], trustKeys: [], minimumVersion: null },
    image: Buffer.from("image"),
    engine: Buffer.from("engine"),
    module: Buffer.from("engine with image".repeat(1000)),
    program: { version: "0.1.0", engineSources: { assemblyscript: "0.28.20", "@solo-io/proxy-runtime": "0.1.8" } },
    revision: undefined,
    ...changes,
  };
}
