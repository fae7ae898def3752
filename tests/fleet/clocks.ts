/**
 * Clocks of the service and of Redis that a test moves while they run. The service is built from its own source with one line changed,
 * which every look at its clock goes through: Go asks the kernel itself, so that nothing loaded into the program could answer in its place.
 */
import { createHash } from "node:crypto";
import { constants, writeFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { findOnPath, must, ratelimit_module, ratelimit_version } from "./systems.ts";

const source = "src/utils/time.go";
const replacements: readonly [string, string][] = [
  [`"math/rand"`, `"math/rand"\n\t"os"\n\t"strconv"\n\t"strings"`],
  [
    "return time.Now().Unix()",
    `text, _ := os.ReadFile(os.Getenv("CLOCK_OFFSET_FILE"))
	offset, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Now().Unix() + offset`,
  ],
];

/** Builds the service with a clock that can be moved, once; its path. */
export async function findMovableService(): Promise<string> {
  const version = createHash("sha256").update(JSON.stringify(replacements)).digest("hex").slice(0, 8);
  const folder = join(cacheFolder(), `ratelimit-${ratelimit_version}-clock-${version}`);
  const program = join(folder, "service_cmd");
  if (await allThere([program], constants.X_OK)) return program;
  console.log(`building envoyproxy/ratelimit with a clock that can be moved into ${folder}, once`);
  const module = await must("go", ["mod", "download", "-json", `${ratelimit_module}@${ratelimit_version}`], tmpdir());
  const { Dir: original } = JSON.parse(module) as { Dir: string };
  const copy = await mkdtemp(join(tmpdir(), "sallyport-clock-"));
  try {
    await cp(original, copy, { recursive: true });
    await must("chmod", ["-R", "u+w", copy], tmpdir());
    let text = await readFile(join(copy, source), "utf8");
    for (const [from, to] of replacements) {
      if (text.split(from).length !== 2) throw new Error(`${source} has not once: ${from}`);
      text = text.replace(from, to);
    }
    await writeFile(join(copy, source), text);
    await buildInto(folder, [program], async (into) => {
      await must("go", ["build", "-o", join(into, "service_cmd"), "./src/service_cmd"], copy);
    });
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
  return program;
}

/** The clocks of the two, each by so many seconds ahead of this machine's. */
export class Clocks {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Clocks> {
    await findOnPath("cc", ["gcc", "libc6-dev"]);
    const folder = await mkdtemp(join(tmpdir(), "sallyport-clock-"));
    const shim = fileURLToPath(new URL("clock.c", import.meta.url));
    await must("cc", ["-shared", "-fPIC", "-O1", "-o", join(folder, "clock.so"), shim], folder);
    return new Clocks(folder);
  }

  /** What has the two go by these clocks. */
  get environments(): Record<"redis" | "ratelimit", NodeJS.ProcessEnv> {
    return {
      redis: { LD_PRELOAD: join(this.#folder, "clock.so"), CLOCK_OFFSET_FILE: this.#file("redis") },
      ratelimit: { CLOCK_OFFSET_FILE: this.#file("ratelimit") },
    };
  }

  set(of: "redis" | "ratelimit", seconds: number): void {
    writeFileSync(this.#file(of), String(seconds));
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #file(of: string): string {
    return join(this.#folder, of);
  }
}
