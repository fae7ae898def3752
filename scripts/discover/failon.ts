/** `--fail-on`: for which findings a pipeline stops. */
import type { Drift } from "./drift.ts";
import type { SpecReport } from "./spec.ts";

/** What can be asked for, and what it needs. */
export const findings = {
  shadow: "spec",
  zombie: "spec",
  dead: "spec",
  parameters: "spec",
  "new-caller": "drift",
  "new-endpoint": "drift",
  "new-pair": "drift",
  vanished: "drift",
  volume: "drift",
  denials: "drift",
} as const;

export type FindingName = keyof typeof findings;

/** How many there are of each; 0 for what was not looked for. `vanished` is callers and endpoints, and not pairs. */
export function countFindings(spec: SpecReport | undefined, drift: Drift | undefined): Record<FindingName, number> {
  return {
    shadow: spec?.shadow.length ?? 0,
    zombie: spec?.zombie.length ?? 0,
    dead: spec?.dead.length ?? 0,
    parameters: spec?.parameters.length ?? 0,
    "new-caller": drift?.newCallers.length ?? 0,
    "new-endpoint": drift?.newEndpoints.length ?? 0,
    "new-pair": drift?.newPairs.length ?? 0,
    vanished: (drift?.vanishedCallers.length ?? 0) + (drift?.vanishedEndpoints.length ?? 0),
    volume: drift?.volume.length ?? 0,
    denials: drift?.denials.length ?? 0,
  };
}
