/** From a policy to its image: bytes as assembly/policy/layout.ts has them. */
import { image_bytes_max, rule_metrics_max } from "../../../assembly/limits.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { BoundError, checkBounds } from "../index/bounds.ts";
import { compileIndex, type Index } from "../index/index.ts";
import { byName, compare, numbersOf, sorted } from "../language/byteorder.ts";
import type { Identity, Limit, Policy } from "../language/model.ts";
import { intervalNanoseconds, rateLimitPolicy } from "../language/rate.ts";
import type { CallerPattern } from "../language/spiffe.ts";
import type { ForwardValue } from "../language/values.ts";
import { Words } from "./bytes.ts";
import { hash32 } from "./hash.ts";
import { TokenSections } from "./issuers.ts";

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
  const bytes = new ImageWriter(policy, index).write();
  if (bytes.length > image_bytes_max) {
    throw new BoundError(`the image would have ${bytes.length} bytes, of ${image_bytes_max} at most`);
  }
  return bytes;
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
    const to = layout.section_policy;
    let children = 0;
    let descendants = 0;
    for (const { pattern } of this.index.callers) {
      if (pattern.kind === "child") children |= 1 << pattern.segments;
      if (pattern.kind === "descendants") descendants |= 1 << pattern.segments;
    }
    let hosts = 0;
    for (const { kind, text } of this.index.hosts) if (kind === "suffix") hosts |= 1 << text.split(".").length;
    this.text(to, name);
    this.section(to).push(mode === "shadow" ? layout.mode_shadow : layout.mode_enforce);
    this.textRun(to, sorted(trustDomains));
    this.textRun(to, this.index.methods);
    this.section(to).push(children, descendants, hosts, Math.min(rules.length, rule_metrics_max));
    this.textRun(to, sorted(forwarders));
    this.section(to).push(identities[identity], svids.length === 0 ? 0 : issuers.length, svids.length);
  }

  private writeCallers(): void {
    const to = layout.section_callers;
    const hashes = this.index.callers.map(({ pattern, groups }) => {
      const kind = caller_kinds[pattern.kind];
      this.section(to).push(kind);
      const string = this.text(to, pattern.text);
      if (groups.length === 1) this.section(to).push(groups[0]!, 1);
      else this.wordRun(to, groups);
      return this.hash(kind, string);
    });
    this.writeSlots(layout.section_caller_slots, hashes);
  }

  private writeHosts(): void {
    const to = layout.section_hosts;
    const hashes = this.index.hosts.map(({ kind, text }) => {
      const number = kind === "exact" ? layout.host_exact : layout.host_suffix;
      this.section(to).push(number);
      return this.hash(number, this.text(to, text));
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
      const ends = this.writeEntries(node.ends);
      const tails = this.writeEntries(node.tails);
      const wildcard = node.wildcard < 0 ? 0 : numberOf(node.wildcard) + 1;
      const edges = node.segments.length;
      const first = edges === 0 ? 0 : this.count(layout.section_edges);
      this.section(layout.section_nodes).push(wildcard, ends, node.ends.length, tails, node.tails.length, first, edges);
      for (const [edge, segment] of node.segments.entries()) {
        this.section(layout.section_edges).push(number);
        const string = this.text(layout.section_edges, segment);
        this.section(layout.section_edges).push(numberOf(node.children[edge]!));
        if (edges > layout.scanned_edges_max) tabled.push(this.count(layout.section_edges) - 1);
        if (edges > layout.scanned_edges_max) hashes.push(this.hash(number, string));
      }
    }
    this.writeSlots(layout.section_edge_slots, hashes, tabled);
    return numberOf;
  }

  /** @returns the first entry's index */
  private writeEntries(entries: readonly { rule: number; methods: number; binding: string }[]): number {
    if (entries.length === 0) return 0;
    const first = this.count(layout.section_entries);
    for (const { rule, methods, binding } of entries) {
      const words = binding === "" ? 0 : this.words(binding.split(",").map(Number));
      this.section(layout.section_entries).push(rule, methods, words);
    }
    return first;
  }

  private writeRoots(numberOf: (place: number) => number): void {
    const { roots, groupCount } = this.index;
    const groups = Array.from({ length: groupCount }, () => ({ anyRoot: 0, hostRoots: 0 }));
    for (const { group, host, node } of roots) {
      if (host === layout.host_any) groups[group]!.anyRoot = numberOf(node) + 1;
      else groups[group]!.hostRoots++;
    }
    for (const { anyRoot, hostRoots } of groups) this.section(layout.section_groups).push(anyRoot, hostRoots);
    const key = new Words();
    const ofHosts = roots.filter(({ host }) => host !== layout.host_any);
    const hashes = ofHosts.map(({ group, host, node }) => {
      this.section(layout.section_roots).push(group, host, numberOf(node));
      key.size = 0;
      key.push(group, host);
      return hash32(0, key.bytes());
    });
    this.writeSlots(layout.section_root_slots, hashes);
  }

  private writeLimits(): void {
    const to = layout.section_limits;
    for (const limit of byName(this.policy.limits)) {
      const interval = intervalNanoseconds(limit);
      this.text(to, limit.name);
      this.long(to, interval);
      this.section(to).push(limit.burstTokens);
      const selectors = [...limit.per].sort((a, b) => compare(selectorKey(a), selectorKey(b)));
      this.section(to).push(selectors.length === 0 ? 0 : this.count(layout.section_selectors), selectors.length);
      for (const selector of selectors) {
        const isCaller = selector.kind === "caller";
        this.section(layout.section_selectors).push(isCaller ? layout.selector_caller : layout.selector_claim);
        this.textRun(layout.section_selectors, isCaller ? [] : selector.path);
      }
      this.text(to, rateLimitPolicy(limit));
      this.section(to).push(hash32(0, Buffer.from(`${this.policy.name}\0${limit.name}`)));
    }
  }

  private writeRules(): void {
    const to = layout.section_rules;
    const issuers = numbersOf(this.policy.issuers);
    const limits = numbersOf(this.policy.limits);
    const numbers = (known: Map<string, number>, names: string[]) =>
      names.map((name) => known.get(name)!).sort((a, b) => a - b);
    for (const rule of this.policy.rules) {
      const scopes = sorted(rule.scopes);
      this.text(to, rule.name);
      this.section(to).push(rule.action === "allow" ? layout.action_allow : layout.action_deny);
      this.wordRun(to, numbers(issuers, rule.issuers));
      this.textRun(to, scopes);
      this.text(to, scopes.join(" "));
      this.wordRun(to, numbers(limits, rule.limits));
      this.section(to).push(rule.mode === "shadow" ? layout.mode_shadow : layout.mode_enforce, rule.cost);
      this.long(to, rule.startsSeconds);
      this.long(to, rule.expiresSeconds);
      this.instructionRun(to, rule.condition?.instructions ?? []);
      this.section(to).push(rule.condition?.variables.length ?? 0);
    }
  }

  private writeForwards(): void {
    const to = layout.section_forwards;
    const forwards = [...this.policy.forwards].sort((a, b) => compare(a.header, b.header));
    for (const { header, value } of forwards) {
      this.text(to, header);
      this.section(to).push(forward_kinds[value.kind]);
      this.textRun(to, value.kind === "claim" ? value.path : []);
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
