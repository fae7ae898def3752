/** What two policies say differently of tokens: whose are believed, by which keys, where they stand, what they are bound to. */

import { algorithmMask } from "../language/algorithms.ts";
import { printClaimPath } from "../language/claimpath.ts";
import type { ClaimType, ClaimTypeName } from "../language/claims.ts";
import { placeText } from "../language/location.ts";
import type { Issuer, KeySet, Policy } from "../language/model.ts";
import { keysToTry, type NamedKey } from "../language/publickey.ts";
import { type Gain, type Meeting, type Row, stableText } from "./change.ts";
import type { Pair } from "./names.ts";

/** An issuer with what its key set is, side by side. */
export type Believed = Omit<Issuer, "keySet"> & KeySet;

/** An issuer as the table of tokens has it. */
export function believed({ keySet, ...issuer }: Issuer): Believed {
  return { ...issuer, ...keySet };
}

const joined = (values: readonly string[]): string => values.join(", ");
/** No audience stands for all of them. */
const audiencesOf = ({ audiences, audienceClaim }: Believed): readonly string[] =>
  audienceClaim.length === 0 ? ["any"] : audiences;
const keysOf = ({ keys }: Believed): string[] => keys.map(stableText);
const lifetime = ({ maxLifetimeSeconds }: Believed): number => maxLifetimeSeconds || Number.POSITIVE_INFINITY;

/**
 * The part of the table that is about tokens.
 * @param keysOfLanguage the paths of a key of the language here, by its name
 * @param stricter whether it is a gain that tokens are not good any more which were
 */
