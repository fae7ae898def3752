/** Asking an Envoy's admin interface. Only what changes nothing is asked. */
import type { Answers } from "./judge.ts";

const timeout_milliseconds = 10_000;

/** The interface did not answer, or with something else; the message says which URL and why. */
export class AdminError extends Error {
  override name = "AdminError";
}

/** The base URL of an admin interface: a scheme may be left out, and there is no password in it. @throws Error where the text is none */
export function parseAdmin(text: string): URL {
  const url = new URL(/^[a-z]+:\/\//u.test(text) ? text : `http://${text}`);
  // Node's `fetch` refuses a URL with a password, in words that have it.
  const isBase = [url.username, url.password, url.search, url.hash].every((part) => part === "");
  if (!["http:", "https:"].includes(url.protocol) || url.hostname === "" || !isBase) throw new Error("no base URL");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** Whether it is on this machine, as far as its address says. */
export function isLocal({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/u.test(hostname);
}

/** Asks for all that `judge` reads. @throws AdminError */
export async function askAdmin(base: URL): Promise<Required<Answers>> {
  const [dump, server, stats] = await Promise.all(
    ["config_dump", "server_info", "stats?format=json"].map((path) => ask(new URL(path, base))),
  );
  return { dump, server, stats };
}

async function ask(url: URL): Promise<unknown> {
  let text: string;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(timeout_milliseconds), redirect: "error" });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    text = await answer.text();
  } catch (error) {
    const { message, cause } = error as Error & { cause?: Error };
    const why = cause === undefined || cause.message === "" ? message : cause.message;
    throw new AdminError(`${url} did not answer: ${why}; is it Envoy's admin interface, and reachable from here?`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new AdminError(`${url} answered, but not with JSON: is it Envoy's admin interface?`);
  }
}
