/** Reading the plugin configuration. */
import {
  checksCertificateEnd,
  imageSize,
  imageStart,
  mistake,
  mistakeAt,
  mode,
  mode_of_policy,
  readConfigurationText,
  recordName,
  recordNameSize,
} from "../../assembly/configuration";
import { mode_enforce, mode_shadow } from "../../assembly/policy/layout";
import { bytesOf, hexBytes, hexOf, textOf } from "./support";

const target: usize = memory.data(4096, 8);

/** What a configuration comes to: the decoded image and the mode, or the mistake and where it is. */
function read(start: usize, size: u32): string {
  memory.copy(target + 64, start, size);
  if (!readConfigurationText(target + 64, size, target)) return mistake + " @" + mistakeAt.toString();
  const said = mode == mode_of_policy ? "-" : mode == mode_shadow ? "shadow" : mode == mode_enforce ? "enforce" : "?";
  const named = recordNameSize == 0 ? "" : " " + textOf(recordName, recordNameSize);
  return textOf(imageStart, imageSize) + " " + said + named + (checksCertificateEnd ? " end" : "");
}

function text(json: string): string {
  const bytes = bytesOf(json);
  return read(bytes.start, bytes.size);
}

/** A google.protobuf.Struct with one string member. */
function entry(key: string, value: string): string {
  const keyHex = hexOf(bytesOf(key).start, key.length);
  const valueHex = hexOf(bytesOf(value).start, value.length);
  const valueField = "1a" + hexByte(value.length) + valueHex;
  const fields = "0a" + hexByte(key.length) + keyHex + "12" + hexByte(value.length + 2) + valueField;
  return "0a" + hexByte(fields.length / 2) + fields;
}

function hexByte(byte: i32): string {
  return byte.toString(16).padStart(2, "0");
}

function struct(hex: string): string {
  const bytes = hexBytes(hex);
  return read(bytes.start, bytes.size);
}

describe("a configuration as JSON", () => {
  test("image and mode", () => {
    expect(text("")).toBe(" -");
    expect(text("{}")).toBe(" -");
    expect(text(' {"policy":"Zm9vYg=="} ')).toBe("foob -");
    expect(text('{"mode":"shadow","policy":"Zm9v"}')).toBe("foo shadow");
    expect(text('{"mode":"enforce"}')).toBe(" enforce");
    expect(text('{"record":"' + "a".repeat(64) + '","policy":"Zm9v"}')).toBe("foo - " + "a".repeat(64));
    expect(text('{"policy":"Zm9v","record":"edge_\\u0031-B"}')).toBe("foo - edge_1-B");
    expect(text('\n{"policy":"Zm9v\\u003d"}')).toBe("`policy` is not valid base64 @17");
    expect(text('{"policy":"Zm9vYg\\u003d\\u003d"}')).toBe("foob -");
    expect(text('{"certificateEnd":"checked","policy":"Zm9v"}')).toBe("foo - end");
    expect(text('{"policy":"Zm9v"}')).toBe("foo -");
  });

  test("mistakes, and where they are", () => {
    expect(text("[]")).toBe("not a JSON object @0");
    expect(text("null")).toBe("not a JSON object @0");
    expect(text("{")).toBe("no valid JSON @1");
    expect(text("\n{")).toBe("no valid JSON, and no Struct @0");
    expect(text('{"polcy":"Zm9v"}')).toBe(
      "unknown key, only `policy`, `mode`, `record` and `certificateEnd` are known @2",
    );
    expect(text('{"policy":"Zm9v","policy":"Zm9v"}')).toBe("no valid JSON @17");
    expect(text('{"policy":""}')).toBe("`policy` is not the base64 of a policy image @2");
    expect(text('{"policy":7}')).toBe("`policy` is not the base64 of a policy image @2");
    expect(text('{"policy":"Zm9-"}')).toBe("`policy` is not valid base64 @14");
    expect(text('{"mode":"off"}')).toBe("`mode` is neither `enforce` nor `shadow` @2");
    expect(text('{"mode":null}')).toBe("`mode` is neither `enforce` nor `shadow` @2");
    const unnamed = "`record` is not 1 to 64 letters, digits, `-` and `_` @2";
    expect(text('{"record":""}')).toBe(unnamed);
    expect(text('{"record":7}')).toBe(unnamed);
    expect(text('{"record":"a.b"}')).toBe(unnamed);
    expect(text('{"record":"a b"}')).toBe(unnamed);
    expect(text('{"record":"\\u0000"}')).toBe("no valid JSON @17");
    expect(text('{"record":"' + "a".repeat(65) + '"}')).toBe(unnamed);
    expect(text('{"certificateEnd":"off"}')).toBe("`certificateEnd` is not `checked` @2");
    expect(text('{"certificateEnd":true}')).toBe("`certificateEnd` is not `checked` @2");
  });
});

describe("a configuration as Envoy's Struct", () => {
  test("image and mode", () => {
    expect(struct(entry("policy", "Zm9v"))).toBe("foo -");
    expect(struct(entry("mode", "shadow") + entry("policy", "Zm9vYg=="))).toBe("foob shadow");
    expect(struct(entry("policy", "Zm9v") + entry("mode", "enforce"))).toBe("foo enforce");
  });

  test("mistakes", () => {
    expect(struct(entry("record", "edge") + entry("record", "edge"))).toBe("a key twice @22");
    expect(struct(entry("polcy", "Zm9v"))).toBe(
      "unknown key, only `policy`, `mode`, `record` and `certificateEnd` are known @4",
    );
    expect(struct(entry("mode", "shadow") + entry("mode", "shadow"))).toBe("a key twice @22");
    const end = entry("certificateEnd", "checked");
    expect(struct(end)).toBe(" - end");
    expect(struct(end + end)).toBe("a key twice @33");
    expect(struct(entry("policy", "Zm9v") + entry("policy", "Zm9v"))).toBe("a key twice @22");
    expect(text('{"policy":"' + "Zm9v".repeat(9) + "Zm 9" + "Zm9v".repeat(9) + '"}')).toBe(
      "`policy` is not valid base64 @49",
    );
    expect(text('{"policy":"' + "Zm9v".repeat(9) + 'Zm9vZh=="}')).toBe("`policy` is not valid base64 @53");
    expect(text('{"policy":"' + "Zm9v".repeat(9) + 'Z==="}')).toBe("`policy` is not valid base64 @48");
    expect(struct(entry("policy", "%%%%"))).toBe("`policy` is not valid base64 @14");
    // A number, a nested Struct, a key alone, a member before its key.
    expect(struct("0a0d0a0470616765120711000000")).toBe("no valid JSON, and no Struct @0");
    expect(struct("0a0b0a046d6f64651203110000")).toBe("`mode` is neither `enforce` nor `shadow` @4");
    expect(struct("0a060a046d6f6465")).toBe("no valid JSON, and no Struct @0");
    expect(struct("0a0412021a000a00")).toBe("no valid JSON, and no Struct @0");
  });

  test("cut anywhere, it is refused or says nothing", () => {
    const hex = entry("policy", "Zm9v");
    for (let cut = 2; cut < hex.length; cut += 2) expect(struct(hex.substring(0, cut))).not.toBe("foo -");
  });

  test("sizes that overflow are refused", () => {
    expect(struct("0affffffff0f")).toBe("no valid JSON, and no Struct @0");
    expect(struct("0affffffffff01")).toBe("no valid JSON, and no Struct @0");
    expect(struct("0a80808080808080808001")).toBe("no valid JSON, and no Struct @0");
  });
});
