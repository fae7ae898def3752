/**
 * What memory a running Envoy has, as Linux tells: of the process as a whole, and of each Wasm VM in it.
 *
 * A VM's own memory needs no help of the module. V8 reserves 8 GiB of addresses for each Wasm memory, so that code need not
 * check 32-bit addresses, and makes only the module's `memory.size` of them accessible. In `/proc/<pid>/maps` that is
 *
 *   7fbd8d560000-7fbd8d5f0000 rw-p …      memory.size: 9 pages of 64 KiB
 *   7fbd8d5f0000-7fbf8d560000 ---p …      the rest of the 8 GiB
 *
 * so the figure is exact, is there for every VM (each worker has one, the main thread one for checking configurations and one
 * that the others are cloned of), and costs the Envoy under test nothing.
 */
import { readFileSync } from "node:fs";
import type { RunningEnvoy } from "../../scripts/envoy/process.ts";

/** The unit Wasm memory grows by. */
export const wasm_page_bytes = 65_536;

/** One measurement. */
export interface EnvoyMemory {
  /** Resident set size: all pages in memory, those of the executable included. */
  rssBytes: number;
  /** The resident pages that no file backs: heaps, stacks, the VMs. */
  anonymousBytes: number;
  /** What Envoy's allocator has handed out, without what it keeps for later. Wasm memories are not in it. */
  allocatedBytes: number;
  /** The `memory.size` of every Wasm VM, largest first. */
  moduleBytes: number[];
}

/**
 * Measures an Envoy.
 * @throws Error where the process is gone, or this is not Linux
 */
export async function readEnvoyMemory({ pid, admin }: RunningEnvoy): Promise<EnvoyMemory> {
  const { allocated } = JSON.parse(await admin("/memory")) as { allocated: string };
  const rollup = readProcess(pid, "smaps_rollup");
  const bytes = (name: string): number => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc/${pid}/smaps_rollup has no line "${name}"`);
    return Number(kibibytes) * 1024;
  };
  return {
    rssBytes: bytes("Rss"),
    anonymousBytes: bytes("Anonymous"),
    allocatedBytes: Number(allocated),
    moduleBytes: wasmMemories(readProcess(pid, "maps")),
  };
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    throw new Error(`memory is measured on Linux, of an Envoy that runs: ${(error as Error).message}`);
  }
}

const reservation_bytes = 8 * 1024 ** 3;

/** The sizes of the Wasm memories in the text of a process's `maps`, in bytes, largest first. */
export function wasmMemories(maps: string): number[] {
  const sizes: number[] = [];
  let before = { start: 0, end: 0, access: "" };
  for (const line of maps.split("\n")) {
    const [, start, end, access] = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) /.exec(line) ?? [];
    if (start === undefined) continue;
    const here = { start: Number.parseInt(start, 16), end: Number.parseInt(end!, 16), access: access! };
    const isMemory = before.access === "rw-p" && here.access === "---p" && here.start === before.end;
    // What follows a stack or a heap is never as long: a page, or at most the 4 GiB that V8 has for its objects.
    if (isMemory && here.end - before.start >= reservation_bytes) sizes.push(before.end - before.start);
    before = here;
  }
  return sizes.sort((a, b) => b - a);
}
