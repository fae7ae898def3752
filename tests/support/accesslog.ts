/** Lines of access logs as envoy/inbound.yaml writes them, for tests of the verbs that read them. */

/** What a line says otherwise. */
export interface LoggedRequest {
  caller?: string;
  method?: string;
  host?: string;
  /** With its query. */
  path?: string;
  status?: number;
  time?: string;
  /** Of the record: undefined for what it leaves out. */
  record?: Record<string, unknown>;
}

/** One line, without its end: a request that the policy `shop` admitted, unless something else is said. */
export function loggedLine(given: LoggedRequest = {}): string {
  const { caller = "spiffe://example.org/web", method = "GET", host = "orders.example.org", path = "/" } = given;
  const { status = 200, time = "2026-11-30T10:00:00.000Z", record = {} } = given;
  const judged = { admit: true, policy: "shop", decision: "allow", reason: "allowed", rule: "orders" };
  const identity = caller === "" ? {} : { caller };
  return JSON.stringify({
    ...{ time, source: "10.0.0.1:40000", peer: caller === "" ? null : caller, method, host, path, status },
    ...{ grpc_status: null, duration_ms: 7, bytes_in: 10, bytes_out: 200 },
    record: JSON.stringify({ ...judged, method, host, path: path.split("?")[0], ...identity, ...record }),
  });
}

/** One line of a request that the policy denied. */
export function deniedLine(reason: string, { record, ...given }: LoggedRequest = {}): string {
  const denial = { admit: false, decision: "deny", reason, rule: undefined, ...record };
  return loggedLine({ status: 403, ...given, record: denial });
}

/** Lines as a file has them. */
export function logOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
