/**
 * Envoy's default text format, and Istio's. Neither escapes a quote in a header: who sends one in `user-agent` could add fields of its
 * own. So the quoted part counts only with exactly as many quotes as the format has; otherwise the fields before it alone are taken,
 * which are Envoy's own, or have no blank.
 *
 * Envoy:  [time] "METHOD PATH PROTOCOL" code flags received sent duration upstream-ms "forwarded-for" "agent" "id" "authority" "upstream"
 * Istio:  [time] "METHOD PATH PROTOCOL" code flags details termination "tls" received sent duration upstream-ms (the same five) cluster …
 */
import { type Entry, entryOf, textOf } from "./entry.ts";

const head = /^\[([^\]"]{10,40})\] "([^ "]{1,64}) (\S*) (HTTP\/[\d.]{1,3}|-)" (\d{1,3}) ([A-Za-z0-9,_-]+) (.*)$/s;
const sizes = /^(\d+|-) (\d+|-) (\d+|-) (\d+|-)(?: (.*))?$/s;
/** What Istio has before the sizes. The reason of a TLS failure is the upstream's, and may have blanks. */
const istio_before = /^(\S+) (\S+) "([^"]*)" (.*)$/s;
const quoted = /^"([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)"((?: [^" ]+){6})?$/s;

/** A line of one of both formats; undefined where it is none. */
export function textEntry(line: string): Entry | undefined {
  const [, time, method, path, , status, , rest] = head.exec(line) ?? [];
  if (rest === undefined) return undefined;
  const [, , , , afterIstio] = istio_before.exec(rest) ?? [];
  const [, received, sent, duration, , end] = sizes.exec(rest) ?? sizes.exec(afterIstio ?? "") ?? [];
  if (received === undefined) return undefined;
  const [, forwardedFor, , , authority, , after] = quoted.exec(end ?? "") ?? [];
  return entryOf({
    time,
    method: textOf(method),
    path: textOf(path),
    status,
    bytes_received: textOf(received),
    bytes_sent: textOf(sent),
    duration_ms: textOf(duration),
    host: textOf(authority),
    source: sourceOf(forwardedFor, after),
  });
}

/** The caller's address: Istio has it; Envoy's format has only the header, whose last address the Envoy itself has appended. */
function sourceOf(forwardedFor: string | undefined, after: string | undefined): string | undefined {
  const remote = /^ \S+ \S+ \S+ (\S+) \S+ \S+$/.exec(after ?? "")?.[1];
  return textOf(remote ?? forwardedFor?.split(",").at(-1)?.trim());
}
