/** Values of conditions: addresses, times, numbers, and how they compare. */
import { address, isInNetwork, parseAddress } from "../../../assembly/condition/address";
import { addTimes, subtractTimes, toTimestamp } from "../../../assembly/condition/clock";
import { Order, orderOf } from "../../../assembly/condition/compare";
import { readNumber, toInt } from "../../../assembly/condition/number";
import { codePoints, holds } from "../../../assembly/condition/text";
import {
  doubleOf,
  kindOf,
  longOf,
  setBool,
  setDouble,
  setInt,
  setString,
  setTime,
  sizeOf,
  ValueKind,
} from "../../../assembly/condition/value";
import { bytesOf, hexOf } from "../support";

const cell: usize = memory.data(16, 8);
const other: usize = memory.data(16, 8);

function number(text: string): string {
  const bytes = bytesOf(text);
  readNumber(cell, bytes.start, bytes.size);
  if (kindOf(cell) == ValueKind.INT) return "int " + longOf(cell).toString();
  if (kindOf(cell) == ValueKind.DOUBLE) return "double " + doubleOf(cell).toString();
  return "error";
}

function int(text: string): string {
  const bytes = bytesOf(text);
  setString(cell, bytes.start, bytes.size);
  toInt(cell);
  return kindOf(cell) == ValueKind.INT ? longOf(cell).toString() : "error";
}

function intOfDouble(value: f64): string {
  setDouble(cell, value);
  toInt(cell);
  return kindOf(cell) == ValueKind.INT ? longOf(cell).toString() : "error";
}

describe("ints", () => {
  test("of texts are decimal digits, before which a minus may stand", () => {
    expect(int("0")).toBe("0");
    expect(int("-0")).toBe("0");
    expect(int("0042")).toBe("42");
    expect(int("9223372036854775807")).toBe("9223372036854775807");
    expect(int("-9223372036854775808")).toBe("-9223372036854775808");
    expect(int("00000000000000000000000000007")).toBe("7");
  });

  test("are of no other text", () => {
    expect(int("")).toBe("error");
    expect(int("-")).toBe("error");
    expect(int("--1")).toBe("error");
    expect(int("+1")).toBe("error");
    expect(int(" 1")).toBe("error");
    expect(int("1 ")).toBe("error");
    expect(int("1.0")).toBe("error");
    expect(int("1e3")).toBe("error");
    expect(int("0x1")).toBe("error");
    expect(int("1_000")).toBe("error");
    expect(int("9223372036854775808")).toBe("error");
    expect(int("-9223372036854775809")).toBe("error");
    expect(int("18446744073709551616")).toBe("error");
    expect(int("18446744073709551621")).toBe("error");
  });

  test("of doubles have no part of what follows the point", () => {
    expect(intOfDouble(2.9)).toBe("2");
    expect(intOfDouble(-2.9)).toBe("-2");
    expect(intOfDouble(-9223372036854774784.0)).toBe("-9223372036854774784");
    expect(intOfDouble(-9223372036854775808.0)).toBe("error");
    expect(intOfDouble(9223372036854775808.0)).toBe("error");
    expect(intOfDouble(1e300)).toBe("error");
  });
});

describe("JSON numbers", () => {
  test("are ints where 64 bits hold them", () => {
    expect(number("0")).toBe("int 0");
    expect(number("-0")).toBe("int 0");
    expect(number("42")).toBe("int 42");
    expect(number("9223372036854775807")).toBe("int 9223372036854775807");
    expect(number("-9223372036854775808")).toBe("int -9223372036854775808");
    expect(number("9223372036854775808")).toBe("double 9223372036854776000.0");
    expect(number("-9223372036854775809")).toBe("double -9223372036854776000.0");
  });

  test("are doubles where a point or an exponent stands", () => {
    expect(number("1.0")).toBe("double 1.0");
    expect(number("-0.5")).toBe("double -0.5");
    expect(number("0.1")).toBe("double 0.1");
    expect(number("3.141592653589793")).toBe("double 3.141592653589793");
    expect(number("1e3")).toBe("double 1000.0");
    expect(number("25E-1")).toBe("double 2.5");
    expect(number("1.5e+2")).toBe("double 150.0");
    expect(number("1e22")).toBe("double 1e+22");
    expect(number("1.500000000000000000")).toBe("double 1.5");
    expect(number("0e299")).toBe("double 0.0");
  });

  test("are errors where a double would have to be guessed", () => {
    expect(number("1e23")).toBe("error");
    expect(number("1e-23")).toBe("error");
    expect(number("0.12345678901234567891")).toBe("error");
    expect(number("123456789012345678.9")).toBe("error");
  });
});

function ip(text: string): string {
  const bytes = bytesOf(text);
  const size = parseAddress(bytes.start, bytes.size);
  return size == 0 ? "none" : hexOf(address, size);
}

