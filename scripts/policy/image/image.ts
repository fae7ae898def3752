/** From a policy to its image: bytes as assembly/policy/layout.ts has them. */
import { fetched_key_sets_max, image_bytes_max, rule_metrics_max } from "../../../assembly/limits.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { BoundError, checkBounds } from "../index/bounds.ts";
import { compileIndex, type Index } from "../index/index.ts";
import type { TrieNode } from "../index/trie.ts";
import { byName, compare, numbersOf, sorted } from "../language/byteorder.ts";
import { ruleVariables, variableOfCapture } from "../language/condition.ts";
import { identityAttribute } from "../language/identity.ts";
import type { Limit, MostBytes, Policy, Rule } from "../language/model.ts";
import { countable_reasons } from "../language/quarantine.ts";
import {
  fleetName,
  fleetNames,
  intervalNanoseconds,
  leaseTokens,
  localBurst,
  rateLimitPolicy,
} from "../language/rate.ts";
import { answersTools, readBodyBytes, readsBody, readsOf, toolsOf } from "../language/reads.ts";
import { printSelector } from "../language/selector.ts";
import { type CallerPattern, callerShapes } from "../language/spiffe.ts";
import { ownTypes } from "../language/terms.ts";
import type { ForwardForm, ForwardValue } from "../language/values.ts";
import { Words } from "./bytes.ts";
import { formsOf, formsOfRule, openForms } from "./forms.ts";
import { hash32 } from "./hash.ts";
import { fetchedKeySets } from "./issuers.ts";
import { ProtocolSections, readBits } from "./protocols.ts";
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
  capture: layout.forward_capture,
};

const forward_forms: Record<ForwardForm, number> = {
  plain: layout.as_plain,
  comma: layout.as_comma,
  json: layout.as_json,
  base64url: layout.as_base64url,
};

const selector_kinds: Record<Limit["per"][number]["kind"], number> = {
  caller: layout.selector_caller,
  trust_domain: layout.selector_trust_domain,
  claim: layout.selector_claim,
  variable: layout.selector_variable,
  header: layout.selector_header,
  source: layout.selector_source,
  rule: layout.selector_rule,
  host: layout.selector_host,
  method: layout.selector_method,
};

const limit_kinds: Record<Limit["kind"], number> = {
  rate: layout.limit_rate,
  concurrency: layout.limit_concurrency,
  hops: layout.limit_hops,
};

const actions: Record<Rule["action"], number> = { allow: layout.action_allow, deny: layout.action_deny };
const modes: Record<Policy["mode"], number> = { enforce: layout.mode_enforce, shadow: layout.mode_shadow };

const errors: Record<NonNullable<Limit["onError"]>, number> = {
  local: layout.error_local,
  deny: layout.error_deny,
  allow: layout.error_allow,
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
  const fetched = fetchedKeySets(policy);
  if (fetched > fetched_key_sets_max) {
    const message = `${fetched} key sets are fetched, of ${fetched_key_sets_max} at most; issuers and bundles whose \`keys\` are the same share one, and those in files do not count`;
    throw new BoundError(message);
  }
  return bytes;
}

/** The image of a policy whose bounds nobody looks at. @param index that of the policy */
export function assembleImage(policy: Policy, index: Index): Uint8Array {
  return new ImageWriter(policy, index).write();
}

/** Edges that are found by their table, and their hashes. */
interface TabledEdges {
  hashes: number[];
  records: number[];
}

class ImageWriter extends ProtocolSections {
  private readonly policy: Policy;
  private readonly index: Index;
  /** The place in EDGES of the first edge of the next shape. */
  private nextShapeEdge: number;

  constructor(policy: Policy, index: Index) {
    super();
    this.policy = policy;
    this.index = index;
    this.nextShapeEdge = index.tries.nodes.reduce((sum, { segments }) => sum + segments.length, 0);
  }

  write(): Uint8Array {
    this.writePolicy();
    this.writeCallers();
    this.writeHosts();
    const numbers = this.writeTries();
    this.writeRoots(numbers);
    this.writeIssuers(this.policy);
    this.writeLimits();
    this.writeQuarantines();
    this.writeLists();
    this.writeRules();
    this.writeForwards();
    this.writeProtocols(this.policy);
    this.writeMemberSlots();
    return this.assemble();
  }

