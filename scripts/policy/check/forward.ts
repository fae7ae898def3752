/** What goes between gateways, this filter and the upstream: whose word on callers is taken, and which headers are set. */
import { header_name_bytes_max, policy_forwarders_max, policy_forwards_max } from "../../../assembly/limits.ts";
import { printClaimPath } from "../language/claimpath.ts";
import { variableOfCapture } from "../language/condition.ts";
import type { DraftForward, Forward, Rule } from "../language/model.ts";
import { type ForwardValue, forms, parseForwardValue } from "../language/values.ts";
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
    if (pattern.kind !== "exact" || pattern.wildcards !== 0) {
      const message = "a forwarder is one gateway, not a pattern: name each by its own SPIFFE ID";
      reporter.error("invalid_spiffe_id", id.at, message);
    } else if (forwarders.has(pattern.text)) {
      reporter.error("duplicate", id.at, `\`${pattern.text}\` stands twice; remove one`);
    } else forwarders.add(pattern.text);
  }
  if (ids.length > policy_forwarders_max)
    reporter.error("bound", ids[policy_forwarders_max]!.at, `a policy has at most ${policy_forwarders_max} forwarders`);
  return [...forwarders].sort();
}

/** The variables that headers tell of: segments of the caller's ID by their names. */
export function forwardVariables(drafts: readonly DraftForward[]): string[] {
  const values = drafts.map(({ value }) => value && parseForwardValue(value.value));
  return values.flatMap((value) =>
    typeof value === "object" && value.kind === "capture" ? [variableOfCapture(value.name)] : [],
  );
}

/**
 * Checks `forward`.
 * @param hasToken whether any rule asks for a token, so that there are claims
 * @param rules the sound ones
 */
export function checkForwards(
  context: Context,
  drafts: readonly DraftForward[],
  hasToken: boolean,
  rules: readonly Rule[],
): Forward[] {
  const { reporter } = context;
  const forwards = new Map<string, Forward>();
  for (const { name, value: text } of drafts) {
    const header = name.value.toLowerCase();
    const fault = headerFault(header);
    const counting = [...context.limits.values()].find((limit) => limit?.header === header);
    if (fault !== undefined) reporter.error("invalid_header", name.at, fault);
    else if (counting !== undefined) {
      const message = `the limit \`${counting.name}\` counts hops in \`${header}\`; choose another name for one of them`;
      reporter.error("invalid_header", name.at, message);
    } else if (forwards.has(header)) {
      reporter.error("duplicate", name.at, `\`${header}\` stands twice, since case does not matter; remove one`);
      continue;
    }
    const value = text === undefined ? undefined : parseForwardValue(text.value, text.as?.value);
    if (typeof value === "string") reporter.error("invalid_forward", text!.at, value);
    else if (value !== undefined) {
      forwards.set(header, { header, value });
      if (value.kind === "claim") warnList(context, text!, value);
      if (value.kind === "capture" && !rules.some((rule) => rule.forwardVariables.includes(text!.value))) {
        const message = `no allow rule has a caller with \`{${value.name}}\` for a segment of its ID, so there is no \`${text!.value}\``;
        reporter.error("unknown_name", text!.at, message);
      }
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

/** Names of claims that are lists at most providers. */
const list_names = /(?:^|[^a-z])(?:roles|groups|permissions|authorities|entitlements|scp|aud|amr|wids)$/iu;

/** Warns of a claim that is a list or a map, or is likely to be a list, and would be left out for want of a form. */
function warnList(
  { reporter, issuers }: Context,
  text: Located<string>,
  { path, as }: Extract<ForwardValue, { kind: "claim" }>,
): void {
  if (as !== "plain") return;
  const types = [...issuers.values()].flatMap((issuer) => {
    const declared = issuer?.claims.find((one) => printClaimPath(one.path) === printClaimPath(path));
    return declared === undefined ? [] : [declared.type];
  });
  const isMap = types.includes("map");
  const isList = types.includes("list");
  if (!isMap && !isList && (types.length > 0 || !list_names.test(path.at(-1)!))) return;
  const what = isMap || isList ? "is" : "is at most providers";
  const kind = isMap ? "map" : "list";
  const ways = isMap ? "`{ value: %, as: json }`" : "`{ value: %, as: comma }`, or `as: json`";
  const message = `\`${text.value}\` ${what} a ${kind}, and a ${kind} is left out unless the policy says how it is written: ${ways.replace("%", text.value)}`;
  reporter.warn("forward_list", text.at, message);
}

/** Why a policy cannot set a header, or undefined. */
export function headerFault(name: string): string | undefined {
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
