/**
 * Counts are gathered in the module and handed over to the host by a tick, at most a second later (`count_tick_milliseconds`), and before
 * their policy goes. So a request costs no host call for them.
 *
 *   0                   4
 *   +-------------------+----------+
 *   | the host's number | gathered |     one for each counter of a policy
 *   +-------------------+----------+
 *
 * A count is handed over at once where nothing would hand it over later: while the host has not shown that it ticks and that it tells of
 * the end of contexts, and while it refuses counts.
 *
 * The first count asks for a tick, and the tick that hands over is the last, so an idle proxy has none. A period is never set from within
 * the timer that it would replace: only a policy whose keys are fetched lets requests go on from a tick, and that one ticks all the time.
 */
import { incrementCounter, setTickPeriod } from "../host/host";
import { count_tick_milliseconds } from "../limits";
import { Policy } from "../policy/policy";
import { areEndsAnnounced } from "../policy/root";

/** The bytes of one counter. */
export const counter_bytes: u32 = 8;
const gathered_at: usize = 4;
/** What is gathered of one counter at the most; the host has it before there is more. */
const gathered_max: u32 = 0x7fffffff;

// @inline
function counterAt(policy: Policy, counter: u32): usize {
  return policy.counters + <usize>counter * counter_bytes;
}

/** The host's number of a counter or a gauge. */
export function numberAt(policy: Policy, counter: u32): u32 {
  return load<u32>(counterAt(policy, counter));
}

/** Sets up a counter or a gauge. */
export function setNumber(policy: Policy, counter: u32, number: u32): void {
  store<u32>(counterAt(policy, counter), number);
}

/** Counts. What the host refuses is kept until it takes counts again, or else not counted, and the answer is false. */
export function count(policy: Policy, counter: u32, times: u32, keeps: bool): bool {
  if (mayGather(policy) && gather(policy, counter, times)) return true;
  policy.areCountsRefused = !(handOverCounts(policy) && incrementCounter(numberAt(policy, counter), times));
  return !policy.areCountsRefused || (keeps && gather(policy, counter, times));
}

/** Whether something will hand over what is gathered. Asks for a tick where none is due. */
function mayGather(policy: Policy): bool {
  if (policy.areCountsRefused || !areEndsAnnounced()) return false;
  if (!policy.isTicking) askForTick(policy);
  return policy.isTicking && policy.hasTicked;
}

function askForTick(policy: Policy): void {
  if (policy.isTickRefused) return;
  policy.isTicking = setTickPeriod(count_tick_milliseconds);
  policy.isTickRefused = !policy.isTicking;
}

/** False where there is no room left, which only a host that has stopped ticking can bring about. */
function gather(policy: Policy, counter: u32, times: u32): bool {
  const place = counterAt(policy, counter);
  const gathered = load<u32>(place, gathered_at);
  if (gathered > gathered_max - min(times, gathered_max)) return false;
  store<u32>(place, gathered + times, gathered_at);
  policy.hasCounts = true;
  return true;
}

/**
 * Hands over what is gathered. False where the host refuses: what it has not taken is kept. Decisions are the first counters and go last,
 * so that none of them is told of before the rest of its request.
 */
export function handOverCounts(policy: Policy): bool {
  if (!policy.hasCounts) return true;
  for (let counter = policy.counterCount; counter-- > 0; ) {
    const place = counterAt(policy, counter);
    const gathered = load<u32>(place, gathered_at);
    if (gathered == 0) continue;
    policy.areCountsRefused = !incrementCounter(load<u32>(place), gathered);
    if (policy.areCountsRefused) return false;
    store<u32>(place, 0, gathered_at);
  }
  policy.hasCounts = false;
  return true;
}

/** How much is gathered, all counters together. */
export function gatheredCounts(policy: Policy): u64 {
  let sum: u64 = 0;
  for (let counter: u32 = 0; counter < policy.counterCount; counter++) {
    sum += <u64>load<u32>(counterAt(policy, counter), gathered_at);
  }
  return sum;
}
