/** Reading a policy image back, as far as the tools need to name what the engine speaks of by number. */
import * as layout from "../../assembly/policy/layout.ts";

/** A rule as the image has it. */
export interface ImageRule {
  name: string;
  action: "allow" | "deny";
  /** Whether it is in shadow mode, without a part in decisions. */
  isShadow: boolean;
  /** Whether it asks for a token. */
  needsToken: boolean;
  /** Where the rule hangs in the endpoint index: for which sets of callers, and for which hosts (0: any). */
  places: { group: number; host: number }[];
}

/** An issuer as the image has it. */
export interface ImageIssuer {
  name: string;
}

/** The parts of an image that have names. Indices are the image's own. */
export interface ImageIndex {
  rules: ImageRule[];
  /** Those that rules name; those of JWT-SVIDs come after them and are left out. */
  issuers: ImageIssuer[];
}

/** Reads a sound image; one that the engine would refuse gives anything or throws. */
export function readImage(image: Uint8Array): ImageIndex {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  const text = (at: number): string => Buffer.from(image.subarray(word(at), word(at) + word(at + 4))).toString("utf8");
  const records = (section: number): number[] => {
    const entry = layout.sections_at + section * 8;
    const size = layout.sectionRecordBytes(section);
    return Array.from({ length: word(entry + 4) }, (_, index) => word(entry) + index * size);
  };

  const rules = records(layout.section_rules).map((at): ImageRule => {
    const action = word(at + layout.rule_action_at) === layout.action_deny ? "deny" : "allow";
    const needsToken = word(at + layout.rule_issuers_at + 4) > 0;
    const isShadow = word(at + layout.rule_mode_at) === layout.mode_shadow;
    return { name: text(at + layout.rule_name_at), action, isShadow, needsToken, places: [] };
  });
  const svids = word(records(layout.section_policy)[0]! + layout.policy_svids_at + 4);
  const all = records(layout.section_issuers).map((at): ImageIssuer => ({ name: text(at + layout.issuer_name_at) }));
  const issuers = all.slice(0, all.length - svids);

  const nodes = records(layout.section_nodes);
  const entries = records(layout.section_entries);
  // The edges of a shape have its number, after those of all nodes, for their parent.
  const below: number[][] = Array.from({ length: nodes.length + records(layout.section_shapes).length }, () => []);
  for (const at of records(layout.section_edges))
    below[word(at + layout.edge_parent_at)]!.push(word(at + layout.edge_child_at));
  const forks = records(layout.section_forks);
  for (const [number, at] of nodes.entries()) {
    const wildcard = word(at + layout.node_wildcard_at);
    if (wildcard !== 0) below[number]!.push(wildcard - 1);
    const fork = forks[word(at + layout.node_fork_at) - 1];
    if (fork === undefined) continue;
    const backward = word(fork + layout.fork_backward_at);
    if (backward !== 0) below[number]!.push(backward - 1);
    const first = nodes.length + word(fork + layout.fork_shapes_at);
    below[number]!.push(...below.slice(first, first + word(fork + layout.fork_shapes_at + 4)).flat());
  }
  const ofGroups = records(layout.section_groups).map((at, group) => ({
    place: { group, host: layout.host_any },
    root: word(at + layout.group_any_root_at) - 1,
  }));
  const ofHosts = records(layout.section_roots).map((at) => ({
    place: { group: word(at + layout.root_group_at), host: word(at + layout.root_host_at) },
    root: word(at + layout.root_node_at),
  }));
  for (const { place, root } of [...ofGroups.filter(({ root }) => root >= 0), ...ofHosts]) {
    const seen = new Set<number>();
    const pending = [root];
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      for (const run of [layout.node_ends_at, layout.node_tails_at]) {
        const first = word(nodes[number]! + run);
        const count = word(nodes[number]! + run + 4);
        for (const entry of entries.slice(first, first + count)) seen.add(word(entry + layout.entry_rule_at));
      }
      pending.push(...below[number]!);
    }
    for (const rule of seen) rules[rule]!.places.push(place);
  }
  return { rules, issuers };
}
