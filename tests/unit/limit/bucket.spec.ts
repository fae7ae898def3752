/** The arithmetic of a token bucket. */
import { isBeyond, isForgettable, nanosecondsUntilTokens, takeTokens } from "../../../assembly/limit/bucket";

const second: u64 = 1000000000;
const start: u64 = 1763719200 * second;

function takeToken(fullAt: u64, now: u64, interval: u64, burst: u32): u64 {
  return takeTokens(fullAt, now, interval, burst, 1);
}

function nanosecondsUntilToken(fullAt: u64, now: u64, interval: u64, burst: u32): u64 {
  return nanosecondsUntilTokens(fullAt, now, interval, burst, 1);
}

/** How many tokens a bucket gives at one moment. */
function drain(fullAt: u64, now: u64, interval: u64, burst: u32): i32 {
  let taken = 0;
  let state = fullAt;
  while (true) {
    const after = takeToken(state, now, interval, burst);
    if (after == 0) return taken;
    state = after;
    taken++;
  }
}

describe("token buckets", () => {
  test("a bucket never used gives its burst, and then nothing", () => {
    expect(drain(0, start, second, 1)).toBe(1);
    expect(drain(0, start, second / 100, 200)).toBe(200);
  });

  test("a token comes back with every interval, never more than the burst", () => {
    let state: u64 = 0;
    for (let taken = 0; taken < 5; taken++) state = takeToken(state, start, second, 5);
    expect(takeToken(state, start, second, 5)).toBe(0);
    expect(takeToken(state, start + second - 1, second, 5)).toBe(0);
    expect(drain(state, start + second, second, 5)).toBe(1);
    expect(drain(state, start + 3 * second, second, 5)).toBe(3);
    expect(drain(state, start + 1000 * second, second, 5)).toBe(5);
  });

  test("over a long time the rate is exact", () => {
    let state: u64 = 0;
    let admitted = 0;
    for (let request = 0; request < 100000; request++) {
      const after = takeToken(state, start + <u64>request * (second / 1000), second / 10, 1);
      if (after == 0) continue;
      state = after;
      admitted++;
    }
    expect(admitted).toBe(1000);
  });

  test("the time until a token is exact: then it is there, and a moment before it is not", () => {
    let state: u64 = takeToken(0, start, 60 * second, 1);
    expect(nanosecondsUntilToken(state, start, 60 * second, 1)).toBe(60 * second);
    expect(nanosecondsUntilToken(state, start + second / 2, 60 * second, 1)).toBe(60 * second - second / 2);
    expect(nanosecondsUntilToken(state, start + 60 * second - 1, 60 * second, 1)).toBe(1);
    expect(takeToken(state, start + 60 * second - 1, 60 * second, 1)).toBe(0);
    expect(takeToken(state, start + 60 * second, 60 * second, 1)).toBe(start + 120 * second);
    state = takeToken(0, start, second / 100, 1);
    expect(nanosecondsUntilToken(state, start, second / 100, 1)).toBe(second / 100);
  });

  test("a bucket that is more than empty by an older clock gives nothing, and says how long for", () => {
    const state = start + 5 * second;
    expect(takeToken(state, start - 1, second, 5)).toBe(0);
    expect(nanosecondsUntilToken(state, start - 1, second, 5)).toBe(second + 1);
    expect(isBeyond(state, start - 2 * second, 5 * second)).toBe(false);
    expect(isBeyond(state, start - 2 * second - 1, 5 * second)).toBe(true);
  });

  test("a time of all ones does not wrap around", () => {
    expect(takeToken(u64.MAX_VALUE, start, second, 5)).toBe(0);
    expect(isBeyond(u64.MAX_VALUE, start, 5 * second)).toBe(true);
    expect(isForgettable(u64.MAX_VALUE, start)).toBe(false);
  });

  test("a bucket is forgotten when it is full by every clock, and one never used at once", () => {
    expect(isForgettable(start, start + 2 * second)).toBe(true);
    expect(isForgettable(start, start + 2 * second - 1)).toBe(false);
    expect(isForgettable(0, start)).toBe(true);
  });

  test("several tokens at once, all of them or none", () => {
    const state = takeTokens(0, start, second, 5, 3);
    expect(state).toBe(start + 3 * second);
    expect(takeTokens(state, start, second, 5, 3)).toBe(0);
    expect(nanosecondsUntilTokens(state, start, second, 5, 3)).toBe(second);
    expect(nanosecondsUntilTokens(state, start, second, 5, 5)).toBe(3 * second);
    expect(takeTokens(state, start, second, 5, 2)).toBe(start + 5 * second);
    expect(takeTokens(0, start, second, 5, 6)).toBe(0);
  });

  test("the widest limit stays within 64 bits", () => {
    const hour = 3600 * second;
    expect(takeToken(0, start, hour, 1000000)).toBe(start + hour);
    expect(drain(start + hour * 999999, start, hour, 1000000)).toBe(1);
    expect(takeTokens(0, start, hour, 1000000, 1000000)).toBe(start + hour * 1000000);
    const day = 24 * hour;
    const empty = start + day * 41666;
    expect(takeTokens(0, start, day, 41666, 41666)).toBe(empty);
    expect(takeTokens(empty, start, day, 41666, 41666)).toBe(0);
    expect(nanosecondsUntilTokens(empty, start, day, 41666, 41666)).toBe(day * 41666);
    expect(isBeyond(empty, start, day * 41666)).toBe(false);
  });
});
