/** What a connection manager has to do for the filter: one reading of paths and addresses, no identities by header, a record that is kept. */
import { type Finding, finding } from "./codes.ts";
import type { HttpFilter } from "./dump.ts";
import type { PolicyFacts } from "./facts.ts";
import { isCheckOf } from "./mark.ts";
import { type Plugin, wasmConfig } from "./plugin.ts";

/** @param policy the one in force; undefined where nobody knows it */
export function checkManager(plugin: Plugin, policy: PolicyFacts | undefined): Finding[] {
  const { manager } = plugin;
  const { node, listener, chain } = manager;
  const found: Finding[] = [];
  const add = (code: Parameters<typeof finding>[0], member: string, message: string): void => {
    found.push(finding(code, { listener: listener.name, chain, path: node.at(...member.split(".")).path }, message));
  };

  if (!node.at("normalize_path").isTrue)
    add(
      "path_not_normalized",
      "normalize_path",
      "`normalize_path` is off: policy, router and upstream may read one path in different ways (`/a/../b`), and the filter refuses those. Set it to true.",
    );
  if (!node.at("merge_slashes").isTrue && policy?.forms.emptySegments !== true)
    add(
      "slashes_not_merged",
      "merge_slashes",
      "`merge_slashes` is off, and no rule takes empty segments: the filter refuses `//`. Set it to true.",
    );
  const escaped = node.at("path_with_escaped_slashes_action").text ?? "KEEP_UNCHANGED";
  const keepsForPolicy = escaped === "KEEP_UNCHANGED" && policy?.forms.encodedSlash === true;
  if (!keepsForPolicy && !["REJECT_REQUEST", "UNESCAPE_AND_REDIRECT"].includes(escaped))
    add(
      "escaped_slashes_kept",
      "path_with_escaped_slashes_action",
      `\`path_with_escaped_slashes_action\` is ${escaped}: what the filter, the router and the upstream take \`%2F\` for may differ. Set it to REJECT_REQUEST.`,
    );

  const details = node.at("forward_client_cert_details").text ?? "SANITIZE";
  const appends = details === "APPEND_FORWARD" && policy?.hasForwarders === true;
  if (!appends && !["SANITIZE", "SANITIZE_SET"].includes(details))
    add(
      "xfcc_passed_on",
      "forward_client_cert_details",
      `\`forward_client_cert_details\` is ${details}: the upstream, and a policy with \`trust.forwarders\`, read there what a caller wrote. Set it to SANITIZE_SET${details === "APPEND_FORWARD" ? ", or name the proxies that may write it in `trust.forwarders`" : ""}.`,
    );

  if (policy?.readsSource === true && !node.at("use_remote_address").isTrue) {
    const consequence = policy.takesForwardedSource
      ? "a caller chooses its address, and the policy believes it (`trust.sourceAddress: forwarded`)"
      : "a request with that header has no address, so that conditions on it are errors (`source_forwarded`)";
    add(
      "remote_address_unset",
      "use_remote_address",
      `The policy reads \`source.ip\` or \`source.port\`, and \`use_remote_address\` is off: Envoy takes the address from \`x-forwarded-for\`, and ${consequence}. Set it to true.`,
    );
  }

  if (!node.at("common_http_protocol_options", "max_connection_duration").exists && !plugin.checksCertificateEnd)
    add(
      "connection_unbounded",
      "common_http_protocol_options",
      'There is no `max_connection_duration`: an open connection goes on for as long as somebody uses it, however long its certificate has ended. Set it, such as to 600s, or `"certificateEnd": "checked"` in the filter\'s configuration.',
    );

  const key = plugin.record === undefined ? "wasm.sallyport" : `wasm.sallyport.${plugin.record}`;
  if (!JSON.stringify(node.at("access_log").value ?? []).includes(`FILTER_STATE(${key}:`))
    add(
      "record_not_logged",
      "access_log",
      `No access log has \`%FILTER_STATE(${key}:PLAIN)%\`: nothing keeps the record of a request. Add it, as envoy/inbound.yaml does.`,
    );

  for (const { type, node: own, filters } of manager.upgrades) {
    if (hasFilterAndCheck(filters)) continue;
    found.push(
      finding(
        "upgrade_without_filter",
        { listener: listener.name, chain, path: own.path },
        `Upgrades to "${type}" have a filter chain of their own, without our filter and the enforcement check behind it: they pass undecided. Take \`filters\` out, or put both into it.`,
      ),
    );
  }
  return found;
}

/** Whether filters have the enforcement check, and a Wasm filter in front of it, and nothing switches them off. */
function hasFilterAndCheck(filters: readonly HttpFilter[]): boolean {
  const check = filters.findIndex((filter) => isCheckOf(filter) !== undefined && isEnabled(filter));
  return filters.slice(0, Math.max(check, 0)).some((filter) => wasmConfig(filter) !== undefined && isEnabled(filter));
}

const isEnabled = ({ entry }: HttpFilter): boolean => !entry.at("disabled").isTrue;
