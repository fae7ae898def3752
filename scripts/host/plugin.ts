/**
 * One Wasm VM with the plugins that run in it, as Envoy keeps it: a worker is one PluginHost, several hosts with one
 * SharedData are the workers of one proxy. Everything a test wants to see of a request is in its Outcome.
 */
import { abiVersionExport, continuingActions, HostCrash, HostTrap, LoadError, type WasmResult } from "./abi.ts";
import { type CalloutAnswer, Callouts, calloutResponse } from "./callout.ts";
import type { CallScope } from "./calls/scope.ts";
import { hostCalls } from "./calls/table.ts";
import {
  type Callout,
  type CalloutResponse,
  type Context,
  type HostCall,
  type LogLine,
  type RootContext,
  type StreamContext,
  serializeProperty,
} from "./context.ts";
import { type Fault, FaultCounter } from "./faults.ts";
import { GuestMemory } from "./memory.ts";
import { Metrics } from "./metrics.ts";
import type { HostRequest, OpenStream, Outcome, StartOutcome, Turn } from "./outcome.ts";
import { SharedData } from "./shared.ts";
import { type ForeignFunction, verifySignature } from "./signature.ts";

export type { HostRequest, Outcome, StartOutcome, Turn } from "./outcome.ts";

export interface HostOptions {
  /** The store to share with other workers. Default: one of its own. */
  sharedData?: SharedData;
  /** Metrics by name, to share with other workers. Default: of its own. */
  metricValues?: Map<string, bigint>;
  /** Nanoseconds since 1970. Default: the machine's clock. */
  clock?: () => bigint;
  /** Clusters that `proxy_http_call` may name. Default: none. */
  clusters?: readonly string[];
  /** Default: `verify_signature`, as in Envoy 1.30 and later. An empty map stands for a host without it. */
  foreignFunctions?: ReadonlyMap<string, ForeignFunction>;
  faults?: readonly Fault[];
  /** Callbacks that the capability list leaves out: the host never calls them. */
  deniedExports?: readonly string[];
}

type Export = (...args: number[]) => number | undefined;

/** Calls open to a module while `_initialize` or its `malloc` runs (WasmBase::startVm and allocMemory). */
const restrictedCalls = new Set(["log", "random_get"]);

/** What a module may ask WASI for, as far as this host has it. */
const wasiModule = "wasi_snapshot_preview1";
const wasiCalls = new Set(["random_get"]);

/** Details of the reply Envoy sends when a VM is failed and the plugin fails closed. */
const failedStreamDetails = "wasm_fail_stream";

/** Streams that were torn down and are still kept, for hosts on which nobody ends a round. */
const endedKept = 256;

export class PluginHost {
  readonly #exports: WebAssembly.Exports;
  readonly #memory: GuestMemory;
  readonly #metrics: Metrics;
  readonly #foreignFunctions: ReadonlyMap<string, ForeignFunction>;
  readonly #roots = new Map<number, RootContext>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #ended = new Map<number, StreamContext>();
  readonly #tickPeriods = new Map<number, number>();
  readonly #callouts: Callouts;
  readonly #deniedExports: ReadonlySet<string>;
  readonly #released = new Set<StreamContext>();
  #nextContext = 1;
  #context: Context = { kind: "vm", id: 0 };
  #effective: Context | undefined;
  #response: CalloutResponse | undefined;
  #configuration: Uint8Array | undefined;
  #restricted = false;
  #calls: HostCall[] = [];
  #faultCounter = new FaultCounter([]);

  /** Every line logged so far. */
  readonly logs: LogLine[] = [];
  /** The store that calls go to; another one makes all buckets full again. */
  sharedData: SharedData;
  /** Failures ordered for the callbacks to come. */
  faults: readonly Fault[];
  /** Nanoseconds since 1970, as the module is told. */
  clock: () => bigint;
  /** Set by a trap: the VM takes no further calls, every request is refused. */
  failed = false;