  private writePolicy(): void {
    const { name, mode, trustDomains, aliases, forwarders, issuers, svids, rules, paths, sourceAddress } = this.policy;
    let children = 0;
    let descendants = 0;
    for (const { pattern } of this.index.callers) {
      if (pattern.wildcards !== 0) continue;
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
      identity: this.text(identityAttribute(this.policy)?.join("\0") ?? ""),
      svids: [svids.length === 0 ? 0 : issuers.length, svids.length],
      caller_shapes: this.wordRun(this.callerShapes()),
      aliases: this.textRun(sorted(aliases.keys()).flatMap((alias) => [alias, aliases.get(alias)!])),
      token_bytes: this.policy.tokenBytes,
      types: this.textRun(ownTypes([...issuers, ...svids])),
      source: sourceAddress === "forwarded" ? layout.source_forwarded : layout.source_connection,
      open_forms: openForms(rules),
      own_forms: formsOf(paths),
      ...this.fleet(),
      needs: needsOf(this.policy),
      minimum_version: this.policy.minimumVersion ?? 0,
      body_bytes: readBodyBytes(this.policy),
    });
  }

  /** Whom limits of the fleet are asked of; nobody where there are none. */
  private fleet(): { fleet_cluster: Pair; fleet_domain: Pair; fleet_deadline_milliseconds: number } {
    const { name, fleet } = this.policy;
    return {
      fleet_cluster: this.text(fleet?.cluster ?? ""),
      fleet_domain: this.text(fleet === undefined ? "" : (fleet.domain ?? name)),
      fleet_deadline_milliseconds: fleet?.deadlineMilliseconds ?? 0,
    };
  }

  /** Time between two tokens in each Envoy's own buckets: of a limit of the fleet its share. */
  private localInterval(limit: Limit): number {
    const replicas = limit.onError === undefined ? 1 : (this.policy.fleet?.replicas ?? 1);
    return intervalNanoseconds(limit) * replicas;
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

  /** The shapes of patterns with a `*` in the middle: what to look a caller's ID up as. */
  private callerShapes(): number[] {
    return callerShapes(this.index.callers.map(({ pattern }) => pattern)).flatMap(({ kind, segments, wildcards }) => [
      (caller_kinds[kind] | (segments << layout.caller_shape_segments_shift)) >>> 0,
      wildcards,
    ]);
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
    const inOrder = [...nodes].reverse();
    const tabled: TabledEdges = { hashes: [], records: [] };
    const edgesOf = (parent: number, segments: readonly string[], children: readonly number[]): Pair =>
      this.writeEdges(parent, segments, children.map(numberOf), tabled);
    for (const [number, node] of inOrder.entries()) {
      const isFork = node.shapes.length > 0 || node.backward >= 0;
      this.add("node", {
        ends: this.writeEntries(node.ends),
        tails: this.writeEntries(node.tails),
        wildcard: node.wildcard < 0 ? 0 : numberOf(node.wildcard) + 1,
        edges: edgesOf(number, node.segments, node.children),
        fork: isFork ? this.count(layout.section_forks) + 1 : 0,
      });
      if (isFork) this.writeFork(node, node.backward < 0 ? 0 : numberOf(node.backward) + 1);
    }
    let parent = nodes.length;
    for (const { affixes, children } of inOrder.flatMap(({ shapes }) => shapes)) {
      edgesOf(parent++, affixes, children);
    }
    this.writeSlots(layout.section_edge_slots, tabled.hashes, tabled.records);
    return numberOf;
  }

  /** The edges of shapes come after those of all nodes, in the order of the shapes. */
  private writeFork({ shapes }: TrieNode, backward: number): void {
    const first = this.count(layout.section_shapes);
    this.add("fork", { backward, shapes: [shapes.length === 0 ? 0 : first, shapes.length] });
    for (const { prefixBytes, suffixBytes, leastBytes, affixes } of shapes) {
      this.add("shape", {
        prefix_bytes: prefixBytes,
        suffix_bytes: suffixBytes,
        least_bytes: leastBytes,
        edges: [this.nextShapeEdge, affixes.length],
      });
      this.nextShapeEdge += affixes.length;
    }
  }

  private writeEdges(parent: number, segments: readonly string[], children: number[], tabled: TabledEdges): Pair {
    const first = this.count(layout.section_edges);
    for (const [edge, segment] of segments.entries()) {
      const text = this.text(segment);
      const record = this.add("edge", { parent, text, child: children[edge]! });
      if (segments.length <= layout.scanned_edges_max) continue;
      tabled.records.push(record);
      tabled.hashes.push(this.hash(parent, text));
    }
    return [segments.length === 0 ? 0 : first, segments.length];
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

  /** Tiers are limits too, behind those that rules name. */
  private writeLimits(): void {
    const limits = byName(this.policy.limits);
    let next = limits.length;
    for (const limit of limits) {
      const tiers = byName(limit.tiers ?? []).map(({ name }) =>
        this.add("tier", { name: this.text(name), limit: next++ }),
      );
      const chooser = limit.tier === undefined ? 0 : this.writeSelectors([limit.tier])[0] + 1;
      this.writeLimit(limit, chooser, [tiers[0] ?? 0, tiers.length]);
    }
    for (const limit of limits)
      for (const tier of byName(limit.tiers ?? [])) this.writeLimit({ ...limit, ...tier, name: limit.name }, 0, [0, 0]);
  }

  private writeLimit(limit: Limit, tier: number, tiers: Pair): void {
    this.add("limit", {
      name: this.text(limit.name),
      interval_nanoseconds: this.long(this.localInterval(limit)),
      burst_tokens: localBurst(limit, this.policy),
      per: this.writeSelectors(limit.per),
      header: this.text(limit.kind === "rate" ? rateLimitPolicy(limit) : limit.header),
      kind: limit_kinds[limit.kind],
      seed: hash32(0, Buffer.from(`${this.policy.name}\0${limit.name}`)),
      fleet: this.text(limit.onError === undefined ? "" : fleetName(limit)),
      error: errors[limit.onError ?? "local"],
      lease_tokens: limit.isLeased === true ? leaseTokens(limit, this.policy) : 0,
      mode: modes[limit.mode ?? "enforce"],
      absent: limit.absent === "deny" ? layout.absent_deny : layout.absent_share,
      headers: limit.headers === "always" ? layout.headers_always : layout.headers_denied,
      tier,
      tiers,
    });
  }

  private writeSelectors(per: Limit["per"]): Pair {
    const selectors = [...per].sort((a, b) => compare(selectorKey(a), selectorKey(b)));
    const numbers = selectors.map((selector) =>
      this.add("selector", {
        kind: selector_kinds[selector.kind],
        path: this.textRun(selector.kind === "claim" ? selector.path : "name" in selector ? [selector.name] : []),
        // A quarantine takes the whole address in place of a caller that is not known.
        four_bits: selector.kind === "source" ? selector.fourBits : 32,
        six_bits: selector.kind === "source" ? selector.sixBits : 128,
      }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }

  private writeQuarantines(): void {
    for (const quarantine of byName(this.policy.quarantines)) {
      const { name, mode, per, when, denials, withinSeconds, forSeconds, maxSeconds, releases } = quarantine;
      const known = quarantine.scope === "fleet" ? fleetNames(quarantine) : { count: "", shut: "" };
      const numbers = when.flatMap((reason) => countable_reasons.get(reason)!);
      this.add("quarantine", {
        name: this.text(name),
        mode: modes[mode],
        per: this.writeSelectors(per),
        reasons: this.long(numbers.reduce((sum, number) => sum + 2 ** number, 0)),
        denials,
        within_seconds: withinSeconds,
        for_seconds: forSeconds,
        max_seconds: maxSeconds,
        // An address has a zero before it, which no text has.
        releases: this.binaryRun(
          releases.map((one) => Buffer.from(typeof one === "string" ? one : [0, ...one])).sort(Buffer.compare),
        ),
        seed: hash32(0, Buffer.from(`${this.policy.name}\0${name}`)),
        count: this.text(known.count),
        shut: this.text(known.shut),
      });
    }
  }

  /** Before the conditions that name them. */
  private writeLists(): void {
    for (const { name, entries, ranges } of byName(this.policy.lists)) {
      this.listNumbers.set(name, ranges === undefined ? this.textSet(entries) : this.networkSet(ranges));
    }
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
        // Of several scopes of which one is enough, a client asks for the one that the policy names first.
        challenge: this.text(rule.isAnyScope ? rule.scopes[0]! : scopes.join(" ")),
        limits: this.wordRun(numbers(limits, rule.limits)),
        mode: modes[rule.mode],
        cost: rule.cost,
        starts_seconds: this.long(rule.startsSeconds),
        expires_seconds: this.long(rule.expiresSeconds),
        condition: this.instructionRun(rule.condition?.instructions ?? []),
        variables: ruleVariables(rule).length,
        variable_names: this.textRun(
          rule.limitVariables.length + rule.forwardVariables.length === 0 ? [] : ruleVariables(rule),
        ),
        token: rule.isTokenOptional ? layout.token_optional : layout.token_required,
        held: rule.isAnyScope ? layout.held_any : layout.held_all,
        forms: formsOfRule(rule),
        sizes: rule.mostBytes === undefined ? 0 : this.words(sizesOf(rule.mostBytes)) + 1,
        reads: readBits(readsOf(rule)),
        tools: this.textRun(sorted(toolsOf(rule))),
        cost_condition: this.instructionRun(rule.costFrom?.instructions ?? []),
      });
    }
  }

  private writeForwards(): void {
    const forwards = [...this.policy.forwards].sort((a, b) => compare(a.header, b.header));
    for (const { header, value } of forwards) {
      this.add("forward", {
        name: this.text(header),
        kind: forward_kinds[value.kind],
        path: this.textRun(forwardPath(value)),
        as: value.kind === "claim" ? forward_forms[value.as] : layout.as_plain,
      });
    }
  }
}

