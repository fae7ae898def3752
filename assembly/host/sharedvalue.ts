/**
 * A value of shared data as its users have it: read into memory of theirs, changed there, and written back unless another worker was
 * first. What the host hands over leaves the arena at once, so that attempts that lose do not fill it.
 */
import { absent, clearBytes, copyBytes, isRun, spanSize, spanStart } from "../bytes/span";
import { Failure } from "../failure";
import { Result } from "./abi";
import { arenaTail, rewindArena } from "./arena";
import { fail, readSharedData, writeSharedData } from "./host";

/** The number that the value in hand was read under. */
export const cas: usize = memory.data(4, 4);

/** Reads a value of so many bytes to `start`; one that is not there is all zero. False where the host fails, or has one of another size. */
export function readValue(key: usize, key_bytes: u32, start: usize, size_bytes: u32): bool {
  const tail = arenaTail();
  const shared = readSharedData(key, key_bytes, cas);
  if (shared == absent) {
    clearBytes(start, size_bytes);
    return true;
  }
  if (!isRun(shared)) return false;
  if (spanSize(shared) != size_bytes) {
    fail(Failure.GET_SHARED_DATA);
    return false;
  }
  copyBytes(start, spanStart(shared), size_bytes);
  rewindArena(tail);
  return true;
}

/** Writes the value in hand: OK, CAS_MISMATCH where another worker has written it since it was read, or a failure. */
export function writeValue(key: usize, key_bytes: u32, start: usize, size_bytes: u32): Result {
  return writeSharedData(key, key_bytes, start, size_bytes, load<u32>(cas));
}