  private constructor(module: WebAssembly.Module, options: HostOptions) {
    this.sharedData = options.sharedData ?? new SharedData();
    this.#metrics = new Metrics(options.metricValues);
    this.#callouts = new Callouts(options.clusters);
    this.#deniedExports = new Set(options.deniedExports);
    this.#foreignFunctions = options.foreignFunctions ?? new Map([["verify_signature", verifySignature]]);
    this.faults = options.faults ?? [];
    this.clock = options.clock ?? (() => BigInt(Date.now()) * 1_000_000n);
    const imports = this.#imports(module);
    this.#exports = new WebAssembly.Instance(module, { env: imports, [wasiModule]: imports }).exports;
    const memory = this.#exports.memory;
    if (!(memory instanceof WebAssembly.Memory)) throw new LoadError("the module exports no memory");
    if (typeof this.#exports.malloc !== "function") throw new LoadError("the module exports no malloc");
    this.#memory = new GuestMemory(memory, (bytes) => this.#malloc(bytes));
  }

  /** Loads a module into a VM of its own and initializes it. Throws LoadError where Envoy would refuse the module. */
  static load(wasm: Uint8Array | WebAssembly.Module, options: HostOptions = {}): PluginHost {
    let module: WebAssembly.Module;
    try {
      module = wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
    } catch (error) {
      throw new LoadError(`not a Wasm module: ${(error as Error).message}`);
    }
    if (!WebAssembly.Module.exports(module).some(({ name }) => name === abiVersionExport)) {
      throw new LoadError("Missing or unknown Proxy-Wasm ABI version");
    }
    const host = new PluginHost(module, options);
    host.#restricted = true;
    const { error } = host.#enter({ kind: "vm", id: 0 }, () => host.#export("_initialize")?.());
    host.#restricted = false;
    if (error) throw new LoadError(`_initialize: ${error.message}`);
    return host;
  }

  /**
   * Creates a root context with this plugin configuration, as a listener update does: a second one lives beside the first
   * until `deleteContext` ends that.
   */
  startPlugin(configuration?: Uint8Array | string, { rootId = "" }: { rootId?: string } = {}): StartOutcome {
    const root: RootContext = { kind: "root", id: this.#nextContext++, rootId };
    const bytes = typeof configuration === "string" ? Buffer.from(configuration) : (configuration ?? new Uint8Array());
    const firstLog = this.logs.length;
    this.#roots.set(root.id, root);
    this.#configuration = bytes;
    let ok = true;
    const { calls, error } = this.#enter(root, () => {
      this.#export("proxy_on_context_create")?.(root.id, 0);
      // There is no VM configuration here, so its size is 0.
      if (this.#export("proxy_on_vm_start")?.(root.id, 0) === 0) ok = false;
      if (ok && this.#export("proxy_on_configure")?.(root.id, bytes.length) === 0) ok = false;
    });
    this.#configuration = undefined;
    const logs = this.logs.slice(firstLog);
    const trapped = error !== undefined;
    return { ok: ok && !trapped, rootContext: root.id, calls, logs, trapped, ...(error && { error }) };
  }

  /** Runs one request through the plugin of that root context. */
  request(root: number, request: HostRequest): Outcome {
    const parent = this.#roots.get(root);
    if (parent === undefined) throw new Error(`there is no root context ${root}`);
    const properties = Object.entries(request.properties ?? {});
    const context: StreamContext = {
      kind: "stream",
      id: this.#nextContext++,
      root: parent,
      headers: request.headers,
      properties: new Map(properties.map(([path, value]) => [path, serializeProperty(value)])),
      filterState: new Map(),
      headersOpen: true,
      paused: false,
      ended: false,
    };
    const outcome: OpenStream["outcome"] = {
      context: context.id,
      action: "pause",
      paused: false,
      headers: context.headers,
      filterState: context.filterState,
      calls: [],
      trapped: false,
    };
    const stream: OpenStream = { context, outcome, keepOpen: request.keepOpen === true };
    this.#streams.set(context.id, stream);
    let returned = 1;
    const { error } = this.#enter(context, () => {
      this.#export("proxy_on_context_create")?.(context.id, root);
      const endOfStream = request.hasBody === true ? 0 : 1;
      returned = this.#export("proxy_on_request_headers")?.(context.id, request.headers.length, endOfStream) ?? 0;
    });
    if (error) {
      // CHECK_FAIL_HTTP of src/context.cc: a plugin that fails closed answers 503 and stops.
      const reply = { status: 503, requestedStatus: 503, headers: [], body: "", details: failedStreamDetails };
      context.localResponse ??= reply;
      Object.assign(outcome, { trapped: true, error });
    }
    if (context.localResponse === undefined) {
      context.headersOpen = !continuingActions.includes(returned);
      context.paused = context.headersOpen;
    }
    this.#settle(stream);
    return outcome;
  }

