/** The settings of a connection manager for a policy: those of envoy/inbound.yaml, and what the policy says otherwise. */
import { parse } from "yaml";
import { type Bootstrap, readExample } from "../envoy/bootstrap.ts";
import type { Policy } from "../policy/language/model.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** Which forms of paths, of those that Envoy may refuse or change, the policy takes. */
export interface OpenForms {
  encodedSlash: boolean;
  emptySegments: boolean;
}

/** envoy/inbound.yaml as data. */
export async function readInbound(): Promise<Bootstrap> {
  return parse(await readExample("inbound")) as Bootstrap;
}

/** The connection manager of the example, for this policy. What is returned is part of `example`. */
export function managerFor(example: Bootstrap, policy: Policy, forms: OpenForms, hops: number): Json {
  const manager = managerOf(example);
  if (forms.encodedSlash) manager.path_with_escaped_slashes_action = "KEEP_UNCHANGED";
  if (forms.emptySegments) manager.merge_slashes = false;
  if (policy.forwarders.length > 0) manager.forward_client_cert_details = "APPEND_FORWARD";
  manager.xff_num_trusted_hops = hops;
  return manager;
}

/** The members of an access log's line, as the example has them. */
export function accessLogFormat(example: Bootstrap): Record<string, string> {
  return managerOf(example).access_log[0].typed_config.log_format.json_format;
}

const managerOf = (example: Bootstrap): Json =>
  example.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
