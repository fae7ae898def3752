/** What is logged of key sets: one line for each that was fetched, or was not. Nothing here runs on a request's path. */
import { openWriter, Writer, writeBytes, writeDecimal, writeJsonString, writeText } from "../bytes/writer";
import { LogLevel } from "../host/abi";
import { log } from "../host/host";
import { blamed_bytes_max, log_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { isDiscovered, Stage } from "./discovery";
import { KeySet } from "./keyset";

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

let blamedStart: usize = 0;
let blamedSize: u32 = 0;

/** What the next failure is told with: a name, or what somebody else has written. */
export function blame(start: usize, size: u32): void {
  blamedStart = start;
  blamedSize = size;
}

/** Envoy answers itself, with 503 or 504, where it has no answer to hand over. */
export function statusWords(status: u32): string {
  switch (status) {
    case 0:
      return "the answer broke off";
    case 503:
      return "it could not be reached, or its certificate is not trusted, or its server says so";
    case 504:
      return "no answer came in time";
    case 401:
    case 403:
      return "its server wants a credential (`keys.header`)";
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return "its server redirects, which is not followed; name the URL that it leads to";
    default:
      return "its server did not answer 200";
  }
}

/** A set was not fetched. `status` is what was answered in place of it, 0 where that is not to blame. */
export function tellFailed(set: KeySet, trouble: string, status: u32): void {
  openLine(set);
  writeText(writer, set.stage == Stage.KEYS ? " not fetched: " : " not fetched: the issuer's discovery document: ");
  writeText(writer, trouble);
  if (blamedSize != 0) {
    writeText(writer, ": ");
    writeJsonString(writer, blamedStart, blamedSize, blamed_bytes_max);
    blamedSize = 0;
  }
  if (status != 0) {
    writeText(writer, ", status ");
    writeDecimal(writer, status);
    // Where the keys of a discovered set are, its document said.
    if (set.stage != Stage.KEYS || !isDiscovered(set)) {
      const cluster = set.record + layout.key_set_cluster_at;
      writeText(writer, " from cluster ");
      writeBytes(writer, set.image + load<u32>(cluster), load<u32>(cluster, 4));
    }
  }
  endLine(LogLevel.WARN);
}

/** The set of another worker could not be taken over. */
export function tellLost(set: KeySet): void {
  openLine(set);
  writeText(writer, " could not be taken over from another worker: until it is, no token of it is good here");
  endLine(LogLevel.ERROR);
}

/** A set was fetched that is another than before. */
export function tellFetched(set: KeySet): void {
  openLine(set);
  writeText(writer, " fetched: ");
  writeDecimal(writer, set.keyCount);
  writeText(writer, set.keyCount == 1 ? " key" : " keys");
  endLine(LogLevel.INFO);
}

/** Begins a line about a key set. What it goes on with is written to the writer that this answers with. */
export function openLine(set: KeySet): Writer {
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: key set ");
  const name = set.record + layout.key_set_name_at;
  writeBytes(writer, set.image + load<u32>(name), load<u32>(name, 4));
  return writer;
}

/** Logs the line that was begun. */
export function endLine(level: LogLevel): void {
  log(level, line, writer.size);
}
