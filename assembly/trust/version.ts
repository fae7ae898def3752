/**
 * Which version of a policy may come into force in this Envoy: none that is older than one that was. What came in force last is kept in
 * shared data under the policy's name, for all workers, the main thread, and VMs that are built anew:
 *
 *   0         8                                                    64
 *   +---------+------------+--------------------- ... -------------+
 *   | version | identity   | identities of those before, newest first |
 *   +---------+------------+--------------------- ... -------------+
 *
 * The main thread tries a configuration before any worker has it, so that what is refused reaches none. But Envoy remembers what the
 * main thread found (proxy-wasm-cpp-host, src/wasm.cc, `WasmHandleBase::canary`): a configuration that was taken once reaches the
 * workers without being tried again, however old it has become. A worker that refused it would be left without the filter, so that
 * it takes it, and does not put its image in force (configure.ts).
 */
import { openWriter, Writer, writeBytes, writeText } from "../bytes/writer";
import { Result } from "../host/abi";
import { readValue, writeValue } from "../host/sharedvalue";
import { name_bytes_max, version_attempts_max } from "../limits";
import { policy_name_at, section_policy } from "../policy/layout";
import { sectionIn } from "../policy/policy";
import { identity, version } from "./envelope";

const key: usize = memory.data(20 + 64);
if (!(name_bytes_max == 64)) ERROR("the key has room for a name");
const value_bytes: u32 = 64;
const value: usize = memory.data(64, 16);
const writer = changetype<Writer>(memory.data(32, 8));

/** What may become of the image in hand. */
export const enum Standing {
  /** It is what came in force last. */
  CURRENT = 0,
  /** It may come in force. */
  NEWER,
  OLDER,
  /** Another image of its version was in force. */
  OTHER,
  /** There is no telling: the host does not keep shared data. */
  UNKNOWN,
}

/** The version that came in force last; 0 where none has. */
export function heldVersion(): u32 {
  return load<u32>(value);
}

/** What the image that came in force last is told from others by; 0 for a module's own. */
export function heldIdentity(): u64 {
  return load<u64>(value, 8);
}

/** Holds the image in hand, that of `image`'s name, against what came in force last. */
export function readStanding(image: usize): Standing {
  openWriter(writer, key, 20 + name_bytes_max);
  writeText(writer, "sallyport:version:1:");
  const name = sectionIn(image, section_policy) + policy_name_at;
  writeBytes(writer, image + <usize>load<u32>(name), load<u32>(name, 4));
  if (!readValue(key, writer.size, value, value_bytes)) return Standing.UNKNOWN;
  const held = heldVersion();
  if (version() != held) return version() < held ? Standing.OLDER : Standing.NEWER;
  if (identity() == heldIdentity()) return Standing.CURRENT;
  // A module's own policy counts as its `minimumVersion`, and makes way for the image of that version.
  return heldIdentity() == 0 ? Standing.NEWER : Standing.OTHER;
}

/** Whether the image in hand, which is older than what is held, was in force before: then a worker may be given it. */
export function wasInForce(): bool {
  for (let at: usize = 8; at < value_bytes; at += 8) if (load<u64>(value + at) == identity()) return true;
  // The module's own leaves no trace where it has no version.
  return identity() == 0;
}

/**
 * Has the image in hand be what came in force last. CURRENT: it is. OLDER or OTHER: another VM was first with a newer one. UNKNOWN: the
 * host fails. One that was in force, and that a newer one followed since it was looked at, comes in force as it would have a moment
 * earlier: the newer one reaches this worker next.
 */
export function keepVersion(image: usize): Standing {
  for (let attempt: u32 = 0; attempt < version_attempts_max; attempt++) {
    const standing = readStanding(image);
    if (standing != Standing.NEWER) return standing != Standing.UNKNOWN && wasInForce() ? Standing.CURRENT : standing;
    memory.copy(value + 16, value + 8, value_bytes - 16);
    store<u64>(value, version());
    store<u64>(value, identity(), 8);
    const result = writeValue(key, writer.size, value, value_bytes);
    if (result == Result.OK) return Standing.CURRENT;
    if (result != Result.CAS_MISMATCH) break;
  }
  return Standing.UNKNOWN;
}
