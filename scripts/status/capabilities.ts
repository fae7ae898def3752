/** What Envoy lets the filter call, beside what its policy needs. */
import { type Finding, finding } from "./codes.ts";
import { least_capabilities } from "./facts.ts";
import type { Wanted } from "./judge.ts";
import type { Node } from "./node.ts";
import { type Plugin, placeOf } from "./plugin.ts";

/** What the host lets the filter call; undefined: everything. */
export function capabilityList(config: Node): Node | undefined {
  // Newer Envoys take it in vm_config, too.
  return [config, config.at("vm_config")]
    .map((node) => node.at("capability_restriction_config", "allowed_capabilities"))
    .find((node) => node.entries().length > 0);
}

/** What the policy needs of the host and the list lacks. */
export function checkCapabilities({ config, policy, manager, filter }: Plugin, wanted: Wanted | undefined): Finding[] {
  const list = capabilityList(config);
  if (list === undefined) return [];
  const allowed = new Set(list.entries().map(([name]) => name));
  const missing = ((policy ?? wanted?.facts)?.capabilities ?? least_capabilities).filter((name) => !allowed.has(name));
  if (missing.length === 0) return [];
  return [
    finding(
      "capability_missing",
      { ...placeOf(manager, filter), path: list.path },
      `The capability list lacks ${missing.join(", ")}, which the policy needs; "What a capability list lacks" in docs/operations.md says what follows. \`sallyport manifest --for envoy\` writes the list of a policy.`,
    ),
  ];
}
