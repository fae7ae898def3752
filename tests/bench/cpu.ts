/** The CPU time of processes, as Linux accounts for it: nanoseconds on a processor, for each thread, in schedstat. */
import { readdirSync, readFileSync } from "node:fs";

/**
 * Nanoseconds that the threads of these processes have run so far (Linux, Documentation/scheduler/sched-stats.rst: the first
 * number of `/proc/<pid>/task/<tid>/schedstat`). A thread that ended meanwhile is not in the sum.
 * @param procFolder another place than /proc, for tests
 * @throws Error where the kernel does not keep these figures
 */
export function cpuNanoseconds(processIds: readonly number[], procFolder = "/proc"): number {
  let sum = 0;
  for (const processId of processIds) {
    const tasks = `${procFolder}/${processId}/task`;
    const figures = threadsOf(tasks).map((thread) => readIfThere(`${tasks}/${thread}/schedstat`));
    if (figures.every((text) => text === undefined)) {
      throw new Error(`${tasks}/*/schedstat cannot be read: the kernel needs CONFIG_SCHED_INFO to keep CPU time`);
    }
    for (const text of figures) sum += Number(text?.split(" ")[0] ?? 0);
  }
  return sum;
}

function threadsOf(tasks: string): string[] {
  try {
    return readdirSync(tasks);
  } catch {
    throw new Error(`${tasks} cannot be read: CPU per request is measured on Linux, of a process that runs`);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
