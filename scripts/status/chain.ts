/** Our filter among the others of a connection manager: what stands before it, and the enforcement check behind it. */
import { type Finding, finding } from "./codes.ts";
import type { HttpFilter, Manager } from "./dump.ts";
import { isCheck, isCheckOf, readsRecord } from "./mark.ts";
import { isOn, routesOf } from "./overrides.ts";
import { checkSwitched, isSwitchedByRoutes } from "./perroute.ts";
import { isAwaited, isTrial, type Plugin, placeOf, policyNameOfPlugin } from "./plugin.ts";
import { not_taken, plainAnswersOf } from "./routes.ts";

/** Of filters that answer so, nothing is lost where requests reach them undecided. */
const a_refusal = "a refusal";

/** Filters that may answer a request themselves, by the type of their configuration, and with what. */
const answering: Readonly<Record<string, string>> = {
  RBAC: a_refusal,
  ExtAuthz: "the answer of another service",
  ExternalProcessor: "the answer of another service",
  HTTPFault: "an error on purpose",
  Lua: "whatever its script says",
  Wasm: "whatever its module says",
  Config: "whatever its plugin says",
  DynamicModuleFilter: "whatever its module says",
  CacheConfig: "an answer that was for somebody else",
  HealthCheck: "its own answer to health checks",
  OAuth2: "a redirect to a login",
  BasicAuth: a_refusal,
  ApiKeyAuth: a_refusal,
  CsrfPolicy: a_refusal,
  RateLimit: a_refusal,
  LocalRateLimit: a_refusal,
  AdmissionControl: a_refusal,
  FileSystemBufferFilterConfig: a_refusal,
  Buffer: a_refusal,
  AwsLambda: "the answer of a function",
  GrpcJsonTranscoder: a_refusal,
};

/** The filter state that has the record. */
const record_key = "wasm.sallyport";

/** Configurations of this type are told apart by what they are of. */
const goPlugin = "envoy.extensions.filters.http.golang";

/** What is wrong with the order of filters around one of ours. */
export function checkOrder(plugin: Plugin, others: readonly Plugin[]): Finding[] {
  const { manager, index, filter } = plugin;
  const place = placeOf(manager, filter);
  const isOurs = (at: number): boolean => others.some((other) => other.index === at);
  const findings: Finding[] = [];
  const isSwitched = isSwitchedByRoutes(plugin);
  const answers = filter.entry.at("disabled").isTrue ? plainAnswersOf(manager) : undefined;
  if (answers !== undefined) {
    const message = `The filter runs where routes switch it on, and none leads to a cluster: Envoy answers every request with ${answers}. ${not_taken}`;
    return [finding("nothing_routed", place, message)];
  }
  const wrapper = filter.config?.type === "ExtensionWithMatcher";
  if ((filter.entry.at("disabled").isTrue && !isSwitched) || wrapper) {
    const how = wrapper
      ? "stands in a matcher, which decides what requests meet it"
      : "is `disabled: true`, so that it runs only where a route asks for it";
    findings.push(
      finding(
        "filter_disabled",
        place,
        `The filter ${how}: every other request goes by undecided. Configure it in the list of HTTP filters, as in envoy/inbound.yaml.`,
      ),
    );
  }
  for (const [at, other] of manager.filters.slice(0, index).entries()) {
    if (isOurs(at) || isCheck(other)) continue;
    findings.push(...answersFirst(plugin, other), ...takesToken(manager, other));
  }
  const hasCheck = manager.filters.slice(index + 1).some(isCheck);
  const tries = isTrial(plugin, others);
  if (isSwitched) findings.push(...checkSwitched(plugin, hasCheck || tries));
  // Where routes switch the filter on, they may bring the check, too. What only tries a policy has none.
  return tries || (isSwitched && !hasCheck) ? findings : [...findings, ...checkBehind(plugin, others)];
}

/** What Istio's agent puts in the place of a module that it cannot fetch, by the prefix of its statistics. */
const substitutes: Readonly<Record<string, string>> = {
  "wasm-default-deny": "refuses every request (403)",
  "wasm-default-allow": "lets every request pass undecided",
};

