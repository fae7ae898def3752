/** Enforcement checks in a dump, in the forms that docs/operations.md has. */
import { type Mark, readEnforcementCheck } from "../envoy/enforcement.ts";
import type { HttpFilter } from "./dump.ts";

const state_key = /^wasm\.sallyport(?:\.([A-Za-z0-9_-]{1,64}))?$/u;
const mark_prefix = /^\{"admit":true,"policy":"([A-Za-z0-9_-]{1,64})",$/u;

/** The record that a filter wants if it is an enforcement check that refuses every other request. */
export function isCheckOf(filter: HttpFilter): Mark | undefined {
  return readEnforcementCheck(checkEntry(filter)) ?? principalCheck(filter);
}

/** Whether a filter is such a check, or at least reads our record. */
export function isCheck(filter: HttpFilter): boolean {
  return isCheckOf(filter) !== undefined || readsRecord(filter);
}

/** Whether a filter that refuses requests reads our record, in whatever form. */
export function readsRecord({ config }: HttpFilter): boolean {
  if (config === undefined || !["RBAC", "ExtensionWithMatcher"].includes(config.type)) return false;
  return JSON.stringify(config.node.value).includes("wasm.sallyport");
}

/** As an entry without what only the list knows of it. */
function checkEntry({ name, config }: HttpFilter): object | undefined {
  return config === undefined ? undefined : { name, typed_config: config.node.value };
}

/** RBAC that admits only requests with the record: action ALLOW, one policy, whose one principal is the filter state. */
function principalCheck({ config }: HttpFilter): Mark | undefined {
  if (config?.type !== "RBAC") return undefined;
  const rules = config.node.at("rules");
  // ALLOW is the default, which a dump leaves out.
  if (!rules.exists || !["ALLOW", undefined].includes(rules.at("action").text)) return undefined;
  // Beside a matcher, Envoy takes no notice of the rules (source/extensions/filters/common/rbac/utility.h, createEngine).
  if (config.node.at("matcher").exists) return undefined;
  const policies = rules.at("policies").entries();
  if (policies.length !== 1) return undefined;
  const principals = policies[0]![1].at("principals").list();
  if (principals.length !== 1) return undefined;
  const state = principals[0]!.at("filter_state");
  const [, record] = state_key.exec(state.at("key").text ?? "") ?? [undefined];
  const [, policy] = mark_prefix.exec(state.at("string_match", "prefix").text ?? "") ?? [];
  if (policy === undefined || !state_key.test(state.at("key").text ?? "")) return undefined;
  return { policy, ...(record !== undefined && { record }) };
}
