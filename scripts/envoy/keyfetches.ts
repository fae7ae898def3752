/** Where a policy's keys are fetched from, for an Envoy that must have the clusters it names. */
import type { Policy } from "../policy/language/model.ts";

/** One key set that Envoy fetches. */
export interface KeyFetch {
  url: string;
  cluster: string;
  refreshSeconds: number;
}

/**
 * What a policy fetches, each URL once. A cluster leads to one server, that of the first URL that names it: the problems say
 * of the others that their keys will not come.
 */
export function keyFetches(policy: Pick<Policy, "issuers" | "svids">): { fetches: KeyFetch[]; problems: string[] } {
  const fetches: KeyFetch[] = [];
  const problems: string[] = [];
  for (const { keySet } of [...policy.issuers, ...policy.svids]) {
    if (keySet.source === undefined) continue;
    const { url, cluster, refreshSeconds, discovery } = keySet.source;
    // Where the keys of a discovered set are is not known yet; the hosts that they may be on are.
    const others = discovery?.hosts.slice(1) ?? [];
    const places = [
      { url, cluster },
      ...others.map((host) => ({ url: `https://${host.authority}/`, cluster: host.cluster })),
    ];
    for (const place of places) {
      if (fetches.some((known) => known.url === place.url && known.cluster === place.cluster)) continue;
      const first = fetches.find((known) => known.cluster === place.cluster);
      if (first !== undefined && new URL(first.url).origin !== new URL(place.url).origin) {
        problems.push(
          `cluster ${place.cluster} leads to ${new URL(first.url).origin} here, so the keys of ${place.url} will not come; give one of the two URLs a cluster of its own`,
        );
      }
      fetches.push({ ...place, refreshSeconds });
    }
  }
  return { fetches, problems };
}
