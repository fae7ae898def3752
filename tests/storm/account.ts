/** What the access log says of a storm, line by line: every record must agree with what Envoy did. */
import type { AccessLogLine } from "../../scripts/envoy/accesslog.ts";

/** Whether a record says that the request was admitted. */
export function isAdmitted({ record }: AccessLogLine): boolean {
  if (record === undefined) return false;
  const { admit } = record as { admit?: boolean };
  return admit ?? record.decision === "allow";
}

/** What a line of the access log contradicts itself in; undefined for nothing. Lines of a `StormWorld` tell of attempts. */
export function contradiction(line: AccessLogLine): string | undefined {
  const { status, record, attempts } = line;
  // It is null where Envoy has nothing to say.
  const details = line.details ?? "";
  // A connection that was refused, or never asked for anything.
  if (status === undefined) return undefined;
  const quoted = JSON.stringify(line);
  if (details.startsWith("rbac_access_denied")) return `the filter was not there: ${quoted}`;
  const wasForwarded = Number(attempts ?? 0) > 0;
  const wasDenied = details.startsWith("sallyport_denied");
  if (record === undefined) return wasDenied || wasForwarded ? `decided without a record: ${quoted}` : undefined;
  if (isAdmitted(line)) return wasForwarded ? undefined : `recorded as admitted, and never forwarded: ${quoted}`;
  if ((record as { decision: string }).decision === "wait") {
    return wasDenied || wasForwarded ? `recorded as waiting, and decided: ${quoted}` : undefined;
  }
  if (wasForwarded) return `recorded as denied, and forwarded: ${quoted}`;
  // Without a status the client left before the answer was on its way.
  return wasDenied || status === 0 ? undefined : `recorded as denied, and answered by another: ${quoted}`;
}

/** Counts of a storm. */
export class Account {
  lines = 0;
  admitted = 0;
  /** Lines by status, Envoy's details and the reason recorded. */
  readonly kinds = new Map<string, number>();
  readonly problems: string[] = [];

  add(line: AccessLogLine): void {
    this.lines++;
    if (isAdmitted(line)) this.admitted++;
    const kind = `${line.status ?? "refused"} ${line.details?.split("{")[0] ?? "-"} ${line.record?.reason ?? "no record"}`;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    const problem = contradiction(line);
    if (problem !== undefined && this.problems.length < 100) this.problems.push(problem);
  }
}
