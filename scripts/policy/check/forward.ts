/** What goes between gateways, this filter and the upstream: whose word on callers is taken, and which headers are set. */
import { header_name_bytes_max, policy_forwarders_max, policy_forwards_max } from "../../../assembly/limits.ts";
import type { DraftForward, Forward } from "../language/model.ts";
import { forms, parseForwardValue } from "../language/values.ts";
import type { Located } from "../source/yaml.ts";
import { type Context, checkCaller } from "./names.ts";

const of_http = "says how a request is sent";
const of_caller = "carries the caller's own credentials";
const of_envoy = "is what proxies tell each other";

/** Headers that a policy cannot set, and why. */
const reserved = new Map([
  ["host", of_http],
  ["content-length", of_http],
  ["content-type", of_http],
  ["transfer-encoding", of_http],
  ["connection", of_http],
  ["keep-alive", of_http],
  ["proxy-connection", of_http],
  ["te", of_http],
  ["trailer", of_http],
  ["upgrade", of_http],
  ["authorization", of_caller],
  ["cookie", of_caller],
  ["x-forwarded-client-cert", of_envoy],
  ["x-forwarded-for", of_envoy],
]);

/** Checks `trust.forwarders`: each is one workload, since whom it vouches for is believed. */
export function checkForwarders(context: Context, ids: readonly Located<string>[]): string[] {
  const { reporter } = context;
  const forwarders = new Set<string>();
  for (const id of ids) {
    const pattern = checkCaller(context, id, "; name the gateway by its SPIFFE ID");
    if (pattern === undefined) continue;
    if (pattern.kind !== "exact") {
      const message = "a forwarder is one gateway, not a pattern: name each by its own SPIFFE ID";
      reporter.error("invalid_spiffe_id", id.at, message);
    } else if (forwarders.has(id.value)) {
      reporter.error("duplicate", id.at, `\`${id.value}\` stands twice; remove one`);
    } else forwarders.add(id.value);
  }
  if (ids.length > policy_forwarders_max)
    reporter.error("bound", ids[policy_forwarders_max]!.at, `a policy has at most ${policy_forwarders_max} forwarders`);
  return [...forwarders].sort();
}

/**
 * Checks `forward`.
 * @param hasToken whether any rule asks for a token, so that there are claims
 */
export function checkForwards(context: Context, drafts: readonly DraftForward[], hasToken: boolean): Forward[] {
  const { reporter } = context;
  const forwards = new Map<string, Forward>();
  for (const { name, value: text } of drafts) {
    const header = name.value.toLowerCase();
    const fault = headerFault(header);
    if (fault !== undefined) reporter.error("invalid_header", name.at, fault);
    else if (forwards.has(header)) {
      reporter.error("duplicate", name.at, `\`${header}\` stands twice, since case does not matter; remove one`);
      continue;
    }
    const value = text === undefined ? undefined : parseForwardValue(text.value);
    if (typeof value === "string") reporter.error("invalid_forward", text!.at, value);
    else if (value !== undefined) {
      forwards.set(header, { header, value });
      if (value.kind === "claim" && !hasToken) {
        const message = `no rule asks for a token, so there is no \`${text!.value}\`: \`${header}\` is only removed; add \`token\` to a rule`;
        reporter.warn("forward_claim_unused", text!.at, message);
      }
    }
  }
  if (drafts.length > policy_forwards_max)
    reporter.error(
      "bound",
      drafts[policy_forwards_max]!.name.at,
      `a policy sets at most ${policy_forwards_max} headers`,
    );
  return [...forwards.values()].sort((a, b) => (a.header < b.header ? -1 : 1));
}

/** Why a policy cannot set a header, or undefined. */
function headerFault(name: string): string | undefined {
  if (name.startsWith(":"))
    return `\`${name}\` ${of_http}, and a policy cannot set it; choose a name such as \`x-user\``;
  if (name.includes("_")) {
    return `there are upstreams that read \`_\` and \`-\` alike, so that a caller could send the header itself; write \`${name.replaceAll("_", "-")}\``;
  }
  const why = name.startsWith("x-envoy-") ? of_envoy : reserved.get(name);
  if (why !== undefined) return `\`${name}\` ${why}, and a policy cannot set it; choose a name such as \`x-user\``;
  if (name.length > header_name_bytes_max)
    return `the name of a header has at most ${header_name_bytes_max} bytes here`;
  return forms.header.test(name) ? undefined : "the name of a header has letters, digits and `-`, as in `x-user`";
}
