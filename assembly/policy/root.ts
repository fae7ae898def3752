/**
 * Which policy a stream is under. A root context is one configuration of the filter; a new configuration is a new root
 * context in the same VM, and streams of the old one go on until they are done.
 *
 * Envoy creates a stream's context just before its headers (source/extensions/common/wasm/context.cc, `decodeHeaders`),
 * and numbers contexts upwards, so a small table indexed by the number's last bits tells whose a stream is, with nothing
 * to clean up. A stream whose slot was taken by a later one has no policy, and is denied.
 */

import { isContextGone } from "../host/host";
import { held_streams_max } from "../limits";
import { Policy } from "./policy";

if (!((held_streams_max & (held_streams_max - 1)) == 0)) ERROR("held_streams_max is a power of two");
/** Two words a slot: the stream's context and its root context. */
const streams: usize = memory.data(held_streams_max * 8, 4);

let first: usize = 0;
let hasContexts: bool = false;

/** Whether the host tells of contexts at all; of a root context it does before it configures that. */
export function areContextsAnnounced(): bool {
  return hasContexts;
}

let hasEnds: bool = false;

/** Whether the host tells of the end of contexts: it shows with the first one that ends. */
export function areEndsAnnounced(): bool {
  return hasEnds;
}

/** A context ended. */
export function noteEnd(): void {
  hasEnds = true;
}

/** The policy of the newest root context that has one; 0 for none. Those of older ones follow by `next`. */
export function newestPolicy(): usize {
  return first;
}

/** A context was created: a root context when `parent` is 0, else a stream of that root context. */
export function rememberStream(context: u32, parent: u32): void {
  hasContexts = true;
  if (parent == 0) return;
  const slot = streams + ((<usize>(context & (held_streams_max - 1))) << 3);
  store<u32>(slot, context);
  store<u32>(slot, parent, 4);
}

/** The root context of a stream; 0 where it is none that is remembered. */
export function rootOfStream(context: u32): u32 {
  const slot = streams + ((<usize>(context & (held_streams_max - 1))) << 3);
  return load<u32>(slot) == context ? load<u32>(slot, 4) : 0;
}

/** Whether a context is known to be a stream, not a root context. */
export function isStream(context: u32): bool {
  return rootOfStream(context) != 0;
}

/** The policy a stream is under, or null. */
export function policyOfStream(context: u32): Policy | null {
  const root = rootOfStream(context);
  return root != 0 ? policyInForce(root) : null;
}

/**
 * The root context whose image decides for all of a module with trust keys; 0 in others. While streams of an older configuration are
 * open, the host may give its root context new ones without asking us: where that configuration comes again (proxy-wasm-cpp-host,
 * src/wasm.cc, `getOrCreateThreadLocalPlugin`).
 */
let heir: u32 = 0;

export function setHeir(rootContext: u32): void {
  heir = rootContext;
}

export function isHeir(rootContext: u32): bool {
  return heir == rootContext;
}

/** The policy that new streams of a root context are under, or null while it has none. */
export function policyInForce(rootContext: u32): Policy | null {
  const policy = policyOfRoot(rootContext);
  if (policy == null || heir == 0) return policy;
  const newest = policyOfRoot(heir);
  return newest == null || newest.identity == policy.identity ? policy : newest;
}

/** The policy of a root context, or null while it has none. */
export function policyOfRoot(rootContext: u32): Policy | null {
  let policy = first;
  while (policy != 0) {
    const candidate = changetype<Policy>(policy);
    if (candidate.rootContext == rootContext) return candidate;
    policy = candidate.next;
  }
  return null;
}

/** Puts a policy in force for its root context. That of the newest root context is found first: most streams ask for it. */
export function addPolicy(policy: Policy): void {
  let before: usize = 0;
  let next = first;
  while (next != 0 && changetype<Policy>(next).rootContext > policy.rootContext) {
    before = next;
    next = changetype<Policy>(next).next;
  }
  policy.next = next;
  if (before == 0) first = changetype<usize>(policy);
  else changetype<Policy>(before).next = changetype<usize>(policy);
}

/** The root context of a policy in force that is no more; 0 when there is none. Another context is in hand afterwards. */
export function goneRoot(): u32 {
  for (let policy = first; policy != 0; policy = changetype<Policy>(policy).next) {
    const context = changetype<Policy>(policy).rootContext;
    if (isContextGone(context)) return context;
  }
  return 0;
}

/** Takes a policy out of force; null when the root context has none. */
export function removePolicy(rootContext: u32): Policy | null {
  let before: usize = 0;
  let policy = first;
  while (policy != 0) {
    const candidate = changetype<Policy>(policy);
    if (candidate.rootContext == rootContext) {
      if (before == 0) {
        first = candidate.next;
      } else {
        changetype<Policy>(before).next = candidate.next;
      }
      return candidate;
    }
    before = policy;
    policy = candidate.next;
  }
  return null;
}
