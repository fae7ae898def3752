/**
 * The enforcement check of the example configurations: a native filter right after ours that refuses every request, and that only
 * those get around which carry the mark of the policy in front of it, the beginning of its record. Envoy leaves a Wasm filter out on
 * a worker where it failed to start (proxy-wasm-cpp-host, src/wasm.cc, getOrCreateThreadLocalPlugin), and a route can switch it off; then nothing is marked.
 */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { name_pattern, policyNameOf } from "../policy/image/name.ts";
import { extractImage } from "../policy/module/embed.ts";
import { readEnvelope } from "../policy/signed/envelope.ts";
import { readPluginConfiguration } from "./pluginconfig.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** Whose record a enforcement check looks for, and where. */
export interface Mark {
  /** The policy's name. */
  policy: string;
  /** The record's own name, where the filter's configuration gives it one. */
  record?: string;
}

const stateKey = "wasm.sallyport";
const typeOf = (message: string): string => `type.googleapis.com/envoy.extensions.${message}`;

/** Whether a filter is a Wasm filter; of one whose configuration comes from elsewhere only the name tells. */
function isWasmFilter({ name, typed_config }: Json): boolean {
  return name === "envoy.filters.http.wasm" || typed_config?.["@type"] === typeOf("filters.http.wasm.v3.Wasm");
}

/** What the enforcement check does to requests that it meets. */
const refuseAll = {
  "@type": typeOf("filters.http.rbac.v3.RBAC"),
  rules: {
    action: "DENY",
    policies: { "not-admitted": { permissions: [{ any: true }], principals: [{ any: true }] } },
  },
};

const skip = {
  action: { name: "skip", typed_config: { "@type": typeOf("filters.common.matcher.action.v3.SkipFilter") } },
};

/** How the record of a request begins that a policy lets go on. */
export function markOf(policy: string): string {
  return `{"admit":true,"policy":"${policy}",`;
}

/**
 * All texts from `from` on, and before `below`, are the marked records of a policy: what CEL can say in place of "begins with", since the
 * record is bytes there.
 */
export function markRange(policy: string): { from: string; below: string } {
  const from = markOf(policy);
  return { from, below: from.slice(0, -1) + String.fromCharCode(from.charCodeAt(from.length - 1) + 1) };
}

/** Which requests get around the check: those whose record begins so. */
function skipMarked({ policy, record }: Mark): Json {
  const key = record === undefined ? stateKey : `${stateKey}.${record}`;
  const input = { "@type": typeOf("matching.common_inputs.network.v3.FilterStateInput"), key };
  return {
    matcher_tree: {
      input: { name: "mark", typed_config: input },
      prefix_match_map: { map: { [markOf(policy)]: skip } },
    },
  };
}

/** The enforcement check for a policy. */
export function enforcementCheck(mark: Mark): Json {
  return {
    name: "enforcement-check",
    typed_config: {
      "@type": typeOf("common.matching.v3.ExtensionWithMatcher"),
      extension_config: { name: "envoy.filters.http.rbac", typed_config: refuseAll },
      xds_matcher: skipMarked(mark),
    },
  };
}

/** What a filter looks for that is an enforcement check: one that refuses every other request, and that nothing can switch off. */
export function readEnforcementCheck(filter: Json): Mark | undefined {
  const tree = filter?.typed_config?.xds_matcher?.matcher_tree;
  const policy = /"policy":"(.*)",$/u.exec(Object.keys(tree?.prefix_match_map?.map ?? {})[0] ?? "")?.[1];
  const record = /^wasm\.sallyport\.(.*)$/u.exec(String(tree?.input?.typed_config?.key))?.[1];
  if (policy === undefined || !name_pattern.test(policy) || (record !== undefined && !name_pattern.test(record))) {
    return undefined;
  }
  const mark = { policy, ...(record !== undefined && { record }) };
  const { name } = filter.typed_config.extension_config ?? {};
  const wanted = enforcementCheck(mark);
  wanted.name = filter.name;
  wanted.typed_config.extension_config.name = name;
  return isDeepStrictEqual(filter, wanted) ? mark : undefined;
}

/**
 * Tells the check behind each of the filters that are ours which policy's mark to want, where the filter's own configuration says
 * what policy it has.
 * @param filters the filters of a chain, in order
 */
export function nameEnforcementChecks(filters: Json[]): void {
  for (const [at, filter] of filters.entries()) {
    const check = filters[at + 1];
    if (!isWasmFilter(filter) || readEnforcementCheck(check) === undefined) continue;
    const { policy, record } = readPlugin(filter.typed_config?.config);
    if (policy === undefined) continue;
    check.typed_config.xds_matcher = skipMarked({ policy, ...(record !== undefined && { record }) });
  }
}

/** Whether the check that wants its policy's mark stands right behind each of the filters that are ours. */
export function hasEnforcementChecks(filters: Json[]): boolean {
  return filters.every((filter, at) => {
    if (!isWasmFilter(filter)) return true;
    const mark = readEnforcementCheck(filters[at + 1]);
    if (mark === undefined) return false;
    const { policy, record } = readPlugin(filter.typed_config?.config);
    return policy === undefined || (policy === mark.policy && record === mark.record);
  });
}

/** The policy of a filter, by name, and its record's own name, as far as its configuration tells. */
function readPlugin(config: Json): Partial<Mark> {
  const { record } = readPluginConfiguration(config?.configuration) ?? {};
  const image = imageOfFilter(config);
  const name = image === undefined ? undefined : policyNameOf(image);
  return { ...(name !== undefined && { policy: name }), ...(typeof record === "string" && { record }) };
}

/** The policy image that a filter of ours has, in its own configuration or in its module; undefined where neither tells. */
export function imageOfFilter(config: Json): Uint8Array | undefined {
  const { policy } = readPluginConfiguration(config?.configuration) ?? {};
  if (typeof policy !== "string") return imageOf(config?.vm_config?.code?.local);
  const bytes = Buffer.from(policy, "base64");
  return readEnvelope(bytes)?.image ?? bytes;
}

function imageOf(code: Json): Uint8Array | undefined {
  try {
    if (typeof code?.inline_bytes === "string") return extractImage(Buffer.from(code.inline_bytes, "base64"));
    return typeof code?.filename === "string" ? extractImage(readFileSync(code.filename)) : undefined;
  } catch {
    // A module that is not there or not ours says nothing.
    return undefined;
  }
}
