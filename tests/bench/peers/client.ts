/** The load generator as a child process: a typed client of the lines it reads and writes (load/main.go says what they mean). */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A server, the requests to send to it, and the connections to send them over. Files are PEM. */
export interface OpenOptions {
  /** The name for it from now on; each may be open once at a time. */
  id: string;
  /** Host and port, for example `127.0.0.1:8443`. */
  address: string;
  protocol: "http1" | "http2";
  /** How many connections. Over HTTP/1.1 each has one request in flight. */
  connections: number;
  /** Over HTTP/2, how many requests each connection has in flight. */
  streams?: number;
  /**
   * JSON lines, each `{"method", "path", "host", "headers": [[name, value], …]}`; `"abort": "headers"` or `"body"` has a
   * request broken off there.
   */
  requests_file: string;
  certificate: string;
  key: string;
  /** The authority that signed the server's certificate. */
  authority: string;
  /** The name the server's certificate is for. */
  server_name: string;
}

/** What came of a run. */
export interface RunResult {
  id: string;
  /** How many requests were begun. */
  requests: number;
  /** How many answers had each status; requests that were broken off on purpose are under `aborted`. */
  statuses: Record<string, number>;
  /** Requests that got no whole answer. */
  failures: number;
  /** Connections opened again, since the server closed them or they failed. */
  reconnects: number;
  /** Connections opened again after we broke a request off. */
  aborted_reconnects: number;
  seconds: number;
  /** What went wrong with the first request that failed. */
  first_failure?: string;
}

/** The load generator could not do what it was told, or ended; the message begins with the id. */
export class LoadError extends Error {
  override name = "LoadError";
}

interface Waiting {
  id: string;
  resolve: (answer: unknown) => void;
  reject: (error: LoadError) => void;
}

const stop_timeout_ms = 5_000;

/** A running load generator. Commands are carried out one after the other; every method throws {@link LoadError}. */
export class Load {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: Waiting[] = [];
  readonly #closed: Promise<unknown>;
  #end: string | undefined;

  /** @param executable the program, as `benchTools` returns it */
  constructor(executable: string) {
    this.#child = spawn(executable, [], { stdio: ["pipe", "pipe", "inherit"] });
    this.#closed = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(this.#fail(`cannot be started: ${error.message}`)));
      this.#child.once("close", (code, signal) => resolve(this.#fail(`has ended (${signal ?? `exit code ${code}`})`)));
    });
    // Writing to a process that is gone fails here, and its end is told by the events above.
    this.#child.stdin.on("error", () => {});
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(line));
  }

  /** The generator's process ID, to tell its share of the CPU; undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Reads the requests, connects and completes every handshake. */
  async open(options: OpenOptions): Promise<void> {
    await this.#ask(options.id, { open: options });
  }

  /** Sends so many requests as fast as it can, in turn, going on where the last run of this id stopped. */
  async run(id: string, requests: number): Promise<RunResult> {
    return (await this.#ask(id, { run: { id, requests } })) as RunResult;
  }

  /**
   * Sends every request of the file once, in order, one at a time.
   * @returns their statuses; 0 for a request that got no answer, or was broken off
   */
  async each(id: string): Promise<number[]> {
    return ((await this.#ask(id, { each: { id } })) as { statuses: number[] }).statuses;
  }

  /** Closes the connections of an id. */
  async close(id: string): Promise<void> {
    await this.#ask(id, { close: { id } });
  }

  /** Ends the process: after what it is doing, and after five seconds by force. Safe to call twice. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), stop_timeout_ms);
    await this.#closed;
    clearTimeout(force);
  }

  async #ask(id: string, command: object): Promise<unknown> {
    if (this.#end !== undefined) throw new LoadError(`${id}: the load generator ${this.#end}`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    });
  }

  #take(line: string): void {
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    const answer = JSON.parse(line) as { error?: string };
    if (answer.error === undefined) asked.resolve(answer);
    else asked.reject(new LoadError(`${asked.id}: ${answer.error}`));
  }

  #fail(how: string): void {
    this.#end ??= how;
    for (const { id, reject } of this.#waiting.splice(0))
      reject(new LoadError(`${id}: the load generator ${this.#end}`));
  }
}
