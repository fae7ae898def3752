/** The arena and the regions of memory. */
import { arenaTail, lendArena, resetArena, rewindArena, roomBytes, takeBytes } from "../../../assembly/host/arena";
import { giveRegion, takeRegion } from "../../../assembly/host/region";
import { arena_bytes_max } from "../../../assembly/limits";

describe("the arena", () => {
  test("hands out aligned bytes until it is full, then 0, and all of it again after a reset", () => {
    for (let round = 0; round < 3; round++) {
      resetArena();
      const first = takeBytes(1);
      const second = takeBytes(1);
      expect(first & 7).toBe(0);
      expect(second - first).toBe(8);
      expect(takeBytes(arena_bytes_max - 16)).toBe(second + 8);
      expect(takeBytes(1)).toBe(0);
    }
  });

  test("no size fools it", () => {
    resetArena();
    expect(takeBytes(arena_bytes_max + 1)).toBe(0);
    expect(takeBytes(0xffffffff)).toBe(0);
    expect(takeBytes(0xfffffff8)).toBe(0);
    expect(takeBytes(arena_bytes_max)).not.toBe(0);
    resetArena();
  });

  test("can be lent other memory for one call", () => {
    const lent = takeRegion(1000);
    lendArena(lent, 1000);
    expect(takeBytes(1000)).toBe(lent);
    expect(takeBytes(1)).toBe(0);
    resetArena();
    expect(takeBytes(8)).not.toBe(lent);
    lendArena(lent, 1007);
    expect(roomBytes()).toBe(1000);
    expect(takeBytes(999)).toBe(lent);
    expect(roomBytes()).toBe(0);
    expect(takeBytes(1)).toBe(0);
    resetArena();
    giveRegion(lent);
  });

  test("tells where it goes on, and goes on there again", () => {
    resetArena();
    for (let size: usize = 0; size < 40; size++) {
      const tail = arenaTail();
      const room = roomBytes();
      expect(takeBytes(size)).toBe(tail);
      expect(arenaTail() - tail).toBe((size + 7) & ~7);
      expect(room - roomBytes()).toBe(<u32>(arenaTail() - tail));
      if ((size & 1) == 0) continue;
      rewindArena(tail);
      expect(arenaTail()).toBe(tail);
      expect(roomBytes()).toBe(room);
    }
    resetArena();
  });
});

describe("regions", () => {
  test("are zeroed, and taken again once given back", () => {
    const region = takeRegion(100000);
    memory.fill(region, 0xff, 100000);
    giveRegion(region);
    const pages = memory.size();
    const again = takeRegion(100000);
    let bits: u32 = 0;
    for (let index = 0; index < 100000; index++) bits |= load<u8>(again + index);
    expect(bits).toBe(0);
    expect(memory.size()).toBe(pages);
    giveRegion(again);
  });

  test("do not overlap, and free neighbours join", () => {
    const first = takeRegion(60000);
    const second = takeRegion(60000);
    const third = takeRegion(60000);
    expect(second - first).toBe(65536);
    giveRegion(first);
    giveRegion(second);
    const joined = takeRegion(120000);
    expect(joined).toBe(first);
    giveRegion(joined);
    expect(takeRegion(60000)).toBe(first);
    giveRegion(first);
    giveRegion(third);
  });

  test("a thousand reloads of two sizes grow nothing", () => {
    let old = takeRegion(300000);
    giveRegion(takeRegion(500000));
    const pages = memory.size();
    for (let reload = 0; reload < 1000; reload++) {
      const next = takeRegion((reload & 1) == 0 ? 200000 : 300000);
      giveRegion(old);
      old = next;
    }
    expect(memory.size()).toBe(pages);
    giveRegion(old);
  });

  test("an absurd size is refused", () => {
    expect(takeRegion(0xf0000000)).toBe(0);
  });
});
