/** Whether Envoy lets the filter hold requests until their bodies have come, where its policy reads them. */
import { holding_member } from "../envoy/holding.ts";
import { type Finding, finding } from "./codes.ts";
import type { PolicyFacts } from "./facts.ts";
import type { Stats } from "./metrics.ts";
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

/** What the counters tell of bodies that Envoy did not hand over. */
export function checkBodies(stats: Stats, policy: string): Finding[] {
  const start = `wasmcustom.sallyport_denials.policy.${policy};.reason.body_unavailable`;
  const count = [...stats].reduce((sum, [name, value]) => (name.startsWith(start) ? sum + value : sum), 0);
  if (count === 0) return [];
  return [
    finding(
      "bodies_unavailable",
      {},
      `Policy "${policy}" has denied ${count} requests since Envoy's start because their bodies did not come to the filter (\`body_unavailable\`): look for \`the host hands over no bodies\` in Envoy's log; ${holding_member} in the plugin's configuration is what it names. Requests with \`expect\` that Envoy passes on (\`proxy_100_continue\`) are denied so too.`,
    ),
  ];
}
