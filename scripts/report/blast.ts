/**
 * What a stolen identity is worth: what it may call, and what the services that it may call may call in their turn. Who may call a
 * service is taken to have it: that is wider than most attacks, and never narrower. `openFootholds: false` leaves out ways through calls
 * that anybody may make; what they reach themselves counts.
 */
import { Bits } from "./bits.ts";
import type {
  BlastData,
  CallerData,
  Cell,
  Count,
  CutData,
  EdgeData,
  EndpointData,
  GrantData,
  HopData,
  PathData,
  PolicyData,
} from "./data.ts";

/** What a graph is made from: parts of the report. */
export interface BlastInput {
  policies: readonly PolicyData[];
  callers: readonly CallerData[];
  endpoints: readonly EndpointData[];
  grants: readonly GrantData[];
  cells: readonly Cell[];
  /** Whether a call that anybody may make, such as a health check, is a way into its service. */
  openFootholds: boolean;
}

/** A page has room for so many paths to sensitive endpoints; the shortest come first. */
const paths_max = 10_000;
const dangerous_max = 10;
/** So many calls between services are tried to be denied, those to the most sensitive endpoints first. */
const denies_tried_max = 200;
const cuts_shown_max = 50;
/** A hop weighs more than whether it asks for something, on any path. */
const hop_weight = 10_000;

/** The best call of an identity to one endpoint. */
interface Call {
  endpoint: number;
  level: "free" | "conditional";
  grant: number;
  as?: number;
  shadow?: true;
  /** Requests; `null`: not known whether there were any. */
  admitted: number | null;
}

/** Computes the graph. */
export function blastOf(input: BlastInput): BlastData {
  const graph = new Graph(input);
  const all = graph.reachOfAll();
  const free = graph.reachOfAll({ freeOnly: true });
  const identities = input.callers.map((_, caller) => ({
    caller,
    direct: graph.count(graph.direct(caller)),
    reach: graph.count(all[caller]!),
    free: graph.count(free[caller]!),
  }));
  const dangerous = identities
    .filter(({ caller, reach }) => input.callers[caller]!.kind !== "anonymous" && reach.endpoints > 0)
    .sort(
      (a, b) =>
        b.reach.sensitive - a.reach.sensitive ||
        b.reach.endpoints - a.reach.endpoints ||
        b.free.endpoints - a.free.endpoints ||
        a.caller - b.caller,
    )
    .slice(0, dangerous_max)
    .map(({ caller }) => caller);
  const paths = input.callers.flatMap((_, caller) => graph.pathsOf(caller));
  paths.sort((a, b) => a.hops.length - b.hops.length || (a.level === b.level ? 0 : a.level === "free" ? -1 : 1));
  const edges = graph.edges();
  return {
    openFootholds: input.openFootholds,
    identities,
    edges,
    dangerous,
    paths: paths.slice(0, paths_max),
    pathsLeftOut: Math.max(0, paths.length - paths_max),
    ...cutsOf(graph, all, edges, dangerous, input),
  };
}

function cutsOf(
  graph: Graph,
  all: readonly Bits[],
  edges: readonly EdgeData[],
  dangerous: readonly number[],
  { callers }: BlastInput,
): Pick<BlastData, "quarantines" | "denies"> {
  const before = all.map((bits) => graph.count(bits));
  const cut = (caller: number, policy?: number): CutData => {
    const after = graph.reachOfAll({ without: { caller, policy } });
    let [pairs, sensitivePairs, others] = [0, 0, 0];
    for (const [one, bits] of after.entries()) {
      const { endpoints, sensitive } = graph.count(bits);
      const lost = before[one]!.endpoints - endpoints;
      pairs += lost;
      sensitivePairs += before[one]!.sensitive - sensitive;
      if (lost > 0 && one !== caller) others++;
    }
    return { caller, ...(policy !== undefined && { policy }), pairs, sensitivePairs, others };
  };
  const most = (a: CutData, b: CutData): number =>
    b.sensitivePairs - a.sensitivePairs || b.pairs - a.pairs || a.caller - b.caller;
  const services = callers.flatMap(({ guards }, caller) => (guards.length > 0 ? [caller] : []));
  const wanted = new Set([...services, ...dangerous]);
  const tried = edges
    .filter(({ caller, why }) => wanted.has(caller) && why !== "shadow")
    .sort((a, b) => b.sensitive - a.sensitive || b.endpoints - a.endpoints)
    .slice(0, denies_tried_max);
  const shown = (cuts: CutData[]): CutData[] =>
    cuts
      .filter(({ pairs }) => pairs > 0)
      .sort(most)
      .slice(0, cuts_shown_max);
  return {
    quarantines: shown([...wanted].map((caller) => cut(caller))),
    denies: shown(tried.map(({ caller, policy }) => cut(caller, policy))),
  };
}

