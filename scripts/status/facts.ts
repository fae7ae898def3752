/** What an image says of the policy in it, as far as Envoy's configuration has to go with it. */

import { op_source_ip, op_source_port } from "../../assembly/policy/instructions.ts";
import * as layout from "../../assembly/policy/layout.ts";
import { imageChecksum } from "../policy/image/image.ts";
import { openFormsOf, policyNameOf, readBodyBytesOf } from "../policy/image/name.ts";
import { certificate_attribute } from "../policy/language/identity.ts";

/** A key set that is fetched. */
export interface FetchedSet {
  /** Its name in metrics. */
  name: string;
  refreshSeconds: number;
  /** Whether it has keys before the first fetch. */
  hasKeys: boolean;
}

export interface PolicyFacts {
  name: string;
  /** As `sallyport build` and `image` print it. */
  checksum: string;
  isShadow: boolean;
  /** Whether callers need a certificate: the identity is `mtls`, and no rule is for anonymous callers. */
  needsCertificate: boolean;
  /** Whether a condition, a limit or a quarantine reads `source.ip` or `source.port`. */
  readsSource: boolean;
  /** Whether that may be what `x-forwarded-for` says. */
  takesForwardedSource: boolean;
  /** Whether it trusts proxies that say who the caller is. */
  hasForwarders: boolean;
  /** The forms of paths that some rule takes. */
  forms: { encodedSlash: boolean; emptySegments: boolean };
  fetched: FetchedSet[];
  /** The most bytes of a body that it reads; undefined where it reads none. */
  readsBodyBytes: number | undefined;
  /** What Envoy's capability list must allow. */
  capabilities: string[];
}

/** Needed whatever the policy. */
const base_capabilities = [
  ...[
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_log",
    "proxy_get_buffer_bytes",
  ],
  ...["proxy_get_property", "proxy_set_property", "proxy_get_header_map_pairs", "proxy_send_local_response"],
  ...["proxy_get_current_time_nanoseconds", "proxy_define_metric", "proxy_increment_metric", "proxy_get_shared_data"],
  ...["proxy_set_shared_data", "random_get", "proxy_record_metric", "proxy_get_metric"],
];
const holding = [
  ...["proxy_on_delete", "proxy_on_tick", "proxy_set_tick_period_milliseconds", "proxy_set_effective_context"],
  "proxy_continue_stream",
];
const header_changes = ["proxy_replace_header_map_value", "proxy_remove_header_map_value"];

/** Reads a sound image; undefined where the bytes are none, or one of another version. */
export function readFacts(image: Uint8Array): PolicyFacts | undefined {
  const name = policyNameOf(image);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (name === undefined || view.getUint32(layout.version_at, true) !== layout.image_version) return undefined;
  const word = (at: number): number => view.getUint32(at, true);
  const text = (at: number): string => Buffer.from(image.subarray(word(at), word(at) + word(at + 4))).toString("utf8");
  const records = (section: number): number[] => {
    const entry = layout.sections_at + section * 8;
    const size = layout.sectionRecordBytes(section);
    return Array.from({ length: word(entry + 4) }, (_, index) => word(entry) + index * size);
  };
  const [policy] = records(layout.section_policy) as [number];
  const needs = word(policy + layout.policy_needs_at);
  const sets = records(layout.section_key_sets).filter((at) => word(at + layout.key_set_url_at + 4) > 0);
  const hasFleet = word(policy + layout.policy_fleet_cluster_at + 4) > 0;
  const changesHeaders =
    records(layout.section_forwards).length > 0 ||
    (needs & layout.needs_hops) !== 0 ||
    records(layout.section_places).some((at) => word(at + layout.place_strip_at) !== 0);
  const [, anonymous] = records(layout.section_groups);
  const admitsAnonymous =
    anonymous !== undefined &&
    (word(anonymous + layout.group_any_root_at) > 0 || word(anonymous + layout.group_host_roots_at) > 0);
  const readsSource =
    records(layout.section_instructions).some((at) =>
      [op_source_ip, op_source_port].includes(word(at + layout.instruction_opcode_at)),
    ) || records(layout.section_selectors).some((at) => word(at + layout.selector_kind_at) === layout.selector_source);
  const byCertificate = text(policy + layout.policy_identity_at) === certificate_attribute.join("\0");
  return {
    name,
    checksum: imageChecksum(image),
    isShadow: word(policy + layout.policy_mode_at) === layout.mode_shadow,
    needsCertificate: byCertificate && word(policy + layout.policy_svids_at + 4) === 0 && !admitsAnonymous,
    readsSource,
    takesForwardedSource: word(policy + layout.policy_source_at) === layout.source_forwarded,
    hasForwarders: word(policy + layout.policy_forwarders_at + 4) > 0,
    forms: openFormsOf(image),
    fetched: sets.map((at) => ({
      name: text(at + layout.key_set_name_at),
      refreshSeconds: word(at + layout.key_set_refresh_seconds_at),
      hasKeys: word(at + layout.key_set_keys_at + 4) > 0,
    })),
    readsBodyBytes: readBodyBytesOf(image),
    capabilities: [
      ...base_capabilities,
      ...(changesHeaders ? header_changes : []),
      ...((needs & layout.needs_body) !== 0 ? ["proxy_on_request_body", "proxy_on_delete"] : []),
      // Without it what is held goes on undecided where trailers come.
      ...((needs & layout.needs_hold) !== 0 ? ["proxy_on_request_trailers", ...holding] : []),
      ...((needs & layout.needs_answers) !== 0
        ? [...header_changes, "proxy_on_response_body", "proxy_on_response_trailers", "proxy_set_buffer_bytes"]
        : []),
      ...((needs & layout.needs_response) !== 0 ? ["proxy_on_response_headers", "proxy_on_delete"] : []),
      ...((needs & layout.needs_ticks) !== 0
        ? ["proxy_on_delete", "proxy_on_tick", "proxy_set_tick_period_milliseconds"]
        : []),
      ...(sets.length > 0 || hasFleet ? holding : []),
      ...(sets.length > 0 ? ["proxy_http_call", "proxy_on_http_call_response"] : []),
      ...(hasFleet ? ["proxy_grpc_call", "proxy_on_grpc_receive", "proxy_on_grpc_close"] : []),
    ].filter((capability, at, all) => all.indexOf(capability) === at),
  };
}

/** What is needed of a capability list where nobody knows the policy. */
export const least_capabilities: readonly string[] = base_capabilities;
