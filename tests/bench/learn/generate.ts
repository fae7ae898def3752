/**
 * Access logs as the examples write them, as large as wanted: a shop of eight services, its callers, and a scanner that tries paths. The
 * same seed gives the same bytes.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";

/** What to write. */
export interface GeneratedLog {
  lines: number;
  seed?: number;
  /** Milliseconds since 1970 of the first line; the day is filled from there. */
  startMs?: number;
  /** How many of a thousand requests are a scanner's, each to a path of its own. */
  scannerPermille?: number;
}

const services = ["orders", "cart", "catalog", "payments", "shipping", "users", "search", "reviews"];
const callers = Array.from({ length: 40 }, (_, index) => `spiffe://example.org/ns/shop/sa/service-${index}`);

/** What may stand in the place of a value. */
const values: Record<string, (draw: Draw) => string> = {
  number: (draw) => String(draw(1_000_000)),
  uuid: (draw) => {
    const digits = hex(draw, 32);
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`;
  },
  ulid: (draw) => `01HF${Array.from({ length: 22 }, () => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[draw(32)]).join("")}`,
  hash: (draw) => hex(draw, 40),
  date: (draw) => `2026-11-${String(1 + draw(28)).padStart(2, "0")}`,
  email: (draw) => `person${draw(5_000)}@example.org`,
};

const templates = [
  "GET /v1/{service}/{number}",
  "GET /v1/{service}/{number}/items",
  "POST /v1/{service}",
  "GET /v1/{service}",
  "PUT /v1/{service}/{uuid}",
  "DELETE /v1/{service}/{uuid}",
  "GET /v1/{service}/{number}/items/{number}",
  "GET /v1/{service}/by-day/{date}",
  "GET /v1/{service}/of/{email}",
  "GET /v1/{service}/blobs/{hash}",
  "POST /v1/{service}/events/{ulid}",
  "POST /shop.{service}/Place",
  "GET /healthz",
];

type Draw = (bound: number) => number;

/** Who calls what: each caller a few endpoints, some of them far more often than others. */
const edges = callers.flatMap((caller, index) =>
  Array.from({ length: 3 + (index % 5) }, (_, nth) => ({
    caller,
    service: services[(index * 5 + (nth >> 1)) % services.length]!,
    template: templates[(index * 7 + nth * 3) % templates.length]!,
    hasToken: (index + nth) % 3 === 0,
  })),
);

function drawFrom(seed: number): Draw {
  let state = seed >>> 0 || 1;
  return (bound) => {
    // xorshift32 (Marsaglia, 2003): fast, and the same everywhere.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

function hex(draw: Draw, length: number): string {
  let text = "";
  while (text.length < length) text += draw(0x1000000).toString(16).padStart(6, "0");
  return text.slice(0, length);
}

/** The lines, one after the other, without their ends. */
export function* generateLines(log: GeneratedLog): Generator<string> {
  const { lines, seed = 1, startMs = Date.UTC(2026, 10, 30), scannerPermille = 10 } = log;
  const draw = drawFrom(seed);
  const stepMs = 86_400_000 / Math.max(lines, 1);
  for (let index = 0; index < lines; index++) {
    const isScanner = draw(1000) < scannerPermille;
    // The smaller of two draws: the first edges are the busy ones.
    const edge = edges[Math.min(draw(edges.length), draw(edges.length))]!;
    const { service } = edge;
    const [method, template] = isScanner
      ? ["GET", `/${hex(draw, 6)}/admin-${draw(1_000_000)}.php`]
      : (edge.template.split(" ") as [string, string]);
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
      name === "service" ? service : values[name]!(draw),
    );
    const caller = isScanner ? "" : edge.caller;
    const admitted = !isScanner && draw(50) !== 0;
    const host = `${service}.example.org`;
    const token = !isScanner && edge.hasToken;
    const rule = `${service}-${method!.toLowerCase()}`;
    const reason = admitted ? "allowed" : isScanner ? "no_rule" : "scope_missing";
    const record =
      `{"admit":${admitted},"policy":"shop","decision":"${admitted ? "allow" : "deny"}","reason":"${reason}"` +
      `${isScanner ? "" : `,"rule":"${rule}"`},"method":"${method}","host":"${host}","path":"${path}"` +
      `${caller === "" ? "" : `,"caller":"${caller}"`}${token ? `,"issuer":"corp","sub":"user-${draw(100_000)}"` : ""}}`;
    const status = admitted ? (draw(100) === 0 ? 500 : 200) : 403;
    const duration = draw(10) === 0 ? draw(2_000) : draw(20);
    yield `{"time":"${new Date(startMs + Math.floor(index * stepMs)).toISOString()}","request_id":"${hex(draw, 32)}",` +
      `"source":"10.1.${draw(4)}.${draw(256)}:${1024 + draw(60_000)}","peer":${caller === "" ? "null" : `"${caller}"`},` +
      `"protocol":"HTTP/2","method":"${method}","host":"${host}","path":"${path}","status":${status},"grpc_status":null,` +
      `"flags":"-","details":"${admitted ? "via_upstream" : `sallyport_denied{${reason}}{${isScanner ? "" : rule}}`}",` +
      `"duration_ms":${duration},"record":${JSON.stringify(record)}}`;
  }
}

/** Writes them to a file. */
export async function writeLog(path: string, log: GeneratedLog): Promise<void> {
  const file = createWriteStream(path);
  let chunk: string[] = [];
  for (const line of generateLines(log)) {
    if (chunk.push(line) < 2_000) continue;
    if (!file.write(`${chunk.join("\n")}\n`)) await once(file, "drain");
    chunk = [];
  }
  if (chunk.length > 0) file.write(`${chunk.join("\n")}\n`);
  file.end();
  await once(file, "close");
}
