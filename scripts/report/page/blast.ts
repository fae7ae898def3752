/** What a stolen identity is worth: the graph, the worst ten, the ways to what is sensitive, and what would cut them. */
import type { EdgeData, PathData, ReportData } from "../data.ts";
import { counted, element, labelled, type Row, section, table } from "./dom.ts";
import { graphOf, reached } from "./graph.ts";
import type { Words } from "./words.ts";

/** Draws the section. The graph is laid out when it comes near the view, since that takes a while. */
export function blastSection(data: ReportData, words: Words): HTMLElement {
  const { blast, callers } = data;
  const chooser = element("select", { id: "choose-identity" }, element("option", { value: "" }, "all of them"));
  for (const { caller, reach } of blast.identities) {
    if (reach.endpoints > 0)
      chooser.append(
        element("option", { value: caller }, callers[caller]!.kind === "anonymous" ? "anybody" : callers[caller]!.id),
      );
  }
  const picture = element("div", { class: "picture" });
  const details = element("div", { "aria-live": "polite", class: "details" });
  const chosen = (): number | undefined => (chooser.value === "" ? undefined : Number(chooser.value));
  const choose = (caller: number): void => {
    chooser.value = String(caller);
    update();
    chooser.focus();
  };
  const update = (): void => {
    const caller = chosen();
    picture.replaceChildren(graphOf(data, words, caller, choose));
    details.replaceChildren(...(caller === undefined ? [] : identityDetails(data, words, caller)));
  };
  chooser.addEventListener("change", update);
  let isDrawn = false;
  const first = (): void => {
    if (isDrawn) return;
    isDrawn = true;
    update();
  };
  const watcher = new IntersectionObserver(
    (entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) first();
      if (isDrawn) watcher.disconnect();
    },
    { rootMargin: "600px" },
  );
  watcher.observe(picture);
  addEventListener("beforeprint", first);
  const paths = blast.paths.map((path) => pathRow(data, words, path));
  return section(
    "blast",
    "Blast radius",
    element(
      "p",
      {},
      "What somebody reaches who has stolen an identity: by its own calls, and by those of every service that it can call. Who can call a service is taken to have it: that is wider than most attacks, and never narrower. Where a deny rule has a condition, the way is told as conditional." +
        (blast.openFootholds
          ? ""
          : " A call that anybody may make, such as a health check, is not taken for a way into its service (--no-open-footholds)."),
    ),
    dangerous(data, words),
    element("h3", {}, "The graph"),
    element("div", { class: "controls screen" }, labelled("Stolen identity", chooser)),
    element(
      "p",
      { class: "hint" },
      "Rounded: callers; square: services. A dashed line asks for more than an identity; a red one leads to something sensitive; a pale one was never used.",
    ),
    picture,
    details,
    element("h3", {}, "Shortest ways to sensitive endpoints"),
    paths.length === 0
      ? element("p", {}, "No endpoint is marked `sensitive: true`, or nobody reaches one.")
      : table(
          `Shortest ways to sensitive endpoints${blast.pathsLeftOut > 0 ? `; ${blast.pathsLeftOut} longer ones are left out` : ""}`,
          ["Stolen identity", "Sensitive endpoint", "Hops", "Way, and what each hop asks for"],
          paths,
          [2],
        ),
    element("h3", {}, "What a quarantine or a deny rule would cut"),
    cuts(data, words),
  );
}

function dangerous({ blast }: ReportData, words: Words): HTMLElement {
  const rows = blast.dangerous.map((caller): Row => {
    const { direct, reach, free } = blast.identities[caller]!;
    const cells = [
      direct.endpoints,
      reach.policies,
      reach.endpoints,
      reach.sensitive,
      free.endpoints,
      free.sensitive,
    ].map((count) => count.toLocaleString("en"));
    return [words.caller(caller), ...cells];
  });
  return table(
    "The most dangerous identities: by sensitive endpoints reached, then by all",
    [
      "Identity",
      "Calls directly",
      "Reaches policies",
      "Reaches endpoints",
      "of them sensitive",
      "By identities alone",
      "of them sensitive",
    ],
    rows,
    [1, 2, 3, 4, 5, 6],
  );
}

function identityDetails(data: ReportData, words: Words, caller: number): HTMLElement[] {
  const { blast, policies, callers } = data;
  const services = reached(data, caller);
  const { direct, reach, free } = blast.identities[caller]!;
  const rows = blast.edges
    .filter((edge) => services.has(edge.caller))
    .map((edge): Row => {
      const why =
        edge.why === "shadow"
          ? "everybody: the policy is in shadow mode"
          : edge.why === "forwarder"
            ? "as a gateway, in anybody's name"
            : edge.level === "free"
              ? "the identity alone"
              : "more than the identity";
      return [
        words.caller(edge.caller),
        policies[edge.policy]!.name,
        why,
        String(edge.endpoints),
        String(edge.sensitive),
        ...(data.usage === undefined ? [] : [useOf(edge)]),
      ];
    });
  return [
    element("h4", {}, callers[caller]!.id),
    element(
      "p",
      {},
      `Calls ${counted(direct.endpoints, "endpoint")} itself, and reaches ${counted(reach.endpoints, "endpoint")} of ${reach.policies === 1 ? "1 policy" : `${reach.policies} policies`}, ${reach.sensitive} of them sensitive; ${free.endpoints} by identities alone.`,
    ),
    table(
      "The calls that are open to the thief",
      ["As", "Policy", "Takes", "Endpoints", "Sensitive", ...(data.usage === undefined ? [] : ["Used"])],
      rows,
      [3, 4],
    ),
  ];
}

function useOf({ admitted }: EdgeData): string {
  if (admitted === null) return "not known";
  return admitted === 0 ? "never" : counted(admitted ?? 0, "request");
}

function pathRow(data: ReportData, words: Words, { caller, hops, level }: PathData): Row {
  const last = hops.at(-1)!;
  const steps = hops.map(({ caller: from, endpoint, ways, as, shadow }) => {
    const { policy } = data.endpoints[endpoint]!;
    const who = as === undefined ? words.caller(from) : `${words.caller(from)} in the name of ${words.caller(as)}`;
    const needs = shadow === true ? "nothing: the policy is in shadow mode" : words.needs(ways, policy);
    return element("li", {}, `${who} → ${words.endpointAt(endpoint)}: needs ${needs}`);
  });
  const way = element("div", {}, level === "free" ? "identities alone" : "conditional", element("ol", {}, ...steps));
  return [words.caller(caller), words.endpointAt(last.endpoint), String(hops.length), way];
}

function cuts({ blast, policies }: ReportData, words: Words): HTMLElement {
  const rows = [
    ...blast.quarantines.map((cut) => ({ ...cut, what: `quarantine ${words.caller(cut.caller)}` })),
    ...blast.denies.map((cut) => ({
      ...cut,
      what: `deny ${words.caller(cut.caller)} in ${policies[cut.policy!]!.name}`,
    })),
  ]
    .sort((a, b) => b.sensitivePairs - a.sensitivePairs || b.pairs - a.pairs)
    .map(
      ({ what, sensitivePairs, pairs, others }): Row => [
        what,
        sensitivePairs.toLocaleString("en"),
        pairs.toLocaleString("en"),
        others.toLocaleString("en"),
      ],
    );
  if (rows.length === 0) return element("p", {}, "Nothing is reached that could be cut.");
  return table(
    "Ways cut, as pairs of an identity and an endpoint that it reaches",
    ["Measure", "Sensitive pairs", "All pairs", "Other identities that reach less"],
    rows,
    [1, 2, 3],
  );
}
