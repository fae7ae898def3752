/** HAR 1.2, as browsers and proxies save it: one JSON document with all requests. */
import { type Entry, entryOf, objectOf, textOf, timeOf } from "./entry.ts";

/** So large may a document be: it is read at once. */
export const har_bytes_max = 256 * 1024 * 1024;

/** How a document begins. */
export const har_start = /^\ufeff?\s*\{\s*"log"\s*:\s*\{/;

/** Its entries; undefined where it is no HAR. */
export function harEntries(document: Record<string, unknown>): Entry[] | undefined {
  const { entries } = objectOf(document.log);
  return Array.isArray(entries) ? entries.map((entry) => harEntry(objectOf(entry))) : undefined;
}

function harEntry(entry: Record<string, unknown>): Entry {
  const request = objectOf(entry.request);
  const response = objectOf(entry.response);
  const url = urlOf(textOf(request.url));
  const duration = Number(textOf(entry.time) ?? Number.NaN);
  return entryOf({
    time: timeOf(Date.parse(textOf(entry.startedDateTime) ?? "")),
    method: textOf(request.method),
    host: url?.host,
    path: url === undefined ? undefined : `${url.pathname}${url.search}`,
    status: textOf(response.status),
    duration_ms: Number.isFinite(duration) && duration >= 0 ? String(Math.round(duration)) : undefined,
    bytes_received: bytesOf(request),
    bytes_sent: bytesOf(response),
    // What GraphQL asks stands in the body alone.
    operation: graphqlOf(objectOf(request.postData), url?.pathname ?? ""),
  });
}

function urlOf(text: string | undefined): URL | undefined {
  try {
    return text === undefined ? undefined : new URL(text);
  } catch {
    return undefined;
  }
}

/** -1 stands for what is not known. */
function bytesOf(part: Record<string, unknown>): string | undefined {
  const size = Number(textOf(part.bodySize) ?? textOf(objectOf(part.content).size) ?? -1);
  return size >= 0 ? String(size) : undefined;
}

function graphqlOf(posted: Record<string, unknown>, path: string): string | undefined {
  const text = textOf(posted.text);
  if (text === undefined || !path.endsWith("/graphql") || text.length > 1_000_000) return undefined;
  try {
    const { query, operationName } = objectOf(JSON.parse(text));
    const kind = /^\s*(query|mutation|subscription|\{)/.exec(textOf(query) ?? "")?.[1];
    if (kind === undefined) return undefined;
    return `graphql ${kind === "{" ? "query" : kind} ${textOf(operationName) ?? ""}`.trim();
  } catch {
    return undefined;
  }
}

/** The entries of a document in a file; undefined where its text is no HAR after all. */
export function harDocument(text: string): Entry[] | undefined {
  try {
    return harEntries(objectOf(JSON.parse(text.replace(/^\ufeff/, ""))));
  } catch {
    return undefined;
  }
}
