/** The JSON scanner and its tape: what is JSON, what is not, and what it refuses. */
import { Fault, faultOf, scanJson, scanned, stoppedAt } from "../../../assembly/bytes/json";
import * as json from "../../../assembly/bytes/tape";
import { Kind } from "../../../assembly/bytes/tape";
import { bytesOf, hexBytes, textOf } from "../support";

const tape = json.scratch_tape;
const records: u32 = 1024;

function scans(text: string): bool {
  const input = bytesOf(text);
  return scanJson(input.start, input.size, tape, records) == scanned;
}

/** The text of a member, as scanned, or "absent". */
function member(text: string, name: string): string {
  if (!scans(text)) return "refused";
  const bytes = bytesOf(name);
  const record = json.member(tape, bytes.start, bytes.size);
  return record == json.absent ? "absent" : textOf(json.startOf(record), json.sizeOf(record));
}

function nested(depth: i32): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

function numbered(members: i32): string {
  let text = '{"k0":0';
  for (let index = 1; index < members; index++) text += ',"k' + index.toString() + '":0';
  return text + "}";
}

/** The string of so many characters with `middle` after the first `before` of them: as scanned, or "refused". */
function stringWith(before: i32, middle: string, after: i32): string {
  return member('{"k":"' + "a".repeat(before) + middle + "b".repeat(after) + '"}', "k");
}

/** How many strings with `middle` anywhere among up to forty other characters come out with `meant` in its place. */
function scannedEverywhere(middle: string, meant: string): i32 {
  let good = 0;
  for (let before = 0; before < 40; before++) {
    for (let after = 0; after < 20; after++) {
      if (stringWith(before, middle, after) == "a".repeat(before) + meant + "b".repeat(after)) good++;
    }
  }
  return good;
}

describe("what is JSON", () => {
  test("every kind of value", () => {
    expect(scans("null")).toBeTruthy();
    expect(scans(" true ")).toBeTruthy();
    expect(scans("false")).toBeTruthy();
    expect(scans("[]")).toBeTruthy();
    expect(scans("{}")).toBeTruthy();
    expect(scans('{"a":[1,{"b":"c"},null],"d":{}}')).toBeTruthy();
    expect(scans("\t[ 1 ,\n2 ]\r")).toBeTruthy();
  });

  test("what is not", () => {
    expect(scans("")).toBeFalsy();
    expect(scans(" ")).toBeFalsy();
    expect(scans("nul")).toBeFalsy();
    expect(scans("nulx")).toBeFalsy();
    expect(scans("True")).toBeFalsy();
    expect(scans("[1,]")).toBeFalsy();
    expect(scans("[,1]")).toBeFalsy();
    expect(scans('{"a":1,}')).toBeFalsy();
    expect(scans("{a:1}")).toBeFalsy();
    expect(scans("{'a':1}")).toBeFalsy();
    expect(scans('{"a" 1}')).toBeFalsy();
    expect(scans('{"a":}')).toBeFalsy();
    expect(scans("[1")).toBeFalsy();
    expect(scans('{"a":1')).toBeFalsy();
    expect(scans("[1]]")).toBeFalsy();
    expect(scans("{} {}")).toBeFalsy();
    expect(scans("// no\n{}")).toBeFalsy();
    expect(scans("\u00a0{}")).toBeFalsy();
    expect(scans("\ufeff{}")).toBeFalsy();
  });
});

describe("members", () => {
  test("are found by their exact name", () => {
    expect(member('{"a":"x","ab":"y"}', "ab")).toBe("y");
    expect(member('{"a":"x"}', "b")).toBe("absent");
    expect(member('{"a":{"b":"x"}}', "b")).toBe("absent");
    expect(member('["a"]', "a")).toBe("absent");
  });

  test("an escaped name is the name it spells", () => {
    expect(member('{"\\u0069ss":"x"}', "iss")).toBe("x");
  });

  test("duplicates are refused, however they are spelled and wherever they are", () => {
    expect(scans('{"a":1,"a":2}')).toBeFalsy();
    expect(scans('{"iss":1,"\\u0069ss":2}')).toBeFalsy();
    expect(scans('{"x":{"a":1,"b":[],"a":2}}')).toBeFalsy();
    expect(scans('{"":1,"":1}')).toBeFalsy();
    expect(scans('{"a":{"a":1},"b":{"a":1}}')).toBeTruthy();
    expect(scans('{"a":1,"A":2}')).toBeTruthy();
  });

  test("too many are refused", () => {
    expect(scans(numbered(128))).toBeTruthy();
    expect(scans(numbered(129))).toBeFalsy();
  });
});

