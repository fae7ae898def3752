/** What routes do to the filter: switch it or its check off, or lead around it. */
import { type Finding, finding } from "./codes.ts";
import type { Dump, Manager } from "./dump.ts";
import { isCheck } from "./mark.ts";
import type { Node } from "./node.ts";
import type { Plugin } from "./plugin.ts";

/** Overrides of the filters of one manager, wherever in its routes they stand. */
export function checkOverrides(manager: Manager, plugins: readonly Plugin[]): Finding[] {
  const ours = new Set(plugins.map(({ filter }) => filter.name));
  const checks = new Set(manager.filters.filter(isCheck).map(({ name }) => name));
  const found: Finding[] = [];
  for (const routes of manager.routes) {
    for (const object of routes.objects()) {
      for (const [name, override] of object.at("typed_per_filter_config").entries()) {
        const place = { listener: manager.listener.name, chain: manager.chain, filter: name, path: override.path };
        const where = describe(routes, object);
        const { node } = override.message();
        if (ours.has(name) && node.at("disabled").isTrue)
          found.push(
            finding(
              "route_disables_filter",
              place,
              `${where} switches the filter off: the enforcement check refuses its requests, and without the check they pass undecided. Take the override out; what needs no decision gets a rule for \`anonymous\`.`,
            ),
          );
        if (checks.has(name))
          found.push(
            finding(
              "route_changes_check",
              place,
              `${where} ${node.at("disabled").isTrue ? "switches the enforcement check off" : "gives the enforcement check another configuration"}: where the filter does not run, requests pass undecided. Take the override out.`,
            ),
          );
      }
    }
  }
  return found;
}

function describe(routes: Node, object: Node): string {
  const table = routes.at("name").text ?? "";
  const name = object.at("name").text;
  if (object.path === routes.path) return `The route configuration "${table}"`;
  if (object.at("domains").exists) return `The virtual host "${name ?? ""}" of "${table}"`;
  if (object.at("match").exists)
    return `A route${name === undefined ? "" : ` "${name}"`} of "${table}" (${JSON.stringify(object.at("match").value)})`;
  return `A weighted cluster "${name ?? ""}" of "${table}"`;
}

/** The clusters that routes lead to; of routes for one exact path only where `withExact` says so. */
export function clustersOf(routes: readonly Node[], withExact: boolean): Set<string> {
  const clusters = new Set<string>();
  for (const table of routes) {
    for (const object of table.objects()) {
      const action = object.at("route");
      if (!object.at("match").exists || !action.exists) continue;
      if (!withExact && object.at("match", "path").exists) continue;
      for (const target of action.objects()) {
        for (const { text } of [target.at("cluster"), ...(target.at("weight").exists ? [target.at("name")] : [])])
          if (text !== undefined) clusters.add(text);
      }
    }
  }
  return clusters;
}

/** A route whose cluster is not in the configuration. */
function openRoute(table: Node): Node | undefined {
  const names = ["cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"];
  return [...table.objects()]
    .map((object) => object.at("route"))
    .find((action) => [...action.objects()].some((target) => names.some((name) => target.at(name).exists)));
}

/** Whether a route configuration leads nowhere: answers of its own, and redirects. */
function isAlwaysPlainAnswer(routes: Node): boolean {
  return clustersOf([routes], true).size === 0 && ![...routes.objects()].some((object) => object.at("route").exists);
}

/** Whether all that a connection manager answers, it answers itself. */
export function answersItself({ routes }: Manager): boolean {
  return routes.length > 0 && routes.every(isAlwaysPlainAnswer);
}

/** What Envoy answers every request of a connection manager with, where no route leads anywhere; undefined where one does. */
export function plainAnswersOf(manager: Manager): string | undefined {
  if (!answersItself(manager)) return undefined;
  const statuses = manager.routes
    .flatMap((table) => [...table.objects()])
    .map((object) => object.at("direct_response", "status").value)
    .filter((status) => typeof status === "number");
  return statuses.length === 0 ? "404" : [...new Set(statuses)].join(" or ");
}

/** What to do where Envoy Gateway has its Envoys answer errors. */
export const not_taken =
  "Envoy Gateway does so where it cannot take a policy of the Gateway, such as for want of the ConfigMap with the trust bundle, or of the module: `kubectl describe` of ClientTrafficPolicy, SecurityPolicy and EnvoyExtensionPolicy says why, under `Conditions`.";

/**
 * Ways around: other chains of a listener that has the filter, and listeners that lead to a cluster behind one. A route for one exact path,
 * as for probes, is taken for meant.
 */
export function checkAround({ listeners }: Dump, plugins: readonly Plugin[]): Finding[] {
  const guarded = new Set(plugins.map(({ manager }) => manager));
  const guardedListeners = new Set(plugins.map(({ manager }) => manager.listener));
  const behind = clustersOf(
    [...guarded].flatMap(({ routes }) => routes),
    true,
  );
  const found: Finding[] = [];
  for (const listener of listeners) {
    for (const manager of listener.managers) {
      if (guarded.has(manager)) continue;
      const place = { listener: listener.name, chain: manager.chain, path: manager.node.path };
      const shared = [...clustersOf(manager.routes, false)].filter((cluster) => behind.has(cluster));
      if (guardedListeners.has(listener)) {
        if (answersItself(manager)) continue;
        found.push(
          finding(
            "chain_without_filter",
            place,
            "This filter chain stands beside one that has the filter, and goes without it: its requests pass undecided. Put the filter and its check into it, or remove it.",
          ),
        );
        continue;
      }
      if (listener.isOutbound) continue;
      if (shared.length > 0) {
        found.push(
          finding(
            "way_around",
            place,
            `This listener leads to ${quoted(shared)}, which the filter stands in front of elsewhere, and has no filter: its requests pass undecided. Put the filter and its check into it, or bind it to an address that only trusted programs reach and route single paths.`,
          ),
        );
      } else if (plugins.length > 0) {
        const open = manager.routes.map(openRoute).find((route) => route !== undefined);
        if (open !== undefined)
          found.push(
            finding(
              "way_around",
              { ...place, path: open.path },
              "A route of this listener has its cluster named by the request (`cluster_header`), or by a plugin, and the listener has no filter: requests that name a cluster which the filter stands in front of pass undecided. Name the clusters, or put the filter and its check into it.",
            ),
          );
      }
    }
    for (const proxy of listener.tcpProxies) {
      const targets = [
        proxy.at("cluster"),
        ...proxy
          .at("weighted_clusters", "clusters")
          .list()
          .map((one) => one.at("name")),
      ];
      const shared = targets.flatMap(({ text }) => (text !== undefined && behind.has(text) ? [text] : []));
      if (shared.length === 0 || listener.isOutbound) continue;
      found.push(
        finding(
          "way_around",
          { listener: listener.name, path: proxy.path },
          `This listener passes bytes on to ${quoted(shared)}, which the filter stands in front of elsewhere: its requests pass undecided. Remove the TCP proxy, or give it the filter by a connection manager.`,
        ),
      );
    }
  }
  return found;
}

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
