/**
 * The words that begin or announce something: prefixes of tokens, and telling names. Each is a line: two digits for what it is, what
 * follows a prefix, a blank, the word. Words with the same first three characters stand together; those are how they are found.
 *
 * What it is: a detector's number; or 90 and more for the name of a number (nearby.ts), 80 and more for that of a secret (secret.ts).
 *
 * What follows a prefix: a class of characters (`inClass`), `=` for exactly or `+` for at least, and how many, in three digits.
 */
import { textBytes, text_stride } from "../bytes/literal";

const words =
  "050+000 eyJ\n060+000 BEGIN \n219=036 ghp_\n219=036 gho_\n219=036 ghu_\n219=036 ghs_\n219=036 ghr_\n" +
  "211=082 github_pat_\n224+020 glpat-\n224+020 glptt-\n224+020 gldt-\n224+020 glrt-\n224+020 glcbt-\n" +
  "224+020 glft-\n224+020 glsoat-\n361+032 glsa_\n239=036 npm_\n241+020 xoxb-\n241+020 xoxp-\n241+020 xoxa-\n" +
  "241+020 xoxr-\n241+020 xoxs-\n241+020 xoxe-\n245+020 xapp-\n245+030 hooks.slack.com/services/\n" +
  "250+010 sk_live_\n250+010 sk_test_\n250+010 sk_prod_\n301+080 sk-ant-\n311+040 sk-proj-\n311+040 sk-svcacct-\n" +
  "310=048 sk-\n250+010 rk_live_\n250+010 rk_test_\n250+010 rk_prod_\n250+020 whsec_\n263=016 AKIA\n263=016 ASIA\n" +
  "263=016 ABIA\n263=016 ACCA\n820+000 access\n820+000 account\n271=035 AIza\n271+028 GOCSPX-\n271+030 ya29.\n" +
  "284+060 SG.\n321+050 pypi-AgE\n332=064 dop_v1_\n332=064 doo_v1_\n332=064 dor_v1_\n341+024 hvs.\n" +
  "341+024 hvb.\n355+043 sig=\n820+000 signing\n360=034 hf_\n362=032 shpat_\n362=032 shpss_\n362=032 shpca_\n" +
  "362=032 shppa_\n361+027 dckr_pat_\n361+040 lin_api_\n364+060 PMAK-\n361+100 ATATT3\n361+020 sntrys_\n" +
  "361+040 pscale_\n361+036 sbp_\n360+037 r8_\n360=052 gsk_\n361+060 nvapi-\n362+032 dapi\n362=048 rubygems_\n" +
  "292=031 SK0\n292=031 SK1\n292=031 SK2\n292=031 SK3\n292=031 SK4\n292=031 SK5\n292=031 SK6\n292=031 SK7\n" +
  "292=031 SK8\n292=031 SK9\n292=031 SKa\n292=031 SKb\n292=031 SKc\n292=031 SKd\n292=031 SKe\n292=031 SKf\n" +
  "361+040 figd_\n363+058 AGE-SECRET-KEY-1\n900+000 national\n910+000 ssn\n910+000 social\n920+000 bsn\n" +
  "920+000 burgerservice\n930+000 cpf\n940+000 pesel\n950+000 personnummer\n950+000 personnr\n960+000 nhs\n" +
  "970+000 aadhaar\n970+000 aadhar\n970+000 uidai\n800+000 password\n800+000 passwd\n800+000 passphrase\n" +
  "800+000 pwd\n810+000 secret\n810+000 token\n810+000 credential\n820+000 api\n820+000 auth\n" +
  "820+000 private\n820+000 encryption\n820+000 shared\n820+000 master\n820+000 service\n830+000 bearer \n";

/** Before the word itself. */
const head_characters: u32 = 8;
const newline: u32 = 0x0a;

