/**
 * Keeps what is measured and what measures on processors of their own, so that neither is moved about nor takes the other's
 * caches. With taskset, since Node cannot do it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Pins processes, as often as asked: threads may have appeared meanwhile. */
export class Pinning {
  readonly #processors: number[];
  /** Whether it is done, and where, or why not: a sentence's part. */
  outcome = "not pinned";

  constructor() {
    // This process's own processors, before it is pinned to one of them.
    this.#processors = allowedProcessors(readFileSync("/proc/self/status", "utf8"));
  }

  /** Puts all threads of Envoy on one processor, and of the processes that measure on another. */
  pin(envoyPid: number, measuring: readonly number[]): void {
    const [first, second] = this.#processors;
    if (first === undefined || second === undefined) {
      this.outcome = "not pinned: there is one processor only";
      return;
    }
    try {
      pinThreads(envoyPid, first);
      for (const pid of measuring) pinThreads(pid, second);
      this.outcome = `Envoy pinned to processor ${first}, the load generator to ${second}`;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.outcome = `not pinned: ${code === "ENOENT" ? "there is no taskset" : message.trim()}`;
    }
  }
}

function pinThreads(pid: number, processor: number): void {
  execFileSync("taskset", ["-a", "-c", "-p", String(processor), String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
}

/** The processors of `Cpus_allowed_list` in /proc/<pid>/status, for example `0-3,8`. */
export function allowedProcessors(status: string): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  if (list === undefined) return [];
  return list.split(",").flatMap((range) => {
    const [from, to] = range.split("-").map(Number) as [number, number?];
    return Array.from({ length: (to ?? from) - from + 1 }, (_, index) => from + index);
  });
}
