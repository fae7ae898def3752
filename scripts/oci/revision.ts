/** Which commit files are of, by git. */
import { spawnSync } from "node:child_process";
import { dirname, resolve } from "node:path";

/** The commit, or why none can be named. */
export type Revision = { commit: string } | { problem: string };

/**
 * Finds the commit that files are of: HEAD of the work tree that the first of them lies in, if all of them are in it as they are.
 * @param paths at least one
 */
export function findRevision(paths: readonly string[]): Revision {
  const files = paths.map((path) => resolve(path));
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", ["-C", dirname(files[0]!), ...args], {
      encoding: "utf8",
      timeout: 30_000,
    });
    return status === 0 ? stdout : undefined;
  };
  const commit = git("rev-parse", "--verify", "HEAD")?.trim();
  if (commit === undefined) return { problem: "the policy is in no git repository with a commit" };
  const changed = git("status", "--porcelain", "--ignored", "--untracked-files=all", "--", ...files);
  if (changed === undefined) return { problem: "git cannot tell whether all files of the policy are committed" };
  const [first] = changed.split("\n");
  return first ? { problem: `git has no commit of ${first.slice(3)} as it is` } : { commit };
}
