/** What routes say of filters: of each route that leads to a cluster, by the names of the filters. */
import type { Mark } from "../envoy/enforcement.ts";
import { markOfRouteCheck } from "./celcheck.ts";
import type { HttpFilter, Manager } from "./dump.ts";
import type { Message, Node } from "./node.ts";

/** A route that leads to a cluster, with what it and all above it say of filters: the nearest wins. */
export interface Route {
  node: Node;
  overrides: ReadonlyMap<string, Message>;
}

/** The routes of a connection manager that lead somewhere. */
export function routesOf({ routes }: Pick<Manager, "routes">): Route[] {
  return routes.flatMap((table) =>
    table
      .at("virtual_hosts")
      .list()
      .flatMap((host) =>
        host
          .at("routes")
          .list()
          .filter((route) => route.at("route").exists)
          .map((route) => ({ node: route, overrides: overridesOf([table, host, route]) })),
      ),
  );
}

function overridesOf(levels: readonly Node[]): Map<string, Message> {
  return new Map(
    levels.flatMap((level) =>
      level
        .at("typed_per_filter_config")
        .entries()
        .map(([name, override]) => [name, override.message()] as const),
    ),
  );
}

/** Whether a filter that is disabled in the list runs on a route. */
export function isOn({ overrides }: Route, { name }: HttpFilter): boolean {
  const override = overrides.get(name);
  return override !== undefined && !override.node.at("disabled").isTrue;
}

/** The mark that the checks of most routes want, behind the filter of that place. */
export function markOfRoutes(manager: Manager, index: number): Mark | undefined {
  const names = new Set(manager.filters.slice(index + 1).map(({ name }) => name));
  const counted = new Map<string, { mark: Mark; count: number }>();
  for (const { overrides } of routesOf(manager)) {
    for (const [name, override] of overrides) {
      const mark = names.has(name) ? markOfRouteCheck(override) : undefined;
      if (mark === undefined) continue;
      const key = JSON.stringify(mark);
      counted.set(key, { mark, count: (counted.get(key)?.count ?? 0) + 1 });
    }
  }
  return [...counted.values()].sort((a, b) => b.count - a.count)[0]?.mark;
}
