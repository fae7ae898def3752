/** Validates what an image says of bodies and the calls in them (policy/layout-bodies.ts). */
import * as limits from "../limits";
import { at, countOf, isRun, isText, lookAt, refuse } from "./check";
import * as layout from "./layout";

/** Whether the protocols, the documents known by their hash, and what each rule reads are sound. */
export function hasSoundBodies(): bool {
  const policy = at(layout.section_policy, 0);
  if (load<u32>(policy, layout.policy_body_bytes_at) > limits.body_bytes_max) return refuse("bytes of a body");
  return haveSoundProtocols() && haveSoundReaders(policy);
}

function haveSoundProtocols(): bool {
  lookAt(layout.section_protocols, 0);
  const count = countOf(layout.section_protocols);
  if (count > limits.policy_protocols_max) return refuse("too many protocols");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_protocols, index);
    const protocol = at(layout.section_protocols, index);
    const calls = load<u32>(protocol, layout.protocol_calls_at);
    if (
      load<u32>(protocol, layout.protocol_kind_at) > layout.protocol_graphql ||
      !isText(protocol + layout.protocol_path_at, limits.path_bytes_max) ||
      calls == 0 ||
      calls > limits.calls_max ||
      !isRun(protocol + layout.protocol_persisted_at, layout.section_persisted)
    )
      return refuse("protocol");
  }
  lookAt(layout.section_persisted, 0);
  const documents = countOf(layout.section_persisted);
  for (let index: u32 = 0; index < documents; index++) {
    lookAt(layout.section_persisted, index);
    const document = at(layout.section_persisted, index);
    if (
      !isText(document + layout.persisted_id_at, limits.policy_text_bytes_max) ||
      !isText(document + layout.persisted_document_at, limits.body_bytes_max)
    )
      return refuse("document");
  }
  return true;
}

function haveSoundReaders(policy: usize): bool {
  const most = load<u32>(policy, layout.policy_body_bytes_at);
  const isHolding = (load<u32>(policy, layout.policy_needs_at) & layout.needs_hold) != 0;
  lookAt(layout.section_rules, 0);
  const count = countOf(layout.section_rules);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_rules, index);
    const rule = at(layout.section_rules, index);
    const reads = load<u32>(rule, layout.rule_reads_at);
    if (reads > (layout.reads_body | layout.reads_call | layout.reads_endpoint)) return refuse("what a rule reads");
    if (!isRun(rule + layout.rule_tools_at, layout.section_texts)) return refuse("tools of a rule");
    if (reads != 0 && (!isHolding || most == 0)) return refuse("what a rule reads");
  }
  return true;
}
