/**
 * One Wasm VM with the plugins that run in it, as Envoy keeps it: a worker is one PluginHost, several hosts with one
 * SharedData are the workers of one proxy. Everything a test wants to see of a request is in its Outcome.
 */
import { abiVersionExport, HostCrash, HostTrap, LoadError, type WasmResult } from "./abi.ts";
import { type CallScope, hostCalls } from "./calls.ts";
import {
  type Context,
  type HostCall,
  type LogLine,
  type PropertyValue,
  type RootContext,
  type StreamContext,
  serializeProperty,
} from "./context.ts";
import { type Fault, FaultCounter } from "./faults.ts";
import { GuestMemory } from "./memory.ts";
import { Metrics } from "./metrics.ts";
import type { Pair } from "./pairs.ts";
import type { LocalResponse } from "./reply.ts";
import { SharedData } from "./shared.ts";
import { type ForeignFunction, verifySignature } from "./signature.ts";

export interface HostOptions {
  /** The store to share with other workers. Default: one of its own. */
  sharedData?: SharedData;
  /** Nanoseconds since 1970. Default: the machine's clock. */
  clock?: () => bigint;
  /** Default: `verify_signature`, as in Envoy 1.30 and later. */
  foreignFunctions?: ReadonlyMap<string, ForeignFunction>;
  faults?: readonly Fault[];
}

/** A request as the filter meets it. */
export interface HostRequest {
  /** Pseudo-headers among them, names in lower case, values with one character a byte. */
  headers: readonly Pair[];
  /** Attributes by dotted path, such as `connection.uri_san_peer_certificate`. */
  properties?: Readonly<Record<string, PropertyValue>>;
  /** Whether a body follows. Default: none does. */
  hasBody?: boolean;
  /** Leaves the stream open after the headers; `deleteContext` ends it. Default: it ends at once. */
  keepOpen?: boolean;
}

/** What became of a request. */
export interface Outcome {
  /** The stream's context id. */
  context: number;
  /** `continue`: the request goes on to the upstream. */
  action: "continue" | "pause";
  /** What the client is answered with in place of the upstream's response. */
  localResponse?: LocalResponse;
  /** The request's headers as the upstream would get them. */
  headers: readonly Pair[];
  /** Properties the module set. */
  filterState: ReadonlyMap<string, string>;
  /** Host calls from the stream's creation to its end, in order. */
  calls: readonly HostCall[];
  /** The call into the module ended in a trap; the VM is failed from here on. */
  trapped: boolean;
  error?: Error;
}

/** What became of a configuration. */
export interface StartOutcome {
  /** False: the proxy refuses the configuration. */
  ok: boolean;
  rootContext: number;
  calls: readonly HostCall[];
  /** Lines logged meanwhile. */
  logs: readonly LogLine[];
  trapped: boolean;
  error?: Error;
}

type Export = (...args: number[]) => number | undefined;

/** Calls open to a module while `_initialize` or its `malloc` runs (WasmBase::startVm and allocMemory). */
const restrictedCalls = new Set(["log"]);

/** Details of the reply Envoy sends when a VM is failed and the plugin fails closed. */
const failedStreamDetails = "wasm_fail_stream";

export class PluginHost {
  readonly #exports: WebAssembly.Exports;
  readonly #memory: GuestMemory;
  readonly #metrics = new Metrics();
  readonly #foreignFunctions: ReadonlyMap<string, ForeignFunction>;
  readonly #roots = new Map<number, RootContext>();
  readonly #streams = new Map<number, StreamContext>();
  #nextContext = 1;
  #context: Context = { kind: "vm", id: 0 };
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
    this.#foreignFunctions = options.foreignFunctions ?? new Map([["verify_signature", verifySignature]]);
    this.faults = options.faults ?? [];
    this.clock = options.clock ?? (() => BigInt(Date.now()) * 1_000_000n);
    this.#exports = new WebAssembly.Instance(module, { env: this.#imports(module) }).exports;
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
    const stream: StreamContext = {
      kind: "stream",
      id: this.#nextContext++,
      root: parent,
      headers: request.headers,
      properties: new Map(properties.map(([path, value]) => [path, serializeProperty(value)])),
      filterState: new Map(),
    };
    this.#streams.set(stream.id, stream);
    let returned = 1;
    const { calls, error } = this.#enter(stream, () => {
      this.#export("proxy_on_context_create")?.(stream.id, root);
      const endOfStream = request.hasBody === true ? 0 : 1;
      returned = this.#export("proxy_on_request_headers")?.(stream.id, request.headers.length, endOfStream) ?? 0;
    });
    if (error) {
      // CHECK_FAIL_HTTP of src/context.cc: a plugin that fails closed answers 503 and stops.
      const reply = { status: 503, requestedStatus: 503, headers: [], body: "", details: failedStreamDetails };
      stream.localResponse ??= reply;
    }
    const stopped = error !== undefined || returned !== 0 || stream.localResponse !== undefined;
    const ending = request.keepOpen ? [] : this.deleteContext(stream.id);
    return {
      context: stream.id,
      action: stopped ? "pause" : "continue",
      ...(stream.localResponse && { localResponse: stream.localResponse }),
      headers: stream.headers,
      filterState: stream.filterState,
      calls: [...calls, ...ending],
      trapped: error !== undefined,
      ...(error && { error }),
    };
  }

  /** Ends a stream or a root context; gives the host calls made on the way. A trap is thrown. */
  deleteContext(id: number): readonly HostCall[] {
    const context = this.#streams.get(id) ?? this.#roots.get(id);
    if (context === undefined || this.failed) return [];
    const { calls, error } = this.#enter(context, () => {
      this.#export("proxy_on_done")?.(id);
      if (context.kind === "stream") this.#export("proxy_on_log")?.(id);
      this.#export("proxy_on_delete")?.(id);
    });
    this.#streams.delete(id);
    this.#roots.delete(id);
    if (error) throw error;
    return calls;
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
    const value = this.#exports[name];
    return typeof value === "function" ? (value as Export) : undefined;
  }

  /** Runs callbacks of one context, with its host calls recorded; a trap fails the VM. */
  #enter(context: Context, run: () => void): { calls: HostCall[]; error?: Error } {
    const calls: HostCall[] = [];
    if (this.failed) return { calls, error: new HostTrap("the VM has failed") };
    this.#context = context;
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
      const call = name.startsWith("proxy_") ? name.slice("proxy_".length) : "";
      if (from !== "env" || kind !== "function" || !Object.hasOwn(hostCalls, call)) {
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
      this.#calls.push({ name, args: [], result: ordered });
      return ordered;
    }
    let offset = 0n;
    const numbers = args.map((arg) => {
      if (typeof arg === "number") return arg >>> 0;
      offset = arg;
      return 0;
    });
    const recorded = hostCalls[name]!(this.#scope(), numbers, offset);
    this.#calls.push({ name, ...recorded });
    return recorded.result;
  }

  #scope(): CallScope {
    return {
      memory: this.#memory,
      context: this.#context,
      configuration: this.#configuration,
      sharedData: this.sharedData,
      metrics: this.#metrics,
      foreignFunctions: this.#foreignFunctions,
      now: this.clock,
      log: (line) => this.logs.push(line),
    };
  }
}
