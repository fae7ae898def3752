/** From YAML to a draft of the policy: structure and types, by the shapes of policy.ts and issuers.ts; not meaning. */
import type { Reporter } from "../source/diagnostic.ts";
import { findIncluded } from "../source/include.ts";
import { findRules } from "../source/slice.ts";
import { parseYaml, Reader, type Slot } from "../source/yaml.ts";
import type { Draft, DraftPart } from "./model.ts";
import { part_shape, policy_shape, rules_shape } from "./policy.ts";

/** Rules of one piece of a long file: enough that starting the parser costs little, few enough to be forgotten young. */
const rules_a_piece = 20;

/** Told after each piece of a long file how many characters of rules are read, and of how many. */
export type OnProgress = (done: number, total: number) => void;

/** Reads a policy file's text and the files it includes. Undefined when it is no mapping; what else is wrong is reported, and left out. */
export function parsePolicy(reporter: Reporter, onProgress?: OnProgress): Draft | undefined {
  const empty = "the policy is empty; `sallyport init` writes one to start from";
  const policy = parseFile(reporter, policy_shape, "a policy", empty, onProgress);
  if (policy === undefined) return undefined;
  const files = [{ reporter, part: policy as DraftPart }];
  for (const included of findIncluded(reporter, policy.include?.value ?? [])) {
    const part = parseFile(
      included,
      part_shape,
      "an included file",
      "the included file is empty; give it `rules`, or remove it",
      onProgress,
    );
    if (part !== undefined) files.push({ reporter: included, part });
  }
  return { policy, files };
}

/** How the mapping at the root of a file is read. */
interface RootShape<T> {
  read(reader: Reader, slot: Slot, what: string, without?: string): T | undefined;
}

/** @param empty the message where nothing stands in the file */
function parseFile<T extends DraftPart>(
  reporter: Reporter,
  shape: RootShape<T>,
  what: string,
  empty: string,
  onProgress?: OnProgress,
): T | undefined {
  const { text } = reporter.source;
  const errors = reporter.findings.errors.length;
  const region = findRules(text);
  if (region !== undefined) {
    const skip = region.end - region.start;
    const place = (at: number): number => (at < region.start ? at : at + skip);
    const head = parseYaml(reporter, text.slice(0, region.start) + text.slice(region.end), 0, place);
    if (head === undefined) return undefined;
    const reader = new Reader(reporter, place);
    // The region was found by its lines; only if YAML agrees that the list of rules stands there is it read by pieces.
    if (region.isEmptyRulesOf(head)) {
      const draft = shape.read(reader, rootSlot(reader, head), what, "rules");
      const rules: NonNullable<DraftPart["rules"]> = { value: [], at: region.start };
      for (const piece of region.pieces(rules_a_piece)) {
        const node = parseYaml(reporter, text.slice(piece.start, piece.end), piece.start);
        const pieceReader = new Reader(reporter, (at) => at + piece.start);
        const read = node && rules_shape.read(pieceReader, { at: piece.start, node }, "`rules`");
        for (const rule of read?.value ?? []) rules.value.push(rule);
        onProgress?.(piece.end - region.start, skip);
      }
      if (draft !== undefined) draft.rules = rules;
      return draft;
    }
  }
  const root = parseYaml(reporter, text);
  if (root === undefined) {
    if (reporter.findings.errors.length === errors) reporter.error("missing_key", 0, empty);
    return undefined;
  }
  const reader = new Reader(reporter);
  return shape.read(reader, rootSlot(reader, root), what);
}

function rootSlot(reader: Reader, node: NonNullable<Slot["node"]>): Slot {
  return { at: reader.at({ at: 0, node }), node };
}