  /** The callouts that wait for an answer, oldest first. */
  get calls(): readonly Callout[] {
    return this.#callouts.waiting();
  }

  /** Answers a callout. */
  answer(token: number, answer: CalloutAnswer): Turn {
    const { root } = this.#callouts.take(token);
    const response = calloutResponse(answer);
    return this.#turn(this.#roots.get(root)!, () => {
      this.#response = response;
      const sizes = [response?.headers.length ?? 0, response?.body.length ?? 0, 0];
      try {
        this.#export("proxy_on_http_call_response")?.(root, token, ...sizes);
      } finally {
        this.#response = undefined;
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
   * clock is the test's to advance.
   */
  tick(root: number): Turn {
    const context = this.#roots.get(root);
    if (context === undefined && this.#tickPeriods.has(root)) return { calls: [], logs: [], trapped: false };
    if (context === undefined) throw new Error(`there is no root context ${root}`);
    return this.#turn(context, () => {
      if (this.tickPeriodMs(root) > 0) this.#export("proxy_on_tick")?.(root);
    });
  }

  /**
   * Ends a stream, as a client does that goes away, or a root context; gives the host calls made on the way. A trap is thrown. A
   * stream is torn down at once, but its context goes only with `endRound`, as Envoy deletes it at the end of the event round.
   */
  deleteContext(id: number): readonly HostCall[] {
    const stream = this.#streams.get(id);
    const context = stream?.context ?? this.#roots.get(id);
    if (context === undefined) return [];
    if (stream !== undefined) {
      stream.outcome.paused = false;
      stream.context.ended = true;
      this.#ended.set(id, stream.context);
      if (this.#ended.size > endedKept) this.#ended.delete(this.#ended.keys().next().value!);
    }
    const { calls, error } = this.failed ? { calls: [] } : this.#enter(context, () => this.#endOf(context));
    this.#streams.delete(id);
    this.#roots.delete(id);
    this.#callouts.cancel(id);
    if (error) throw error;
    return calls;
  }

  /** Somebody else answers a request, Envoy by a timeout or another filter; the stream is still there while the answer goes out. */
  answerElsewhere(id: number, status: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) throw new Error(`there is no stream ${id}`);
    stream.context.properties.set("response.code", serializeProperty(BigInt(status)));
  }

  /** The event round ends: contexts of streams that were torn down in it cannot be addressed any more. */
  endRound(): void {
    this.#ended.clear();
  }

  /** The callbacks at a context's end, in the order Envoy makes them. */
  #endOf(context: RootContext | StreamContext): void {
    if (context.kind === "stream") this.#export("proxy_on_log")?.(context.id);
    this.#export("proxy_on_done")?.(context.id);
    this.#export("proxy_on_delete")?.(context.id);
  }

