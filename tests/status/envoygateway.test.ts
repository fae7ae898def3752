/** `sallyport status` on dumps of Envoy Gateway 1.9.1, where routes switch the filter and its check on: as it made them, and changed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Finding } from "../../scripts/status/codes.ts";
import { judge } from "../../scripts/status/judge.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

/** From `npm run test:envoy-gateway`, a Gateway with two routes; of those that are not sound, what differs. */
const recorded: Json = JSON.parse(readFileSync(new URL("envoygateway.json", import.meta.url), "utf8"));

/** The dump of a name, with the parts that faults are in. */
class Parts {
  readonly dump: Json = structuredClone(recorded.sound);
  readonly manager: Json;
  /** In the order of the dump: the longer path first. */
  readonly routes: Json[];

  constructor(name = "sound") {
    const { listeners, routes } = recorded[name];
    if (listeners !== undefined) this.dump.configs[0] = structuredClone(listeners);
    if (routes !== undefined) this.dump.configs[1] = structuredClone(routes);
    const listener = this.dump.configs[0].dynamic_listeners.find((one: Json) => one.name === "default/edge/https");
    const { filters } = listener.active_state.listener.filter_chains[0];
    this.manager = filters.at(-1).typed_config;
    this.routes = this.dump.configs[1].dynamic_route_configs[0].route_config.virtual_hosts[0].routes;
  }

  /** What a route says of the check. */
  check(at: number): Json {
    return this.routes[at].typed_per_filter_config["envoy.filters.http.rbac"];
  }
}

const findingsOf = ({ dump }: Parts): Finding[] => judge({ dump }, { readsFiles: false }, undefined).findings;
/** Of nothing that is wrong, the module is not to be read from here, and Envoy Gateway builds no VM again. */
const notes = ["policy_unread", "reload_unavailable"];
const codesOf = (parts: Parts): string[] =>
  findingsOf(parts)
    .map(({ code }) => code)
    .sort();

describe("as Envoy Gateway made it", () => {
  const cases: Record<string, string[]> = {
    sound: [],
    override: ["route_without_filter"],
    open: ["check_missing", "route_without_filter"],
    unchecked: ["check_missing"],
    any: ["client_certificate_unchecked"],
  };
  for (const [name, codes] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(codesOf(new Parts(name)), [...codes, ...notes].sort()));
  }

  test("the policy's name is that of the checks", () => {
    const { policies } = judge({ dump: new Parts().dump }, { readsFiles: false }, undefined);
    assert.deepEqual(
      policies.map(({ policy, listener }) => [policy, listener]),
      [["shop", "default/edge/https"]],
    );
  });

  test("a route is named, with its place, and what becomes of its requests", () => {
    const of = (name: string, code: string): Finding => findingsOf(new Parts(name)).find((one) => one.code === code)!;
    const { message, path } = of("override", "route_without_filter");
    assert.match(message, /"httproute\/default\/side\/rule\/0\/match\/0\/\*": its requests are refused/u);
    assert.match(path!, /^configs\[1\]\.dynamic_route_configs\[0\].*\.routes\[\d\]$/u);
    assert.match(of("open", "route_without_filter").message, /its requests pass undecided/u);
    assert.match(of("unchecked", "check_missing").message, /and 1 more/u);
  });
});

