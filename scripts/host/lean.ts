/**
 * A host for decisions by the hundred thousand (`sallyport replay`): the module's own imports, answered for one request at a time, with nothing
 * made for a request that is not needed. It has no callouts, no metrics and no faults; what a policy may want of those, `scripts/replay/`
 * leaves out. `tests/host/lean.test.ts` holds its decisions against those of the other host, which behaves as Envoy's.
 */
import { randomFillSync } from "node:crypto";
import { bufferPluginConfiguration, LoadError, mapRequestHeaders, WasmResult } from "./abi.ts";
import { SharedData } from "./shared.ts";
import { verifySignature } from "./signature.ts";
import { compileModule } from "./vm.ts";

/** A request in the terms of the host's calls. Texts are sent as UTF-8. */
export interface SentRequest {
  /** The URI in the caller's certificate; null: none. */
  caller: string | null;
  /** `ip:port` or `[ip]:port`; "": the connection has no address. */
  source: string;
  host: string;
  method: string;
  /** As sent. */
  path: string;
  /** Sent as `authorization: Bearer …`; null: none. */
  token: string | null;
}

/** A request as it is handed to modules, made once for all that are asked. */
export class LeanRequest {
  readonly caller: string | null;
  readonly callerBytes: number;
  readonly source: string;
  /** Names and values of its headers with a NUL behind each, and how many bytes that is, and some of the values are. */
  readonly text: string;
  readonly textBytes: number;
  readonly hostBytes: number;
  readonly pathBytes: number;
  readonly methodBytes: number;
  /** 0 without a token. */
  readonly tokenBytes: number;

  constructor({ caller, source, host, method, path, token }: SentRequest) {
    this.caller = caller;
    this.callerBytes = caller === null ? 0 : Buffer.byteLength(caller);
    this.source = source;
    const authorization = token === null ? "" : `authorization\0Bearer ${token}\0`;
    this.text = `:authority\0${host}\0:path\0${path}\0:method\0${method}\0:scheme\0https\0${authorization}`;
    this.hostBytes = Buffer.byteLength(host);
    this.pathBytes = Buffer.byteLength(path);
    this.methodBytes = Buffer.byteLength(method);
    this.tokenBytes = token?.length ?? 0;
    this.textBytes = 42 + this.hostBytes + this.pathBytes + this.methodBytes + authorization.length;
  }
}

/** A rule in shadow mode that was judged. */
export interface LeanShadow {
  rule: string;
  reason: string;
}

/** The decision, as the record says it; equal ones are mostly one object. */
export interface LeanDecision {
  /** Whether it is `allow`. */
  admits: boolean;
  reason: string;
  /** "" without one. */
  rule: string;
  /** At most `shadow_rules_max` of them (assembly/limits.ts). */
  shadows: readonly LeanShadow[];
}

/** How a record begins, and the decisions that are told so. */
interface Head {
  bytes: Uint8Array;
  decision: LeanDecision;
  /** By the list of rules in shadow mode. */
  withShadows: Map<string, LeanDecision>;
}

type Call = (...args: number[]) => number;

const rootContext = 1;
const no_shadows: readonly LeanShadow[] = [];
/** Without a record nothing passes. */
const no_decision: LeanDecision = { admits: false, reason: "internal", rule: "", shadows: no_shadows };
/** So many different texts of decisions are kept; a policy of many rules has more, which are parsed again. */
const kept_max = 50_000;
const { Ok, NotFound, BadArgument, InvalidMemoryAccess } = WasmResult;

export class LeanHost {
  readonly #exports: Record<string, Call | undefined>;
  readonly #memory: WebAssembly.Memory;
  #bytes: Buffer;
  #view: DataView;
  readonly #configuration: Uint8Array;
  readonly #sharedData = new SharedData();
  #request: LeanRequest | undefined;
  #decision = no_decision;
  #nextStream = rootContext + 1;
  #clockLow = 0;
  #clockHigh = 0;
  #isInspecting = false;
  #lines: string[] = [];
  readonly #heads = new Map<number, Head>();

