/** What two policies say differently of tokens: whose are believed, by which keys, where they stand, what they are bound to. */

import { algorithmMask } from "../language/algorithms.ts";
import { placeText } from "../language/location.ts";
import type { Issuer, KeySet, Policy } from "../language/model.ts";
import { type Gain, type Meeting, type Row, stableText } from "./change.ts";
import type { Pair } from "./names.ts";

/** An issuer with what its key set is, side by side. */
export type Believed = Omit<Issuer, "keySet"> & KeySet;

/** An issuer as the table of tokens has it. */
export function believed({ keySet, ...issuer }: Issuer): Believed {
  return { ...issuer, ...keySet };
}

const joined = (values: readonly string[]): string => values.join(", ");
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
      parts: ["issuer"],
      what: "issuer",
      value: ({ issuer }) => issuer,
      changed: true,
    },
    {
      kind: "set",
      keys: keysOfLanguage("audiences"),
      parts: ["audiences"],
      what: "audiences",
      values: ({ audiences }) => audiences,
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
    // A key that is removed may leave another one as the only one that fits a token.
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
      keys: [...keysOfLanguage("keys.url"), ...keysOfLanguage("keys.cluster")],
      parts: ["source"],
      what: "keys.url",
      value: ({ source }) => (source === undefined ? null : `${source.url} (cluster ${source.cluster})`),
      changed: true,
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
    {
      kind: "choice",
      keys: keysOfLanguage("bind"),
      parts: ["bind"],
      what: "bind",
      value: ({ bind }) => bind,
      changed: (meeting, value) => meeting.pair.before.bind !== "none" || isGain(stricter, meeting, value),
    },
  ];
}

function isGain(gain: Gain<Believed>, meeting: Meeting<Believed>, value: string): boolean {
  return typeof gain === "boolean" ? gain : gain(meeting, value);
}

/** Places whose tokens the upstream does not see, by policy. */
export function hiddenPlaces({ issuers, svids }: Policy): string[] {
  const hidden = [...issuers, ...svids].filter(({ forwardToken }) => !forwardToken).flatMap(({ places }) => places);
  return [...new Set(hidden.map(placeText))];
}

/** How tokens find keys: of those that have its ID, where it has one, and fit its algorithm, there has to be one. */
function lookups({ algorithms, keys }: Believed): { algorithm: string; kid: string; key: string }[] {
  const kids = ["", ...new Set(keys.map(({ kid }) => kid).filter((kid) => kid !== ""))];
  return algorithms.flatMap((algorithm) =>
    kids.flatMap((kid) => {
      const fitting = keys.filter(
        (key) => (kid === "" || key.kid === kid) && (key.algorithms & algorithmMask([algorithm])) !== 0,
      );
      return fitting.length === 1 ? [{ algorithm, kid, key: stableText(fitting[0]) }] : [];
    }),
  );
}

/** Tokens that were refused since several keys fit them, and that one key fits now. */
function unambiguous({ before, after }: Pair<Believed>): { before: string; after: string; gain: boolean }[] {
  const was = new Set(lookups(before).map((one) => JSON.stringify(one)));
  const known = new Set(keysOf(before));
  return lookups(after)
    .filter((one) => known.has(one.key) && before.algorithms.includes(one.algorithm) && !was.has(JSON.stringify(one)))
    .map(({ algorithm, kid }) => {
      const tokens = kid === "" ? `${algorithm} without \`kid\`` : `${algorithm} with \`kid\` ${kid}`;
      return { before: `several keys for ${tokens}`, after: "one", gain: true };
    });
}

/** What a person can tell a key by: its ID, or the end of its bytes. */
function shortKey(text: string): string {
  const id = /kid:"([^"]+)"/u.exec(text)?.[1];
  return id ?? `…${/spki:([^,}]*)/u.exec(text)?.[1]?.slice(-12) ?? "key"}`;
}
