/** Programs that run beside the tests, each with a log of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export class Daemon {
  readonly name: string;
  readonly #logPath: string;
  readonly #start: (log: number) => ChildProcess;
  #child: ChildProcess | undefined;

  /**
   * @param folder where its log is
   * @param options its working folder, and what is added to the environment
   */
  constructor(
    name: string,
    folder: string,
    program: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.name = name;
    this.#logPath = join(folder, `${name}.log`);
    const { cwd = folder, env = {} } = options;
    this.#start = (log) => spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", log, log] });
  }

  start(): void {
    const log = openSync(this.#logPath, "a");
    this.#child = this.#start(log);
    closeSync(log);
  }

  /** All that it wrote, standard output and error. */
  log(): Promise<string> {
    return readFile(this.#logPath, "utf8").catch(() => "");
  }

  /** Throws, with the end of its log, where it has ended by itself. */
  async checkAlive(): Promise<void> {
    const { exitCode, signalCode } = this.#child ?? {};
    if (exitCode == null && signalCode == null) return;
    const end = (await this.log()).split("\n").slice(-20).join("\n");
    throw new Error(`${this.name} has ended (${exitCode ?? signalCode}):\n${end}`);
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}
