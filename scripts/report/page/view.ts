/** Which rows and columns of the matrix are shown, and in what order: without a page, so that it can be tested without one. */
import type { ReportData } from "../data.ts";

/** What a reader asks to see. */
export interface Asked {
  caller: string;
  endpoint: string;
  /** A part of the name of a rule, or of its conditions. */
  rule: string;
  state: State;
  group: "host" | "policy" | "none";
  columns: "namespace" | "none";
  sort: "name" | "most" | "unused";
}

export const states = {
  all: "everything",
  free: "admitted by identity alone",
  conditional: "admitted on conditions",
  part: "admitted in part",
  denied: "denied by a rule",
  unused: "granted and unused",
  unclear: "granted, use not in the logs",
  used: "used",
  refused: "denied in the logs",
  sensitive: "sensitive endpoints",
} as const;
export type State = keyof typeof states;

/** A row of the matrix: an endpoint, or the title of those that follow. */
export type ViewRow = { endpoint: number } | { title: string };

export interface View {
  rows: ViewRow[];
  /** Callers. */
  columns: number[];
  /** By its place in `cells`: whether a cell is shown. */
  isShown: Uint8Array;
  /** How many are. */
  count: number;
}

/** Prepared for filters that follow each other quickly. */
export class Matrix {
  readonly data: ReportData;
  /** By endpoint × callers + caller, the place of the cell and 1; 0: there is none. */
  readonly #places: Int32Array;
  readonly #callerTexts: string[];
  readonly #endpointTexts: string[];
  readonly #grantTexts: string[];

  constructor(data: ReportData) {
    this.data = data;
    this.#places = new Int32Array(data.callers.length * data.endpoints.length);
    for (const [place, [caller, endpoint]] of data.cells.entries())
      this.#places[endpoint * data.callers.length + caller] = place + 1;
    this.#callerTexts = data.callers.map(({ id }) => id.toLowerCase());
    this.#endpointTexts = data.endpoints.map(({ policy, host, method, path }) =>
      `${method} ${path} ${host} ${data.policies[policy]!.name}`.toLowerCase(),
    );
    this.#grantTexts = data.grants.map(({ rules, denies, ways }) =>
      [...rules, ...denies, ...ways.map((way) => data.ways[way]!.text)].join("\n").toLowerCase(),
    );
  }

  /** The place of a cell; undefined where nothing is granted. */
  at(caller: number, endpoint: number): number | undefined {
    const place = this.#places[endpoint * this.data.callers.length + caller]!;
    return place === 0 ? undefined : place - 1;
  }

  view(asked: Asked): View {
    const { callers, endpoints, grants, cells } = this.data;
    const taking = (texts: readonly string[], wanted: string): Uint8Array => {
      const words = wanted
        .toLowerCase()
        .split(/\s+/u)
        .filter((word) => word !== "");
      return Uint8Array.from(texts, (text) => Number(words.every((word) => text.includes(word))));
    };
    const [isCaller, isEndpoint, isGrant] = [
      taking(this.#callerTexts, asked.caller),
      taking(this.#endpointTexts, asked.endpoint),
      taking(this.#grantTexts, asked.rule),
    ];
    const isShown = new Uint8Array(cells.length);
    const perCaller = new Uint32Array(callers.length);
    const perEndpoint = new Uint32Array(endpoints.length);
    const unusedCaller = new Uint32Array(callers.length);
    const unusedEndpoint = new Uint32Array(endpoints.length);
    let count = 0;
    for (const [place, [caller, endpoint, grant, admitted, denied]] of cells.entries()) {
      if (isCaller[caller] === 0 || isEndpoint[endpoint] === 0 || isGrant[grant] === 0) continue;
      const { level, extent } = grants[grant]!;
      const isUnused = admitted === 0 && level !== "denied";
      const isIn: Record<State, boolean> = {
        all: true,
        free: level === "free" && extent === "whole",
        conditional: level === "conditional" && extent === "whole",
        part: extent === "part" && level !== "denied",
        denied: level === "denied",
        unused: isUnused,
        unclear: admitted === null,
        used: (admitted ?? 0) > 0,
        refused: (denied ?? 0) > 0,
        sensitive: endpoints[endpoint]!.sensitive,
      };
      if (!isIn[asked.state]) continue;
      isShown[place] = 1;
      count++;
      perCaller[caller]!++;
      perEndpoint[endpoint]!++;
      if (!isUnused) continue;
      unusedCaller[caller]!++;
      unusedEndpoint[endpoint]!++;
    }
    const by =
      (counts: Uint32Array, unused: Uint32Array) =>
      (a: number, b: number): number => {
        if (asked.sort === "most") return counts[b]! - counts[a]! || a - b;
        if (asked.sort === "unused") return unused[b]! - unused[a]! || a - b;
        return a - b;
      };
    const columns = [...perCaller.keys()].filter((caller) => perCaller[caller]! > 0).sort(by(perCaller, unusedCaller));
    const shown = [...perEndpoint.keys()]
      .filter((endpoint) => perEndpoint[endpoint]! > 0)
      .sort(by(perEndpoint, unusedEndpoint));
    return {
      rows: this.#grouped(shown, asked.group),
      columns: asked.columns === "none" ? columns : gathered(columns, (caller) => callers[caller]!.namespace),
      isShown,
      count,
    };
  }

  #grouped(shown: readonly number[], group: Asked["group"]): ViewRow[] {
    const { endpoints, policies } = this.data;
    if (group === "none") return shown.map((endpoint) => ({ endpoint }));
    const title = (endpoint: number): string => {
      const { host, policy } = endpoints[endpoint]!;
      const { name, service } = policies[policy]!;
      return group === "host" ? (host === "*" ? "every host" : host) : service === null ? name : `${name} (${service})`;
    };
    const rows: ViewRow[] = [];
    let last: string | undefined;
    for (const endpoint of gathered(shown, title)) {
      const own = title(endpoint);
      if (own !== last) rows.push({ title: own });
      last = own;
      rows.push({ endpoint });
    }
    return rows;
  }
}

/** What has one name stands together, in the order of the first of each. */
function gathered(all: readonly number[], name: (one: number) => string): number[] {
  const groups = new Map<string, number[]>();
  for (const one of all) {
    const group = groups.get(name(one));
    if (group === undefined) groups.set(name(one), [one]);
    else group.push(one);
  }
  return [...groups.values()].flat();
}