describe("IP addresses", () => {
  test("version 4", () => {
    expect(ip("10.1.2.3")).toBe("0a010203");
    expect(ip("0.0.0.0")).toBe("00000000");
    expect(ip("255.255.255.255")).toBe("ffffffff");
    const wrong = [
      "",
      "10.1.2",
      "10.1.2.3.4",
      "10.1.2.256",
      "10.1.2.03",
      "010.1.2.3",
      "10.1.2.3 ",
      "10..2.3",
      "a.b.c.d",
      "1.2.3.4444",
      "0x10.1.2.3",
    ];
    for (let index = 0; index < wrong.length; index++) expect(ip(wrong[index])).toBe("none", wrong[index]);
  });

  test("version 6", () => {
    expect(ip("::")).toBe("00000000000000000000000000000000");
    expect(ip("::1")).toBe("00000000000000000000000000000001");
    expect(ip("2001:db8::")).toBe("20010db8000000000000000000000000");
    expect(ip("2001:DB8:0:0:1::1")).toBe("20010db8000000000001000000000001");
    expect(ip("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
    expect(ip("1:2:3:4:5:6:7::")).toBe("00010002000300040005000600070000");
    expect(ip("64:ff9b::10.1.2.3")).toBe("0064ff9b00000000000000000a010203");
    expect(ip("1:2:3:4:5:6:1.2.3.4")).toBe("00010002000300040005000601020304");
    const wrong = [
      ":",
      ":::",
      "1",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "1:2:3:4:5:6:7:8::",
      "12345::",
      "::g",
      "1:",
      ":1",
      "fe80::1%eth0",
      "::1.2.3",
      "1:2:3:4:5:6:7:1.2.3.4",
      "[::1]",
    ];
    for (let index = 0; index < wrong.length; index++) expect(ip(wrong[index])).toBe("none", wrong[index]);
  });

  test("version 4 inside version 6 is version 4", () => {
    expect(ip("::ffff:10.1.2.3")).toBe("0a010203");
    expect(ip("::ffff:a01:203")).toBe("0a010203");
    expect(ip("::10.1.2.3")).toBe("0000000000000000000000000a010203");
  });

  test("networks", () => {
    expect(ip("10.129.2.3")).toBe("0a810203");
    const ten = bytesOf("\x0a\x00\x00\x00").start;
    expect(isInNetwork(ten, 8)).toBe(true);
    expect(isInNetwork(ten, 0)).toBe(true);
    expect(isInNetwork(ten, 9)).toBe(false);
    expect(isInNetwork(ten, 32)).toBe(false);
    expect(ip("11.0.0.0")).toBe("0b000000");
    expect(isInNetwork(ten, 7)).toBe(true);
    expect(isInNetwork(ten, 8)).toBe(false);
  });
});

function holdsPart(text: string, part: string): bool {
  const whole = bytesOf(text);
  const searched = bytesOf(part);
  return holds(whole.start, whole.size, searched.start, searched.size);
}

describe("strings", () => {
  test("hold others", () => {
    expect(holdsPart("", "")).toBe(true);
    expect(holdsPart("abc", "")).toBe(true);
    expect(holdsPart("abc", "abcd")).toBe(false);
    expect(holdsPart("aaab", "aab")).toBe(true);
    expect(holdsPart("abababac", "ababac")).toBe(true);
    expect(holdsPart("abababab", "ababac")).toBe(false);
    expect(holdsPart("xxé", "é")).toBe(true);
  });

  test("have code points", () => {
    const text = bytesOf("a€𐍈é");
    expect(codePoints(text.start, text.size)).toBe(4);
  });
});

describe("order", () => {
  test("of ints and doubles is exact", () => {
    setInt(cell, 9007199254740993);
    setDouble(other, 9007199254740992.0);
    expect(orderOf(cell, other)).toBe(Order.GREATER);
    expect(orderOf(other, cell)).toBe(Order.LESS);
    setInt(cell, i64.MAX_VALUE);
    setDouble(other, 9223372036854775808.0);
    expect(orderOf(cell, other)).toBe(Order.LESS);
    setInt(cell, i64.MIN_VALUE);
    setDouble(other, -9223372036854775808.0);
    expect(orderOf(cell, other)).toBe(Order.EQUAL);
    setInt(cell, -1);
    setDouble(other, -1.5);
    expect(orderOf(cell, other)).toBe(Order.GREATER);
    setDouble(other, NaN);
    expect(orderOf(cell, other)).toBe(Order.NONE);
  });

  test("there is none between kinds", () => {
    setInt(cell, 1);
    setBool(other, true);
    expect(orderOf(cell, other)).toBe(Order.ERROR);
  });
});

describe("times", () => {
  test("carry and borrow nanoseconds", () => {
    setTime(cell, ValueKind.TIMESTAMP, 10, 600000000);
    setTime(other, ValueKind.DURATION, 1, 600000000);
    addTimes(cell, other);
    expect(longOf(cell)).toBe(12);
    expect(sizeOf(cell)).toBe(200000000);
    subtractTimes(cell, other);
    expect(longOf(cell)).toBe(10);
    expect(sizeOf(cell)).toBe(600000000);
  });

  test("end where CEL's end", () => {
    setTime(cell, ValueKind.TIMESTAMP, 253402300799, 999999999);
    setTime(other, ValueKind.DURATION, 0, 1);
    addTimes(cell, other);
    expect(kindOf(cell)).toBe(ValueKind.ERROR);
    setInt(cell, i64.MIN_VALUE);
    toTimestamp(cell);
    expect(kindOf(cell)).toBe(ValueKind.ERROR);
  });

  test("of the wrong kinds have no sum", () => {
    setTime(cell, ValueKind.TIMESTAMP, 1, 0);
    setTime(other, ValueKind.TIMESTAMP, 1, 0);
    addTimes(cell, other);
    expect(kindOf(cell)).toBe(ValueKind.ERROR);
  });
});