/** Where the first word with three first characters stands, and one, by a hash of those. */
const slots_count: u32 = 256;
const slots: usize = memory.data(slots_count * 2, 16);
/** For each of the three characters: classes of words by its lower half, then by its upper half; a bit each. */
export const filter: usize = memory.data(6 * 16, 16);

const size = fillTables();

function characterAt(index: u32): u32 {
  return <u32>load<u8>(changetype<usize>(words) + index * text_stride);
}

/** The number that `count` digits write. */
function numberAt(index: u32, count: u32): u32 {
  let value: u32 = 0;
  for (; count != 0; count--) value = value * 10 + characterAt(index++) - 0x30;
  return value;
}

function slotOf(key: u32): u32 {
  return (key * 0x9e3779b1) >> 24;
}

/** The key of a word: its first three characters, letters in lower case. */
function keyOf(index: u32): u32 {
  const at = index + head_characters;
  return fold(characterAt(at)) | (fold(characterAt(at + 1)) << 8) | (fold(characterAt(at + 2)) << 16);
}

/** Letters in lower case; other characters of words as they are, or another one that no word has. */
// @inline
function fold(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 0x20 : byte;
}

/** Makes the tables of the words; how many characters they have. */
function fillTables(): u32 {
  const characters = textBytes(words);
  let before: u32 = 0;
  for (let index: u32 = 0; index < characters; index = nextWord(index)) {
    const key = keyOf(index);
    if (key == before) continue;
    before = key;
    let slot = slotOf(key);
    while (load<u16>(slots + (slot << 1)) != 0) slot = (slot + 1) & (slots_count - 1);
    store<u16>(slots + (slot << 1), index + 1);
    for (let place: u32 = 0; place < 3; place++) {
      const byte = (key >> (place << 3)) & 255;
      // Words are told apart by what they begin with.
      allow(place, byte, 1 << (key & 7));
      if (byte - 0x61 < 26) allow(place, byte & 0xdf, 1 << (key & 7));
    }
  }
  return characters;
}

function allow(place: u32, byte: u32, bit: u32): void {
  const low = filter + (place << 5) + (byte & 15);
  const high = filter + (place << 5) + 16 + (byte >> 4);
  store<u8>(low, <u32>load<u8>(low) | bit);
  store<u8>(high, <u32>load<u8>(high) | bit);
}

function nextWord(index: u32): u32 {
  while (characterAt(index) != newline) index++;
  return index + 1;
}

/** The first word that begins with these three bytes, whatever their case; `no_word` where none does. */
export function firstWord(start: usize): u32 {
  const key = fold(load<u8>(start)) | (fold(load<u8>(start, 1)) << 8) | (fold(load<u8>(start, 2)) << 16);
  let slot = slotOf(key);
  while (true) {
    const index = <u32>load<u16>(slots + (slot << 1));
    if (index == 0) return no_word;
    if (keyOf(index - 1) == key) return index - 1;
    slot = (slot + 1) & (slots_count - 1);
  }
}

/** The word after one, if it begins with the same three characters. */
export function otherWord(word: u32): u32 {
  const next = nextWord(word);
  return next < size && keyOf(next) == keyOf(word) ? next : no_word;
}

export const no_word: u32 = 0xffffffff;

/** What a word is: a detector, or what 80 and more stand for. */
export function kindOf(word: u32): u32 {
  return numberAt(word, 2);
}

/** The class of the characters that follow a prefix. */
export function classOf(word: u32): u32 {
  return characterAt(word + 2) - 0x30;
}

/** Whether exactly that many follow. */
export function isExact(word: u32): bool {
  return characterAt(word + 3) == 0x3d;
}

/** How many follow. */
export function countOf(word: u32): u32 {
  return numberAt(word + 4, 3);
}

/** A character of the word itself, by its index; NUL behind its end. */
export function wordCharacter(word: u32, index: u32): u32 {
  const byte = characterAt(word + head_characters + index);
  return byte == newline ? 0 : byte;
}
