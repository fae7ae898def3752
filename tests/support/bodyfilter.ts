/**
 * A filter that does with headers, bodies and trailers what the request's path orders, and tells in its log of each callback and each result;
 * and scenarios for it, which the Node host and Envoy have to play alike.
 */
import type { Pair } from "../../scripts/host/pairs.ts";
import { type HostOptions, PluginHost } from "../../scripts/host/plugin.ts";
import { compileFilter } from "./filter.ts";

const data = (text: string): string => `memory.data<u8>([${[...Buffer.from(text)].join(",")}])`;
const named = (name: string): string => `${data(name)}, ${name.length}`;

/** Bytes that a tight Envoy keeps. */
export const tight_bytes = 16_384;
const most = "a".repeat(9_000);
const rest = "b".repeat(tight_bytes - most.length);

/** What callbacks answer, and what they do before: one letter each. */
export interface Orders {
  /** What the callbacks answer for headers, bytes, the end of the body, and trailers. Default: 0. */
  answers?: string;
  /** What they do: `-` nothing; `r` reads the request's headers and body and changes a header; `l` answers; `L` does where there is more than a tight Envoy keeps; `c` continues the request; `x` is `r`, then `c`; `w` replaces the body; `g` reads around its end; `-` by default. */
  acts?: string;
  /** The same for the answer's callbacks: `R`, `C`, `W` for `r`, `c`, `w`; `y` is `R`, then `W`; `Y` is `y`, then `C`; `p` writes before the bytes, `a` behind them. */
  responseAnswers?: string;
  responseActs?: string;
  /** What a tick does, once, after the callback named by `h`eaders, `b`ytes, `e`nd or the answer's `E`nd. */
  tick?: { act: string; after: "h" | "b" | "e" | "E" };
}

/** How the upstream answers: with content-length, in two chunks, with trailers, with headers alone, in two chunks that a tight Envoy does not keep. */
export type Answer = "length" | "chunks" | "trailers" | "empty" | "large";

/** One request and its answer. */
export interface Scenario {
  name: string;
  orders: Orders;
  /** The pieces of the request's body. None: it has none. */
  body?: readonly string[];
  /** How it ends. Default: by its last byte; `leaves`: the client leaves instead. */
  end?: "trailers" | "leaves";
  answer?: Answer;
  /** The plugin has not got `allow_on_headers_stop_iteration`. */
  isPlain?: boolean;
  /** Envoy keeps few bytes. */
  isTight?: boolean;
  /** Envoy reads it in other pieces. */
  isForNode?: boolean;
  expected: Told;
}

/** What came of a scenario. */
export interface Told {
  /** What the client got: `-` where nothing came. */
  client: string;
  /** What the upstream got: `-` where nothing came. */
  upstream: string;
}

/** The orders as a path. */
export function pathOf(
  { answers, acts, responseAnswers, responseActs, tick }: Orders,
  answer: Answer = "length",
): string {
  const filled = (text: string | undefined, filler: string): string => (text ?? "").padEnd(4, filler);
  const ticks = tick === undefined ? "--" : `${tick.after}${tick.act}`;
  return `/${filled(answers, "0")}${filled(acts, "-")}${filled(responseAnswers, "0")}${filled(responseActs, "-")}${ticks}/${answer}`;
}

/** The filter; it has one stream at a time. */
export const compileBodyFilter = (): Promise<Uint8Array> => compileFilter(source, malloc);

const malloc = `
const room: usize = memory.data(65536, 16);
export function malloc(size: usize): usize { return size > 65536 ? 0 : room; }
`;

