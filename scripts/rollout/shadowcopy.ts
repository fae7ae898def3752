/**
 * A policy as it is tried beside the one in force: in shadow mode, under a name of its own, and without a trace in the request, since the
 * filter that enforces comes after it and must see what the caller sent.
 */
import type { Limit, Policy } from "../policy/language/model.ts";

/** The record's name in the plugin's configuration: filter state `wasm.sallyport.next`. */
export const shadow_record = "next";
const suffix = `-${shadow_record}`;
/** Policies and rules have names of so many characters at most. */
const name_max = 64;

/** The copy, and what of the policy it cannot show. */
export interface ShadowCopy {
  policy: Policy;
  /** Limits that it does not have: what they would deny is not seen. */
  leftOut: string[];
}

/** The name under which a policy is tried: that of its counters, buckets and records. */
export function shadowName(name: string): string {
  return `${name.slice(0, name_max - suffix.length)}${suffix}`;
}

/**
 * Makes the copy. It forwards no headers, takes no token away and counts no hops; limits of a fleet would count a request of which the
 * service hears twice.
 */
export function shadowCopyOf(policy: Policy): ShadowCopy {
  const isShown = ({ kind, onError }: Limit): boolean => kind !== "hops" && onError === undefined;
  const leftOut = policy.limits.filter((limit) => !isShown(limit)).map(({ name }) => name);
  const keep = (names: readonly string[]): string[] => names.filter((name) => !leftOut.includes(name));
  const forward = <T extends { forwardToken: boolean }>(issuer: T): T => ({ ...issuer, forwardToken: true });
  return {
    leftOut,
    policy: {
      ...policy,
      name: shadowName(policy.name),
      mode: "shadow",
      forwards: [],
      issuers: policy.issuers.map(forward),
      svids: policy.svids.map(forward),
      limits: policy.limits.filter(isShown),
      fleet: undefined,
      quarantines: policy.quarantines.map((quarantine) => ({ ...quarantine, scope: "proxy" })),
      rules: policy.rules.map((rule) => ({
        ...rule,
        limits: keep(rule.limits),
        ownLimits: keep(rule.ownLimits),
        forwardVariables: [],
      })),
    },
  };
}
