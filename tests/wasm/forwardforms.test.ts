/** Claims as the values of headers: as they are, with commas, as JSON and in base64url. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { forward_value_bytes_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { caller, fetchingPolicy, imageOf, jwks, makeTwoKeys, type TwoKeys, Workers } from "../support/workers.ts";

let keys: TwoKeys;
before(async () => {
  keys = await makeTwoKeys();
});

interface Told {
  value: string | undefined;
  warnings: string[];
  token: string;
}

/** What the upstream is told in `x-told`, and what is logged of it. */
async function told(said: string, claims: Record<string, unknown>, path = "claims.x"): Promise<Told> {
  const forward = said === "" ? path : `{ value: ${path}, as: ${said} }`;
  const text = fetchingPolicy({ file: "keys.json" }).replace("rules:", `forward: { x-told: ${forward} }\nrules:`);
  const workers = new Workers(imageOf(text, { "keys.json": jwks(keys.one) }), 1);
  const token = await keys.one.token(claims);
  const ask = () => {
    const headers = [["x-told", "forged"] as const];
    const request = { caller, source: "10.0.0.1", method: "GET", path: "/orders", host: "h", headers, token };
    return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
  };
  const outcome = ask();
  assert.equal(outcome.action, "continue");
  const value = outcome.headers.find(([name]) => name === "x-told")?.[1];
  assert.equal(ask().headers.find(([name]) => name === "x-told")?.[1], value, "the same for a token that is known");
  const warnings = workers.hosts[0]!.logs.map(({ message }) => message).filter((line) => line.includes("left out"));
  return { value, warnings, token };
}

const nothing = undefined;

describe("a claim in a header", () => {
  const cases: [said: string, x: unknown, value: string | undefined][] = [
    ["", "a b", "a b"],
    ["", 1.5, "1.5"],
    ["", true, "true"],
    ["", ["a"], nothing],
    ["", { a: 1 }, nothing],
    ["comma", ["a", "b c", 1, true], "a,b c,1,true"],
    ["comma", "a", "a"],
    ["comma", ["a,b"], nothing],
    ["comma", "a,b", nothing],
    ["comma", ["a", "b\n"], nothing],
    ["comma", ["a", ""], nothing],
    ["comma", ["a", " b"], nothing],
    ["comma", ["a", ["b"]], nothing],
    ["comma", ["a", null], nothing],
    ["comma", { a: 1 }, nothing],
    ["json", ["a", 'b"\n', { c: [1, null, false] }, {}, []], '["a","b\\"\\u000a",{"c":[1,null,false]},{},[]]'],
    ["json", "a,b", '"a,b"'],
    ["base64url", ["ab"], "WyJhYiJd"],
    ["base64url", ["a"], "WyJhIl0"],
    ["base64url", "a~?>", "ImF-Pz4i"],
    // Each is six bytes of JSON.
    ["json", "\x7f".repeat(Math.ceil(forward_value_bytes_max / 6)), nothing],
    ["base64url", "\x7f".repeat(Math.ceil(forward_value_bytes_max / 8)), nothing],
  ];
  for (const [said, x, value] of cases) {
    const name = JSON.stringify(x).slice(0, 40);
    test(`${said === "" ? "as it is" : said}, ${name}`, async () => {
      const { value: sent, warnings } = await told(said, { x });
      assert.equal(sent, value);
      assert.equal(warnings.length, value === nothing ? 1 : 0);
      if (value === nothing) assert.match(warnings[0]!, /x-told$/u);
    });
  }

  test("that is not there, or empty, is no header, and nothing to tell of", async () => {
    for (const claims of [{}, { x: [] }, { x: "" }]) {
      for (const said of ["", "comma"]) {
        const { value, warnings } = await told(said, claims);
        assert.deepEqual([value, warnings], [undefined, []]);
      }
    }
  });

  test("all claims: the payload as the token has it, or as JSON", async () => {
    const { value, token } = await told("base64url", { x: ["ä"] }, "claims");
    assert.equal(value, token.split(".")[1]);
    const json = await told("json", { x: ["a"] }, "claims");
    assert.deepEqual(
      JSON.parse(json.value!),
      JSON.parse(Buffer.from(json.token.split(".")[1]!, "base64url").toString()),
    );
  });
});