const source = `
const line: usize = memory.data(256);
const path: usize = memory.data(32);
let end: usize = 0;
let open: u32 = 0;
let armed: bool = false;
function put(byte: u32): void { store<u8>(line + end++, <u8>byte); }
function number(value: u32): void { if (value >= 10) number(value / 10); put(48 + value % 10); }
function say(): void { proxy_log(4, line, end); end = 0; }
function tell(name: u32, first: u32, second: u32): void { put(name); number(first); put(0x2e); number(second); say(); }
function order(at: u32): u32 { return load<u8>(path + at); }
function arm(name: u32): void { if (order(17) == name) armed = true; }
/** A buffer's size as it is read, and its first and last bytes. */
function bytes(type: u32): void {
  store<u64>(out, 0);
  put(0x20); number(proxy_get_buffer_bytes(type, 0, 0x7fffffff, out, out + 4));
  const at = load<u32>(out), size = load<u32>(out + 4);
  put(0x2f); number(size);
  if (size > 0) { put(load<u8>(at)); put(load<u8>(at + size - 1)); }
}
function pairs(type: u32): void {
  store<u64>(out, 0);
  put(0x20); number(proxy_get_header_map_pairs(type, out, out + 4)); put(load<u32>(out + 4) > 0 ? 0x2b : 0x2d);
}
function range(start: u32, size: u32): void {
  put(0x20); number(proxy_get_buffer_bytes(0, start, size, out, out + 4)); put(0x2f); number(load<u32>(out + 4));
}
function does(act: u32): void {
  if (act == 0x2d) return;
  put(0x21); put(act);
  if (act == 0x72 || act == 0x78) {
    pairs(0); bytes(0);
    put(0x20); number(proxy_replace_header_map_value(0, ${named("x-new")}, ${named("here")}));
    number(proxy_remove_header_map_value(0, ${named("x-gone")}));
  }
  if (act == 0x52 || act == 0x79 || act == 0x59) {
    pairs(2); bytes(1);
    put(0x20); number(proxy_replace_header_map_value(2, ${named("x-new")}, ${named("here")}));
  }
  if (act == 0x67) { range(0, 2); range(1, 1); range(4, 1); range(5, 4); }
  if (act == 0x77) number(proxy_set_buffer_bytes(0, 0, 0x7fffffff, ${named("REPLACED")}) * 10 + proxy_remove_header_map_value(0, ${named("content-length")}));
  if (act == 0x57 || act == 0x79 || act == 0x59) number(proxy_set_buffer_bytes(1, 0, 0x7fffffff, ${named("REPLACED")}) * 10 + proxy_remove_header_map_value(2, ${named("content-length")}));
  if (act == 0x70) number(proxy_set_buffer_bytes(1, 0, 0, ${named("<")}) * 10 + proxy_set_buffer_bytes(1, 1, 1, ${named("!")}));
  if (act == 0x61) number(proxy_set_buffer_bytes(1, 0x7fffffff, 0, ${named(">")}));
  if (act == 0x4c) range(0, 0xffffffff);
  if (act == 0x6c || (act == 0x4c && load<u32>(out + 4) > ${tight_bytes})) number(proxy_send_local_response(418, ${named("mine")}, ${named("local")}, 0, 0, -1));
  if (act == 0x63 || act == 0x78) { number(proxy_continue_stream(0)); pairs(0); }
  if (act == 0x43 || act == 0x59) number(proxy_continue_stream(1));
  say();
}
function answer(at: u32): u32 { return order(at) - 48; }
export function proxy_on_configure(id: u32, size: u32): u32 { proxy_set_tick_period_milliseconds(20); return 1; }
export function proxy_on_request_headers(id: u32, count: u32, last: u32): u32 {
  proxy_get_property(${named("request\0path")}, out, out + 4);
  memory.copy(path, load<u32>(out), 19);
  open = id; armed = false;
  tell(0x48, last, 0); arm(0x68);
  return answer(1);
}
export function proxy_on_request_body(id: u32, size: u32, last: u32): u32 {
  put(0x42); number(size); put(0x2e); number(last); bytes(0); pairs(0); say();
  does(order(last ? 6 : 5)); arm(last ? 0x65 : 0x62);
  return answer(last ? 3 : 2);
}
export function proxy_on_request_trailers(id: u32, count: u32): u32 {
  put(0x54); number(count); bytes(0); pairs(1); say();
  does(order(7)); arm(0x65);
  return answer(4);
}
export function proxy_on_response_headers(id: u32, count: u32, last: u32): u32 {
  tell(0x49, last, 0); does(order(13));
  return answer(9);
}
export function proxy_on_response_body(id: u32, size: u32, last: u32): u32 {
  put(0x43); number(size); put(0x2e); number(last); bytes(1); pairs(2); say();
  does(order(last ? 15 : 14)); if (last) arm(0x45);
  return answer(last ? 11 : 10);
}
export function proxy_on_response_trailers(id: u32, count: u32): u32 {
  put(0x55); number(count); bytes(1); pairs(3); say();
  does(order(16)); arm(0x45);
  return answer(12);
}
export function proxy_on_tick(root: u32): void {
  if (!armed || open == 0) return;
  armed = false;
  tell(0x4b, proxy_set_effective_context(open), 0);
  does(order(18));
}
export function proxy_on_delete(id: u32): void { if (id == open) { open = 0; tell(0x58, 0, 0); } }
`;