/** Modules that Istio's agent has not fetched. Whether a plugin is ours, its name alone tells then, or the check behind it. */
function checkSubstitutes(manager: Manager): Finding[] {
  return manager.filters.flatMap((filter, index) => {
    const prefix = filter.config?.type === "RBAC" ? filter.config.node.at("rules_stat_prefix").text : undefined;
    const does = prefix !== undefined && Object.hasOwn(substitutes, prefix) ? substitutes[prefix] : undefined;
    const isOurs = /sallyport/u.test(filter.name) || manager.filters.slice(index + 1).some(isCheck);
    if (does === undefined || !isOurs) return [];
    const message = `Istio's agent has no module for this plugin: it could not fetch the image, or its digest is not that of the WasmPlugin. What it has put in its place ${does}. Its log says why (\`kubectl logs POD -c istio-proxy\`).`;
    return [finding("filter_missing", placeOf(manager, filter), message)];
  });
}

/** Filters of ours whose configuration has not come, or whose module. */
export function checkAwaited(manager: Manager): Finding[] {
  return [...checkSubstitutes(manager), ...checkUnconfigured(manager)];
}

function checkUnconfigured(manager: Manager): Finding[] {
  return manager.filters.flatMap((filter, index) =>
    isAwaited(manager, index)
      ? [
          finding(
            "filter_missing",
            placeOf(manager, filter),
            "The filter's configuration is to come by ECDS, and Envoy has none: it answers every request with 500. Look at the control plane, and at `extension_config_discovery` in Envoy's statistics.",
          ),
        ]
      : [],
  );
}

/** What a filter may answer requests with; undefined where it answers none. */
function answerOf(filter: HttpFilter): { type: string; what: string } | undefined {
  return filter.entry.at("disabled").isTrue ? undefined : answerOfConfig(filter);
}

/** The same, of a filter that runs whatever its entry says. */
function answerOfConfig({ config }: HttpFilter): { type: string; what: string } | undefined {
  if (config === undefined) return undefined;
  const wrapped = config.node.at("extension_config", "typed_config");
  const { type, node } = config.type === "ExtensionWithMatcher" ? wrapped.message() : config;
  if (type === "Config" && !(node.at("@type").text ?? "").includes(goPlugin)) return undefined;
  // Control planes put these in everywhere, empty, for routes that want one.
  if (type === "HTTPFault" && !node.at("abort").exists && !node.at("delay").exists) return undefined;
  if (type === "RBAC" && !["rules", "matcher"].some((key) => node.at(key).exists)) return undefined;
  const what = Object.hasOwn(answering, type) ? answering[type] : undefined;
  return what === undefined ? undefined : { type, what };
}

function answersFirst({ manager, filter: ours }: Plugin, filter: HttpFilter): Finding[] {
  const runsWithOurs = routesOf(manager).some((route) => isOn(route, ours) && isOn(route, filter));
  const answer = answerOf(filter) ?? (runsWithOurs ? answerOfConfig(filter) : undefined);
  if (answer === undefined) return [];
  const { type, what } = answer;
  return [
    finding(
      "filter_answers_first",
      placeOf(manager, filter),
      `This filter (${type}) stands in front of ours and can answer with ${what}: such a request has no decision, no record, and is in no metric. Put it behind the enforcement check.`,
    ),
  ];
}

/** Providers of `jwt_authn` that do not forward the token. */
function takesToken(manager: Manager, filter: HttpFilter): Finding[] {
  if (filter.config?.type !== "JwtAuthentication") return [];
  const taking = filter.config.node
    .at("providers")
    .entries()
    .filter(([, provider]) => !provider.at("forward").isTrue);
  return taking.map(([name, provider]) =>
    finding(
      "token_taken",
      { ...placeOf(manager, filter), path: provider.path },
      `\`jwt_authn\` takes tokens of its provider "${name}" out of the request before our filter sees them: rules that want one deny. Set \`forward: true\` in the provider.`,
    ),
  );
}

