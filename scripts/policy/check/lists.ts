/** Named lists: the texts, or the networks, that conditions look into. */
import { list_entries_max, set_text_bytes_max } from "../../../assembly/limits.ts";
import type { ListContent } from "../condition/names.ts";
import { looksLikeNetwork, mergeRanges, parseEntry, rangeOf } from "../condition/network.ts";
import { sorted } from "../language/byteorder.ts";
import type { ListUse } from "../language/condition.ts";
import type { DraftFile, NamedList } from "../language/model.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { positionOf } from "../source/source.ts";
import { readWordList, textFault, warnOfDoubles } from "../source/wordlist.ts";
import type { Located } from "../source/yaml.ts";

/** Faults of one list that are shown. */
const shown_faults = 10;

/** A list as it was read. */
interface ReadList {
  name: Located<string>;
  /** Of the file that names it, and of the one that has its entries. */
  reporter: Reporter;
  source: Reporter;
  entries: readonly Located<string>[];
  /** What a condition takes it for, and where that stands. */
  use: { as: ListUse; reporter: Reporter; at: number } | undefined;
}

/** The lists of a policy. What one is a list of follows from what it has and from the conditions that look into it. */
export class Lists {
  /** What there is in each, as conditions are checked against it; undefined where something is wrong, which is reported. */
  readonly contents = new Map<string, ListContent | undefined>();
  private readonly lists = new Map<string, ReadList | undefined>();
  private isUseKnown = true;

  /** @param takeName whether a name may be that of a list, and no other has it; reported if not */
  constructor(files: readonly DraftFile[], takeName: (reporter: Reporter, name: Located<string>) => boolean) {
    for (const { reporter, part } of files) {
      for (const { name, value } of part.lists ?? []) {
        if (!takeName(reporter, name)) continue;
        const read = value === undefined ? undefined : readEntries(reporter, value);
        const content = read && contentOf(read.entries);
        this.lists.set(name.value, read && { name, reporter, ...read, use: undefined });
        this.contents.set(name.value, content);
      }
    }
  }

  /** Notes what a condition takes lists for. @param at where the condition stands */
  use(reporter: Reporter, at: number, uses: ReadonlyMap<string, ListUse>): void {
    for (const [name, as] of uses) {
      const list = this.lists.get(name);
      if (list === undefined) continue;
      list.use ??= { as, reporter, at };
      if (list.use.as === as) continue;
      const { source } = list.use.reporter;
      const place = `${source === reporter.source ? "" : `in \`${source.file}\`, `}line ${positionOf(source, list.use.at).line}`;
      const message = `\`lists.${name}\` is asked here for ${words[as]}, and ${place} for ${words[list.use.as]}; make it two lists`;
      reporter.error("condition_type", at, message);
    }
  }

  /** A condition is wrong: which lists it looks into is not known. */
  useAny(): void {
    this.isUseKnown = false;
  }

  /** Those that some condition looks into. Warns of the others. */
  finish(): NamedList[] {
    return [...this.lists.values()].flatMap((list) => {
      if (list === undefined) return [];
      const { name, reporter, entries, use } = list;
      if (use === undefined) {
        if (this.isUseKnown)
          reporter.warn("unused_list", name.at, `no condition looks into the list \`${name.value}\``);
        return [];
      }
      const ranges = use.as === "networks" ? readRanges(list) : undefined;
      return [{ name: name.value, entries: sorted(new Set(entries.map(({ value }) => value))), ranges }];
    });
  }
}

const words: Record<ListUse, string> = { texts: "a text, by `in`", networks: "an address, by `containsIP`" };

function readEntries(
  reporter: Reporter,
  draft: NonNullable<NonNullable<DraftFile["part"]["lists"]>[number]["value"]>,
): Pick<ReadList, "source" | "entries"> | undefined {
  const form = { what: "list entry", texts_max: list_entries_max, text_bytes_max: set_text_bytes_max };
  if (draft.elsewhere?.file !== undefined) {
    const read = readWordList(reporter, draft.elsewhere.file, form);
    return read && { source: read.reporter, entries: read.texts };
  }
  const texts = draft.list?.value ?? [];
  const entries = new Map<string, Located<string>>();
  const doubles: Located<string>[] = [];
  let isSound = texts.length > 0;
  for (const one of texts) {
    const fault = one.value === "" ? "a list entry is not empty" : textFault(one.value, form);
    if (fault !== undefined) {
      reporter.error("value", one.at, fault);
      isSound = false;
    } else if (entries.has(one.value)) doubles.push(one);
    else entries.set(one.value, one);
  }
  warnOfDoubles(reporter, doubles);
  if (entries.size > list_entries_max)
    reporter.error("bound", draft.list!.at, `a list has at most ${list_entries_max} entries`);
  return isSound ? { source: reporter, entries: [...entries.values()] } : undefined;
}

function contentOf(entries: readonly Located<string>[]): ListContent {
  if (!entries.every(({ value }) => looksLikeNetwork(value))) return "texts";
  return entries.some(({ value }) => value.includes("/")) ? "networks" : "addresses";
}

function readRanges({ source, entries }: ReadList): NamedList["ranges"] {
  let faults = 0;
  const ranges = entries.flatMap(({ value, at }) => {
    const network = parseEntry(value);
    if (typeof network !== "string") return rangeOf(network);
    if (++faults <= shown_faults) source.error("condition_value", at, network);
    return [];
  });
  return mergeRanges(ranges);
}
