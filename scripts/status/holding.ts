/** Whether Envoy lets the filter hold requests until their bodies have come, where its policy reads them. */
import { holding_member } from "../envoy/holding.ts";
import { type Finding, finding } from "./codes.ts";
import type { PolicyFacts } from "./facts.ts";
import { type Plugin, placeOf } from "./plugin.ts";

/** What a policy that reads bodies lacks. @param wanted what is known of the policy where the filter's own cannot be read */
export function checkHolding({ config, policy, manager, filter }: Plugin, wanted: PolicyFacts | undefined): Finding[] {
  if ((policy ?? wanted)?.readsBodyBytes === undefined || config.at(holding_member).isTrue) return [];
  return [
    finding(
      "holding_unset",
      { ...placeOf(manager, filter), path: config.path },
      `The policy reads bodies, and the plugin's configuration lacks \`${holding_member}: true\` (Envoy 1.35 and later): Envoy hands over no body while headers are held, and after a second the filter answers 503 (\`body_unavailable\`). Set it. \`sallyport manifest\` writes it for each system.`,
    ),
  ];
}
