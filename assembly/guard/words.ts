/**
 * The words that begin or announce something: prefixes of tokens, and telling names. Each is a line: four characters of what it is and
 * what follows it, then the word. Words with the same first three characters stand together; those are how they are found.
 *
 * The first character: for a token, `0` and its detector's number. For the name of a secret `a` and more (secret.ts), for that of a
 * number `p` and more (nearby.ts).
 *
 * The second: the class of the characters that follow a prefix, `0` and more where at least, `A` and more where exactly as many follow
 * as the two digits after say.
 */
import { text_stride, textBytes } from "../bytes/literal";

const words =
  "5000eyJ\n6000BEGIN \nEJ36ghp_\nEJ36gho_\nEJ36ghu_\nEJ36ghs_\nEJ36ghr_\nEB82github_pat_\nF420glpat-\nF420glptt-\n" +
  "F420gldt-\nF420glrt-\nF420glcbt-\nF420glft-\nF420glsoat-\nT132glsa_\nGJ36npm_\nH120xoxb-\nH120xoxp-\nH120xoxa-\n" +
  "H120xoxr-\nH120xoxs-\nH120xoxe-\nH520xapp-\nH530hooks.slack.com/services/\nI010sk_live_\nI010sk_test_\n" +
  "I010sk_prod_\nN180sk-ant-\nO140sk-proj-\nO140sk-svcacct-\nOA48sk-\nI010rk_live_\nI010rk_test_\nI010rk_prod_\n" +
  "I020whsec_\nJD16AKIA\nJD16ASIA\nJD16ABIA\nJD16ACCA\nc000access\nc000account\nKB35AIza\nK128GOCSPX-\nK130ya29.\n" +
  "L460SG.\nP150pypi-AgE\nQC64dop_v1_\nQC64doo_v1_\nQC64dor_v1_\nR124hvs.\nR124hvb.\nS543sig=\nc000signing\n" +
  "TA34hf_\nTC32shpat_\nTC32shpss_\nTC32shpca_\nTC32shppa_\nT127dckr_pat_\nT140lin_api_\nT460PMAK-\nT199ATATT3\n" +
  "T120sntrys_\nT140pscale_\nT136sbp_\nT037r8_\nTA52gsk_\nT160nvapi-\nT232dapi\nTC48rubygems_\nMC31SK0\nMC31SK1\n" +
  "MC31SK2\nMC31SK3\nMC31SK4\nMC31SK5\nMC31SK6\nMC31SK7\nMC31SK8\nMC31SK9\nMC31SKa\nMC31SKb\nMC31SKc\nMC31SKd\n" +
  "MC31SKe\nMC31SKf\nT140figd_\nT358AGE-SECRET-KEY-1\np000national\nq000ssn\nq000social\nr000bsn\n" +
  "r000burgerservice\ns000cpf\nt000pesel\nu000personnummer\nu000personnr\nv000nhs\nw000aadhaar\nw000aadhar\n" +
  "w000uidai\na000password\na000passwd\na000passphrase\na000pwd\nb000secret\nb000token\nb000credential\nc000api\n" +
  "c000auth\nc000private\nc000encryption\nc000shared\nc000master\nc000service\nd000bearer \n";

/** Before the word itself. */
const head_characters: u32 = 4;
const newline: u32 = 0x0a;
const key_bits: u32 = 0x202020;

/** By a hash of three first characters: those, as a number, and where their first word stands. */
const slots_count: u32 = 256;
const keys: usize = memory.data(slots_count * 4, 16);
const places: usize = memory.data(slots_count * 2, 16);
/** For each of the three characters: classes of words by its lower half, then by its upper half; a bit each. */
export const filter: usize = memory.data(6 * 16, 16);

const size = fillTables();

function characterAt(index: u32): u32 {
  return <u32>load<u8>(changetype<usize>(words) + index * text_stride);
}

function slotOf(key: u32): u32 {
  return (key * 0x9e3779b1) >> 24;
}

/** The key of a word: its first three characters, with the bit set that letters in lower case have. */
function keyOf(index: u32): u32 {
  const at = index + head_characters;
  return characterAt(at) | (characterAt(at + 1) << 8) | (characterAt(at + 2) << 16) | key_bits;
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
    while (load<u32>(keys + (slot << 2)) != 0) slot = (slot + 1) & (slots_count - 1);
    store<u32>(keys + (slot << 2), key);
    store<u16>(places + (slot << 1), index);
    for (let place: u32 = 0; place < 3; place++) {
      const byte = (key >> (place << 3)) & 255;
      // Classes are by the second character, of which there are the most.
      const bit = (<u32>1) << ((key >> 8) & 7);
      allow(place, byte, bit);
      allow(place, byte & 0xdf, bit);
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
  const key = load<u16>(start) | ((<u32>load<u8>(start, 2)) << 16) | key_bits;
  let slot = slotOf(key);
  while (true) {
    const known = <u32>load<u32>(keys + (slot << 2));
    if (known == key) return load<u16>(places + (slot << 1));
    if (known == 0) return no_word;
    slot = (slot + 1) & (slots_count - 1);
  }
}

/** The word after one, if it begins with the same three characters. */
export function otherWord(word: u32): u32 {
  const next = nextWord(word);
  return next < size && keyOf(next) == keyOf(word) ? next : no_word;
}

export const no_word: u32 = 0xffffffff;

/** The first character of a token's detector, of the name of a secret, and of that of a number. */
export const first_detector: u32 = 0x30;
export const first_secret: u32 = 0x61;
export const first_number: u32 = 0x70;

/** What a word is. */
export function kindOf(word: u32): u32 {
  return characterAt(word);
}

/** The class of the characters that follow a prefix (tokens.ts). */
export function classOf(word: u32): u32 {
  return characterAt(word + 1) - (isExact(word) ? 0x41 : 0x30);
}

/** Whether exactly as many follow as is said. */
export function isExact(word: u32): bool {
  return characterAt(word + 1) >= 0x41;
}

/** How many follow. */
export function countOf(word: u32): u32 {
  return characterAt(word + 2) * 10 + characterAt(word + 3) - 0x30 * 11;
}

/** A character of the word itself, by its index; NUL behind its end. */
export function wordCharacter(word: u32, index: u32): u32 {
  const byte = characterAt(word + head_characters + index);
  return byte == newline ? 0 : byte;
}
