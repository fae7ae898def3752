/** Members of hostile texts: DuckDB's quick way to all of them says what asking for each one says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { duckdb } from "../../scripts/traffic/dialects.ts";
import { runSeed } from "../support/random.ts";

const names = ["admit", "policy", "path", "path_bytes"] as const;

/** Texts as they stand, since what reads them must not depend on who wrote them. */
const odd = [
  "null",
  "1",
  '"text"',
  "[1]",
  '[{"path":"x"}]',
  "{}",
  "",
  " ",
  "{",
  '{"path":"x"',
  '{"path":"x",}',
  '{"path":"x"} ',
  ' {"path":"x"}',
  '{"path":"x"}y',
  '{"path":"x"}{"path":"y"}',
  '{"path":"x","path":"y"}',
  '{"path":null,"path":"y"}',
  '{"shadow":{"path":"x"}}',
  '{"PATH":"x","Policy":"y"}',
  '{"path.x":1,"path":{"x":2}}',
  '{"\\u0070ath":"escaped"}',
  '{"path\\u0000":"x"}',
  '{"path":"a\\u0000b","policy":"\\u202e\\ud83d\\ude00"}',
  '{"path":"\\ud800"}',
  '{"path":"\u0001"}',
  '{"path":NaN,"policy":-Infinity}',
  '{"path":1e3,"policy":-0,"admit":1.50,"path_bytes":123456789012345678901234567890}',
  '{"path":1E400,"policy":1.0000000000000000001,"admit":0.1e-10,"path_bytes":18446744073709551616}',
  '{"path":{"b":1,"a":[1, 2.50, {}],"a":null},"policy":[true,"\\u00e9"]}',
  '/**/{"path":"x"}',
  '{/**/"path":"x"}',
  "{'path':'x'}",
  '\ufeff{"path":"x"}',
  `{"path":${"[".repeat(3_000)}${"]".repeat(3_000)}}`,
  `{"path":${"[".repeat(3_000)}}`,
];

const member = fc.constantFrom(...names, "sub", "Path", "", "path\u0000");
const value = fc.oneof(
  { weight: 12, arbitrary: fc.jsonValue({ maxDepth: 2 }).map((one) => JSON.stringify(one)) },
  { weight: 3, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
  fc.constantFrom('"\\"', '"\\u00"', '"\\u0000"', "01", "-", "1.", "{", "]", "", '"a\nb"'),
);
const space = fc.constantFrom(...Array.from({ length: 30 }, () => ""), " ", "\t", "\n", "\u000b");
/** An object with members twice, and values that are none. */
const anyObject = fc
  .array(fc.tuple(space, member, space, value), { maxLength: 8 })
  .map((all) => `{${all.map(([one, name, two, text]) => `${one}${JSON.stringify(name)}${two}:${text}`).join(",")}}`);
/** One of them with a bit of it gone, twice, or something else. */
const anyText = fc.oneof(
  { weight: 3, arbitrary: anyObject },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyObject, fc.nat(), fc.nat(4), fc.constantFrom("", '"', "\\", "{", "}", ",", ":", "\u0000", "é"))
      .map(([text, at, length, put]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + put + text.slice(place + length);
      }),
  },
);

/**
 * A fraction is the same number in either text, `1e+21` or `1e21`: DuckDB has two ways to write one, and takes the first also where it reads the members of
 * a line. No member of a record that is read is such a number.
 */
function compared(row: unknown): unknown[] {
  return (row as unknown[]).map((one) =>
    typeof one === "string" && /^-?\d[\d.]*e[+-]?\d+$|^-?\d+\.\d+$/.test(one) ? Number(one) : one,
  );
}

test("all members at once are those that are found one by one, in texts of any kind", async () => {
  const seed = runSeed();
  const texts = [...odd, ...fc.sample(anyText, { numRuns: 6_000, seed: seed | 0 })].map((text) =>
    text.replace(/\p{Surrogate}/gu, ""),
  );
  const folder = mkdtempSync(join(tmpdir(), "sallyport-members-test-"));
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  try {
    // As hexadecimal digits: the database's own reader is not to have a say in what the texts are.
    const file = join(folder, "texts");
    const lines = texts.map((text, index) => `${index},${Buffer.from(text).toString("hex")}\n`);
    writeFileSync(file, lines.join(""));
    await connection.run(
      `CREATE TABLE texts AS SELECT place, decode(unhex(digits)) AS line
       FROM read_csv(${duckdb.text(file)}, header = false, nullstr = '-', columns = {place: 'INTEGER', digits: 'VARCHAR'})`,
    );
    const quick = duckdb.members(
      "texts",
      "line",
      names.map((name) => [name, name] as const),
    );
    const slow = `SELECT *, ${names.map((name) => `TRY(json_extract_string(line, '$.${name}')) AS ${name}`).join(", ")} FROM texts`;
    const rows = async (query: string): Promise<unknown[]> =>
      (await connection.runAndReadAll(`SELECT place, ${names.join(", ")} FROM (${query}) ORDER BY place`)).getRowsJS();
    const [found, wanted] = [await rows(quick), await rows(slow)];
    assert.equal(found.length, texts.length);
    for (const [index, row] of found.entries())
      assert.deepEqual(compared(row), compared(wanted[index]), `SEED=${seed} ${JSON.stringify(texts[index])}`);
    const sound = wanted.filter((row) => (row as unknown[]).slice(1).some((one) => one !== null)).length;
    assert.ok(sound > 500, `${sound} of ${texts.length} have a member`);
  } finally {
    connection.closeSync();
    rmSync(folder, { recursive: true, force: true });
  }
});
