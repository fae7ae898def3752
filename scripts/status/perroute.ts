/**
 * Filters that are switched on by routes, as Envoy Gateway has them: in the list of a connection manager the filter is disabled and the
 * check refuses nobody, and each route brings both, or one of them, or neither.
 */
import type { Mark } from "../envoy/enforcement.ts";
import { markOfRouteCheck } from "./celcheck.ts";
import { type Finding, finding } from "./codes.ts";
import type { Node } from "./node.ts";
import { isOn, type Route, routesOf } from "./overrides.ts";
import { type Plugin, placeOf, policyNameOfPlugin } from "./plugin.ts";

/** Whether routes decide where a filter of ours runs, and some have it run. */
export function isSwitchedByRoutes({ manager, filter }: Plugin): boolean {
  return filter.entry.at("disabled").isTrue && routesOf(manager).some((route) => isOn(route, filter));
}

/** The check that a route brings for a filter of ours: one behind it that reads a record. */
function checkOf({ overrides }: Route, { manager, index }: Plugin): { mark: Mark | undefined } | undefined {
  for (const { name } of manager.filters.slice(index + 1)) {
    const override = overrides.get(name);
    if (override?.type !== "RBACPerRoute") continue;
    const mark = markOfRouteCheck(override);
    if (mark !== undefined || JSON.stringify(override.node.value).includes("wasm.sallyport")) return { mark };
  }
  return undefined;
}

/** The routes of one fault. */
interface Fault {
  code: Parameters<typeof finding>[0];
  consequence: string;
  routes: Node[];
}

/**
 * What is wrong with the routes of a filter that they switch on; one finding for all routes with the same fault.
 * @param hasCheck whether routes need not bring one: it stands behind the filter for all of them, or the filter decides nothing
 */
export function checkSwitched(plugin: Plugin, hasCheck: boolean): Finding[] {
  const faults = new Map<string, Fault>();
  const add = (code: Fault["code"], { node }: Route, consequence: string): void => {
    const fault = faults.get(code + consequence) ?? { code, consequence, routes: [] };
    fault.routes.push(node);
    faults.set(code + consequence, fault);
  };
  const name = policyNameOfPlugin(plugin);
  for (const route of routesOf(plugin.manager)) {
    const check = checkOf(route, plugin);
    if (!isOn(route, plugin.filter)) {
      const rest = check === undefined && !hasCheck ? "pass undecided" : "are refused by the enforcement check";
      add(
        "route_without_filter",
        route,
        `not switched on by PLACE: its requests ${rest}. Under Envoy Gateway the route has an EnvoyExtensionPolicy of its own: remove it, or give it \`mergeType: StrategicMerge\`.`,
      );
    }
    if (hasCheck) continue;
    if (check === undefined)
      add(
        "check_missing",
        route,
        "without an enforcement check on PLACE: where the filter does not run, requests pass undecided. Under Envoy Gateway, apply 10-enforcement-check.yaml of `sallyport manifest`; a SecurityPolicy of the route's own, or an older one of the Gateway, replaces it.",
      );
    else if (check.mark === undefined)
      add(
        "check_missing",
        route,
        "behind which the RBAC filter of PLACE reads our record, and is not the enforcement check as `sallyport manifest` writes it, so that nobody can say what it lets by.",
      );
    else if (check.mark.policy !== name || check.mark.record !== plugin.record)
      add(
        "check_other_policy",
        route,
        `followed on PLACE by an enforcement check that wants a record of policy "${check.mark.policy}", where the filter has "${name}": every request is refused (403), or another filter's record lets it by.`,
      );
  }
  return [...faults.values()].map(({ code, consequence, routes }) => asFinding(plugin, code, consequence, routes));
}

function asFinding({ manager, filter }: Plugin, code: Fault["code"], text: string, routes: Node[]): Finding {
  const [first] = routes as [Node];
  const named = first.at("name").text ?? JSON.stringify(first.at("match").value);
  const others = routes.length === 1 ? "" : ` and ${routes.length - 1} more`;
  const message = `The filter is ${text.replace("PLACE", () => `route "${named}"${others}`)}`;
  return finding(code, { ...placeOf(manager, filter), path: first.path }, message);
}