/** What the upstream answers: headers, pieces, trailers. */
export const answersOf: Readonly<
  Record<Answer, { status: number; headers: Pair[]; body: string[]; trailers?: Pair[] }>
> = {
  length: { status: 200, headers: [["content-length", "10"]], body: ["0123456789"] },
  chunks: { status: 200, headers: [], body: ["aaaa", "bbbb"] },
  trailers: { status: 200, headers: [["trailer", "x-end"]], body: ["aaaa", "bbbb"], trailers: [["x-end", "1"]] },
  empty: { status: 204, headers: [], body: [] },
  large: { status: 200, headers: [], body: [most, most] },
};

/** What came of a scenario, and the log's lines by the steps that brought them. */
export interface Played extends Told {
  steps: string[][];
  /** How many of them are the request's; then come those of its answer, and one for the end. */
  requestSteps: number;
}

const seen = (pairs: readonly Pair[] | undefined, names: readonly string[]): string =>
  names.filter((name) => pairs?.some(([other]) => other === name)).join(",");
const interesting = ["content-length", "x-gone", "x-new"] as const;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** How a message is told: its interesting headers, its body, its trailers. */
export function told(headers: readonly Pair[], body: string, trailers: readonly Pair[] | undefined): string {
  const shown = body.length > 40 ? `${body.length} bytes` : body;
  return `[${seen(headers, interesting)}] ${shown}${trailers?.length ? ` +${trailers.length}` : ""}`;
}

/** Plays a scenario in the Node host. */
export function playInNode(
  wasm: Uint8Array,
  { orders, body, end, answer = "length", isPlain, isTight }: Scenario,
): Played {
  const options: HostOptions = {
    allowOnHeadersStopIteration: isPlain !== true,
    ...(isTight === true && { bufferLimitBytes: tight_bytes }),
  };
  const host = PluginHost.load(wasm, options);
  const { rootContext: root } = host.startPlugin();
  const steps: string[][] = [];
  const step = <Result>(does: () => Result): Result => {
    const before = host.logs.length;
    const result = does();
    host.tick(root);
    steps.push(host.logs.slice(before).map(({ message }) => message));
    return result;
  };
  const path = pathOf(orders, answer);
  const headers: Pair[] = [
    [":method", body === undefined ? "GET" : "POST"],
    [":path", path],
    [":authority", "a"],
    ["x-gone", "1"],
  ];
  const outcome = step(() =>
    host.request(root, { headers, hasBody: body !== undefined, keepOpen: true, properties: { "request.path": path } }),
  );
  const { context: id } = outcome;
  const isOpen = (): boolean => outcome.localResponse === undefined && outcome.reset === undefined;
  for (const piece of body ?? []) if (isOpen()) step(() => host.body(id, Buffer.from(piece)));
  if (isOpen() && body !== undefined && end === undefined) step(() => host.body(id, new Uint8Array(), true));
  if (isOpen() && end === "trailers") step(() => host.trailers(id, [["x-end", "1"]]));
  const requestSteps = steps.length;
  if (outcome.action === "continue" && outcome.upstream.isGone) {
    const from = answersOf[answer];
    const isEnd = from.body.length === 0;
    step(() => host.respond(id, [[":status", String(from.status)], ...from.headers], isEnd));
    for (const piece of from.body) if (isOpen()) step(() => host.respondBody(id, Buffer.from(piece)));
    if (isOpen() && !isEnd && from.trailers === undefined) step(() => host.respondBody(id, new Uint8Array(), true));
    if (isOpen() && from.trailers !== undefined) step(() => host.respondTrailers(id, from.trailers!));
  }
  const upstreamBody = text(outcome.upstream.goneBody);
  const upstream =
    outcome.action === "continue" || outcome.upstream.isGone
      ? told(outcome.headers, upstreamBody, outcome.upstream.goneTrailers)
      : "-";
  step(() => host.deleteContext(id));
  return { client: clientOf(outcome), upstream, steps, requestSteps };
}

