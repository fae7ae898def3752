/**
 * One Wasm VM with the plugins that run in it, as Envoy keeps it: a worker is one PluginHost, several hosts with one
 * SharedData are the workers of one proxy. Everything a test wants to see of a request is in its Outcome.
 */
import { HostCrash } from "./abi.ts";
import { type CalloutAnswer, Callouts, calloutResponse } from "./callout.ts";
import type { CallScope } from "./calls/scope.ts";
import {
  type Callout,
  type CalloutResponse,
  type GrpcCall,
  type HostCall,
  type LogLine,
  type RootContext,
  type StreamContext,
  serializeProperty,
} from "./context.ts";
import { Contexts } from "./contexts.ts";
import type { Fault } from "./faults.ts";
import { Metrics } from "./metrics.ts";
import type { HostRequest, Outcome, StartOutcome, Turn } from "./outcome.ts";
import type { Pair } from "./pairs.ts";
import { SharedData } from "./shared.ts";
import { type ForeignFunction, verifySignature } from "./signature.ts";
import { Streams } from "./streams.ts";
import { compileModule, Vm } from "./vm.ts";

export type { HostRequest, Outcome, StartOutcome, Turn } from "./outcome.ts";

export interface HostOptions {
  /** The store to share with other workers. Default: one of its own. */
  sharedData?: SharedData;
  /** Metrics by name, to share with other workers. Default: of its own. */
  metricValues?: Map<string, bigint>;
  /** Nanoseconds since 1970. Default: the machine's clock. */
  clock?: () => bigint;
  /** Clusters that `proxy_http_call` and `proxy_grpc_call` may name. Default: none. */
  clusters?: readonly string[];
  /** Default: `verify_signature`, as in Envoy 1.30 and later. An empty map stands for a host without it. */
  foreignFunctions?: ReadonlyMap<string, ForeignFunction>;
  faults?: readonly Fault[];
  /** Callbacks that the capability list leaves out: the host never calls them. */
  deniedExports?: readonly string[];
  /**
   * The plugin's `allow_on_headers_stop_iteration`: headers that are answered 1 are held while the body comes. Default false: then nothing
   * comes until the module continues the stream.
   */
  allowOnHeadersStopIteration?: boolean;
  /** The most bytes of a body that Envoy keeps for the module. Default 1 MiB, as in Envoy. */
  bufferLimitBytes?: number;
}

export class PluginHost {
  readonly #vm: Vm;
  readonly #contexts = new Contexts();
  readonly #metrics: Metrics;
  readonly #foreignFunctions: ReadonlyMap<string, ForeignFunction>;
  readonly #tickPeriods = new Map<number, number>();
  readonly #callouts: Callouts<Callout>;
  readonly #grpcCalls: Callouts<GrpcCall>;
  readonly #streams: Streams;
  #response: CalloutResponse | undefined;
  #grpcMessage: Uint8Array | undefined;
  #configuration: Uint8Array | undefined;
  /** The root context whose timer calls. */
  #ticking: number | undefined;

  /** Every line logged so far. */
  readonly logs: LogLine[] = [];
  /** The store that calls go to; another one makes all buckets full again. */
  sharedData: SharedData;
  /** Nanoseconds since 1970, as the module is told. */
  clock: () => bigint;

  private constructor(module: WebAssembly.Module, options: HostOptions) {
    this.sharedData = options.sharedData ?? new SharedData();
    this.#metrics = new Metrics(options.metricValues);
    this.#callouts = new Callouts(options.clusters);
    this.#grpcCalls = new Callouts(options.clusters);
    this.#foreignFunctions = options.foreignFunctions ?? new Map([["verify_signature", verifySignature]]);
    this.clock = options.clock ?? (() => BigInt(Date.now()) * 1_000_000n);
    const owner = {
      scope: () => this.#scope(),
      called: (call: HostCall) => void this.#contexts.stream(this.#vm.context.id)?.outcome.calls.push(call),
      returned: () => this.#streams.afterCall(),
    };
    this.#vm = new Vm(module, owner, options.faults ?? [], options.deniedExports ?? []);
    const { allowOnHeadersStopIteration = false, bufferLimitBytes = 1024 * 1024 } = options;
    const settings = { allowOnHeadersStopIteration, bufferLimitBytes };
    this.#streams = new Streams(this.#vm, this.#contexts, settings, (id) => void this.deleteContext(id));
  }

  /** Loads a module into a VM of its own and initializes it. Throws LoadError where Envoy would refuse the module. */
  static load(wasm: Uint8Array | WebAssembly.Module, options: HostOptions = {}): PluginHost {
    const host = new PluginHost(compileModule(wasm), options);
    host.#vm.initialize();
    return host;
  }

  /** Failures ordered for the callbacks to come. */
  get faults(): readonly Fault[] {
    return this.#vm.faults;
  }