  /**
   * @param image a policy image without a fleet, without fetched keys
   * @throws LoadError where the engine refuses it, with the engine's own words
   */
  constructor(module: WebAssembly.Module | Uint8Array, image: Uint8Array) {
    this.#configuration = Buffer.from(JSON.stringify({ policy: Buffer.from(image).toString("base64") }));
    const imports = this.#imports();
    const instance = new WebAssembly.Instance(compileModule(module), { env: imports, wasi_snapshot_preview1: imports });
    this.#exports = instance.exports as Record<string, Call | undefined>;
    this.#memory = instance.exports.memory as WebAssembly.Memory;
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
    this.clockMilliseconds = Date.now();
    this.#exports._initialize?.();
    this.#exports.proxy_on_context_create?.(rootContext, 0);
    if (this.#exports.proxy_on_configure?.(rootContext, this.#configuration.length) !== 1)
      throw new LoadError(this.#lines.join("; ") || "the engine refuses the policy");
    // Counts are gathered, not handed over one by one, where the host has ticked and has told of an end (docs/architecture.md).
    this.#exports.proxy_on_tick?.(rootContext);
    this.#lines = [];
  }

  /** Milliseconds since 1970, as the module is told; it stands still. */
  set clockMilliseconds(milliseconds: number) {
    const nanoseconds = BigInt(Math.max(1, Math.floor(milliseconds))) * 1_000_000n;
    this.#clockLow = Number(nanoseconds & 0xffffffffn);
    this.#clockHigh = Number(nanoseconds >> 32n);
  }

  /** Decides one request. A trap is thrown; the host is of no use after it. */
  decide(request: LeanRequest): LeanDecision {
    const stream = this.#nextStream;
    this.#nextStream = stream === 0x7fffffff ? rootContext + 1 : stream + 1;
    this.#request = request;
    this.#decision = no_decision;
    this.#exports.proxy_on_context_create!(stream, rootContext);
    this.#exports.proxy_on_request_headers!(stream, 4, 1);
    this.#exports.proxy_on_delete!(stream);
    this.#request = undefined;
    return this.#decision;
  }

  /** As `decide`, with what came of every candidate rule, by its number in the image; each binding of a rule's variables is one. It takes longer. */
  inspect(request: LeanRequest): LeanDecision & { rules: { rule: number; reason: string }[] } {
    this.#lines = [];
    this.#isInspecting = true;
    this.#exports.sallyport_inspect!(1);
    const decision = this.decide(request);
    this.#exports.sallyport_inspect!(0);
    this.#isInspecting = false;
    const rules = this.#lines.flatMap((line) => {
      const [, rule, reason] = /^inspect rule (\d+) (\w+)$/u.exec(line) ?? [];
      return reason === undefined ? [] : [{ rule: Number(rule), reason }];
    });
    this.#lines = [];
    return { ...decision, rules };
  }

  /**
   * Reads a record. What stands before `method` in it is of the policy alone, so few texts come again and again: they are known by
   * a hash of their bytes, and compared. The same holds of the list of rules in shadow mode, which is last.
   */
  #read(at: number, size: number): LeanDecision {
    const bytes = this.#bytes;
    const end = at + size;
    let hash = 0;
    let cursor = at;
    for (; cursor < end; cursor++) {
      const byte = bytes[cursor]!;
      // `,"method":`, or any member of the request that stands first where there is no method.
      if (byte === 0x2c && isOfRequest(bytes[cursor + 2]!, bytes[cursor + 3]!)) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    let head = this.#heads.get(hash);
    if (head === undefined || !isSame(bytes, at, cursor, head.bytes)) {
      const text = bytes.toString("latin1", at, cursor).replace(/\}$/u, "");
      const { decision, reason, rule = "" } = JSON.parse(`${text}}`) as Record<string, string>;
      const told = { admits: decision === "allow", reason: reason!, rule, shadows: no_shadows };
      head = { bytes: Uint8Array.from(bytes.subarray(at, cursor)), decision: told, withShadows: new Map() };
      keep(this.#heads, hash, head);
    }
    // A text ends with a quote, so only a list is the last member so. It has names in it, and no list.
    if (bytes[end - 2] !== 0x5d) return head.decision;
    const list = bytes.toString("latin1", bytes.lastIndexOf(0x5b, end - 2), end - 1);
    let decision = head.withShadows.get(list);
    if (decision === undefined) {
      const shadows = (JSON.parse(list) as LeanShadow[]).map(({ rule, reason }) => ({ rule, reason }));
      decision = { ...head.decision, shadows };
      keep(head.withShadows, list, decision);
    }
    return decision;
  }

