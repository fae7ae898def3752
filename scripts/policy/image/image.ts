/** From a policy to its image: bytes as assembly/policy/layout.ts has them. */
import { image_bytes_max, rule_metrics_max } from "../../../assembly/limits.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { BoundError, checkBounds } from "../index/bounds.ts";
import { compileIndex, type Index } from "../index/index.ts";
import { byName, compare, numbersOf, sorted } from "../language/byteorder.ts";
import type { Identity, Limit, Policy, Rule } from "../language/model.ts";
import { intervalNanoseconds, rateLimitPolicy } from "../language/rate.ts";
import type { CallerPattern } from "../language/spiffe.ts";
import type { ForwardValue } from "../language/values.ts";
import { Words } from "./bytes.ts";
import { hash32 } from "./hash.ts";
import { TokenSections } from "./issuers.ts";
import type { Pair } from "./records.ts";

const caller_kinds: Record<CallerPattern["kind"], number> = {
  exact: layout.caller_exact,
  child: layout.caller_child,
  descendants: layout.caller_descendants,
};

const forward_kinds: Record<ForwardValue["kind"], number> = {
  "caller.id": layout.forward_caller_id,
  "caller.trust_domain": layout.forward_trust_domain,
  "caller.path": layout.forward_caller_path,
  claim: layout.forward_claim,
};

const selector_kinds: Record<Limit["per"][number]["kind"], number> = {
  caller: layout.selector_caller,
  claim: layout.selector_claim,
};

const actions: Record<Rule["action"], number> = { allow: layout.action_allow, deny: layout.action_deny };
const modes: Record<Policy["mode"], number> = { enforce: layout.mode_enforce, shadow: layout.mode_shadow };

const identities: Record<Identity, number> = {
  mtls: layout.identity_mtls,
  "jwt-svid": layout.identity_jwt_svid,
  either: layout.identity_either,
};

/**
 * Writes the image of a policy: the same bytes for policies that differ only in the order things are named in.
 * @throws BoundError where the policy as a whole passes a bound of assembly/limits.ts
 */
export function writeImage(policy: Policy): Uint8Array {
  const index = compileIndex(policy);
  checkBounds(policy, index);
  const bytes = assembleImage(policy, index);
  if (bytes.length > image_bytes_max) {
    throw new BoundError(`the image would have ${bytes.length} bytes, of ${image_bytes_max} at most`);
  }
  return bytes;
}

/** The image of a policy whose bounds nobody looks at. @param index that of the policy */
export function assembleImage(policy: Policy, index: Index): Uint8Array {
  return new ImageWriter(policy, index).write();
}

class ImageWriter extends TokenSections {
  private readonly policy: Policy;
  private readonly index: Index;

  constructor(policy: Policy, index: Index) {
    super();
    this.policy = policy;
    this.index = index;
  }

  write(): Uint8Array {
    this.writePolicy();
    this.writeCallers();
    this.writeHosts();
    const numbers = this.writeTries();
    this.writeRoots(numbers);
    this.writeIssuers(this.policy);
    this.writeLimits();
    this.writeRules();
    this.writeForwards();
    return this.assemble();
  }

  private writePolicy(): void {
    const { name, mode, trustDomains, forwarders, identity, issuers, svids, rules } = this.policy;
    let children = 0;
    let descendants = 0;
    for (const { pattern } of this.index.callers) {
      if (pattern.kind === "child") children |= 1 << pattern.segments;
      if (pattern.kind === "descendants") descendants |= 1 << pattern.segments;
    }
    let hosts = 0;
    for (const { kind, text } of this.index.hosts) if (kind === "suffix") hosts |= 1 << text.split(".").length;
    this.add("policy", {
      name: this.text(name),
      mode: modes[mode],
      domains: this.textRun(sorted(trustDomains)),
      methods: this.textRun(this.index.methods),
      child_depths: children,
      descendant_depths: descendants,
      host_depths: hosts,
      rule_metrics: Math.min(rules.length, rule_metrics_max),
      forwarders: this.textRun(sorted(forwarders)),
      identity: identities[identity],
      svids: [svids.length === 0 ? 0 : issuers.length, svids.length],
    });
  }

  private writeCallers(): void {
    const hashes = this.index.callers.map(({ pattern, groups }) => {
      const kind = caller_kinds[pattern.kind];
      const text = this.text(pattern.text);
      this.add("caller", { kind, text, groups: groups.length === 1 ? [groups[0]!, 1] : this.wordRun(groups) });
      return this.hash(kind, text);
    });
    this.writeSlots(layout.section_caller_slots, hashes);
  }

  private writeHosts(): void {
    const hashes = this.index.hosts.map((host) => {
      const kind = host.kind === "exact" ? layout.host_exact : layout.host_suffix;
      const text = this.text(host.text);
      this.add("host", { kind, text });
      return this.hash(kind, text);
    });
    this.writeSlots(layout.section_host_slots, hashes);
  }

