/** Whom a policy guards: what reports and graphs know the service by. */
import { parseCaller } from "../language/spiffe.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";

/** Checks `service`: one workload, in any trust domain, since nothing is decided by it. */
export function checkService(reporter: Reporter, service: Located<string> | undefined): string | undefined {
  if (service === undefined) return undefined;
  const pattern = parseCaller(service.value);
  if (typeof pattern === "string") {
    reporter.error("invalid_spiffe_id", service.at, `\`${service.value}\`: ${pattern}`);
    return undefined;
  }
  if (pattern.kind !== "exact" || pattern.wildcards !== 0) {
    const message = "a policy guards one service: name it by its own SPIFFE ID, without a pattern";
    reporter.error("invalid_spiffe_id", service.at, message);
    return undefined;
  }
  return service.value;
}