describe("strings", () => {
  test("escapes are what they stand for", () => {
    expect(member('{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', "a")).toBe('"\\/\b\f\n\r\t');
    expect(member('{"a":"\\u00e9\\u20AC"}', "a")).toBe("é€");
    expect(member('{"a":"\\ud83d\\ude00!"}', "a")).toBe("😀!");
    expect(member('{"a":"é\\u0041€"}', "a")).toBe("éA€");
  });

  test("NUL, controls, unknown escapes and lone surrogates are refused", () => {
    expect(scans('"\\u0000"')).toBeFalsy();
    expect(scans('"a\nb"')).toBeFalsy();
    expect(scans('"\\x41"')).toBeFalsy();
    expect(scans('"\\u004"')).toBeFalsy();
    expect(scans('"\\u00g0"')).toBeFalsy();
    expect(scans('"\\ud83d"')).toBeFalsy();
    expect(scans('"\\ud83dx"')).toBeFalsy();
    expect(scans('"\\ud83d\\u0041"')).toBeFalsy();
    expect(scans('"\\ude00"')).toBeFalsy();
    expect(scans('"abc')).toBeFalsy();
    expect(scans('"abc\\')).toBeFalsy();
    expect(scans('"\\u')).toBeFalsy();
  });

  test("bytes that are not UTF-8 are refused", () => {
    const cases = ["22c322", "22ff22", "22c0af22", "22eda08022", "22f490808022", "22e282", "228022"];
    for (let index = 0; index < cases.length; index++) {
      const input = hexBytes(cases[index]);
      expect(scanJson(input.start, input.size, tape, records) == scanned).toBeFalsy(cases[index]);
    }
  });
});

describe("numbers", () => {
  test("of the grammar, within bounds", () => {
    const cases = ["0", "-0", "10", "-1.5", "1e2", "1E+2", "1.0e-20", "1700000000", "9223372036854775807", "1e299"];
    for (let index = 0; index < cases.length; index++) expect(scans(cases[index])).toBeTruthy(cases[index]);
  });

  test("all else is refused", () => {
    const cases = ["01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity", "1_0"];
    for (let index = 0; index < cases.length; index++) expect(scans(cases[index])).toBeFalsy(cases[index]);
  });
});

describe("bounds", () => {
  test("nesting", () => {
    for (let depth = 1; depth <= 4112; depth += depth < 24 ? 1 : 511) {
      expect(scans(nested(depth))).toBeTruthy();
      expect(json.tapeBytes(tape)).toBe(min(depth, 17) * json.tape_record_bytes);
    }
    expect(scans(nested(4112))).toBeTruthy();
    expect(scans(nested(4113))).toBeFalsy();
    expect(scans('{"a":'.repeat(17) + "1" + "}".repeat(17))).toBeTruthy();
  });

  test("what nests too deep is JSON, and one value that nobody can read", () => {
    const deep =
      '{"a":' + nested(16) + ',"b":' + "[".repeat(16) + '{"x":[1,"\\u0041",{}],"y":{},"x":null}' + "]".repeat(16) + "}";
    expect(scans(deep)).toBeTruthy();
    expect(scans('{"x":1,"x":null}')).toBeFalsy();
    const text =
      "[".repeat(16) + '[ [1, "\\u0041" ,{ } ] ,{"y":[], "z" : {"x":1e9,"x":null}},true,[]]' + "]".repeat(16);
    expect(scans(text)).toBeTruthy();
    let record = tape;
    for (let level = 0; level < 16; level++) record = json.firstOf(record);
    expect(json.kindOf(record)).toBe(Kind.OPAQUE);
    expect(json.after(record)).toBe(json.after(tape));
    expect(json.firstOf(record)).toBe(json.after(record));
    const cases = [
      "[1,]",
      "[,]",
      "[1 2]",
      "[}",
      "{]",
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      "{1:2}",
      "[tru]",
      "[01]",
      '["\\q"]',
      "[[]",
      "[]]",
      '{"a":1 "b":2}',
    ];
    for (let index = 0; index < cases.length; index++) {
      expect(scans("[".repeat(16) + cases[index] + "]".repeat(16))).toBeFalsy(cases[index]);
    }
  });

  test("numbers beyond what readers hold are one value that nobody can read", () => {
    const cases = [
      "1".repeat(20),
      "-" + "1".repeat(20),
      "0." + "1".repeat(20),
      "1e300",
      "1e-999",
      "1E+0001",
      "0".repeat(1) + ".0e0000000",
    ];
    for (let index = 0; index < cases.length; index++) {
      expect(scans(cases[index])).toBeTruthy(cases[index]);
      expect(json.kindOf(tape)).toBe(Kind.OPAQUE, cases[index]);
      expect(textOf(json.startOf(tape), json.sizeOf(tape))).toBe(cases[index]);
    }
    const sound = ["1".repeat(19), "0." + "1".repeat(19), "1e299", "-0.0E-99"];
    for (let index = 0; index < sound.length; index++) {
      expect(scans(sound[index])).toBeTruthy(sound[index]);
      expect(json.kindOf(tape)).toBe(Kind.NUMBER, sound[index]);
    }
  });

  test("values", () => {
    expect(scans("[" + "1,".repeat(1022) + "1]")).toBeTruthy();
    expect(scans("[" + "1,".repeat(1023) + "1]")).toBeFalsy();
  });

  test("the kinds and ends of the tape", () => {
    expect(scans('{"a":[1,2],"b":true}')).toBeTruthy();
    expect(json.kindOf(tape)).toBe(Kind.OBJECT);
    expect(json.tapeBytes(tape)).toBe(7 * json.tape_record_bytes);
    const list = json.valueAfter(json.firstOf(tape));
    expect(json.kindOf(list)).toBe(Kind.ARRAY);
    expect(json.kindOf(json.firstOf(list))).toBe(Kind.NUMBER);
    const second = json.after(list);
    expect(textOf(json.startOf(second), json.sizeOf(second))).toBe("b");
    expect(json.kindOf(json.valueAfter(second))).toBe(Kind.TRUE);
    expect(json.after(json.valueAfter(second))).toBe(json.after(tape));
  });

  test("the room that a tape has", () => {
    const list = bytesOf("[1,2,3]");
    expect(scanJson(list.start, list.size, tape, 4) == scanned).toBeTruthy();
    expect(faultOf(scanJson(list.start, list.size, tape, 3))).toBe(Fault.COUNT);
  });
});