  /** Brings a request's outcome up to date, and ends the stream where it is decided. */
  #settle({ context, outcome, keepOpen }: OpenStream): void {
    outcome.action = context.headersOpen || context.localResponse !== undefined ? "pause" : "continue";
    outcome.paused = context.paused;
    outcome.headers = context.headers;
    if (context.localResponse !== undefined) outcome.localResponse = context.localResponse;
    if (!context.paused && !keepOpen) this.deleteContext(context.id);
  }

  #turn(root: RootContext, run: () => void): Turn {
    const firstLog = this.logs.length;
    const { calls, error } = this.#enter(root, run);
    return { calls, logs: this.logs.slice(firstLog), trapped: error !== undefined, ...(error && { error }) };
  }

  /** Metrics and their values by name. */
  metrics(): Map<string, bigint> {
    return this.#metrics.snapshot();
  }

  /** Bytes of linear memory the module has. */
  get memoryBytes(): number {
    return this.#memory.size;
  }

  /**
   * Calls an export that is for tools rather than for the proxy. `bytes`, where given, are put into memory from `malloc`
   * first; pointer and size follow the other arguments.
   */
  callTool(name: string, args: readonly number[], bytes?: Uint8Array): { result: number; logs: readonly LogLine[] } {
    const tool = this.#export(name);
    if (tool === undefined) throw new Error(`the module exports no ${name}`);
    const firstLog = this.logs.length;
    let result = 0;
    const { error } = this.#enter({ kind: "vm", id: 0 }, () => {
      if (bytes === undefined) {
        result = tool(...args) ?? 0;
        return;
      }
      const pointer = this.#memory.allocate(bytes.length);
      if (pointer === undefined) throw new HostTrap(`malloc gave no room for ${bytes.length} bytes`);
      this.#memory.write(pointer, bytes);
      result = tool(...args, pointer, bytes.length) ?? 0;
    });
    if (error) throw error;
    return { result, logs: this.logs.slice(firstLog) };
  }

  #export(name: string): Export | undefined {
    if (this.#deniedExports.has(name)) return undefined;
    const value = this.#exports[name];
    return typeof value === "function" ? (value as Export) : undefined;
  }

  /** Runs callbacks of one context, with its host calls recorded; a trap fails the VM. */
  #enter(context: Context, run: () => void): { calls: HostCall[]; error?: Error } {
    const calls: HostCall[] = [];
    if (this.failed) return { calls, error: new HostTrap("the VM has failed") };
    this.#context = context;
    this.#effective = undefined;
    this.#calls = calls;
    this.#faultCounter = new FaultCounter(this.faults);
    try {
      run();
      return { calls };
    } catch (error) {
      if (error instanceof HostCrash) throw error;
      this.failed = true;
      return { calls, error: error as Error };
    } finally {
      this.#context = { kind: "vm", id: 0 };
      this.#effective = undefined;
      this.#afterCall();
    }
  }

  /** What a callback set in motion happens when it has returned (DeferAfterCallActions). */
  #afterCall(): void {
    const released = [...this.#released].filter(({ paused }) => paused);
    this.#released.clear();
    for (const context of released) {
      context.paused = false;
      const stream = this.#streams.get(context.id);
      if (stream !== undefined) this.#settle(stream);
    }
  }

  #malloc(bytes: number): number {
    const before = this.#restricted;
    this.#restricted = true;
    try {
      return this.#export("malloc")!(bytes) ?? 0;
    } finally {
      this.#restricted = before;
    }
  }

  /** The functions the module asks for; as in V8::link, one the host does not know ends the load. */
  #imports(module: WebAssembly.Module): WebAssembly.ModuleImports {
    const imports: WebAssembly.ModuleImports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      const isWasi = from === wasiModule && wasiCalls.has(name);
      const isProxy = from === "env" && name.startsWith("proxy_");
      const call = isWasi ? name : isProxy ? name.slice("proxy_".length) : "";
      if (kind !== "function" || !Object.hasOwn(hostCalls, call) || (isProxy && wasiCalls.has(call))) {
        throw new LoadError(`Failed to load Wasm module due to a missing import: ${from}.${name}`);
      }
      imports[name] = (...args: (number | bigint)[]) => this.#dispatch(call, args);
    }
    return imports;
  }

  #dispatch(name: string, args: readonly (number | bigint)[]): WasmResult {
    if (this.#restricted && !restrictedCalls.has(name)) throw new HostTrap(`restricted_callback: proxy_${name}`);
    const ordered = this.#faultCounter.next(name);
    if (ordered !== undefined) {
      this.#record({ name, args: [], result: ordered });
      return ordered;
    }
    let offset = 0n;
    const numbers = args.map((arg) => {
      if (typeof arg === "number") return arg >>> 0;
      offset = arg;
      return 0;
    });
    const recorded = hostCalls[name]!(this.#scope(), numbers, offset);
    this.#record({ name, ...recorded });
    return recorded.result;
  }

  /** Keeps a call for the callback under way, and for the stream it was made for. */
  #record(call: HostCall): void {
    this.#calls.push(call);
    this.#streams.get((this.#effective ?? this.#context).id)?.outcome.calls.push(call);
  }

  /** The context of that number, the VM's own for 0. */
  #contextOf(id: number): Context | undefined {
    return id === 0 ? this.#context : (this.#streams.get(id)?.context ?? this.#ended.get(id) ?? this.#roots.get(id));
  }

  #scope(): CallScope {
    return {
      memory: this.#memory,
      context: this.#effective ?? this.#context,
      configuration: this.#configuration,
      response: this.#response,
      sharedData: this.sharedData,
      metrics: this.#metrics,
      foreignFunctions: this.#foreignFunctions,
      now: this.clock,
      log: (line) => this.logs.push(line),
      setEffectiveContext: (id) => {
        const context = this.#contextOf(id);
        if (context !== undefined) this.#effective = context;
        return context !== undefined;
      },
      setTickPeriod: (root, milliseconds) => this.#tickPeriods.set(root, milliseconds),
      callOut: (callout) => this.#callouts.make(callout),
      release: (stream) => this.#released.add(stream),
    };
  }
}
