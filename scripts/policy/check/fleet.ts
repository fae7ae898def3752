/** Limits of a fleet: which limits are, and the rate limit service that they are asked of. */
import { fleet_deadline_milliseconds_max, lease_divisor } from "../../../assembly/limits.ts";
import type {
  DraftFile,
  DraftFleet,
  DraftLimit,
  DraftQuarantine,
  Fleet,
  Limit,
  Policy,
  Quarantine,
} from "../language/model.ts";
import { evenShare, leaseTokens, localBurst, printRate, unitOf } from "../language/rate.ts";
import { parseDeadlineMilliseconds } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { checkCluster } from "./keysources.ts";
import { checkName } from "./names.ts";

const usual_deadline = "100ms";

/** What a limit of the fleet has more than one of each Envoy, which has nothing of it. */
export function checkScope(
  reporter: Reporter,
  draft: NonNullable<DraftLimit["value"]>,
): Pick<Limit, "onError" | "isLeased" | "headers"> {
  if (draft.scope?.value === "fleet") {
    const isLeased = draft.fleet?.value === "leased";
    if (draft.headers?.value === "always" && isLeased) {
      const message =
        "answers to admitted requests do not tell of a limit with `fleet: leased`, since what is left of it is with all Envoys, in blocks; leave `headers` out, or `fleet: leased`";
      reporter.warn("fleet_headers", draft.headers.at, message);
    }
    const headers = isLeased ? "denied" : (draft.headers?.value ?? "denied");
    return { onError: draft.onError?.value ?? "local", isLeased, headers };
  }
  for (const key of ["fleet", "onError"] as const) {
    const found = draft[key];
    if (found !== undefined)
      reporter.error("value", found.at, `\`${key}\` is for limits with \`scope: fleet\`; add that, or leave it out`);
  }
  return { headers: draft.headers?.value ?? "denied" };
}

/** Checks what a policy says of the rate limit service of its fleet; undefined where nothing is asked of it. @param drafts of quarantines */
export function checkFleet(
  reporter: Reporter,
  draft: DraftFleet | undefined,
  limits: readonly Limit[],
  quarantines: readonly Quarantine[],
  drafts: readonly DraftQuarantine[],
  files: readonly DraftFile[],
): Fleet | undefined {
  const isAsked =
    limits.some(({ onError }) => onError !== undefined) || quarantines.some(({ scope }) => scope === "fleet");
  // Also what is left out of the policy, since something else of it is wrong.
  const isMeant =
    drafts.some(({ scope }) => scope?.value === "fleet") ||
    files.some(({ part }) => (part.limits ?? []).some(({ value }) => value?.scope?.value === "fleet"));
  if (draft !== undefined && !isMeant) {
    const message = "no limit and no quarantine has `scope: fleet`, so that nothing is asked of the fleet";
    reporter.warn("unused_fleet", draft.at, message);
  } else if (draft?.replicas === undefined) {
    const shared = placesOf(limits, files).find(({ limit }) => limit.onError === "local");
    if (shared !== undefined) {
      const message = `while the rate limit service does not answer, each Envoy admits the whole limit \`${shared.limit.name}\`; say how many there are: \`fleet: { replicas: 4 }\``;
      const [where, at] = draft === undefined ? [shared.reporter, shared.draft.name.at] : [reporter, draft.at];
      where.warn("fleet_without_replicas", at, message);
    }
  }
  checkName(reporter, draft?.domain);
  if (draft?.cluster !== undefined) checkCluster(reporter, draft.cluster);
  const deadline = draft?.deadline ?? { value: usual_deadline, at: 0 };
  const deadlineMilliseconds = parseDeadlineMilliseconds(deadline.value);
  if (deadlineMilliseconds === undefined) {
    reporter.error("value", deadline.at, "a deadline is a number and a unit: `50ms` or `1s`");
  } else if (deadlineMilliseconds > fleet_deadline_milliseconds_max) {
    const most = `${fleet_deadline_milliseconds_max}ms`;
    reporter.error("bound", deadline.at, `a request waits for the rate limit service for at most \`${most}\``);
  }
  if (!isAsked) return undefined;
  return {
    cluster: draft?.cluster?.value ?? "ratelimit",
    domain: draft?.domain?.value,
    deadlineMilliseconds: deadlineMilliseconds ?? 1,
    replicas: draft?.replicas?.value ?? 1,
  };
}

/** Limits, each with where the policy says it. */
function placesOf(
  limits: readonly Limit[],
  files: readonly DraftFile[],
): { limit: Limit; reporter: Reporter; draft: DraftLimit }[] {
  return files.flatMap(({ reporter, part }) =>
    (part.limits ?? []).flatMap((draft) => {
      const limit = limits.find((one) => one.name === draft.name.value);
      return limit === undefined ? [] : [{ limit, reporter, draft }];
    }),
  );
}

/** Warns of limits of which each Envoy admits more than its part while the service is away, and of those too small for blocks. */
export function warnShares(files: readonly DraftFile[], policy: Pick<Policy, "fleet" | "limits" | "rules">): void {
  for (const { limit, reporter, draft } of placesOf(policy.limits, files)) {
    const fault = limit.onError === "local" ? shareFault(limit, policy) : undefined;
    if (fault !== undefined) reporter.warn("fleet_cost", draft.name.at, fault);
    if (limit.isLeased !== true || leaseTokens(limit, policy) > 0) continue;
    const replicas = policy.fleet?.replicas ?? 1;
    const least = `${lease_divisor * replicas}/${unitOf(limit)[0]}`;
    const each = replicas === 1 ? "" : ` for \`replicas: ${replicas}\``;
    const message = `\`${printRate(limit.rate)}\` is too little to be asked for in blocks, so each request is asked for, and waits, as with \`fleet: exact\`; blocks begin at \`${least}\`${each}: leave \`fleet: leased\` out, or raise the rate`;
    reporter.warn("fleet_lease", draft.value!.fleet!.at, message);
  }
}

function shareFault(limit: Limit, policy: Pick<Policy, "fleet" | "rules">): string | undefined {
  const [share, burst] = [evenShare(limit, policy), localBurst(limit, policy)];
  const rule = policy.rules.find(({ limits, cost }) => limits.includes(limit.name) && cost === burst);
  if (burst <= share || rule === undefined) return undefined;
  const away = `while the rate limit service does not answer, each Envoy admits ${burst} of \`${limit.name}\` at once, and not ${share}, its part of the burst`;
  const less = rule.costFrom === undefined ? "a lower `cost`" : "a lower `most` of its `cost`";
  const ways = `${burst > 1 ? `${less}, ` : ""}a \`burst\` of ${burst * (policy.fleet?.replicas ?? 1)} or more, or \`onError: deny\``;
  return `${away}, since a request of the rule \`${rule.name}\` may take ${burst}; give ${ways}`;
}