/** What sets filter state, wherever it stands: in the list of HTTP filters, in front of the connection manager or of its chain, in a route. */
export function checkWriters({ listener, chain, chainNode, filters, routes }: Manager): Finding[] {
  const extensions = filters.flatMap(({ config, isExtension }) =>
    isExtension && config !== undefined ? [config.node] : [],
  );
  const writers = [listener.listenerFilters, chainNode, ...routes, ...extensions]
    .flatMap((node) => [...node.objects()])
    .map((object) => object.at("object_key"))
    .filter(({ text = "" }) => text === record_key || text.startsWith(`${record_key}.`));
  const paths = new Map(writers.map((writer) => [writer.path, writer.text!]));
  return [...paths].map(([path, text]) =>
    finding(
      "record_written",
      { listener: listener.name, chain, path },
      `A filter writes \`${text}\`, where our filter has its record: what it writes can stand for a request that was admitted, or hide one that was denied. Take that out, or have it write another key.`,
    ),
  );
}

/** The enforcement check behind one of ours. */
function checkBehind(plugin: Plugin, others: readonly Plugin[]): Finding[] {
  const { manager, index, filter } = plugin;
  const next = others.find((other) => other.index > index)?.index;
  const behind = manager.filters.slice(index + 1, next);
  const distance = behind.findIndex((other) => isCheck(other));
  const check = behind[distance];
  if (check === undefined) {
    const early = manager.filters.slice(0, index).some((other) => isCheck(other));
    const where = early
      ? "The enforcement check stands in front of the filter, and none behind it"
      : "No enforcement check stands behind the filter";
    return [
      finding(
        "check_missing",
        placeOf(manager, filter),
        `${where}: on a worker where the filter failed to start, or on a route that switches it off, requests pass undecided. Put the check right behind it, as envoy/inbound.yaml has it.`,
      ),
    ];
  }
  const place = placeOf(manager, check);
  const findings: Finding[] = [];
  if (distance > 0) {
    const between = behind.slice(0, distance);
    const named = between.map(({ name }) => `"${name}"`).join(", ");
    findings.push(
      between.some((other) => ![undefined, a_refusal].includes(answerOf(other)?.what))
        ? finding(
            "check_not_next",
            place,
            `The enforcement check stands behind ${named}, which can answer requests with more than a refusal, and which those reach that nobody decided: move the check right behind the filter.`,
          )
        : finding(
            "check_later",
            place,
            `The enforcement check stands behind ${named}: requests that nobody decided reach those, too, and are refused after them. Where the order is yours, move the check right behind the filter.`,
          ),
    );
  }
  if (check.entry.at("disabled").isTrue)
    findings.push(
      finding("check_disabled", place, "The enforcement check is `disabled: true` and refuses nobody: take that out."),
    );
  return [...findings, ...checkMark(plugin, check)];
}

/** Whether the check wants the record that the filter writes. */
function checkMark(plugin: Plugin, check: HttpFilter): Finding[] {
  const place = placeOf(plugin.manager, check);
  const mark = isCheckOf(check);
  if (mark === undefined) {
    if (!readsRecord(check)) return [];
    return [
      finding(
        "check_missing",
        place,
        "The filter behind ours reads our record, and is not the enforcement check as the documents have it, so that nobody can say what it lets by. Take the check of envoy/inbound.yaml.",
      ),
    ];
  }
  const name = policyNameOfPlugin(plugin);
  const key = (record: string | undefined): string => (record === undefined ? record_key : `${record_key}.${record}`);
  if (mark.policy === name && mark.record === plugin.record) return [];
  const wants = `wants a record of policy "${mark.policy}" in ${key(mark.record)}`;
  const has = `writes one of policy "${name}" into ${key(plugin.record)}`;
  return [
    finding(
      "check_other_policy",
      place,
      `The enforcement check ${wants}, and the filter ${has}: every request is refused (403), or another filter's record lets it by. Put the policy's name into the check's prefix, and the record's into its key.`,
    ),
  ];
}
