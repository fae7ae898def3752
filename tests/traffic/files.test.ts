/** Files as they come: packed, cut off, of several formats, named by patterns, with bytes that are no text. Nothing of it is fatal. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { openTraffic, type TrafficOptions } from "../../scripts/traffic/open.ts";
import type { ReadSummary, RecordedRequest, Usage } from "../../scripts/traffic/usage.ts";
import { zstdFault } from "../../scripts/traffic/zstd.ts";
import { logLine } from "./sample.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-files-test-"));
// A place of its own for temporary files, which is to be empty in the end.
const temporary = mkdtempSync(join(tmpdir(), "sallyport-files-test-"));
process.env.TMPDIR = temporary;
after(() => {
  for (const made of [folder, temporary]) rmSync(made, { recursive: true, force: true });
});

interface Read {
  usages: Usage[];
  requests: RecordedRequest[];
  summary: ReadSummary;
  total: number;
}

async function read(paths: string[], options: TrafficOptions = {}): Promise<Read> {
  const traffic = await openTraffic(paths, { threads: 1, ...options });
  try {
    const usages = await traffic.usages();
    const requests: RecordedRequest[] = [];
    for await (const request of traffic.requests()) requests.push(request);
    const sum = (rows: { count: number }[]): number => rows.reduce((total, { count }) => total + count, 0);
    assert.equal(sum(requests), sum(usages) + traffic.summary.leftOut, "replay has as many requests as the groups");
    return { usages, requests, summary: traffic.summary, total: sum(usages) };
  } finally {
    await traffic.close();
  }
}

let files = 0;
function file(content: string | Uint8Array, name = `log-${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const lines = (count: number): string =>
  Array.from({ length: count }, (_, index) => `${logLine(`/a/${index}`)}\n`).join("");
const text =
  '[2016-04-15T20:17:00.310Z] "POST /api?a=1 HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "agent" "id" "locations" "tcp://10.0.2.1:80"\n';

describe("packed", () => {
  test("gzip, in one member and in two", async () => {
    const { total } = await read([file(gzipSync(lines(3))), file(Buffer.concat([gzipSync(lines(2)), gzipSync(text)]))]);
    assert.equal(total, 6);
  });

  test("zstd", async () => {
    // Node has no packer for it before 22.15: DuckDB packs what it is to unpack.
    const path = join(folder, "packed");
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const source = file(lines(4) + text);
    await connection.run(
      `COPY (FROM read_csv('${source}', columns = {line: 'VARCHAR'}, header = false, auto_detect = false, delim = '', quote = '', escape = '')) TO '${path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01', COMPRESSION zstd)`,
    );
    connection.closeSync();
    const { total, summary } = await read([path]);
    assert.deepEqual([total, summary.lines, summary.unknown], [5, 5, 0]);
    assert.equal(summary.damaged, undefined);
    const whole = readFileSync(path);
    // Several frames, and one that is skipped, are whole too.
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]);
    assert.equal(await zstdFault(file(Buffer.concat([skipped, whole, whole]))), undefined);
    for (let cut = 4; cut < whole.length; cut++)
      assert.equal(await zstdFault(file(whole.subarray(0, cut))), "unexpected end of file", `${cut} bytes`);
    const part = await read([file(whole.subarray(0, -1))]);
    assert.equal(part.summary.damaged?.length, 1, "the database takes it for a shorter file");
  });

  test("what is cut off is read up to there, and named", async () => {
    const whole = gzipSync(lines(2_000));
    const path = file(whole.subarray(0, whole.length >> 1));
    const { total, summary } = await read([path, file(lines(1))]);
    assert.ok(total > 1 && total < 2_001, `${total} requests`);
    assert.equal(summary.damaged?.[0]?.file, path);
  });

  test("what only begins as if it were packed is named", async () => {
    const { total, summary } = await read([file(Uint8Array.of(0x1f, 0x8b, 1, 2, 3)), file(lines(1))]);
    assert.deepEqual([total, summary.damaged?.length], [1, 1]);
    const zstd = await read([file(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 9, 9, 9)), file(lines(1))]);
    assert.deepEqual([zstd.total, zstd.summary.damaged?.length], [1, 1]);
  });
});

describe("of several formats", () => {
  test("in one file, mostly JSON", async () => {
    const noise = "[2026-11-30 10:00:00.000][1][info][main] starting\n";
    const path = file(noise + lines(5) + text + noise);
    const { total, summary, usages } = await read([path]);
    assert.deepEqual([total, summary.lines, summary.unknown], [6, 8, 2]);
    assert.deepEqual(
      summary.unknownExamples.map(({ line }) => line),
      [1, 1],
    );
    assert.equal(usages.find(({ method }) => method === "POST")?.host, "locations");
    assert.deepEqual(usages.find(({ method }) => method === "POST")?.parameters, ["a"]);
  });

  test("in one file, mostly text", async () => {
    const { total, summary } = await read([file(text.repeat(3) + lines(1))]);
    assert.deepEqual([total, summary.lines, summary.unknown], [4, 4, 0]);
  });

  test("a HAR over several lines", async () => {
    const entry = { request: { method: "GET", url: "https://h.example.org/a/1" }, response: { status: 200 } };
    const path = file(JSON.stringify({ log: { entries: [entry, entry] } }, undefined, 2));
    const { usages } = await read([path]);
    assert.deepEqual(
      usages.map(({ host, path, count }) => [host, path, count]),
      [["h.example.org", "/a/{number}", 2]],
    );
  });

  test("standard input, and the same file twice is read once", async () => {
    const path = file(lines(2));
    const { total } = await read(["-", path, path], { input: Readable.from([Buffer.from(lines(3))]) });
    assert.equal(total, 5);
  });
});

describe("named by", () => {
  const logs = join(folder, "it's [a] folder");
  mkdirSync(join(logs, "deep", "er"), { recursive: true });
  mkdirSync(join(logs, ".hidden"));
  for (const name of ["1.log", "2.log", "b*.log", "deep/3.log", "deep/er/4.log", "deep/x.txt", ".hidden/5.log"])
    writeFileSync(join(logs, name), lines(1));
  symlinkSync(logs, join(logs, "deep", "round"));

  const cases: [string, number][] = [
    ["", 6],
    ["*.log", 3],
    ["b*.log", 1],
    ["?.log", 2],
    ["[12].log", 2],
    ["[!1].log", 1],
    ["**/*.log", 5],
    ["**", 6],
    ["deep/*", 2],
    ["*/*.log", 1],
  ];
  for (const [pattern, count] of cases) {
    test(`"${pattern}"`, async () => assert.equal((await read([join(logs, pattern)])).summary.files, count));
  }

  test("nothing is an error that says so", async () => {
    await assert.rejects(read([join(logs, "no*thing")]), /no\*thing: no such file, and no file matches it/);
    mkdirSync(join(folder, "empty"));
    await assert.rejects(read([join(folder, "empty")]), /the folder has no files/);
  });
});