  /** Numbers nodes so that parents come before their children. @returns the number of the node at a place of `nodes` */
  private writeTries(): (place: number) => number {
    const { nodes } = this.index.tries;
    const numberOf = (place: number): number => nodes.length - 1 - place;
    const hashes: number[] = [];
    /** The edges of `hashes`. */
    const tabled: number[] = [];
    for (let place = nodes.length - 1; place >= 0; place--) {
      const node = nodes[place]!;
      const number = numberOf(place);
      const edges = node.segments.length;
      this.add("node", {
        ends: this.writeEntries(node.ends),
        tails: this.writeEntries(node.tails),
        wildcard: node.wildcard < 0 ? 0 : numberOf(node.wildcard) + 1,
        edges: [edges === 0 ? 0 : this.count(layout.section_edges), edges],
      });
      for (const [edge, segment] of node.segments.entries()) {
        const text = this.text(segment);
        const record = this.add("edge", { parent: number, text, child: numberOf(node.children[edge]!) });
        if (edges <= layout.scanned_edges_max) continue;
        tabled.push(record);
        hashes.push(this.hash(number, text));
      }
    }
    this.writeSlots(layout.section_edge_slots, hashes, tabled);
    return numberOf;
  }

  private writeEntries(entries: readonly { rule: number; methods: number; binding: string }[]): Pair {
    const numbers = entries.map(({ rule, methods, binding }) =>
      this.add("entry", { rule, methods, binding: binding === "" ? 0 : this.words(binding.split(",").map(Number)) }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }

  private writeRoots(numberOf: (place: number) => number): void {
    const { roots, groupCount } = this.index;
    const groups = Array.from({ length: groupCount }, () => ({ anyRoot: 0, hostRoots: 0 }));
    for (const { group, host, node } of roots) {
      if (host === layout.host_any) groups[group]!.anyRoot = numberOf(node) + 1;
      else groups[group]!.hostRoots++;
    }
    for (const { anyRoot, hostRoots } of groups) this.add("group", { any_root: anyRoot, host_roots: hostRoots });
    const key = new Words();
    const ofHosts = roots.filter(({ host }) => host !== layout.host_any);
    const hashes = ofHosts.map(({ group, host, node }) => {
      this.add("root", { group, host, node: numberOf(node) });
      key.size = 0;
      key.push(group, host);
      return hash32(0, key.bytes());
    });
    this.writeSlots(layout.section_root_slots, hashes);
  }

  private writeLimits(): void {
    for (const limit of byName(this.policy.limits)) {
      this.add("limit", {
        name: this.text(limit.name),
        interval_nanoseconds: this.long(intervalNanoseconds(limit)),
        burst_tokens: limit.burstTokens,
        per: this.writeSelectors(limit.per),
        header: this.text(rateLimitPolicy(limit)),
        seed: hash32(0, Buffer.from(`${this.policy.name}\0${limit.name}`)),
      });
    }
  }

  private writeSelectors(per: Limit["per"]): Pair {
    const selectors = [...per].sort((a, b) => compare(selectorKey(a), selectorKey(b)));
    const numbers = selectors.map((selector) =>
      this.add("selector", {
        kind: selector_kinds[selector.kind],
        path: this.textRun(selector.kind === "caller" ? [] : selector.path),
      }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }

  private writeRules(): void {
    const issuers = numbersOf(this.policy.issuers);
    const limits = numbersOf(this.policy.limits);
    const numbers = (known: Map<string, number>, names: string[]) =>
      names.map((name) => known.get(name)!).sort((a, b) => a - b);
    for (const rule of this.policy.rules) {
      const scopes = sorted(rule.scopes);
      this.add("rule", {
        name: this.text(rule.name),
        action: actions[rule.action],
        issuers: this.wordRun(numbers(issuers, rule.issuers)),
        scopes: this.textRun(scopes),
        challenge: this.text(scopes.join(" ")),
        limits: this.wordRun(numbers(limits, rule.limits)),
        mode: modes[rule.mode],
        cost: rule.cost,
        starts_seconds: this.long(rule.startsSeconds),
        expires_seconds: this.long(rule.expiresSeconds),
        condition: this.instructionRun(rule.condition?.instructions ?? []),
        variables: rule.condition?.variables.length ?? 0,
      });
    }
  }

  private writeForwards(): void {
    const forwards = [...this.policy.forwards].sort((a, b) => compare(a.header, b.header));
    for (const { header, value } of forwards) {
      this.add("forward", {
        name: this.text(header),
        kind: forward_kinds[value.kind],
        path: this.textRun(value.kind === "claim" ? value.path : []),
      });
    }
  }
}

function selectorKey(selector: Limit["per"][number]): string {
  return selector.kind === "caller" ? "" : selector.path.join(".");
}

/** What tells images apart in Envoy's log: the checksum in an image's head, as eight hexadecimal digits. */
export function imageChecksum(image: Uint8Array): string {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  return view.getUint32(layout.checksum_at, true).toString(16).padStart(8, "0");
}
