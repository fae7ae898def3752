/** One Wasm VM: a module linked as Envoy links it, entered by callbacks, its host calls dispatched and recorded. */
import { abiVersionExport, HostCrash, HostTrap, LoadError, type WasmResult } from "./abi.ts";
import type { CallScope } from "./calls/scope.ts";
import { hostCalls } from "./calls/table.ts";
import type { Context, HostCall, VmContext } from "./context.ts";
import { type Fault, FaultCounter } from "./faults.ts";
import { GuestMemory } from "./memory.ts";

/** A function that the module exports. */
export type Export = (...args: number[]) => number | undefined;

/** Who has the VM: what calls work on, and who is told of them. */
export interface VmOwner {
  /** What a call works on, for the context that is in force. */
  scope(): CallScope;
  /** A call was made, by the context that is in force. */
  called(call: HostCall): void;
  /** A callback has returned, or trapped. */
  returned(): void;
}

/** Calls open to a module while `_initialize` or its `malloc` runs (WasmBase::startVm and allocMemory). */
const restrictedCalls = new Set(["log", "random_get"]);

/** What a module may ask WASI for, as far as this host has it. */
const wasiModule = "wasi_snapshot_preview1";
const wasiCalls = new Set(["random_get"]);

const ofNoPlugin: VmContext = { kind: "vm", id: 0 };

/** Compiles a module. Throws LoadError where Envoy would refuse it. */
export function compileModule(wasm: Uint8Array | WebAssembly.Module): WebAssembly.Module {
  let module: WebAssembly.Module;
  try {
    module = wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  } catch (error) {
    throw new LoadError(`not a Wasm module: ${(error as Error).message}`);
  }
  if (WebAssembly.Module.exports(module).some(({ name }) => name === abiVersionExport)) return module;
  throw new LoadError("Missing or unknown Proxy-Wasm ABI version");
}

export class Vm {
  readonly #owner: VmOwner;
  readonly #exports: WebAssembly.Exports;
  readonly #deniedExports: ReadonlySet<string>;
  readonly memory: GuestMemory;
  #called: Context = ofNoPlugin;
  #effective: Context | undefined;
  #restricted = false;
  #calls: HostCall[] = [];
  #faultCounter = new FaultCounter([]);

  /** Failures ordered for the callbacks to come. */
  faults: readonly Fault[];
  /** Set by a trap: the VM takes no further calls. */
  failed = false;

  /**
   * @param deniedExports callbacks that the host never calls
   * @throws LoadError where an import is missing, or an export that every module has
   */
  constructor(module: WebAssembly.Module, owner: VmOwner, faults: readonly Fault[], deniedExports: readonly string[]) {
    this.#owner = owner;
    this.#deniedExports = new Set(deniedExports);
    this.faults = faults;
    const imports = this.#imports(module);
    this.#exports = new WebAssembly.Instance(module, { env: imports, [wasiModule]: imports }).exports;
    const memory = this.#exports.memory;
    if (!(memory instanceof WebAssembly.Memory)) throw new LoadError("the module exports no memory");
    if (typeof this.#exports.malloc !== "function") throw new LoadError("the module exports no malloc");
    this.memory = new GuestMemory(memory, (bytes) => this.#malloc(bytes));
  }

  /** Runs the module's own start; only some calls are open to it. Throws LoadError where that traps. */
  initialize(): void {
    const { error } = this.enter(ofNoPlugin, () => this.#whileRestricted(() => this.exported("_initialize")?.()));
    if (error) throw new LoadError(`_initialize: ${error.message}`);
  }

  /** The context that calls are made for: the one that was called, or the one it has put in its own place. */
  get context(): Context {
    return this.#effective ?? this.#called;
  }

  /** The context that was called. */
  get calledContext(): Context {
    return this.#called;
  }

  /** Puts a context in the place of the one that was called, until the callback returns. */
  setEffectiveContext(context: Context): void {
    this.#effective = context;
  }

  /** An export, unless the module has none of that name, or the host never calls it. */
  exported(name: string): Export | undefined {
    if (this.#deniedExports.has(name)) return undefined;
    const value = this.#exports[name];
    return typeof value === "function" ? (value as Export) : undefined;
  }

  /** Runs callbacks of one context, with its host calls recorded; a trap fails the VM. */
  enter(context: Context, run: () => void): { calls: HostCall[]; error?: Error } {
    const calls: HostCall[] = [];
    if (this.failed) return { calls, error: new HostTrap("the VM has failed") };
    this.#called = context;
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
      this.#called = ofNoPlugin;
      this.#effective = undefined;
      this.#owner.returned();
    }
  }

  /**
   * Calls an export that is for tools rather than for the proxy. `bytes`, where given, are put into memory from `malloc`
   * first; pointer and size follow the other arguments. A trap is thrown.
   */
  callTool(name: string, args: readonly number[], bytes?: Uint8Array): number {
    const tool = this.exported(name);
    if (tool === undefined) throw new Error(`the module exports no ${name}`);
    let result = 0;
    const { error } = this.enter(ofNoPlugin, () => {
      if (bytes === undefined) {
        result = tool(...args) ?? 0;
        return;
      }
      const pointer = this.memory.allocate(bytes.length);
      if (pointer === undefined) throw new HostTrap(`malloc gave no room for ${bytes.length} bytes`);
      this.memory.write(pointer, bytes);
      result = tool(...args, pointer, bytes.length) ?? 0;
    });
    if (error) throw error;
    return result;
  }

  #malloc(bytes: number): number {
    return this.#whileRestricted(() => this.exported("malloc")!(bytes) ?? 0);
  }

  #whileRestricted<Result>(run: () => Result): Result {
    const before = this.#restricted;
    this.#restricted = true;
    try {
      return run();
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
    const recorded = hostCalls[name]!(this.#owner.scope(), numbers, offset);
    this.#record({ name, ...recorded });
    return recorded.result;
  }

  #record(call: HostCall): void {
    this.#calls.push(call);
    this.#owner.called(call);
  }
}
