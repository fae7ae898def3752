/** The graph of callers and services, drawn in layers by dagre. Callers that may call the same services alike are one node. */
import { Graph, layout } from "@dagrejs/dagre";
import type { EdgeData, ReportData } from "../data.ts";
import { counted, drawn, element } from "./dom.ts";
import type { Words } from "./words.ts";

/** More nodes than these are no picture any more. */
const nodes_max = 150;

interface GraphNode {
  id: string;
  label: string;
  about: string;
  callers: number[];
  policy: number | undefined;
}

interface Line {
  from: string;
  to: string;
  level: EdgeData["level"];
  isUnused: boolean;
  isSensitive: boolean;
}

/** What a reader chose: a caller, whose way through the services is shown; all of them without one. */
export function graphOf(
  data: ReportData,
  words: Words,
  chosen: number | undefined,
  choose: (caller: number) => void,
): HTMLElement {
  const { nodes, lines } = nodesOf(data, words, chosen);
  if (nodes.length > nodes_max)
    return element("p", {}, `${counted(nodes.length, "node")} are too many for a picture: choose an identity above.`);
  if (lines.length === 0) return element("p", {}, "There is nothing to draw: no caller may call anything.");
  const graph = new Graph<object, { width: number; height: number; x: number; y: number }, { points?: Point[] }>({
    multigraph: false,
  });
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 110, marginx: 12, marginy: 12 });
  for (const { id, label } of nodes) graph.setNode(id, { width: 34 + label.length * 7.2, height: 34, x: 0, y: 0 });
  for (const { from, to } of lines) graph.setEdge(from, to, {});
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const picture = drawn("svg", {
    viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
    width: Math.ceil(width),
    height: Math.ceil(height),
    role: "group",
    "aria-label": "Which callers may call which services",
  });
  picture.append(arrows());
  for (const line of lines) picture.append(lineOf(line, graph.edge(line.from, line.to).points ?? []));
  for (const node of nodes) picture.append(nodeOf(node, graph.node(node.id), choose));
  return element(
    "div",
    { class: "scroll graph", tabindex: 0, role: "region", "aria-label": "Graph of callers and services" },
    picture as unknown as HTMLElement,
  );
}

interface Point {
  x: number;
  y: number;
}

function nodesOf(data: ReportData, words: Words, chosen: number | undefined): { nodes: GraphNode[]; lines: Line[] } {
  const { blast, callers, policies } = data;
  const serviceNode = (policy: number): string => {
    const { service } = policies[policy]!;
    return service === null ? `policy ${policy}` : `service ${service}`;
  };
  const isService = (caller: number): boolean => callers[caller]!.guards.length > 0;
  const wanted = chosen === undefined ? undefined : reached(data, chosen);
  const nodes = new Map<string, GraphNode>();
  for (const [policy, { name, service }] of policies.entries()) {
    const id = serviceNode(policy);
    const caller = callers.findIndex((one) => one.id === service);
    const known = nodes.get(id);
    if (known === undefined) {
      const about =
        service === null ? `policy ${name}, whose service is not known` : `service ${service}, policy ${name}`;
      nodes.set(id, {
        id,
        label: service === null ? name : words.caller(caller),
        about,
        callers: caller < 0 ? [] : [caller],
        policy,
      });
    } else known.about += `, policy ${name}`;
  }
  const out = new Map<number, EdgeData[]>();
  for (const edge of blast.edges) {
    if (edge.isOpen || (wanted !== undefined && !wanted.has(edge.caller))) continue;
    out.set(edge.caller, [...(out.get(edge.caller) ?? []), edge]);
  }
  const lines = new Map<string, Line>();
  const groups = new Map<string, GraphNode>();
  for (const [caller, edges] of out) {
    const key = edges.map(({ policy, level, why }) => `${policy} ${level} ${why ?? ""}`).join();
    let from: string;
    if (isService(caller)) from = serviceNode(callers[caller]!.guards[0]!);
    else {
      const group = groups.get(key) ?? {
        id: `callers ${caller}`,
        label: "",
        about: "",
        callers: [],
        policy: undefined,
      };
      groups.set(key, group);
      group.callers.push(caller);
      from = group.id;
    }
    for (const { policy, level, admitted, sensitive } of edges) {
      const to = serviceNode(policy);
      if (from === to) continue;
      const known = lines.get(`${from} ${to}`);
      const line = { from, to, level, isUnused: admitted === 0, isSensitive: sensitive > 0 };
      if (known === undefined) lines.set(`${from} ${to}`, line);
      else {
        known.isUnused &&= line.isUnused;
        known.isSensitive ||= line.isSensitive;
        if (level === "free") known.level = "free";
      }
    }
  }
  for (const group of groups.values()) {
    const names = group.callers.map((caller) => words.caller(caller));
    group.label = names.length === 1 ? names[0]! : counted(names.length, "caller");
    group.about = names.join(", ");
    nodes.set(group.id, group);
  }
  const touched = new Set([...lines.values()].flatMap(({ from, to }) => [from, to]));
  return { nodes: [...nodes.values()].filter(({ id }) => touched.has(id)), lines: [...lines.values()] };
}

/** The identities that a thief of one has, itself among them. */
export function reached(data: ReportData, caller: number): Set<number> {
  const found = new Set([caller]);
  for (const one of found) {
    for (const { policy } of data.blast.edges.filter((edge) => edge.caller === one && !edge.isOpen)) {
      const service = data.callers.findIndex(({ guards }) => guards.includes(policy));
      if (service >= 0) found.add(service);
    }
  }
  return found;
}

function arrows(): SVGElement {
  const marker = (id: string): SVGElement =>
    drawn(
      "marker",
      { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      drawn("path", { d: "M0 0 8 4 0 8z", class: id }),
    );
  return drawn("defs", {}, marker("arrow"));
}

function lineOf({ level, isUnused, isSensitive }: Line, points: readonly Point[]): SVGElement {
  const classes = ["line", level, isUnused && "unused", isSensitive && "sensitive"].filter((one) => one !== false);
  const [first, ...rest] = points;
  const path = first === undefined ? "" : `M${round(first)}${rest.map((point) => `L${round(point)}`).join("")}`;
  return drawn("path", { d: path, class: classes.join(" "), "marker-end": "url(#arrow)" });
}

const round = ({ x, y }: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`;

function nodeOf(
  node: GraphNode,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
  choose: (caller: number) => void,
): SVGElement {
  const isService = node.policy !== undefined;
  const only = node.callers.length === 1 ? node.callers[0] : undefined;
  const made = drawn(
    "g",
    {
      class: isService ? "node service" : "node",
      transform: `translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})`,
      ...(only === undefined ? { role: "img" } : { role: "button", tabindex: 0 }),
      "aria-label": node.about,
    },
    drawn("title", {}, node.about),
    drawn("rect", { width, height, rx: isService ? 3 : 17 }),
    drawn("text", { x: width / 2, y: height / 2, "text-anchor": "middle", "dominant-baseline": "central" }, node.label),
  );
  if (only !== undefined) {
    made.addEventListener("click", () => choose(only));
    made.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(only);
    });
  }
  return made;
}
