/**
 * A key's denials in a sliding window: the times of the last ones, each in a word, the oldest first.
 *
 *   0                      8
 *   +----------------------+-----------------------------------------+
 *   | how many it is of    | milliseconds since 1970, the last 24 bits|
 *   +----------------------+-----------------------------------------+
 *
 * Up to `quarantine_times_max` denials have a time of their own, so that they are counted exactly. Of more, several that follow each other
 * have one, that of the first of them: then the count may lack some, and never has one too many.
 */
import {
  clock_skew_nanoseconds_max,
  quarantine_denials_max,
  quarantine_times_max,
  quarantine_within_seconds_max,
} from "../limits";

const skew_milliseconds: i32 = clock_skew_nanoseconds_max / 1000000;
/** Half of the times lie ahead. */
if (!(quarantine_within_seconds_max * 1000 < 0x800000)) ERROR("a window is shorter than times go on");
if (!(quarantine_denials_max <= quarantine_times_max * 0xff)) ERROR("a byte counts the denials of a time");

/** The bytes of a window; the first word has how many times there are. */
export const window_bytes: u32 = 4 + 4 * quarantine_times_max;

/**
 * Adds a denial to a window. @returns how many there are in it then
 * @param group_denials how many may have one time
 */
export function addDenial(window: usize, now_milliseconds: u64, within_milliseconds: u32, group_denials: u32): u32 {
  const now = (<u32>now_milliseconds) << 8;
  const count = min(load<u32>(window), quarantine_times_max);
  let sum: u32 = 1;
  let end = window + 4;
  for (let index: u32 = 0; index < count; index++) {
    const mark = load<u32>(window + 4 + ((<usize>index) << 2));
    const age = <i32>(now - (mark & ~0xff)) >> 8;
    // Of what lies ahead by more than workers' clocks differ, a clock has stepped back since.
    if (age >= <i32>within_milliseconds || age < -skew_milliseconds) continue;
    sum += mark & 0xff;
    store<u32>(end, mark);
    end += 4;
  }
  if (end != window + 4 && (load<u32>(end - 4) & 0xff) < group_denials) {
    store<u32>(end - 4, load<u32>(end - 4) + 1);
  } else {
    // Only where it counted otherwise before is there no room: then the oldest go.
    if (end == window + window_bytes) {
      sum -= load<u32>(window + 4) & 0xff;
      end -= 4;
      memory.copy(window + 4, window + 8, end - window - 4);
    }
    store<u32>(end, now | 1);
    end += 4;
  }
  store<u32>(window, <u32>(end - window - 4) >> 2);
  return sum;
}