describe("hostile", () => {
  const cases: Record<string, { content: string | Uint8Array; total: number; unknown?: number }> = {
    "an empty file": { content: "", total: 0, unknown: 0 },
    "blank lines, and a last line without its end": { content: `\n\r\n${lines(2).trimEnd()}`, total: 2, unknown: 0 },
    "a mark of byte order": { content: `\ufeff${lines(2)}`, total: 2 },
    "bytes that are no UTF-8": {
      content: Buffer.concat([
        Buffer.from(lines(2)),
        Buffer.from('{"method":"GET","path":"/\xff\xfe"}\n', "latin1"),
        Buffer.from(lines(1)),
      ]),
      total: 4,
    },
    NUL: { content: Buffer.from(`${lines(2)}\0\0\0\n\0${lines(1)}`), total: 2, unknown: 2 },
    "members twice": {
      content: `${lines(1)}{"method":"GET","method":"PUT","path":"/a","path":"/b"}\n`,
      total: 2,
      unknown: 0,
    },
    "deep nesting": {
      content: `${lines(1)}{"method":"GET","path":"/","x":${"[".repeat(50_000)}${"]".repeat(50_000)}}\n`,
      total: 2,
    },
    "a record that is deep": {
      content: `${lines(1)}${logLine("/deep", { record: `{"admit":true,"policy":"p","x":${"[".repeat(5_000)}${"]".repeat(5_000)}}` })}\n`,
      total: 2,
    },
    "lone halves of pairs": { content: `${lines(1)}{"method":"GET","path":"/\\ud800"}\n`, total: 2 },
    "a line of 20 MB": {
      content: `${lines(2)}{"method":"GET","path":"/${"x".repeat(20_000_000)}"}\n${lines(1)}`,
      total: 4,
    },
    "a line of 20 MB that is nothing": {
      content: `${lines(2)}${"x".repeat(20_000_000)}\n${lines(1)}`,
      total: 3,
      unknown: 1,
    },
  };
  for (const [name, { content, total, unknown }] of Object.entries(cases)) {
    test(name, async () => {
      const found = await read([file(content)]);
      assert.equal(found.total, total, JSON.stringify(found.summary));
      if (unknown !== undefined) assert.equal(found.summary.unknown, unknown);
      assert.equal(found.summary.damaged, undefined);
    });
  }

  test("a scanner's paths push out no group that was admitted", async () => {
    const scanner = { admit: false, decision: "deny", reason: "no_rule", rule: undefined, caller: undefined };
    const scans = Array.from({ length: 210_000 }, (_, index) => logLine(`/scan/a${index}x`, { status: 403 }, scanner));
    const { usages, summary } = await read([file(`${scans.join("\n")}\n${lines(2)}`)]);
    assert.equal(usages.length, 200_000);
    assert.deepEqual([usages[0]!.path, usages[0]!.count, summary.leftOut], ["/a/{number}", 2, 10_001]);
  });

  test("what is shown of unknown lines cannot steer a terminal", async () => {
    const { summary } = await read([file(`\u001b[2Jboo\u202e\n${lines(1)}${lines(1)}`)]);
    assert.equal(summary.unknownExamples[0]!.text, "\\u001b[2Jboo\\u202e");
  });

  test("nothing is left of temporary files", () => {
    assert.deepEqual(readdirSync(temporary), []);
  });
});
