/**
 * Requests of streams that have no policy: the host never told of the stream, or never configured us, or there was no memory. They
 * are denied, with a record as far as there is something to record, and the log says once in each VM what the host keeps from us.
 */
import { writeRecordWithoutPolicy } from "./audit/record";
import { openWriter, Writer, writeText } from "./bytes/writer";
import { Failure } from "./failure";
import { LogLevel } from "./host/abi";
import { log } from "./host/host";
import { log_bytes_max } from "./limits";
import { areContextsAnnounced } from "./policy/root";
import { readHeaders } from "./request/headers";
import { clearRequest } from "./request/request";
import { respondPlainly } from "./response/respond";

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

let isConfigured: bool = false;
let isReported: bool = false;

/** The host has configured us, or tried to. */
export function noteConfiguration(): void {
  isConfigured = true;
}

/** Answers a request that there is no policy for, and says why. */
export function denyUnserved(failure: Failure): void {
  clearRequest();
  readHeaders();
  writeRecordWithoutPolicy(failure);
  if (!areContextsAnnounced()) report("proxy_on_context_create");
  else if (!isConfigured) report("proxy_on_configure");
  respondPlainly(failure);
}

function report(callback: string): void {
  if (isReported) return;
  isReported = true;
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: every request is denied: the host never called ");
  writeText(writer, callback);
  writeText(writer, ", is it in the capability list?");
  log(LogLevel.CRITICAL, line, writer.size);
}