/** What only some policies need: bits of `policy_needs_at`. */
export function needsOf(policy: Policy): number {
  const { rules, limits } = policy;
  const told = limits.filter(({ headers }) => headers === "always").map(({ name }) => name);
  const isOf = (kind: Limit["kind"]): boolean => limits.some((limit) => limit.kind === kind);
  return (
    (rules.some(({ mostBytes }) => mostBytes?.body !== undefined) ? layout.needs_body : 0) |
    (rules.some((rule) => rule.limits.some((name) => told.includes(name))) ? layout.needs_response : 0) |
    (isOf("concurrency") ? layout.needs_ticks : 0) |
    (isOf("hops") ? layout.needs_hops : 0) |
    // What is held is let go by a tick where no body comes.
    (rules.some(readsBody) ? layout.needs_hold | layout.needs_body | layout.needs_ticks : 0) |
    (answersTools(policy) ? layout.needs_answers | layout.needs_response : 0)
  );
}

/** The words of a rule's bounds in their order. */
function sizesOf({ headers, query, body }: MostBytes): number[] {
  const sizes: number[] = [];
  sizes[layout.sizes_headers] = headers ?? layout.size_any;
  sizes[layout.sizes_query] = query ?? layout.size_any;
  sizes[layout.sizes_body] = body ?? layout.size_any;
  return sizes;
}

/** What leads to the value of a header: a claim's names, or the name of a rule's variable. */
function forwardPath(value: ForwardValue): string[] {
  if (value.kind === "capture") return [variableOfCapture(value.name)];
  return value.kind === "claim" ? value.path : [];
}

function selectorKey(selector: Limit["per"][number]): string {
  return selector.kind === "caller" ? "" : printSelector(selector);
}

/** What tells images apart in Envoy's log: the checksum in an image's head, as eight hexadecimal digits. */
export function imageChecksum(image: Uint8Array): string {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  return view.getUint32(layout.checksum_at, true).toString(16).padStart(8, "0");
}
