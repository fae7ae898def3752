/** The window of a key's denials. */
import { addDenial, window_bytes } from "../../../assembly/quarantine/window";

const window: usize = memory.data(256, 8);
const start: u64 = 1795255200000;

/** Empty. */
function open(): void {
  memory.fill(window, 0, 256);
}

describe("a window", () => {
  test("counts what is in it, to the millisecond", () => {
    open();
    expect(addDenial(window, start, 1000, 1)).toBe(1);
    expect(addDenial(window, start + 1, 1000, 1)).toBe(2);
    expect(addDenial(window, start + 999, 1000, 1)).toBe(3);
    expect(addDenial(window, start + 1000, 1000, 1)).toBe(3);
    expect(addDenial(window, start + 1998, 1000, 1)).toBe(3);
    expect(addDenial(window, start + 1999, 1000, 1)).toBe(3);
    expect(addDenial(window, start + 9999, 1000, 1)).toBe(1);
  });

  test("goes on where its times begin again from zero", () => {
    open();
    const wrap: u64 = (start | 0xffffff) - 1;
    expect(addDenial(window, wrap, 3600000, 1)).toBe(1);
    expect(addDenial(window, wrap + 5, 3600000, 1)).toBe(2);
    expect(addDenial(window, wrap + 3600000, 3600000, 1)).toBe(2);
  });

  test("takes times a little ahead for now, and no others", () => {
    open();
    expect(addDenial(window, start, 1000, 1)).toBe(1);
    expect(addDenial(window, start - 2000, 1000, 1)).toBe(2);
    expect(addDenial(window, start - 2001, 1000, 1)).toBe(2);
  });

  test("counts several by the time of the first of them", () => {
    open();
    for (let count = 1; count <= 4; count++) expect(addDenial(window, start + count - 1, 1000, 4)).toBe(count);
    expect(addDenial(window, start + 10, 1000, 4)).toBe(5);
    expect(addDenial(window, start + 999, 1000, 4)).toBe(6);
    expect(addDenial(window, start + 1000, 1000, 4)).toBe(3);
  });

  test("forgets the oldest where it has no room, and writes nowhere else", () => {
    open();
    store<u64>(window, 0x5a5a5a5a, window_bytes);
    for (let count: u32 = 1; count <= 40; count++) expect(addDenial(window, start, 1000, 1)).toBe(min(count, 32));
    expect(load<u64>(window, window_bytes)).toBe(0x5a5a5a5a);
    memory.fill(window, 0xff, 132);
    addDenial(window, start, 1000, 1);
    expect(load<u64>(window, window_bytes)).toBe(0x5a5a5a5a);
  });
});
