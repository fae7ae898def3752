/** The command line as a user runs it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const cli = join(import.meta.dirname, "../../scripts/cli.ts");
const loader = import.meta.resolve("tsx");

/** What the program said and ended with. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `sallyport` with these arguments in a folder. */
export function sallyport(folder: string, ...args: string[]): Ended {
  const { FORCE_COLOR: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", loader, cli, ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** A folder that is gone when the test ends, with these files. */
export function folderWith(test: TestContext, files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-cli-"));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** A policy that needs no other file. */
export const plain_policy = `version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - name: health
    callers: [anonymous]
    allow: [GET /healthz]
`;