  set faults(faults: readonly Fault[]) {
    this.#vm.faults = faults;
  }

  /** Set by a trap: the VM takes no further calls, every request is refused. */
  get failed(): boolean {
    return this.#vm.failed;
  }

  /**
   * Creates a root context with this plugin configuration, as a listener update does: a second one lives beside the first
   * until `deleteContext` ends that.
   */
  startPlugin(configuration?: Uint8Array | string, { rootId = "" }: { rootId?: string } = {}): StartOutcome {
    const root = this.#contexts.createRoot(rootId);
    const bytes = typeof configuration === "string" ? Buffer.from(configuration) : (configuration ?? new Uint8Array());
    const firstLog = this.logs.length;
    this.#configuration = bytes;
    let ok = true;
    const { calls, error } = this.#vm.enter(root, () => {
      this.#vm.exported("proxy_on_context_create")?.(root.id, 0);
      // There is no VM configuration here, so its size is 0.
      if (this.#vm.exported("proxy_on_vm_start")?.(root.id, 0) === 0) ok = false;
      if (ok && this.#vm.exported("proxy_on_configure")?.(root.id, bytes.length) === 0) ok = false;
    });
    this.#configuration = undefined;
    const logs = this.logs.slice(firstLog);
    const trapped = error !== undefined;
    return { ok: ok && !trapped, rootContext: root.id, calls, logs, trapped, ...(error && { error }) };
  }

  /** Runs one request through the plugin of that root context. */
  request(root: number, request: HostRequest): Outcome {
    const parent = this.#contexts.root(root);
    if (parent === undefined) throw new Error(`there is no root context ${root}`);
    const stream = this.#contexts.createStream(parent, request);
    this.#streams.begin(stream, root, request.hasBody === true);
    return stream.outcome;
  }

  /**
   * Bytes of a request's body come. Where the headers are stopped rather than held, they wait until the module continues the stream.
   * @param bytes the bytes, or how many zeros
   * @returns how many bytes go on to the upstream in consequence, those among them that were held before. None do where the module answers
   *   instead, or did before.
   */
  body(id: number, bytes: number | Uint8Array, endOfStream = false): number {
    return this.#streams.data(id, "request", typeof bytes === "number" ? new Uint8Array(bytes) : bytes, endOfStream);
  }

  /** The request ends in trailers. */
  trailers(id: number, trailers: readonly Pair[]): void {
    this.#streams.trailers(id, "request", trailers);
  }

  /**
   * The upstream, or Envoy, answers a stream that is kept open: the answer's headers as the module leaves them, whether or not it lets them
   * go on (`Outcome.response`). Answers of the module's own come by here too, once the callback that sent one has returned.
   */
  respond(id: number, headers: readonly Pair[], endOfStream = false): readonly Pair[] {
    return this.#streams.respond(id, headers, endOfStream);
  }

  /** Bytes of the upstream's answer come. Gives how many go on to the client in consequence. */
  respondBody(id: number, bytes: Uint8Array, endOfStream = false): number {
    return this.#streams.data(id, "response", bytes, endOfStream);
  }

  /** The upstream's answer ends in trailers. */
  respondTrailers(id: number, trailers: readonly Pair[]): void {
    this.#streams.trailers(id, "response", trailers);
  }

  /** The callouts that wait for an answer, oldest first. */
  get calls(): readonly Callout[] {
    return this.#callouts.waiting();
  }