export function tokenRows(
  keysOfLanguage: (name: string) => readonly string[],
  stricter: Gain<Believed>,
): readonly Row<Believed>[] {
  return [
    // Another name is no difference; the order of names is one, and has a row of its own.
    { kind: "elsewhere", keys: keysOfLanguage(""), parts: ["name"] },
    {
      kind: "choice",
      keys: keysOfLanguage("issuer"),
      parts: ["issuer", "template"],
      what: "issuer",
      value: ({ issuer }) => issuer,
      changed: true,
    },
    {
      kind: "set",
      keys: keysOfLanguage("audiences"),
      parts: ["audiences"],
      what: "audiences",
      values: audiencesOf,
      words: joined,
      // Whoever needs no audience does not need another one.
      added: ({ pair }) => pair.before.audienceClaim.length > 0,
      removed: stricter,
    },
    {
      kind: "choice",
      keys: keysOfLanguage("audienceFrom"),
      parts: ["audienceClaim"],
      what: "audienceFrom",
      value: ({ audienceClaim }) => (audienceClaim.length === 0 ? null : printClaimPath(audienceClaim)),
      // Where an audience is asked for now and was not before, or the other way about, the audiences tell.
      changed: ({ pair }) => pair.before.audienceClaim.length > 0 && pair.after.audienceClaim.length > 0,
    },
    {
      // The first of them that a token has counts, so to ask for one less, or in another order, may find other scopes.
      kind: "choice",
      keys: keysOfLanguage("scopesFrom"),
      parts: ["scopeClaims"],
      what: "scopesFrom",
      value: ({ scopeClaims }) => joined(scopeClaims.map(printClaimPath)),
      changed: true,
    },
    {
      kind: "set",
      keys: keysOfLanguage("types"),
      parts: ["types"],
      what: "types",
      values: ({ types }) => types.map((type) => (type === "" ? "none" : type)),
      words: joined,
      added: true,
      removed: stricter,
    },
    {
      kind: "set",
      keys: keysOfLanguage("algorithms"),
      parts: ["algorithms"],
      what: "algorithms",
      values: ({ algorithms }) => algorithms,
      words: joined,
      added: true,
      removed: stricter,
    },
    {
      kind: "set",
      keys: [...keysOfLanguage("keys"), ...keysOfLanguage("keys.file")],
      parts: ["keys", "use"],
      what: "keys",
      values: keysOf,
      words: (keys) => `${keys.length} (${keys.map(shortKey).join(", ")})`,
      added: true,
      removed: stricter,
    },
    // Where a key is removed, tokens may be tried with another one that they were not tried with.
    {
      kind: "relation",
      keys: [],
      parts: ["keys", "algorithms"],
      what: "keys of tokens",
      find: ({ pair }) => unambiguous(pair),
    },
    {
      // Who answers elsewhere may send other keys; where nobody is asked any more, keys that were withdrawn count again.
      kind: "choice",
      keys: ["keys.url", "keys.cluster", "keys.discovery", "keys.clusters"].flatMap(keysOfLanguage),
      parts: ["source"],
      what: "keys.url",
      value: sourceText,
      changed: true,
    },
    {
      // A credential says who asks for keys, and not whose count. What it is stays a secret.
      kind: "relation",
      keys: ["keys.header", "keys.header.name", "keys.header.file", "keys.header.prefix"].flatMap(keysOfLanguage),
      parts: ["source"],
      what: "keys.header",
      find: ({ pair }) => changedHeader(pair),
    },
    {
      // A key that was withdrawn counts until the next answer.
      kind: "amount",
      keys: keysOfLanguage("keys.refresh"),
      parts: ["source"],
      what: "keys.refresh",
      amount: ({ source }) => source?.refreshSeconds,
      words: ({ source }) => `${source?.refreshSeconds}s`,
      more: true,
      less: stricter,
    },
    {
      kind: "amount",
      keys: keysOfLanguage("leeway"),
      parts: ["leewaySeconds"],
      what: "leeway",
      amount: ({ leewaySeconds }) => leewaySeconds,
      words: ({ leewaySeconds }) => `${leewaySeconds}s`,
      more: true,
      less: stricter,
    },
    {
      kind: "amount",
      keys: keysOfLanguage("maxLifetime"),
      parts: ["maxLifetimeSeconds"],
      what: "maxLifetime",
      amount: lifetime,
      words: (issuer) => (issuer.maxLifetimeSeconds === 0 ? "any" : `${issuer.maxLifetimeSeconds}s`),
      more: true,
      less: stricter,
    },
    {
      // A place less is one where a second token may stand, which the upstream sees and nobody refuses any more.
      kind: "set",
      keys: ["from", "from.header", "from.prefix", "from.cookie", "from.query"].flatMap(keysOfLanguage),
      parts: ["places"],
      what: "from",
      values: ({ places }) => places.map(placeText),
      words: joined,
      added: true,
      removed: true,
    },
    // Which places are taken from what the upstream sees is the policy's as a whole.
    { kind: "elsewhere", keys: keysOfLanguage("forwardToken"), parts: ["forwardToken"] },
    // What a denied caller is told lets nobody in.
    {
      kind: "elsewhere",
      keys: ["challenge", "challenge.realm", "challenge.resource_metadata"].flatMap(keysOfLanguage),
      parts: ["challenge"],
    },
    {
      kind: "choice",
      keys: keysOfLanguage("bind"),
      parts: ["bind"],
      what: "bind",
      value: ({ bind }) => bind,
      changed: (meeting, value) => meeting.pair.before.bind !== "none" || isGain(stricter, meeting, value),
    },
    {
      kind: "relation",
      keys: keysOfLanguage("tenants"),
      parts: ["tenants"],
      what: "tenants",
      find: (meeting) => tenantChanges(meeting, stricter),
    },
    {
      kind: "relation",
      keys: keysOfLanguage("claims"),
      parts: ["claims"],
      what: "claims",
      find: (meeting) =>
        claimChanges(meeting.pair).map(({ isNarrower, ...change }) => ({
          ...change,
          gain: !isNarrower || isGain(stricter, meeting, change.after),
        })),
    },
  ];
}

/** Who is asked for keys: by a URL, or by discovery, which may lead to several hosts. */
function sourceText({ source }: Believed): string | null {
  if (source === undefined) return null;
  const { url, cluster, discovery } = source;
  if (discovery === undefined) return `${url} (cluster ${cluster})`;
  const hosts = discovery.hosts.map(({ authority, cluster: to }) => `${authority} (cluster ${to})`).sort();
  return `discovery of ${discovery.issuer}: ${joined(hosts)}`;
}

function changedHeader({ before, after }: Pair<Believed>): { before: string; after: string; gain: boolean }[] {
  const [was, is] = [before.source?.header, after.source?.header];
  if (was?.name === is?.name && was?.value === is?.value) return [];
  const other = was?.name === is?.name ? ", another value" : "";
  return [{ before: was?.name ?? "none", after: `${is?.name ?? "none"}${other}`, gain: false }];
}

function isGain(gain: Gain<Believed>, meeting: Meeting<Believed>, value: string): boolean {
  return typeof gain === "boolean" ? gain : gain(meeting, value);
}

