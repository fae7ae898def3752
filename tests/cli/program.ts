/** The command line as a user runs it: a process with arguments, output and an exit code. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { endsInTime, program } from "../support/program.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What the program said and ended with. */
export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs `sallyport`; whether this process shows colour has no say in whether it does.
 * @param cwd the folder to run it in; the repository's root where none is given
 */
export function sallyport(args: readonly string[], { input = "", cwd = root } = {}): Run {
  const { NO_COLOR: _, FORCE_COLOR: __, ...environment } = process.env;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [program, ...args], {
    cwd,
    input,
    encoding: "utf8",
    env: { ...environment, NODE_OPTIONS: "" },
    ...endsInTime,
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

/** As `sallyport`, while this process goes on: for runs that speak to a server in it. @param added to the environment */
export async function sallyportBeside(
  args: readonly string[],
  cwd: string,
  added: NodeJS.ProcessEnv = {},
): Promise<Run> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...environment } = process.env;
  const env = { ...environment, NODE_OPTIONS: "", ...added };
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    ...endsInTime,
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, stdout, stderr };
}

/** A folder of files by name, and its removal. */
export function folderOf(files: Readonly<Record<string, string>>): {
  path: (name: string) => string;
  remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return { path: (name) => join(folder, name), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A folder that is gone when the test ends, with these files. */
export function folderWith(test: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const { path, remove } = folderOf(files);
  test.after(remove);
  return path("");
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

/** A small policy with one issuer, its keys beside it in `keys.json`. */
export const policyText = `version: 1
name: small
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: keys.json }
rules:
  - name: orders
    callers: [spiffe://example.org/checkout]
    allow: [POST /orders, "GET /orders/{id}"]
    token: corp
    scopes: [orders:write]
  - name: elsewhere
    callers: [any]
    hosts: [other.example.org]
    allow: [GET /orders/7]
  - name: no-deletes
    callers: [any]
    deny: ["DELETE /**"]
`;