  /** Answers a callout. */
  answer(token: number, answer: CalloutAnswer): Turn {
    const { root } = this.#callouts.take(token);
    const response = calloutResponse(answer);
    return this.#turn(this.#contexts.root(root)!, () => {
      this.#response = response;
      const sizes = [response?.headers.length ?? 0, response?.body.length ?? 0, 0];
      try {
        this.#vm.exported("proxy_on_http_call_response")?.(root, token, ...sizes);
      } finally {
        this.#response = undefined;
      }
    });
  }

  /** The gRPC calls that wait for an answer, oldest first. */
  get grpcCalls(): readonly GrpcCall[] {
    return this.#grpcCalls.waiting();
  }

  /** Answers a gRPC call with a message, or ends it with a status: 4 where its time is out, 14 where nobody is there. */
  answerGrpc(token: number, answer: Uint8Array | number): Turn {
    const { root } = this.#grpcCalls.take(token);
    return this.#turn(this.#contexts.root(root)!, () => {
      if (typeof answer === "number") {
        this.#vm.exported("proxy_on_grpc_close")?.(root, token, answer);
        return;
      }
      this.#grpcMessage = answer;
      try {
        this.#vm.exported("proxy_on_grpc_receive")?.(root, token, answer.length);
      } finally {
        this.#grpcMessage = undefined;
      }
    });
  }

  /** Timers that go off. As in Envoy, the end of a root context does not end its timer; only a period of 0 does. */
  get timers(): number {
    return [...this.#tickPeriods.values()].filter((period) => period > 0).length;
  }

  /** Milliseconds between two ticks of a root context; 0 where it has asked for none. */
  tickPeriodMs(root: number): number {
    return this.#tickPeriods.get(root) ?? 0;
  }

  /**
   * Has the timer of a root context go off once; nothing happens where it has set none, or where the root context is no more. The
   * clock is the test's to advance. Throws HostCrash where a period is set that replaces the timer while it calls.
   */
  tick(root: number): Turn {
    const context = this.#contexts.root(root);
    if (context === undefined && this.#tickPeriods.has(root)) return { calls: [], logs: [], trapped: false };
    if (context === undefined) throw new Error(`there is no root context ${root}`);
    this.#ticking = root;
    try {
      return this.#turn(context, () => {
        if (this.tickPeriodMs(root) > 0) this.#vm.exported("proxy_on_tick")?.(root);
      });
    } finally {
      this.#ticking = undefined;
    }
  }

  /**
   * Ends a stream, as a client does that goes away, or a root context; gives the host calls made on the way. A trap is thrown. A
   * stream is torn down at once, but its context goes only with `endRound`, as Envoy deletes it at the end of the event round.
   */
  deleteContext(id: number): readonly HostCall[] {
    const stream = this.#contexts.stream(id);
    const context = stream?.context ?? this.#contexts.root(id);
    if (context === undefined) return [];
    if (stream !== undefined) this.#contexts.tearDown(stream);
    const { calls, error } = this.failed ? { calls: [] } : this.#vm.enter(context, () => this.#endOf(context));
    this.#contexts.delete(id);
    this.#callouts.cancel(id);
    this.#grpcCalls.cancel(id);
    if (error) throw error;
    return calls;
  }

  /** Somebody else answers a request, Envoy by a timeout or another filter; the stream is still there while the answer goes out. */
  answerElsewhere(id: number, status: number): void {
    const stream = this.#contexts.stream(id);
    if (stream === undefined) throw new Error(`there is no stream ${id}`);
    stream.context.properties.set("response.code", serializeProperty(BigInt(status)));
  }

  /** The event round ends: contexts of streams that were torn down in it cannot be addressed any more. */
  endRound(): void {
    this.#contexts.endRound();
  }

  /** The callbacks at a context's end, in the order Envoy makes them. */
  #endOf(context: RootContext | StreamContext): void {
    if (context.kind === "stream") this.#vm.exported("proxy_on_log")?.(context.id);
    this.#vm.exported("proxy_on_done")?.(context.id);
    this.#vm.exported("proxy_on_delete")?.(context.id);
  }

  #turn(root: RootContext, run: () => void): Turn {
    const firstLog = this.logs.length;
    const { calls, error } = this.#vm.enter(root, run);
    return { calls, logs: this.logs.slice(firstLog), trapped: error !== undefined, ...(error && { error }) };
  }

  /** Metrics and their values by name. */
  metrics(): Map<string, bigint> {
    return this.#metrics.snapshot();
  }

  /** Bytes of linear memory the module has. */
  get memoryBytes(): number {
    return this.#vm.memory.size;
  }

  /**
   * Calls an export that is for tools rather than for the proxy. `bytes`, where given, are put into memory from `malloc`
   * first; pointer and size follow the other arguments.
   */
  callTool(name: string, args: readonly number[], bytes?: Uint8Array): { result: number; logs: readonly LogLine[] } {
    const firstLog = this.logs.length;
    const result = this.#vm.callTool(name, args, bytes);
    return { result, logs: this.logs.slice(firstLog) };
  }

  #scope(): CallScope {
    return {
      memory: this.#vm.memory,
      context: this.#vm.context,
      configuration: this.#configuration,
      response: this.#response,
      grpcMessage: this.#grpcMessage,
      sharedData: this.sharedData,
      metrics: this.#metrics,
      foreignFunctions: this.#foreignFunctions,
      now: this.clock,
      log: (line) => this.logs.push(line),
      setEffectiveContext: (id) => {
        const context = id === 0 ? this.#vm.calledContext : this.#contexts.find(id);
        if (context !== undefined) this.#vm.setEffectiveContext(context);
        return context !== undefined;
      },
      setTickPeriod: (root, milliseconds) => {
        if (milliseconds > 0 && this.#ticking === root) throw new HostCrash("a timer was replaced while it called");
        this.#tickPeriods.set(root, milliseconds);
      },
      callOut: (callout) => this.#callouts.make((token) => ({ ...callout, token })),
      callGrpc: (call) => this.#grpcCalls.make((token) => ({ ...call, token })),
      release: (stream, what) => this.#streams.release(stream, what),
    };
  }
}
