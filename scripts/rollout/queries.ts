/** Questions to Prometheus while a policy is tried, in PromQL; `docs/operations.md` has the metrics. */
import type { Policies } from "./compare.ts";

/** One question. */
export interface Query {
  /** What it asks, and what the answer should be. */
  asks: string;
  promql: string;
}

/** What is asked of the counters of both policies. Names of policies have nothing that PromQL would read otherwise than as text. */
export function queriesOf({ inForce, tried }: Policies): Query[] {
  const of = (metric: string, policy: string): string => `increase(${metric}{sallyport_policy="${policy}"}[1d])`;
  const would = `sum(increase(sallyport_requests{sallyport_policy="${tried}",sallyport_decision="shadow_deny"}[1d]))`;
  const does = `sum(increase(sallyport_requests{sallyport_policy="${inForce}",sallyport_decision="deny"}[1d]))`;
  return [
    {
      asks: "does the new policy see every request? 1, once a day has passed",
      promql: `sum(${of("sallyport_requests", tried)}) / sum(${of("sallyport_requests", inForce)})`,
    },
    {
      asks: "how many more requests would be denied in a day? 0, or what the change is meant to deny",
      promql: `${would} - (${does} or vector(0))`,
    },
    {
      asks: "for which reasons would they be?",
      promql: `sum by (sallyport_reason) (${of("sallyport_denials", tried)}) - (sum by (sallyport_reason) (${of("sallyport_denials", inForce)}) or sum by (sallyport_reason) (${of("sallyport_denials", tried)}) * 0)`,
    },
    {
      asks: "has the new policy failed anywhere? No result, or 0",
      promql: `sum by (sallyport_cause) (${of("sallyport_failures", tried)})`,
    },
  ];
}
