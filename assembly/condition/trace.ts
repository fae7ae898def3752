/** Values of a condition, as lines of the inspection log (inspect.ts). */
import { Writer, writeByte, writeDecimal, writeJsonString, writeText } from "../bytes/writer";
import { closeLine, openLine } from "../inspect";
import { isTrue, kindOf, longOf, sizeOf, startOf, ValueKind } from "./value";

/** As much of a string as is shown. */
const shown_bytes: u32 = 64;

/**
 * An instruction of a condition left a value: its index in the condition, the value's type, and for a string, a number or a
 * bool what it is. The lines of a condition come before its own.
 */
export function reportValue(instruction: u32, cell: usize): void {
  const writer = openLine("value ");
  writeDecimal(writer, instruction);
  writeByte(writer, 0x20);
  writeValue(writer, cell);
  closeLine();
}

function writeValue(writer: Writer, cell: usize): void {
  switch (kindOf(cell)) {
    case ValueKind.ERROR:
      writeText(writer, "error");
      return;
    case ValueKind.NULL:
      writeText(writer, "null");
      return;
    case ValueKind.BOOL:
      writeText(writer, isTrue(cell) ? "true" : "false");
      return;
    case ValueKind.INT:
      writeText(writer, "int ");
      writeLong(writer, longOf(cell));
      return;
    case ValueKind.DOUBLE:
      writeText(writer, "double");
      return;
    case ValueKind.STRING:
      writeText(writer, "string ");
      writeJsonString(writer, startOf(cell), sizeOf(cell), shown_bytes);
      return;
    case ValueKind.TIMESTAMP:
      writeText(writer, "timestamp ");
      writeLong(writer, longOf(cell));
      return;
    case ValueKind.DURATION:
      writeText(writer, "duration ");
      writeLong(writer, longOf(cell));
      return;
    case ValueKind.TAPE_MAP:
      writeText(writer, "map");
      return;
    default:
      writeText(writer, "list");
  }
}

function writeLong(writer: Writer, value: i64): void {
  if (value < 0) writeByte(writer, 0x2d);
  writeDecimal(writer, value < 0 ? <u64>(0 - value) : <u64>value);
}