describe("a scan that fails", () => {
  test("says why, and where it stopped", () => {
    const cases = ['{"a":01}', '{"a":1,"a":2}', "[tru]", '"\\ud800"', "[1]]"];
    const faults = [Fault.NUMBER, Fault.DUPLICATE, Fault.SYNTAX, Fault.TEXT, Fault.SYNTAX];
    const stops = [7, 7, 1, 7, 3];
    for (let index = 0; index < cases.length; index++) {
      const input = bytesOf(cases[index]);
      const scan = scanJson(input.start, input.size, tape, records);
      expect(faultOf(scan)).toBe(faults[index], cases[index]);
      expect(<i32>(stoppedAt(scan) - input.start)).toBe(stops[index], cases[index]);
    }
  });
});

const one: usize = memory.data(64 * 20, 4);
const two: usize = memory.data(64 * 20, 4);

/** What stands under `a` in the object at a record. */
function valueOfA(record: usize): string {
  const a_name = bytesOf("a");
  const value = json.member(record, a_name.start, a_name.size);
  return value == json.absent ? "absent" : textOf(json.startOf(value), json.sizeOf(value));
}

describe("tapes are independent", () => {
  test("two are read in turns, whichever was written last", () => {
    const first = bytesOf('{"x":[{}],"a":"first"}');
    const second = bytesOf('{"a":"second","b":{"a":"inner"}}');
    scanJson(first.start, first.size, one, 64);
    scanJson(second.start, second.size, two, 64);
    expect(valueOfA(one)).toBe("first");
    expect(valueOfA(two)).toBe("second");
    expect(valueOfA(json.valueAfter(json.after(json.valueAfter(json.firstOf(two)))))).toBe("inner");
    expect(valueOfA(one)).toBe("first");
    expect(valueOfA(json.absent)).toBe("absent");
  });

  test("a copy is as good, wherever it and its text stand", () => {
    const text = bytesOf('{"b":[1,[2]],"a":"value"}');
    scanJson(text.start, text.size, one, 64);
    const moved: usize = memory.data(64);
    memory.copy(moved, text.start, text.size);
    json.copyTape(one, json.tapeBytes(one), two, moved - text.start);
    memory.fill(text.start, 0x20, text.size);
    memory.fill(one, 0xff, 64 * 20);
    expect(valueOfA(two)).toBe("value");
    expect(json.tapeBytes(two)).toBe(8 * json.tape_record_bytes);
  });
});

describe("strings, wherever in a block of sixteen bytes something stands", () => {
  test("plain characters, DEL and what is no ASCII stay", () => {
    expect(scannedEverywhere("", "")).toBe(800);
    expect(scannedEverywhere("\x7f", "\x7f")).toBe(800);
    expect(scannedEverywhere("é€😀", "é€😀")).toBe(800);
  });

  test("escapes are undone, also several", () => {
    expect(scannedEverywhere("\\n", "\n")).toBe(800);
    expect(scannedEverywhere('\\"\\\\', '"\\')).toBe(800);
    expect(scannedEverywhere("\\u00e9x\\u0041", "éxA")).toBe(800);
  });

  test("control characters are refused, and a string without an end is", () => {
    expect(scannedEverywhere("\x1f", "\x1f")).toBe(0);
    expect(scannedEverywhere("\t", "\t")).toBe(0);
    for (let size = 0; size < 40; size++) expect(scans('"' + "a".repeat(size))).toBeFalsy();
  });
});
