/** What two policies say differently of tokens: whose are believed, by which keys, where they stand, what they are bound to. */
import { placeText } from "../check-places.ts";
import type { Issuer, Policy } from "../model.ts";
import { compareLists, compareRest, type PolicyChange, stableText } from "./change.ts";
import type { Pair } from "./names.ts";

/** Who may be whom: whatever is not the certificate alone lets callers come with what they did not need before. */
export function compareIdentity(before: Policy, after: Policy): PolicyChange[] {
  const [was, is] = [before.identity ?? "mtls", after.identity ?? "mtls"];
  const changed =
    was === is ? [] : [{ what: "identity", before: was, after: is, gain: is !== "mtls" || was !== "either" }];
  const [older, newer] = [before.svids ?? [], after.svids ?? []];
  const names = (svids: readonly Issuer[]): string[] => svids.map(({ name }) => name);
  return [
    ...changed,
    ...compareLists("JWT-SVID bundle", names(older), names(newer), () => true),
    ...newer.flatMap((svid) => {
      const old = older.find(({ name }) => name === svid.name);
      return old === undefined ? [] : compareIssuer(`JWT-SVIDs of ${svid.name}`, { before: old, after: svid });
    }),
  ];
}

/** @param title how changes call the issuer */
export function compareIssuer(title: string, { before, after }: Pair<Issuer>): PolicyChange[] {
  const changes: PolicyChange[] = [];
  const add = (what: string, was: string, is: string, gain: boolean): void => {
    if (was !== is) changes.push({ what: `${title}: ${what}`, before: was, after: is, gain });
  };
  const list = (
    what: string,
    was: readonly string[],
    is: readonly string[],
    words = (all: readonly string[]) => all.join(", "),
  ): void => {
    const [old, now] = [[...was].sort(), [...is].sort()];
    if (old.join() === now.join()) return;
    changes.push({
      what: `${title}: ${what}`,
      before: words(old),
      after: words(now),
      gain: now.some((one) => !old.includes(one)),
    });
  };
  add("issuer", before.issuer, after.issuer, true);
  list("audiences", before.audiences, after.audiences);
  list("algorithms", before.algorithms, after.algorithms);
  const keysOf = ({ keySet }: Issuer): string[] => keySet.keys.map(stableText);
  const nameKeys = (keys: readonly string[]): string => `${keys.length} (${keys.map(shortKey).join(", ")})`;
  list("keys", keysOf(before), keysOf(after), nameKeys);
  changes.push(...compareSource(title, before, after));
  add("leeway", `${before.leewaySeconds}s`, `${after.leewaySeconds}s`, after.leewaySeconds > before.leewaySeconds);
  const lifetime = ({ maxLifetimeSeconds }: Issuer): number => maxLifetimeSeconds || Number.POSITIVE_INFINITY;
  const lifetimeWords = (one: Issuer): string => (one.maxLifetimeSeconds === 0 ? "any" : `${one.maxLifetimeSeconds}s`);
  add("maxLifetime", lifetimeWords(before), lifetimeWords(after), lifetime(after) > lifetime(before));
  const placesOf = ({ places }: Issuer): string[] => places.map(placeText);
  list("from", placesOf(before), placesOf(after));
  // What the upstream sees of a token admits nobody.
  add("forwardToken", String(before.forwardToken), String(after.forwardToken), false);
  add("bind", before.bind, after.bind, before.bind !== "none");
  changes.push(...compareRest(title, before, after, issuer_keys));
  return changes;
}

/** Who answers at another URL, or through another cluster, may send other keys; a key that was withdrawn counts until the next answer. */
function compareSource(title: string, before: Issuer, after: Issuer): PolicyChange[] {
  const [was, is] = [before.keySet.source, after.keySet.source];
  const words = (url: string, cluster: string): string => `${url} (cluster ${cluster})`;
  const old = was === undefined ? null : words(was.url, was.cluster);
  const now = is === undefined ? null : words(is.url, is.cluster);
  if (old !== now) return [{ what: `${title}: keys.url`, before: old, after: now, gain: now !== null }];
  if (was === undefined || is === undefined || was.refreshSeconds === is.refreshSeconds) return [];
  const [often, seldom] = [`${was.refreshSeconds}s`, `${is.refreshSeconds}s`];
  const gain = is.refreshSeconds > was.refreshSeconds;
  return [{ what: `${title}: keys.refresh`, before: often, after: seldom, gain }];
}

const issuer_keys: readonly string[] = [
  "name",
  "issuer",
  "audiences",
  "algorithms",
  "keySet",
  "leewaySeconds",
  "maxLifetimeSeconds",
  "places",
  "forwardToken",
  "bind",
] satisfies (keyof Issuer)[];
/** What a person can tell a key by: its ID, or the end of its bytes. */
function shortKey(text: string): string {
  const id = /kid:"([^"]+)"/u.exec(text)?.[1];
  return id ?? `…${/spki:([^,}]*)/u.exec(text)?.[1]?.slice(-12) ?? "key"}`;
}