/** Tenants whose tokens are taken that were not, and the other way round; of many, a few are named. */
function tenantChanges(
  meeting: Meeting<Believed>,
  stricter: Gain<Believed>,
): { before: string; after: string; gain: boolean }[] {
  const [was, is] = [meeting.pair.before.tenants, meeting.pair.after.tenants];
  const words = (tenants: readonly string[] | undefined): string =>
    tenants === undefined ? "any" : `${tenants.length}`;
  const without = (some: readonly string[], others: readonly string[] | undefined): string[] => {
    const known = new Set(others);
    return some.filter((one) => !known.has(one));
  };
  const more = is === undefined ? [] : was === undefined ? [] : without(is, was);
  const less = was === undefined || is === undefined ? [] : without(was, is);
  if ((was === undefined) === (is === undefined) && more.length + less.length === 0) return [];
  const isWider = is === undefined || more.length > 0;
  const shown = more.length === 0 ? "" : `, ${few(more)} new`;
  const gone = less.length === 0 ? "" : `, without ${few(less)}`;
  return [
    { before: words(was), after: `${words(is)}${shown}${gone}`, gain: isWider || isGain(stricter, meeting, words(is)) },
  ];
}

function few(tenants: readonly string[]): string {
  const more = tenants.length > 5 ? ` and ${tenants.length - 5} more` : "";
  return tenants.slice(0, 5).join(", ") + more;
}

/** What tokens must fit that did not have to, and the other way round. A claim of which nothing is said may be anything. */
function claimChanges({ before, after }: Pair<Believed>): { before: string; after: string; isNarrower: boolean }[] {
  const [was, is] = [before, after].map(
    ({ claims }) => new Map(claims.map((claim) => [printClaimPath(claim.path), claim])),
  ) as [Map<string, ClaimType>, Map<string, ClaimType>];
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((path) => {
    const [old, now] = [was.get(path), is.get(path)];
    const isSame = typeOf(old) === typeOf(now) && isRequired(old) === isRequired(now);
    if (isSame) return [];
    const isNarrower = isWithin(typeOf(now), typeOf(old)) && (isRequired(now) || !isRequired(old));
    return [{ before: claimWords(path, old), after: claimWords(path, now), isNarrower }];
  });
}

const typeOf = (claim: ClaimType | undefined): ClaimTypeName => claim?.type ?? "any";
const isRequired = (claim: ClaimType | undefined): boolean => claim?.isRequired === true;

function isWithin(inner: ClaimTypeName, outer: ClaimTypeName): boolean {
  return inner === outer || outer === "any" || (inner === "int" && outer === "double");
}

function claimWords(path: string, claim: ClaimType | undefined): string {
  return `${path}: ${claim?.type ?? "anything"}${isRequired(claim) ? ", there in each token" : ""}`;
}

/** Places whose tokens the upstream does not see, by policy. */
export function hiddenPlaces({ issuers, svids }: Policy): string[] {
  const hidden = [...issuers, ...svids].filter(({ forwardToken }) => !forwardToken).flatMap(({ places }) => places);
  return [...new Set(hidden.map(placeText))];
}

/** Which tokens find which keys. @param kids the IDs that keys of either policy have */
function lookups({ algorithms, keys }: Believed, kids: readonly string[]): { tokens: string; key: string }[] {
  const named: NamedKey[] = ["none", "other", ...kids.map((kid) => ({ kid }))];
  return algorithms.flatMap((algorithm) =>
    named.flatMap((one) =>
      keysToTry(keys, one, algorithmMask([algorithm])).map((key) => ({
        tokens: `${algorithm} ${typeof one === "object" ? `with \`kid\` ${one.kid}` : one === "none" ? "without `kid`" : "with another `kid`"}`,
        key: stableText(key),
      })),
    ),
  );
}

/** Tokens that no key of those that were known verified, since others were tried or too many fit, and that one verifies now. */
function unambiguous({ before, after }: Pair<Believed>): { before: string; after: string; gain: boolean }[] {
  const kids = [...new Set([...before.keys, ...after.keys].map(({ kid }) => kid))].filter((kid) => kid !== "");
  const was = new Set(lookups(before, kids).map((one) => JSON.stringify(one)));
  const known = new Set(keysOf(before));
  return lookups(after, kids)
    .filter((one) => known.has(one.key) && !was.has(JSON.stringify(one)))
    .filter(({ tokens }) => before.algorithms.includes(tokens.split(" ")[0]!))
    .map(({ tokens, key }) => ({
      before: `not tried on ${tokens}: ${shortKey(key)}`,
      after: "tried",
      gain: true,
    }));
}

/** What a person can tell a key by: its ID, or the end of its bytes. */
function shortKey(text: string): string {
  const id = /kid:"([^"]+)"/u.exec(text)?.[1];
  return id ?? `…${/spki:([^,}]*)/u.exec(text)?.[1]?.slice(-12) ?? "key"}`;
}