describe("a check that is none is not taken for one", () => {
  const changes: Record<string, (check: Json) => void> = {
    "that lets by what it does not match": ({ rbac }) => {
      delete rbac.matcher.on_no_match.action.typed_config.action;
    },
    "that refuses what it matches": ({ rbac }) => {
      rbac.matcher.matcher_list.matchers[0].on_match.action.typed_config.action = "DENY";
    },
    "with another rule before it": ({ rbac }) => {
      const [rule] = rbac.matcher.matcher_list.matchers;
      rbac.matcher.matcher_list.matchers.unshift(structuredClone(rule));
    },
    "with rules of another kind": ({ rbac }) => {
      rbac.rules = { policies: {} };
    },
    "of all records from the mark on": (check) => {
      const [from] = expressionOf(check).call_expr.args;
      Object.assign(expressionOf(check), from);
    },
    "with another bound": (check) => {
      const { args } = expressionOf(check).call_expr.args[1].call_expr;
      args[1].const_expr.bytes_value = Buffer.from("~").toString("base64");
    },
    "of other filter state in one half": (check) => {
      const { args } = expressionOf(check).call_expr.args[1].call_expr;
      args[0].call_expr.args[1].const_expr.string_value = "wasm.sallyport.other";
    },
    "with `or` in place of `and`": (check) => {
      expressionOf(check).call_expr.function = "_||_";
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    test(what, () => {
      const parts = new Parts();
      change(parts.check(0));
      assert.deepEqual(codesOf(parts), ["check_missing", ...notes].sort());
    });
  }

  test("that wants another policy's record", () => {
    const parts = new Parts();
    const range = [`{"admit":true,"policy":"other",`, `{"admit":true,"policy":"other"-`];
    for (const [at, text] of range.entries()) {
      const { args } = expressionOf(parts.check(0)).call_expr.args[at].call_expr;
      args[1].const_expr.bytes_value = Buffer.from(text).toString("base64");
    }
    // Of two routes that want different ones, one is right.
    assert.deepEqual(codesOf(parts), ["check_other_policy", ...notes].sort());
  });
});

describe("what routes say of a filter", () => {
  const on = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", config: {} };
  const nameOf = ({ manager }: Parts): string => manager.http_filters[0].name;

  test("a virtual host may say it for its routes, and a route otherwise", () => {
    const parts = new Parts();
    const [host] = parts.dump.configs[1].dynamic_route_configs[0].route_config.virtual_hosts;
    for (const { typed_per_filter_config } of parts.routes) delete typed_per_filter_config[nameOf(parts)];
    host.typed_per_filter_config = { [nameOf(parts)]: on };
    assert.deepEqual(codesOf(parts), notes);
    parts.routes[0].typed_per_filter_config[nameOf(parts)] = { ...on, disabled: true };
    assert.deepEqual(codesOf(parts), ["route_disables_filter", "route_without_filter", ...notes].sort());
  });

  test("where no route has it run, it is disabled", () => {
    const parts = new Parts();
    for (const { typed_per_filter_config } of parts.routes) delete typed_per_filter_config[nameOf(parts)];
    assert.ok(codesOf(parts).includes("filter_disabled"), codesOf(parts).join());
  });

  test("a filter in front that a route has run answers first there", () => {
    const parts = new Parts();
    const extAuthz = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
    parts.manager.http_filters.unshift({ name: "authz", disabled: true, typed_config: { "@type": extAuthz } });
    assert.deepEqual(codesOf(parts), notes);
    parts.routes[1].typed_per_filter_config.authz = on;
    assert.deepEqual(codesOf(parts), ["filter_answers_first", ...notes].sort());
  });

  test("where every route answers an error, nothing passes, and it says where to look", () => {
    const parts = new Parts();
    for (const route of parts.routes) {
      delete route.route;
      delete route.typed_per_filter_config;
      route.direct_response = { status: 500 };
    }
    assert.deepEqual(codesOf(parts), ["nothing_routed", ...notes].sort());
    parts.manager.http_filters = parts.manager.http_filters.slice(-1);
    const [notLoaded] = findingsOf(parts);
    assert.equal(notLoaded!.code, "not_loaded");
    assert.match(notLoaded!.message, /no route leads to a cluster.*kubectl describe/u);
  });

  test("a route that leads nowhere needs no filter", () => {
    const parts = new Parts();
    const [route] = parts.routes;
    delete route.route;
    delete route.typed_per_filter_config;
    route.direct_response = { status: 500 };
    assert.deepEqual(codesOf(parts), notes);
  });
});

/** The condition of a check. */
function expressionOf({ rbac }: Json): Json {
  const { custom_match } = rbac.matcher.matcher_list.matchers[0].predicate.single_predicate;
  return custom_match.typed_config.expr_match.cel_expr_parsed.expr;
}
