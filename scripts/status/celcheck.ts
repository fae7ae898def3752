/** The enforcement check as Envoy Gateway has it: RBAC of a route, whose one rule is CEL over the record (scripts/manifest/envoygateway.ts). */
import { type Mark, markRange } from "../envoy/enforcement.ts";
import type { Message, Node } from "./node.ts";

const state_key = /^wasm\.sallyport(?:\.([A-Za-z0-9_-]{1,64}))?$/u;
const mark_text = /^\{"admit":true,"policy":"([A-Za-z0-9_-]{1,64})",$/u;

/** The record that a route's RBAC wants, if it refuses every request without one; undefined where it does anything else. */
export function markOfRouteCheck({ type, node }: Message): Mark | undefined {
  if (type !== "RBACPerRoute" || node.at("rbac", "rules").exists) return undefined;
  const matcher = node.at("rbac", "matcher");
  const matchers = matcher.at("matcher_list", "matchers").list();
  const [rule] = matchers;
  if (rule === undefined || matchers.length !== 1) return undefined;
  const predicate = rule.at("predicate", "single_predicate");
  if (predicate.at("input", "typed_config").message().type !== "HttpAttributesCelMatchInput") return undefined;
  if (actionOf(rule.at("on_match")) !== "ALLOW" || actionOf(matcher.at("on_no_match")) !== "DENY") return undefined;
  const custom = predicate.at("custom_match", "typed_config").message();
  if (custom.type !== "CelMatcher") return undefined;
  return markOfExpression(custom.node.at("expr_match", "cel_expr_parsed", "expr"));
}

/** What RBAC does where a matcher leads to it; ALLOW is the default, which a dump leaves out. */
function actionOf(match: Node): string | undefined {
  const { type, node } = match.at("action", "typed_config").message();
  return type === "Action" ? (node.at("action").text ?? "ALLOW") : undefined;
}

/** `record >= b'…' && record < b'…'`, of one record and all that begins with one mark. */
function markOfExpression(expression: Node): Mark | undefined {
  const [from, below, more] = argumentsOf(expression, "_&&_");
  const least = from && comparison(from, "_>=_");
  const bound = below && comparison(below, "_<_");
  if (least === undefined || bound === undefined || more !== undefined || least.key !== bound.key) return undefined;
  const [isRecord, record] = state_key.exec(least.key) ?? [];
  const [, policy] = mark_text.exec(least.text) ?? [];
  if (isRecord === undefined || policy === undefined || bound.text !== markRange(policy).below) return undefined;
  return { policy, ...(record !== undefined && { record }) };
}

/** Filter state compared with bytes. */
function comparison(expression: Node, operator: string): { key: string; text: string } | undefined {
  const [state, constant] = argumentsOf(expression, operator);
  const [map, name] = state === undefined ? [] : argumentsOf(state, "_[_]");
  const key = name?.at("const_expr", "string_value").text;
  const bytes = constant?.at("const_expr", "bytes_value").text;
  if (map?.at("ident_expr", "name").text !== "filter_state" || key === undefined || bytes === undefined)
    return undefined;
  return { key, text: Buffer.from(bytes, "base64").toString("latin1") };
}

function argumentsOf(expression: Node, operator: string): Node[] {
  const call = expression.at("call_expr");
  return call.at("function").text === operator && !call.at("target").exists ? call.at("args").list() : [];
}