function clientOf({ localResponse, reset, response }: ReturnType<PluginHost["request"]>): string {
  if (localResponse !== undefined)
    return `${localResponse.status} ${told(localResponse.headers, localResponse.body, undefined)}`;
  if (response.headers === undefined) return "-";
  const status = response.headers.find(([name]) => name === ":status")?.[1];
  const { goneBody, goneTrailers, isGone } = response.flow;
  const broken = reset !== undefined || !isGone ? " …" : "";
  return `${status} ${told(response.headers, text(goneBody), goneTrailers)}${broken}`;
}

const held = "1100";
/** The scenarios. */
export const scenarios: readonly Scenario[] = [
  {
    name: "held in three pieces, headers changed at the end",
    orders: { answers: held, acts: "-r" },
    body: ["aaaa", "bbbb", "cccc"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaabbbbcccc" },
  },
  {
    name: "held, an empty body",
    orders: { answers: held, acts: "-r" },
    body: [],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] " },
  },
  {
    name: "headers are held without a body: a tick lets them go on",
    orders: { answers: held, tick: { act: "x", after: "h" } },
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] " },
  },
  {
    name: "held, trailers end it",
    orders: { answers: held, acts: "--r" },
    body: ["aaaa", "bbbb"],
    end: "trailers",
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaabbbb +1" },
  },
  {
    name: "held at the trailers too: a tick reads all of it and lets it go on",
    orders: { answers: "1111", tick: { act: "x", after: "e" } },
    body: ["aaaa", "bbbb"],
    end: "trailers",
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaabbbb +1" },
  },
  {
    name: "held at the end: a tick reads all of it and lets it go on",
    orders: { answers: "1110", tick: { act: "x", after: "e" } },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaabbbb" },
  },
  {
    name: "held at the end: a tick answers",
    orders: { answers: "1110", tick: { act: "l", after: "e" } },
    body: ["aaaa", "bbbb"],
    expected: { client: "418 [content-length] local", upstream: "-" },
  },
  {
    name: "a tick lets a half go on: what comes then is counted anew",
    orders: { answers: held, tick: { act: "x", after: "b" } },
    body: ["aaaa", "bbbb", "cccc"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaabbbbcccc" },
  },
  {
    name: "a callback in the middle that answers 0 lets the headers go on",
    orders: { answers: "1000" },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] aaaabbbb" },
  },
  {
    name: "continued from within the last callback",
    orders: { answers: "1110", acts: "-c" },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] aaaabbbb" },
  },
  {
    name: "answered at the end of the body",
    orders: { answers: "1110", acts: "-l" },
    body: ["aaaa", "bbbb"],
    expected: { client: "418 [content-length] local", upstream: "-" },
  },
  {
    name: "answered at the first bytes",
    orders: { answers: "1110", acts: "l" },
    body: ["aaaa", "bbbb"],
    expected: { client: "418 [content-length] local", upstream: "-" },
  },
  {
    name: "answered at the trailers",
    orders: { answers: "1111", acts: "--l" },
    body: ["aaaa"],
    end: "trailers",
    expected: { client: "418 [content-length] local", upstream: "-" },
  },
  {
    name: "reading around the end of the body",
    orders: { answers: held, acts: "g" },
    body: ["aaaa"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] aaaa" },
  },
  {
    name: "the request's body is replaced",
    orders: { answers: held, acts: "-w" },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] REPLACED" },
  },
  {
    name: "headers that were not held, bytes that are kept",
    orders: { answers: "0100", acts: "-r" },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] aaaabbbb" },
  },
  {
    name: "a callback that answers 3 drops its bytes",
    orders: { answers: "1300" },
    body: ["aaaa", "bbbb"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] " },
  },
  {
    name: "the client leaves while it is held",
    orders: { answers: held },
    body: ["aaaa"],
    end: "leaves",
    expected: { client: "-", upstream: "-" },
  },
  {
    name: "more than Envoy keeps",
    orders: { answers: held },
    body: [most, most, "c"],
    isTight: true,
    expected: { client: "413 [content-length] Payload Too Large", upstream: "-" },
  },
  {
    name: "more than Envoy keeps, answered by the filter in that callback",
    orders: { answers: held, acts: "L" },
    body: [most, most, "c"],
    isTight: true,
    expected: { client: "413 [content-length] Payload Too Large", upstream: "-" },
  },
  {
    name: "one piece that is more than Envoy keeps",
    orders: { answers: held },
    body: [most + most, "c"],
    isTight: true,
    isForNode: true,
    expected: { client: "413 [content-length] Payload Too Large", upstream: "-" },
  },
  {
    name: "as much as Envoy keeps",
    orders: { answers: held },
    body: [most, rest],
    isTight: true,
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-gone] 16384 bytes" },
  },
  {
    name: "without the setting nothing of the body comes, and the client leaves",
    orders: { answers: held },
    body: ["aaaa"],
    end: "leaves",
    isPlain: true,
    expected: { client: "-", upstream: "-" },
  },
  {
    name: "without the setting a tick answers",
    orders: { answers: held, tick: { act: "l", after: "h" } },
    body: ["aaaa"],
    isPlain: true,
    expected: { client: "418 [content-length] local", upstream: "-" },
  },
  {
    name: "without the setting a tick lets it go on, and then the body comes",
    orders: { answers: held, tick: { act: "x", after: "h" } },
    body: ["aaaa"],
    isPlain: true,
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaa" },
  },
  {
    name: "4 stops the body also with the setting",
    orders: { answers: "4100", tick: { act: "x", after: "h" } },
    body: ["aaaa"],
    expected: { client: "200 [content-length] 0123456789", upstream: "[x-new] aaaa" },
  },
  {
    name: "an answer that is held and replaced",
    orders: { responseAnswers: held, responseActs: "--W" },
    expected: { client: "200 [] REPLACED", upstream: "[x-gone] " },
  },
  {
    name: "an answer in chunks, held, its headers changed",
    orders: { responseAnswers: held, responseActs: "--R" },
    answer: "chunks",
    expected: { client: "200 [x-new] aaaabbbb", upstream: "[x-gone] " },
  },
  {
    name: "an answer whose trailers end it, held, replaced there",
    orders: { responseAnswers: held, responseActs: "---y" },
    answer: "trailers",
    expected: { client: "200 [x-new] REPLACED +1", upstream: "[x-gone] " },
  },
  {
    name: "an answer that is held at its end too: a tick replaces it and lets it go on",
    orders: { responseAnswers: "1110", tick: { act: "Y", after: "E" } },
    expected: { client: "200 [x-new] REPLACED", upstream: "[x-gone] " },
  },
  {
    name: "an answer that streams, with bytes before each piece",
    orders: { responseActs: "-p" },
    answer: "chunks",
    expected: { client: "200 [] <aaaa<bbbb", upstream: "[x-gone] " },
  },
  {
    name: "an answer that streams, with bytes behind it",
    orders: { responseActs: "--a" },
    answer: "chunks",
    expected: { client: "200 [] aaaabbbb>", upstream: "[x-gone] " },
  },
  {
    name: "an answer whose headers have gone on, its bytes kept",
    orders: { responseAnswers: "0100", responseActs: "--R" },
    answer: "chunks",
    expected: { client: "200 [] aaaabbbb", upstream: "[x-gone] " },
  },
  {
    name: "an answer without a body",
    orders: {},
    answer: "empty",
    expected: { client: "204 [] ", upstream: "[x-gone] " },
  },
  {
    name: "answered in place of an answer that is held",
    orders: { responseAnswers: "1110", responseActs: "--l" },
    expected: { client: "418 [content-length] local", upstream: "[x-gone] " },
  },
  {
    name: "answered in place of an answer, from its headers",
    orders: { responseAnswers: held, responseActs: "l" },
    expected: { client: "418 [content-length] local", upstream: "[x-gone] " },
  },
  {
    name: "an answer that has begun cannot be answered otherwise: it breaks off",
    orders: { responseAnswers: "0100", responseActs: "-l" },
    answer: "chunks",
    expected: { client: "200 []  …", upstream: "[x-gone] " },
  },
  {
    name: "an answer of which Envoy would have to keep more than it does",
    orders: { responseAnswers: held },
    answer: "large",
    isTight: true,
    expected: { client: "500 [content-length] Internal Server Error", upstream: "[x-gone] " },
  },
  {
    name: "the same where its headers have gone on",
    orders: { responseAnswers: "0100" },
    answer: "large",
    isTight: true,
    expected: { client: "200 []  …", upstream: "[x-gone] " },
  },
];
