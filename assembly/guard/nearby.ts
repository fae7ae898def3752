/**
 * Telling names that stand before a number: a member name or a word, at most `name_bytes` before it, with no other name between. A
 * number whose check digit alone says little is found only there.
 */
import { countSteps, floor } from "./window";

/** What names tell of: the slots in which the last of each kind stands. */
export const enum Named {
  /** `national`, which stands for every kind. */
  ANY = 0,
  SSN,
  BSN,
  CPF,
  PESEL,
  PERSONNUMMER,
  NHS,
  AADHAAR,
}

/** How many kinds there are. */
export const names_count: u32 = 8;

/** From the end of a name to its number, in bytes. */
const name_bytes: u32 = 48;

/** Where the last name of each kind ended, as an address; 0 where there is none. */
const ends: usize = memory.data(names_count * 4, 8);

/** Takes up what a stream kept: for each kind the bytes from the end of its name to `at`, and one; 0 where there is none. */
export function loadNames(kept: usize, at: usize): void {
  for (let offset: usize = 0; offset < <usize>(names_count * 4); offset += 4) {
    const distance = <usize>load<u32>(kept + offset);
    store<u32>(ends + offset, distance == 0 ? 0 : <u32>(at + 1 - distance));
  }
}

/** Keeps it for a stream that goes on at `at`. */
export function storeNames(kept: usize, at: usize): void {
  for (let offset: usize = 0; offset < <usize>(names_count * 4); offset += 4) {
    const name = <usize>load<u32>(ends + offset);
    store<u32>(kept + offset, name == 0 || at - name > name_bytes ? 0 : <u32>(at + 1 - name));
  }
}

/** Remembers a name that ends there. */
export function nameEnded(name: Named, at: usize): void {
  store<u32>(ends + ((<usize>name) << 2), at);
}

/** Whether a name of this kind stands before the number that starts there. */
export function isNamed(name: Named, start: usize): bool {
  return isAfter(load<u32>(ends + ((<usize>name) << 2)), start) || isAfter(load<u32>(ends), start);
}

function isAfter(name: usize, start: usize): bool {
  if (start <= name || start - name > name_bytes) return false;
  countSteps(<u32>(start - name));
  // `"bsn": null, "order": 123456782` names another number: after the end of a value comes another name.
  let isOver = false;
  for (let at = max(name, floor); at < start; at++) {
    const byte = <u32>load<u8>(at);
    if (byte == 0x2c || byte == 0x3b || byte == 0x26 || byte == 0x0a || byte == 0x7d) isOver = true;
    else if (isOver && (byte == 0x3a || byte == 0x3d)) return false;
  }
  return true;
}
