/** The cache of callers. */
import { known_callers_bytes, placeOfCaller, recallCaller, rememberCaller } from "../../../assembly/identity/known";
import { Policy } from "../../../assembly/policy/policy";
import { request } from "../../../assembly/request/request";

const table: usize = memory.data(32768, 16);
const policy = changetype<Policy>(memory.data(128, 16));
policy.knownCallers = table;

const text: usize = memory.data(64);

/** Writes an ID with a number in the middle, so that all of them end alike. */
function idOf(number: u32): u32 {
  const end = "-production/sa/default-service-account";
  for (let digit = 0; digit < 8; digit++) store<u8>(text + digit, 0x30 + ((number >> (digit * 4)) & 15));
  for (let index = 0; index < end.length; index++) store<u8>(text + 8 + index, <u8>end.charCodeAt(index));
  request.callerStart = text;
  request.callerSize = 8 + end.length;
  return request.callerSize;
}

function isKnown(number: u32): bool {
  const size = idOf(number);
  return recallCaller(placeOfCaller(policy, text, size));
}

function meet(number: u32): usize {
  const size = idOf(number);
  const place = placeOfCaller(policy, text, size);
  if (!recallCaller(place)) rememberCaller(place);
  return place;
}

function clear(): void {
  memory.fill(table, 0, known_callers_bytes);
}

describe("places of known callers", () => {
  test("an ID has one place, and keeps it while others come", () => {
    clear();
    const place = meet(1);
    for (let other: u32 = 2; other < 5; other++) {
      meet(other);
      expect(meet(1)).toBe(place);
      expect(isKnown(1)).toBe(true);
    }
  });

  test("IDs that end alike are spread over all places", () => {
    clear();
    let known = 0;
    for (let number: u32 = 0; number < 32; number++) meet(number);
    for (let number: u32 = 0; number < 32; number++) if (isKnown(number)) known++;
    expect(known).toBeGreaterThan(24);
  });

  test("four of one set stand beside each other; the fifth takes the place of one, and each has its turn", () => {
    clear();
    const set = (meet(0) - table) / 2048;
    const mates: u32[] = [];
    mates.push(0);
    for (let number: u32 = 1; mates.length < 8; number++) {
      clear();
      if ((meet(number) - table) / 2048 == set) mates.push(number);
    }
    clear();
    for (let index = 0; index < 4; index++) meet(mates[index]);
    for (let index = 0; index < 4; index++) expect(isKnown(mates[index])).toBe(true);
    for (let index = 4; index < 8; index++) meet(mates[index]);
    for (let index = 4; index < 8; index++) expect(isKnown(mates[index])).toBe(true);
  });
});
