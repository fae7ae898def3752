/** Usages as tests write them. */
import { duration_bounds_ms, type Usage } from "../../scripts/traffic/usage.ts";

const day_ms = 86_400_000;

/** A usage of one request that was let in, with what a test says otherwise. */
export function usage(request: string, given: Partial<Usage> = {}): Usage {
  const [method, path] = request.split(" ") as [string, string];
  const day = given.day ?? "2026-11-20";
  const start = Date.parse(`${day === "" ? "1970-01-01" : day}T00:00:00Z`);
  return {
    day,
    host: "shop.example.org",
    method,
    path,
    parameters: [],
    operation: "",
    caller: "spiffe://example.org/web",
    issuer: "",
    scopes: "",
    policy: "",
    rule: "",
    decision: "",
    reason: "",
    admitted: true,
    status: 200,
    count: 1,
    firstSeen: start,
    lastSeen: start + day_ms / 2,
    bytesIn: 0,
    bytesOut: 0,
    durations: Array(duration_bounds_ms.length + 1).fill(0),
    peakMinute: 1,
    ...given,
  };
}

/** A usage that the filter has denied. */
export function denied(request: string, reason: string, given: Partial<Usage> = {}): Usage {
  return usage(request, { policy: "shop", decision: "deny", reason, admitted: false, status: 403, ...given });
}