  /** Whether those bytes are in memory. What the module tries at start, whether it may call, it tries with bytes that are not (assembly/host/probe.ts). */
  #holds(at: number, size: number): boolean {
    this.#refresh();
    return (at >>> 0) + size <= this.#bytes.length;
  }

  /** Growing memory detaches its buffer. */
  #refresh(): void {
    if (this.#bytes.buffer === this.#memory.buffer) return;
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }

  /** Room from the module's `malloc`, told of at `pointerAt` and `sizeAt`; 0 where there is none. */
  #room(size: number, pointerAt: number, sizeAt: number): number {
    const pointer = size === 0 ? 0 : this.#exports.malloc!(size) >>> 0;
    this.#refresh();
    this.#view.setUint32(pointerAt, pointer, true);
    this.#view.setUint32(sizeAt, size, true);
    return pointer;
  }

  #handOut(bytes: Uint8Array, pointerAt: number, sizeAt: number): number {
    const pointer = this.#room(bytes.length, pointerAt, sizeAt);
    if (pointer === 0 && bytes.length > 0) return InvalidMemoryAccess;
    this.#bytes.set(bytes, pointer);
    return Ok;
  }

  #handOutText(text: string, size: number, pointerAt: number, sizeAt: number): number {
    const pointer = this.#room(size, pointerAt, sizeAt);
    if (pointer === 0 && size > 0) return InvalidMemoryAccess;
    this.#bytes.write(text, pointer, size, "utf8");
    return Ok;
  }

  #property(path: number, size: number, pointerAt: number, sizeAt: number): number {
    const request = this.#request;
    if (request === undefined) return NotFound;
    const name = this.#bytes.toString("latin1", path, path + size);
    if (name === "connection\0uri_san_peer_certificate" && request.caller !== null)
      return this.#handOutText(request.caller, request.callerBytes, pointerAt, sizeAt);
    if (name === "source\0address" && request.source !== "")
      return this.#handOutText(request.source, request.source.length, pointerAt, sizeAt);
    return NotFound;
  }

  /** The pairs of the request as `marshalPairs` writes them, in one go. */
  #pairs(type: number, pointerAt: number, sizeAt: number): number {
    const request = this.#request;
    if (type !== mapRequestHeaders || request === undefined) return BadArgument;
    const count = request.tokenBytes === 0 ? 4 : 5;
    const head = 4 + count * 8;
    const pointer = this.#room(head + request.textBytes, pointerAt, sizeAt);
    if (pointer === 0) return InvalidMemoryAccess;
    const view = this.#view;
    view.setUint32(pointer, count, true);
    view.setUint32(pointer + 4, 10, true);
    view.setUint32(pointer + 8, request.hostBytes, true);
    view.setUint32(pointer + 12, 5, true);
    view.setUint32(pointer + 16, request.pathBytes, true);
    view.setUint32(pointer + 20, 7, true);
    view.setUint32(pointer + 24, request.methodBytes, true);
    view.setUint32(pointer + 28, 7, true);
    view.setUint32(pointer + 32, 5, true);
    if (count === 5) {
      view.setUint32(pointer + 36, 13, true);
      view.setUint32(pointer + 40, 7 + request.tokenBytes, true);
    }
    this.#bytes.write(request.text, pointer + head, request.textBytes, "utf8");
    return Ok;
  }

  #verify(name: number, nameSize: number, at: number, size: number, pointerAt: number, sizeAt: number): number {
    if (this.#bytes.toString("latin1", name, name + nameSize) !== "verify_signature") return NotFound;
    const { status, result = new Uint8Array() } = verifySignature(Uint8Array.from(this.#bytes.subarray(at, at + size)));
    return pointerAt === 0 || sizeAt === 0 ? status : this.#handOut(result, pointerAt, sizeAt) || status;
  }

  /** One handler for each import; what a request cannot come to answers that there is nothing of the kind. */
  #imports(): WebAssembly.ModuleImports {
    let nextMetric = 0;
    const ok = (): number => Ok;
    const nothing = (): number => NotFound;
    const none = (): number => BadArgument;
    const calls: Record<string, (...args: never[]) => number> = {
      proxy_get_property: (path: number, size: number, pointerAt: number, sizeAt: number) => {
        this.#refresh();
        return this.#property(path, size, pointerAt, sizeAt);
      },
      proxy_get_header_map_pairs: (type: number, pointerAt: number, sizeAt: number) =>
        this.#pairs(type, pointerAt, sizeAt),
      proxy_get_current_time_nanoseconds: (at: number) => {
        if (!this.#holds(at, 8)) return InvalidMemoryAccess;
        this.#view.setUint32(at, this.#clockLow, true);
        this.#view.setUint32(at + 4, this.#clockHigh, true);
        return Ok;
      },
      proxy_set_property: (_path: number, _size: number, value: number, valueSize: number) => {
        if (!this.#holds(value, valueSize)) return InvalidMemoryAccess;
        this.#decision = this.#read(value >>> 0, valueSize);
        return Ok;
      },
      proxy_get_buffer_bytes: (type: number, start: number, size: number, pointerAt: number, sizeAt: number) =>
        type === bufferPluginConfiguration
          ? this.#handOut(this.#configuration.subarray(start, start + size), pointerAt, sizeAt)
          : NotFound,
      proxy_log: (level: number, at: number, size: number) => {
        this.#refresh();
        if (level > 0 !== this.#isInspecting) this.#lines.push(this.#bytes.toString("utf8", at, at + size));
        return Ok;
      },
      proxy_define_metric: (_type: number, _name: number, _size: number, at: number) => {
        this.#refresh();
        nextMetric += 4;
        this.#view.setUint32(at, nextMetric, true);
        return Ok;
      },
      proxy_call_foreign_function: (...args: number[]) => {
        this.#refresh();
        return this.#verify(args[0]!, args[1]!, args[2]!, args[3]!, args[4]!, args[5]!);
      },
      random_get: (at: number, size: number) => {
        this.#refresh();
        randomFillSync(this.#bytes, at, size);
        return Ok;
      },
      proxy_get_shared_data: (at: number, size: number, pointerAt: number, sizeAt: number, casAt: number) => {
        if (!this.#holds(at, size)) return InvalidMemoryAccess;
        const entry = this.#sharedData.get(this.#bytes.toString("latin1", at, at + size));
        if (entry === undefined) return NotFound;
        const result = this.#handOut(entry.value, pointerAt, sizeAt);
        this.#view.setUint32(casAt, entry.cas, true);
        return result;
      },
      proxy_set_shared_data: (at: number, size: number, value: number, valueSize: number, cas: number) => {
        if (!this.#holds(at, size) || !this.#holds(value, valueSize)) return InvalidMemoryAccess;
        const copy = Uint8Array.from(this.#bytes.subarray(value, value + valueSize));
        return this.#sharedData.set(this.#bytes.toString("latin1", at, at + size), copy, cas >>> 0);
      },
      proxy_get_metric: nothing,
      proxy_increment_metric: ok,
      proxy_record_metric: ok,
      proxy_send_local_response: ok,
      proxy_replace_header_map_value: ok,
      proxy_remove_header_map_value: ok,
      proxy_set_tick_period_milliseconds: ok,
      proxy_set_effective_context: ok,
      proxy_continue_stream: ok,
      proxy_http_call: none,
      proxy_grpc_call: none,
    };
    return calls as unknown as WebAssembly.ModuleImports;
  }
}

/** Whether a member whose name begins with these letters is of the request: method, host, path, caller and cause. */
function isOfRequest(first: number, second: number): boolean {
  // `mo` is of the mode, and `po` of the policy.
  return (first === 0x6d && second === 0x65) || first === 0x68 || (first === 0x70 && second === 0x61) || first === 0x63;
}

function isSame(bytes: Uint8Array, at: number, end: number, known: Uint8Array): boolean {
  if (end - at !== known.length) return false;
  for (let index = 0; index < known.length; index++) if (bytes[at + index] !== known[index]) return false;
  return true;
}

function keep<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  if (map.size >= kept_max) map.clear();
  map.set(key, value);
}
