/** Values out of a token: what a record of the JSON tape (bytes/json.ts) is in a condition. */
import * as json from "../bytes/tape";
import { readNumber } from "./number";
import { setBool, setError, setNull, setString, setTape, ValueKind } from "./value";

/** The value of a record of the tape; an error for `absent`, and for a number that cannot be had exactly. */
export function setRecord(cell: usize, record: usize): void {
  if (record == json.absent) {
    setError(cell);
    return;
  }
  switch (json.kindOf(record)) {
    case json.Kind.NULL:
      setNull(cell);
      return;
    case json.Kind.FALSE:
      setBool(cell, false);
      return;
    case json.Kind.TRUE:
      setBool(cell, true);
      return;
    case json.Kind.NUMBER:
      readNumber(cell, json.startOf(record), json.sizeOf(record));
      return;
    case json.Kind.STRING:
      setString(cell, json.startOf(record), json.sizeOf(record));
      return;
    case json.Kind.ARRAY:
      setTape(cell, ValueKind.TAPE_LIST, record);
      return;
    case json.Kind.OBJECT:
      setTape(cell, ValueKind.TAPE_MAP, record);
      return;
    default:
      setError(cell);
  }
}
