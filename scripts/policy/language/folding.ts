/** Case folding as the engine does it (assembly/request/fold.ts): letters that differ only in case fold to the same one. */
import {
  fold_alternate,
  fold_astral,
  fold_count_mask,
  fold_run_words,
  fold_runs,
} from "../../../assembly/policy/folding.ts";
import { isAffix, type PathPattern, type SegmentPattern } from "./pathpattern.ts";

const folded = new Map<number, number>();
for (let letter = 0x41; letter <= 0x5a; letter++) folded.set(letter, letter + 0x20);
for (let at = 0; at < fold_runs.length; at += fold_run_words) {
  const [first, about, distance] = [fold_runs[at]!, fold_runs[at + 1]!, fold_runs[at + 2]!];
  const plane = about & fold_astral ? 0x10000 : 0;
  const step = about & fold_alternate ? 2 : 1;
  for (let index = 0; index < (about & fold_count_mask); index++) {
    const letter = first + index * step;
    folded.set(plane + letter, plane + ((letter + distance) & 0xffff));
  }
}

/** A text whose letters are folded: ASCII and Unicode's simple folding, one character for one. */
export function foldCase(text: string): string {
  // Most texts have nothing to fold.
  if (!/[A-Z]|[^\0-\x7f]/u.test(text)) return text;
  return Array.from(text, (character) => {
    const letter = folded.get(character.codePointAt(0)!);
    return letter === undefined ? character : String.fromCodePoint(letter);
  }).join("");
}

/** A pattern whose texts are folded. */
export function foldPath({ segments, tail, after }: PathPattern): PathPattern {
  const fold = (segment: SegmentPattern): SegmentPattern => {
    if (!isAffix(segment)) return segment && foldCase(segment);
    return { ...segment, prefix: foldCase(segment.prefix), suffix: foldCase(segment.suffix) };
  };
  return { segments: segments.map(fold), tail, ...(after && { after: after.map(fold) }) };
}
