/**
 * A secret of this Envoy: 128 random bits, drawn once and shared by its workers through shared data, where they outlive reloads and VMs
 * that were built anew. Tables that callers fill are indexed by hashes under it, so that nobody can choose whom to meet there.
 * It is read when a policy is configured, held in the worker's memory, and written nowhere else.
 */
import { literal } from "../bytes/literal";
import { sipHash } from "../bytes/siphash";
import { failed, isRun, Span, spanSize, spanStart } from "../bytes/span";
import { Result } from "./abi";
import { readRandom, readSharedData, writeSharedData } from "./host";

const key = literal("sallyport:secret:1");
const secret_bytes: u32 = 16;
const drawn: usize = memory.data(16, 8);
const cas: usize = memory.data(4, 4);
/** Both 0 until the secret is there. */
let k0: u64 = 0;
let k1: u64 = 0;

/** What the log says where shared data cannot be written. */
export const no_shared_data: string = "the host does not keep shared data: is proxy_set_shared_data allowed?";

/** Why there is no secret, for the log; of the last `openSecret` that failed. */
export let secretProblem: string = "";

/** Has the secret, which is drawn where no worker has done so before. False: `secretProblem` says why not. */
export function openSecret(): bool {
  if ((k0 | k1) != 0) return true;
  // Once more where another worker was first to write it.
  for (let attempt = 0; attempt < 2; attempt++) {
    const shared = readSharedData(key.start, key.size, cas);
    if (shared == failed) return lack("the host does not hand out shared data: is proxy_get_shared_data allowed?");
    if (isRun(shared)) return takeSecret(shared);
    if (!readRandom(drawn, secret_bytes)) return lack("the host gives no random numbers: is random_get allowed?");
    const result = writeSharedData(key.start, key.size, drawn, secret_bytes, load<u32>(cas));
    memory.fill(drawn, 0, secret_bytes);
    if (result != Result.OK && result != Result.CAS_MISMATCH) break;
  }
  return lack(no_shared_data);
}

function takeSecret(shared: Span): bool {
  const start = spanStart(shared);
  const isSound = spanSize(shared) == secret_bytes && (load<u64>(start) | load<u64>(start, 8)) != 0;
  if (!isSound) return lack("sallyport:secret:1 in shared data is not ours: has the filter a vm_id of its own?");
  k0 = load<u64>(start);
  k1 = load<u64>(start, 8);
  return true;
}

function lack(problem: string): bool {
  secretProblem = problem;
  return false;
}

/** The hash of `size` bytes at `start` under the secret, after what was hashed before, as a value of some kind. */
export function keyedHash(before: u64, kind: u64, start: usize, size: u32): u64 {
  return sipHash(k0 ^ before, k1 ^ kind, start, size);
}

/** Hashes 16 bytes for a table's index, cheaply: multiply and shift, under multipliers that nobody knows. */
// @inline
export function mix(low: u64, high: u64): u64 {
  return (low ^ k0) * (k1 | 1) + (high ^ k1) * (k0 | 1);
}
