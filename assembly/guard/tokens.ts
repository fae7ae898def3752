/** What begins with a word of words.ts: tokens by their prefixes, secrets behind their names; and names of numbers, to remember. */
import { hasCheck } from "./checksum";
import { Detector } from "./detector";
import { hasEntropy } from "./entropy";
import { jwtAt } from "./jwt";
import { Named, nameEnded } from "./nearby";
import { pemAt } from "./pem";
import { Promised, secretAt, valueOfName } from "./secret";
import {
  Answer,
  countSteps,
  end,
  isAlphanumeric,
  isBase64url,
  isDigit,
  isInWord,
  isLetter,
  peek,
  Rest,
  report,
  reportRest,
  wantMore,
} from "./window";
import {
  classOf,
  countOf,
  first_detector,
  first_number,
  first_secret,
  firstWord,
  isExact,
  kindOf,
  no_word,
  otherWord,
  wordCharacter,
} from "./words";

/** Of a longer token, this much decides. */
const token_bytes: u32 = 256;
/** Bits for each character that a token must have, in 256ths: what has less stands for one in a document. */
const entropy_min: u32 = 2 * 256 + 64;

/** What begins with the three bytes here. */
export function wordAt(start: usize): Answer {
  return anyOf(start, 0xff);
}

/** What a word begins whose kind is below `kinds`. */
function anyOf(start: usize, kinds: u32): Answer {
  if (start + 3 > end) {
    wantMore();
    return false;
  }
  countSteps(1);
  for (let word = firstWord(start); word != no_word; word = otherWord(word)) {
    const kind = kindOf(word);
    if (kind >= kinds) continue;
    const size = sizeOfWord(start, word, kind >= first_secret);
    if (size == 0) continue;
    if (kind >= first_number) nameEnded(<Named>(kind - first_number), start + size);
    else if (kind >= first_secret) {
      const promise = <Promised>(kind - first_secret);
      const value = valueOfName(start + size, promise);
      // A token that is known by its prefix is called by its name; it is looked for no deeper than this.
      if (value != 0 && (anyOf(value, first_secret) || secretAt(value, promise))) return true;
    } else if (
      kind == first_detector + Detector.JWT
        ? jwtAt(start)
        : kind == first_detector + Detector.PRIVATE_KEY
          ? pemAt(start)
          : tokenAt(start, size, word)
    ) {
      return true;
    }
  }
  return false;
}

/** How many bytes the word has that stands here; 0 where it does not. */
function sizeOfWord(start: usize, word: u32, isFolded: bool): u32 {
  let index: u32 = 0;
  while (true) {
    const wanted = wordCharacter(word, index);
    if (wanted == 0) return index;
    const byte = peek(start + index);
    if (byte != wanted && !(isFolded && isLetter(byte) && (byte | 0x20) == wanted)) return 0;
    index++;
  }
}

/** A token whose prefix has `prefix` bytes. */
function tokenAt(start: usize, prefix: u32, word: u32): Answer {
  if (isInWord(start)) return false;
  const from = start + prefix;
  const characters = classOf(word);
  let size: u32 = 0;
  while (size < token_bytes && inClass(peek(from + size), characters)) size++;
  const count = countOf(word);
  if (isExact(word) ? size != count || isBase64url(peek(from + size)) : size < count) return false;
  if (characters == 9 && !hasCheck(from, size)) return false;
  countSteps(size);
  // AWS ends those of its documents so.
  if (load<u32>(from + size - 4) == 0x454c504d || !hasEntropy(from, size, entropy_min)) return false;
  if (!report(<Detector>(kindOf(word) - first_detector), start, from + size)) return false;
  if (size == token_bytes) reportRest(Rest.TOKEN);
  return true;
}

/** Whether a byte is of a class of characters. */
function inClass(byte: u32, characters: u32): bool {
  switch (characters) {
    case 1:
      return isBase64url(byte);
    case 2:
      return isDigit(byte) || (byte | 0x20) - 0x61 < 6;
    case 3:
      return isDigit(byte) || byte - 0x41 < 26;
    case 4:
      return isBase64url(byte) || byte == 0x2e;
    case 5:
      return isBase64url(byte) || byte == 0x25 || byte == 0x2b || byte == 0x2f || byte == 0x3d;
    default:
      return isAlphanumeric(byte);
  }
}