/** What is taken away, or left aside. */
interface Removal {
  freeOnly?: boolean;
  /** The calls of a caller, to one policy or to all. */
  without?: { caller: number; policy?: number | undefined };
}

/** Identities and what they call. */
class Graph {
  readonly #input: BlastInput;
  /** By caller and policy, the calls in the order of endpoints. */
  readonly #calls: (Map<number, Call> | undefined)[][];
  readonly #bits: (Bits | undefined)[][];
  readonly #freeBits: (Bits | undefined)[][];
  readonly #sensitive: Bits;
  /** By policy, the endpoints that are no way into its service. The first caller is anybody. */
  readonly #open: Set<number>[] = [];
  /** The identity of the service behind each policy. */
  readonly #services: (number | undefined)[];

  constructor(input: BlastInput) {
    this.#input = input;
    const { policies, callers, endpoints } = input;
    this.#services = policies.map((_, policy) => {
      const found = callers.findIndex(({ guards }) => guards.includes(policy));
      return found < 0 ? undefined : found;
    });
    this.#sensitive = new Bits(endpoints.length);
    for (const [at, { sensitive }] of endpoints.entries()) if (sensitive) this.#sensitive.add(at);
    this.#calls = callers.map(() => policies.map(() => undefined));
    this.#takeCells();
    this.#takeForwarders();
    this.#takeShadow();
    for (const [policy, calls] of this.#calls[0]!.entries())
      this.#open[policy] = new Set(input.openFootholds ? [] : calls?.keys());
    const bits = (isTaken: (call: Call) => boolean): (Bits | undefined)[][] =>
      this.#calls.map((byPolicy) =>
        byPolicy.map((calls) => {
          const taken = calls === undefined ? [] : [...calls.values()].filter(isTaken);
          if (taken.length === 0) return undefined;
          const set = new Bits(endpoints.length);
          for (const { endpoint } of taken) set.add(endpoint);
          return set;
        }),
      );
    this.#bits = bits(() => true);
    this.#freeBits = bits(({ level }) => level === "free");
  }

  count(bits: Bits): Count {
    const { policies } = this.#input;
    const reached = policies.filter((_, policy) => bits.count(this.#ofPolicy(policy)) > 0).length;
    return { policies: reached, endpoints: bits.count(), sensitive: bits.count(this.#sensitive) };
  }

  direct(caller: number): Bits {
    const bits = new Bits(this.#input.endpoints.length);
    for (const one of this.#bits[caller]!) if (one !== undefined) bits.addAll(one);
    return bits;
  }

  /** For each caller what it reaches, by itself and through services. */
  reachOfAll({ freeOnly = false, without }: Removal = {}): Bits[] {
    const { callers, endpoints } = this.#input;
    const bits = freeOnly ? this.#freeBits : this.#bits;
    const isLeft = (caller: number, policy: number): boolean =>
      without?.caller !== caller || (without.policy !== undefined && without.policy !== policy);
    const own = (caller: number): Bits => {
      const set = new Bits(endpoints.length);
      for (const [policy, one] of bits[caller]!.entries())
        if (one !== undefined && isLeft(caller, policy)) set.addAll(one);
      return set;
    };
    const next = (caller: number): number[] =>
      this.#calls[caller]!.flatMap((calls, policy) => {
        const service = this.#services[policy];
        const foothold = service !== undefined && isLeft(caller, policy) ? this.#foothold(policy, calls) : undefined;
        return foothold === undefined || (freeOnly && foothold.level !== "free") ? [] : [service!];
      });
    const services = new Set(this.#services.filter((one) => one !== undefined));
    const through = new Map<number, Bits>();
    const ownOf = new Map([...services].map((service) => [service, own(service)]));
    const nextOf = new Map([...services].map((service) => [service, next(service)]));
    for (const service of services) {
      const closure = new Set([service]);
      const set = new Bits(endpoints.length);
      for (const one of closure) {
        set.addAll(ownOf.get(one)!);
        for (const other of nextOf.get(one)!) closure.add(other);
      }
      through.set(service, set);
    }
    return callers.map((_, caller) => {
      const set = own(caller);
      for (const service of next(caller)) set.addAll(through.get(service)!);
      return set;
    });
  }

  edges(): EdgeData[] {
    const hasUsage = this.#input.cells.some((cell) => cell.length > 3);
    return this.#calls.flatMap((byPolicy, caller) =>
      byPolicy.flatMap((calls, policy): EdgeData[] => {
        if (calls === undefined) return [];
        const all = [...calls.values()];
        const best = all.find(({ level }) => level === "free") ?? all[0]!;
        const why = best.shadow === true ? "shadow" : all.some(({ as }) => as !== undefined) ? "forwarder" : undefined;
        return [
          {
            caller,
            policy,
            level: best.level,
            endpoints: all.length,
            sensitive: this.#bits[caller]![policy]!.count(this.#sensitive),
            ...(this.#foothold(policy, calls) === undefined && { isOpen: true as const }),
            ...(why !== undefined && { why }),
            ...(hasUsage && { admitted: usedBy(all) }),
          },
        ];
      }),
    );
  }

  /** A shortest way to each sensitive endpoint that a caller reaches; of those, one that asks least often for more than identities. */
  pathsOf(caller: number): PathData[] {
    const { endpoints } = this.#input;
    const cost = new Map<number, number>([[caller, 0]]);
    const from = new Map<number, { caller: number; call: Call }>();
    const done = new Set<number>();
    const found = new Map<number, { cost: number; caller: number; call: Call }>();
    for (;;) {
      const open = [...cost].filter(([one]) => !done.has(one));
      if (open.length === 0) break;
      const [here, spent] = open.reduce((best, one) => (one[1] < best[1] ? one : best));
      done.add(here);
      for (const [policy, calls] of this.#calls[here]!.entries()) {
        if (calls === undefined) continue;
        for (const call of calls.values()) {
          if (!endpoints[call.endpoint]!.sensitive) continue;
          const total = spent + weight(call);
          if (total < (found.get(call.endpoint)?.cost ?? Infinity))
            found.set(call.endpoint, { cost: total, caller: here, call });
        }
        const service = this.#services[policy];
        if (service === undefined || done.has(service)) continue;
        const call = this.#foothold(policy, calls);
        if (call === undefined) continue;
        if (spent + weight(call) >= (cost.get(service) ?? Infinity)) continue;
        cost.set(service, spent + weight(call));
        from.set(service, { caller: here, call });
      }
    }
    return [...found.values()].map(({ caller: last, call }) => {
      const hops = [this.#hop(last, call)];
      for (let at = last; at !== caller; ) {
        const before = from.get(at)!;
        hops.unshift(this.#hop(before.caller, before.call));
        at = before.caller;
      }
      return { caller, level: hops.every(({ level }) => level === "free") ? "free" : "conditional", hops };
    });
  }

  #hop(caller: number, { endpoint, level, grant, as, shadow }: Call): HopData {
    const ways = shadow === true ? [] : this.#input.grants[grant]!.ways;
    return { caller, endpoint, level, ways, ...(as !== undefined && { as }), ...(shadow && { shadow }) };
  }

  /** The best of the calls that are a way into the service behind a policy. */
  #foothold(policy: number, calls: ReadonlyMap<number, Call> | undefined): Call | undefined {
    const all = [...(calls?.values() ?? [])].filter(({ endpoint }) => !this.#open[policy]!.has(endpoint));
    const free = all.filter(({ level }) => level === "free");
    return free.find(({ as }) => as === undefined) ?? free[0] ?? all[0];
  }

  #ofPolicy(policy: number): Bits {
    const known = this.#policyBits.get(policy) ?? new Bits(this.#input.endpoints.length);
    if (!this.#policyBits.has(policy)) {
      for (const [at, endpoint] of this.#input.endpoints.entries()) if (endpoint.policy === policy) known.add(at);
      this.#policyBits.set(policy, known);
    }
    return known;
  }
  readonly #policyBits = new Map<number, Bits>();

  #put(caller: number, policy: number, call: Call): void {
    const calls = this.#calls[caller]![policy] ?? new Map<number, Call>();
    this.#calls[caller]![policy] = calls;
    const known = calls.get(call.endpoint);
    if (known === undefined) {
      calls.set(call.endpoint, call);
      return;
    }
    // What it may do in its own name is told first.
    const best = known.level === "conditional" && call.level === "free" ? call : known;
    calls.set(call.endpoint, { ...best, admitted: usedBy([known, call]) });
  }

  /** An endpoint that is admitted in part has narrower ones, of which all is: those count. */
  #takeCells(): void {
    const { cells, grants, endpoints } = this.#input;
    for (const [caller, endpoint, grant, admitted = 0] of cells) {
      const { level, extent } = grants[grant]!;
      if (level !== "denied" && extent === "whole")
        this.#put(caller, endpoints[endpoint]!.policy, { endpoint, level, grant, admitted });
    }
  }

  /** A gateway that is believed may name any caller that the policy knows. */
  #takeForwarders(): void {
    const { policies, callers } = this.#input;
    for (const [policy, { forwarders }] of policies.entries()) {
      for (const id of forwarders) {
        const gateway = callers.findIndex((caller) => caller.id === id);
        if (gateway < 0) continue;
        for (const [as, byPolicy] of this.#calls.entries()) {
          if (as === gateway) continue;
          for (const call of byPolicy[policy]?.values() ?? []) {
            // A log has the caller that was named, and not who named it.
            const admitted = call.admitted === 0 ? 0 : null;
            this.#put(gateway, policy, { as, ...call, admitted });
          }
        }
      }
    }
  }

  /** A policy in shadow mode lets everybody through. */
  #takeShadow(): void {
    const { policies, callers, endpoints } = this.#input;
    for (const [policy, { mode }] of policies.entries()) {
      if (mode !== "shadow") continue;
      for (const caller of callers.keys()) {
        const known = this.#calls[caller]![policy];
        this.#calls[caller]![policy] = new Map();
        for (const [endpoint, { policy: own }] of endpoints.entries()) {
          // Where nothing is granted, no cell has counted what was let through.
          const admitted = known?.get(endpoint)?.admitted ?? null;
          if (own === policy) this.#put(caller, policy, { endpoint, level: "free", grant: 0, shadow: true, admitted });
        }
      }
    }
  }
}

function weight({ level }: Call): number {
  return hop_weight + (level === "free" ? 0 : 1);
}

/** Requests of all these calls; `null` where there may have been some, and none is known. */
function usedBy(calls: readonly Call[]): number | null {
  const sum = calls.reduce((all, { admitted }) => all + (admitted ?? 0), 0);
  return sum === 0 && calls.some(({ admitted }) => admitted === null) ? null : sum;
}
