/**
 * The records of an image by name. assembly/policy/layout.ts defines them: a record is all `<record>_<field>_at` and
 * `<record>_record_bytes`; a field reaches from its offset to the next one. TypeScript names a field that a writer leaves
 * out, or one that the record does not have.
 */
import * as layout from "../../../assembly/policy/layout.ts";

type Names = keyof typeof layout;

/** The records that layout.ts gives a size. */
export type RecordName = { [N in Names]: N extends `${infer R}_record_bytes` ? R : never }[Names];

/** `key_set_name_at` is a field of `key_set`, not of `key`. */
type Longer<R extends RecordName> = Extract<RecordName, `${R}_${string}`>;
type Offset<R extends RecordName> = Exclude<Extract<Names, `${R}_${string}_at`>, `${Longer<R>}_${string}`>;
type FieldName<R extends RecordName> = Offset<R> extends `${R}_${infer F}_at` ? F : never;

/** Two words: a text's offset and size, a run's first and count, or a u64's low and high word. */
export type Pair = readonly [number, number];
/** A value for each field of a record. */
export type Values<R extends RecordName> = { [F in FieldName<R>]: number | Pair };

/** The section that has the records. */
export const sections: Record<RecordName, number> = {
  policy: layout.section_policy,
  text: layout.section_texts,
  word: layout.section_words,
  caller: layout.section_callers,
  host: layout.section_hosts,
  root: layout.section_roots,
  group: layout.section_groups,
  node: layout.section_nodes,
  fork: layout.section_forks,
  shape: layout.section_shapes,
  edge: layout.section_edges,
  entry: layout.section_entries,
  rule: layout.section_rules,
  issuer: layout.section_issuers,
  key: layout.section_keys,
  key_set: layout.section_key_sets,
  place: layout.section_places,
  limit: layout.section_limits,
  tier: layout.section_tiers,
  quarantine: layout.section_quarantines,
  selector: layout.section_selectors,
  forward: layout.section_forwards,
  instruction: layout.section_instructions,
  claim: layout.section_claims,
  template_part: layout.section_template_parts,
  text_set: layout.section_text_sets,
  member: layout.section_members,
  network_set: layout.section_network_sets,
  range: layout.section_ranges,
  protocol: layout.section_protocols,
  persisted: layout.section_persisted,
};

/** A field of a record. */
export interface Field {
  name: string;
  /** How many words it takes: 1, or 2 for a pair. */
  words: number;
}

/**
 * The fields of each record in the order of their offsets.
 * @throws Error where fields overlap, where one is not on a word, or where words belong to no field
 */
export function fieldsOf(numbers: Readonly<Record<string, unknown>>): Map<string, Field[]> {
  const names = Object.keys(numbers);
  const records = names.flatMap((name) => /^(\w+)_record_bytes$/u.exec(name)?.[1] ?? []);
  return new Map(
    records.map((record) => {
      const longer = records.filter((other) => other.startsWith(`${record}_`));
      const own = names.filter(
        (name) =>
          name.startsWith(`${record}_`) &&
          name.endsWith("_at") &&
          !longer.some((other) => name.startsWith(`${other}_`)),
      );
      const offsets = own
        .map((name) => ({ name: name.slice(record.length + 1, -"_at".length), at: numbers[name] as number }))
        .sort((a, b) => a.at - b.at);
      const ends = [...offsets.slice(1).map(({ at }) => at), numbers[`${record}_record_bytes`] as number];
      if (offsets[0]?.at !== 0) throw new Error(`no field of ${record} is at 0`);
      const fields = offsets.map(({ name, at }, index) => ({ name, words: (ends[index]! - at) / 4 }));
      for (const { name, words } of fields)
        if (words !== 1 && words !== 2) throw new Error(`${record}.${name} takes ${words} words, not one or two`);
      return [record, fields];
    }),
  );
}

const fields = fieldsOf(layout) as ReadonlyMap<RecordName, readonly Field[]>;

/**
 * The words of a record, to be written one after the other.
 * @throws Error where a field has no value, a value has not the field's size, or a value is of no field
 */
export function wordsOf<R extends RecordName>(record: R, values: Values<R>): number[] {
  const given: Readonly<Record<string, number | Pair | undefined>> = values;
  const known = fields.get(record)!;
  const words: number[] = [];
  for (const { name, words: size } of known) {
    const value = given[name];
    if (value === undefined) throw new Error(`${record}.${name} is not set`);
    const has = typeof value === "number" ? 1 : value.length;
    if (has !== size) throw new Error(`${record}.${name} takes ${size} words, not ${has}`);
    if (typeof value === "number") words.push(value);
    else words.push(...value);
  }
  const count = Object.keys(values).length;
  if (count !== known.length) throw new Error(`${record} has ${known.length} fields, not ${count}`);
  return words;
}

/**
 * How many records a section of so many bytes has.
 * @throws Error where the last one is not whole
 */
export function wholeRecords(section: number, bytes: number): number {
  const count = bytes / layout.sectionRecordBytes(section);
  if (!Number.isInteger(count)) throw new Error(`section ${section} is no whole number of records`);
  return count;
}
