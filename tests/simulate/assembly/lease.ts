/**
 * The engine's leases (assembly/limit/lease.ts) alone, for simulations with more Envoys than there is memory for whole engines. Times are
 * in milliseconds; a fingerprint comes in two halves.
 */
import * as lease from "../../../assembly/limit/lease";

function nanoseconds(milliseconds: f64): u64 {
  return <u64>(milliseconds * 1000000);
}

export function leaseOfKey(low: u32, high: u32, now_milliseconds: f64): u32 {
  return <u32>lease.leaseOfKey(((<u64>high) << 32) | <u64>low, nanoseconds(now_milliseconds));
}

export function takeLeased(entry: u32, tokens: u32): bool {
  return lease.takeLeased(entry, tokens);
}

export function blockWanted(entry: u32, most_tokens: u32, isShort: bool, now_milliseconds: f64): u32 {
  return lease.blockWanted(entry, most_tokens, isShort, nanoseconds(now_milliseconds));
}

export function awaitBlock(entry: u32, call: u32): void {
  lease.awaitBlock(entry, call);
}

export function takeBlock(
  call: u32,
  isGranted: bool,
  isRefused: bool,
  now_milliseconds: f64,
  rest_milliseconds: f64,
): void {
  lease.takeBlock(call, isGranted, isRefused, nanoseconds(now_milliseconds), nanoseconds(rest_milliseconds));
}
