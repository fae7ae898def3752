/** What Envoy lets the filter call, beside what its policy needs. */
import { type Finding, finding } from "./codes.ts";
import { least_capabilities, type PolicyFacts } from "./facts.ts";
import type { Node } from "./node.ts";
import { type Plugin, placeOf } from "./plugin.ts";

/** What the host lets the filter call; undefined: everything. */
export function capabilityList(config: Node): Node | undefined {
  // Newer Envoys take it in vm_config, too.
  return [config, config.at("vm_config")]
    .map((node) => node.at("capability_restriction_config", "allowed_capabilities"))
    .find((node) => node.entries().length > 0);
}

/** What the policy needs of the host and the list lacks. @param wanted what is known of the policy where the filter's own cannot be read */
export function checkCapabilities(
  { config, policy, manager, filter }: Plugin,
  wanted: PolicyFacts | undefined,
): Finding[] {
  const list = capabilityList(config);
  if (list === undefined) return [];
  const allowed = new Set(list.entries().map(([name]) => name));
  const missing = ((policy ?? wanted)?.capabilities ?? least_capabilities).filter((name) => !allowed.has(name));
  if (missing.length === 0) return [];
  return [
    finding(
      "capability_missing",
      { ...placeOf(manager, filter), path: list.path },
      `The capability list lacks ${missing.join(", ")}, which the policy needs; "What a capability list lacks" in docs/operations.md says what follows. \`sallyport manifest --for envoy\` writes the list of a policy.`,
    ),
  ];
}
