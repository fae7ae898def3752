/** Differences of two policies that no rule has, and what finds them: rows of a table, each about one part. */
import type { Policy } from "../language/model.ts";
import type { Pair } from "./names.ts";

/** A difference that is no rule's. */
export interface PolicyChange {
  what: string;
  /** null: it is not there. */
  before: string | null;
  after: string | null;
  /** More may be let through than before. */
  gain: boolean;
}

/** A part of two policies that is compared, and the policies themselves. */
export interface Meeting<Thing> {
  pair: Pair<Thing>;
  policies: Pair<Policy>;
}

/** Whether a change may let more through; a function finds out by what else the policies say. */
export type Gain<Thing> = boolean | ((meeting: Meeting<Thing>, value: string) => boolean);

interface About<Thing> {
  /** Keys of the language that it is about, by their paths; `*` stands for a name. */
  keys: readonly string[];
  /** Parts of the checked policy that it reads. */
  parts: readonly (keyof Thing)[];
}

/** How one part of two policies is compared, and which of its changes are gains. */
export type Row<Thing> = About<Thing> &
  (
    | {
        /** Values without an order. */
        kind: "set";
        what: string;
        values: (thing: Thing) => readonly string[];
        added: Gain<Thing>;
        removed: Gain<Thing>;
        /** How a change says all of them; without it, each that comes or goes is a change by itself. */
        words?: (values: readonly string[]) => string;
      }
    | {
        /** Values by name. */
        kind: "entries";
        what: string;
        entries: (thing: Thing) => ReadonlyMap<string, string>;
        added: Gain<Thing>;
        removed: Gain<Thing>;
        changed: Gain<Thing>;
      }
    | {
        /** A number; nothing is compared where either is undefined. */
        kind: "amount";
        what: string;
        amount: (thing: Thing) => number | undefined;
        words: (thing: Thing) => string;
        more: Gain<Thing>;
        less: Gain<Thing>;
      }
    | {
        /** One value; null for none. */
        kind: "choice";
        what: string;
        value: (thing: Thing) => string | null;
        changed: Gain<Thing>;
      }
    | {
        /** What two parts tell only together. */
        kind: "relation";
        what: string;
        find: (meeting: Meeting<Thing>) => (Omit<PolicyChange, "what"> & { what?: string })[];
      }
    | {
        /** What other rows, or the comparison of rules, see to, or what lets nothing through by itself. */
        kind: "elsewhere";
      }
  );

/** The changes of all rows of a table, and of what no row is about: what that means is not known, so it is a gain. */
export function compareRows<Thing extends object>(
  table: readonly Row<Thing>[],
  meeting: Meeting<Thing>,
  title = "",
): PolicyChange[] {
  const name = (what: string): string => (title === "" ? what : `${title}: ${what}`);
  const changes = table.flatMap((row) => compareRow(row, meeting));
  const known = table.flatMap(({ parts }) => parts.map(String));
  return [...changes, ...compareRest(meeting.pair, known)].map((change) => ({ ...change, what: name(change.what) }));
}

function compareRow<Thing>(row: Row<Thing>, meeting: Meeting<Thing>): PolicyChange[] {
  const { before, after } = meeting.pair;
  const isGain = (gain: Gain<Thing>, value: string): boolean =>
    typeof gain === "boolean" ? gain : gain(meeting, value);
  switch (row.kind) {
    case "elsewhere":
      return [];
    case "relation":
      return row.find(meeting).map((change) => ({ what: row.what, ...change }));
    case "choice": {
      const [was, is] = [row.value(before), row.value(after)];
      return was === is ? [] : [{ what: row.what, before: was, after: is, gain: isGain(row.changed, is ?? was ?? "") }];
    }
    case "amount": {
      const [was, is] = [row.amount(before), row.amount(after)];
      if (was === undefined || is === undefined || was === is) return [];
      const words = { before: row.words(before), after: row.words(after) };
      return [{ what: row.what, ...words, gain: isGain(is > was ? row.more : row.less, words.after) }];
    }
    case "set": {
      const [was, is] = [[...row.values(before)].sort(), [...row.values(after)].sort()];
      const added = is.filter((one) => !was.includes(one)).map((value) => ({ value, gain: isGain(row.added, value) }));
      const removed = was
        .filter((one) => !is.includes(one))
        .map((value) => ({ value, gain: isGain(row.removed, value) }));
      const { what, words } = row;
      if (words === undefined) {
        return [
          ...added.map(({ value, gain }) => ({ what, before: null, after: value, gain })),
          ...removed.map(({ value, gain }) => ({ what, before: value, after: null, gain })),
        ];
      }
      const all = [...added, ...removed];
      if (all.length === 0) return [];
      return [{ what, before: words(was), after: words(is), gain: all.some(({ gain }) => gain) }];
    }
    default: {
      const [was, is] = [row.entries(before), row.entries(after)];
      return [...new Set([...was.keys(), ...is.keys()])].flatMap((name): PolicyChange[] => {
        const [old, now] = [was.get(name) ?? null, is.get(name) ?? null];
        if (old === now) return [];
        const gain = old === null ? row.added : now === null ? row.removed : row.changed;
        return [{ what: `${row.what} ${name}`, before: old, after: now, gain: isGain(gain, name) }];
      });
    }
  }
}

/** JSON in which neither the order of keys nor that of lists has a say: no list of a policy has an order that matters. */
export function stableText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return `[${value.map(stableText).sort().join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members
    .map(([key, member]) => `${key}:${stableText(member)}`)
    .sort()
    .join()}}`;
}

/** Parts that the language has got since. */
function compareRest({ before, after }: Pair<object>, known: readonly string[]): PolicyChange[] {
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const keys = [...new Set([...was.keys(), ...is.keys()])].filter((key) => !known.includes(key));
  const words = (value: unknown): string | null => (value === undefined ? null : stableText(value));
  return keys.flatMap((key) => {
    const [before, after] = [words(was.get(key)), words(is.get(key))];
    return before === after ? [] : [{ what: key, before, after, gain: true }];
  });
}
