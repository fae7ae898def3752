/**
 * A host that does next to nothing, so that what is measured is the engine: it hands over one property and one block of
 * headers, made beforehand, keeps shared data, and answers everything else with Ok.
 */
import { WasmResult } from "../../scripts/host/abi.ts";
import { marshalPairs, type Pair } from "../../scripts/host/pairs.ts";
import { SharedData } from "../../scripts/host/shared.ts";

/** What the host of a request hands to the engine. */
export interface BenchRequest {
  caller: Uint8Array;
  headers: Uint8Array;
}

/** A request without a token. */
export function benchRequest(caller: string, method: string, path: string, host = "api.example.org"): BenchRequest {
  const headers: Pair[] = [
    [":authority", host],
    [":path", path],
    [":method", method],
    [":scheme", "https"],
    ["user-agent", "bench/1.0"],
    ["accept", "*/*"],
    ["x-request-id", "3f0c5f1e-7c1b-4c3e-9a53-2f4d0f4f8a77"],
  ];
  return { caller: Buffer.from(caller), headers: marshalPairs(headers) };
}

interface Exports {
  memory: WebAssembly.Memory;
  malloc(size: number): number;
  _initialize(): void;
  proxy_on_context_create(context: number, parent: number): void;
  proxy_on_configure(context: number, size: number): number;
  proxy_on_request_headers(context: number, headers: number, endOfStream: number): number;
  proxy_on_delete(context: number): void;
  proxy_on_tick(context: number): void;
}

/** Requests between two ticks, which hand over what was counted: once a second in Envoy. */
const tick_requests = 4096;

/** The engine with a policy in force. */
export class Bench {
  readonly #exports: Exports;
  #bytes: Uint8Array;
  #view: DataView;
  #request: BenchRequest = { caller: new Uint8Array(), headers: new Uint8Array() };
  #configuration = new Uint8Array();
  #stream = 2;
  /** The time by the host's clock. */
  nanoseconds = 1_795_255_200_000_000_000n;

  /**
   * @param image a policy image; throws where the engine refuses it
   * @param sharedData what it shares with other workers
   */
  constructor(module: WebAssembly.Module, image: Uint8Array, sharedData = new SharedData()) {
    const give = (bytes: Uint8Array, pointerAt: number, sizeAt: number): number => {
      const pointer = this.#exports.malloc(bytes.length);
      if (this.#bytes.buffer !== this.#exports.memory.buffer) this.#look();
      this.#bytes.set(bytes, pointer);
      this.#view.setUint32(pointerAt, pointer, true);
      this.#view.setUint32(sizeAt, bytes.length, true);
      return 0;
    };
    const messages: string[] = [];
    const keyAt = (at: number, size: number): string => String.fromCharCode(...this.#bytes.subarray(at, at + size));
    const calls: Record<string, (...args: number[]) => number> = {
      proxy_get_property: (_path, _size, pointerAt, sizeAt) => give(this.#request.caller, pointerAt!, sizeAt!),
      proxy_get_header_map_pairs: (_type, pointerAt, sizeAt) => give(this.#request.headers, pointerAt!, sizeAt!),
      proxy_get_buffer_bytes: (_type, _start, _size, pointerAt, sizeAt) =>
        give(this.#configuration, pointerAt!, sizeAt!),
      proxy_get_current_time_nanoseconds: (at) => {
        // The engine tries the call with memory that is not there.
        if (at! < 0) return WasmResult.InvalidMemoryAccess;
        this.#view.setBigUint64(at!, this.nanoseconds, true);
        return 0;
      },
      // The secret that tables are indexed under, the same in every run.
      random_get: (at, size) => {
        this.#look();
        this.#bytes.fill(7, at!, at! + size!);
        return WasmResult.Ok;
      },
      proxy_get_shared_data: (at, size, pointerAt, sizeAt, casAt) => {
        this.#look();
        const entry = sharedData.get(keyAt(at!, size!));
        if (entry === undefined) return WasmResult.NotFound;
        this.#view.setUint32(casAt!, entry.cas, true);
        return give(entry.value, pointerAt!, sizeAt!);
      },
      proxy_set_shared_data: (at, size, valueAt, valueSize, cas) =>
        sharedData.set(keyAt(at!, size!), this.#bytes.subarray(valueAt!, valueAt! + valueSize!), cas!),
      proxy_log: (_level, at, size) => {
        this.#look();
        messages.push(Buffer.from(this.#bytes.subarray(at!, at! + size!)).toString());
        return 0;
      },
    };
    const imports: Record<string, Record<string, unknown>> = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      imports[from][name] = calls[name] ?? (() => 0);
    }
    this.#exports = new WebAssembly.Instance(module, imports as never).exports as unknown as Exports;
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    this.#view = new DataView(this.#exports.memory.buffer);
    this.#configuration = Buffer.from(JSON.stringify({ policy: Buffer.from(image).toString("base64") }));
    this.#exports._initialize();
    this.#exports.proxy_on_context_create(1, 0);
    if (this.#exports.proxy_on_configure(1, this.#configuration.length) === 0) throw new Error(messages.join("\n"));
    this.#configuration = new Uint8Array();
    this.#look();
  }

  /** Bytes of memory that the engine has. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  #look(): void {
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    this.#view = new DataView(this.#exports.memory.buffer);
  }

  /** Whether the engine lets a request pass. */
  ask(request: BenchRequest): boolean {
    this.#request = request;
    this.#stream = this.#stream === 0x7fffffff ? 2 : this.#stream + 1;
    this.#exports.proxy_on_context_create(this.#stream, 1);
    const admits = this.#exports.proxy_on_request_headers(this.#stream, 0, 1) === 0;
    this.#exports.proxy_on_delete(this.#stream);
    if (this.#stream % tick_requests === 0) this.#exports.proxy_on_tick(1);
    return admits;
  }
}
