/**
 * The signed examples of the RFCs through what `sallyport token` does, where the host verifies and where the module does; and none
 * of them once a single bit of it is another.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Evaluator, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { decodeToken, judgeToken, policyForToken, type TokenReport } from "../../scripts/evaluate/token.ts";
import { type HostOptions, PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicy, loadEngine } from "../../scripts/policy/build.ts";
import { parseKeySet } from "../../scripts/policy/check/jwks.ts";
import { algorithm_names } from "../../scripts/policy/language/algorithms.ts";
import { reporterFor } from "../../scripts/policy/source/read.ts";
import { sallyport } from "../cli/program.ts";
import { type Example, examples } from "./vectors.ts";

const wasm = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);
const folder = mkdtempSync(join(tmpdir(), "sallyport-examples-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const hosts: Record<string, HostOptions> = {
  "the host": {},
  "the module": { foreignFunctions: new Map() },
};

const keySet = ({ jwk }: Example): string => JSON.stringify({ keys: [jwk] });

/** What judges tokens by an example's key. */
function evaluatorOf(example: Example, options: HostOptions): Evaluator {
  const reporter = reporterFor("inline.json", keySet(example));
  const keys = parseKeySet(reporter);
  assert.deepEqual([...reporter.findings.errors, ...reporter.findings.warnings], []);
  const policy = policyForToken(decodeToken(example.token).claims, keys!, [...algorithm_names]);
  const { image } = compilePolicy({ policy, warnings: [] }, "inline.json");
  const host = PluginHost.load(wasm, options);
  const started = host.startPlugin(pluginConfiguration(image));
  assert.ok(started.ok);
  return new Evaluator(host, started.rootContext);
}

/** The token with one bit of what a part says changed. */
function flipped(token: string, part: number, bit: number): string {
  const parts = token.split(".");
  const bytes = Buffer.from(parts[part]!, "base64url");
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  parts[part] = bytes.toString("base64url");
  return parts.join(".");
}

/** Tokens with a bit changed here and there, in each part. */
function* almost(token: string): Generator<[token: string, what: string]> {
  for (const [part, text] of token.split(".").entries()) {
    const bits = Buffer.from(text, "base64url").length * 8;
    for (let bit = 0; bit < bits; bit += 13) yield [flipped(token, part, bit), `bit ${bit} of part ${part}`];
    yield [flipped(token, part, bits - 1), `the last bit of part ${part}`];
  }
}

for (const example of examples) {
  const { source, alg, token, reason } = example;
  describe(`${source}, ${alg}`, () => {
    for (const [who, options] of Object.entries(hosts)) {
      test(`verified by ${who}`, () => {
        const evaluator = evaluatorOf(example, options);
        const report = judgeToken(evaluator, 0, token);
        assert.deepEqual([report.signature, report.header?.alg, report.reason], ["valid", alg, reason]);
        for (const [changed, what] of almost(token)) {
          assert.notEqual(judgeToken(evaluator, 0, changed).signature, "valid", what);
        }
        // What the engine remembers of others changes nothing for the good one.
        assert.equal(judgeToken(evaluator, 0, token).signature, "valid");
      });
    }

    test("by the command line", () => {
      const path = join(folder, `${source.replaceAll(/\W+/gu, "-")}.json`);
      writeFileSync(path, keySet(example));
      const judge = (text: string): TokenReport =>
        JSON.parse(sallyport(["token", text, "--keys", path, "--format", "json"]).stdout);
      const report = judge(token);
      assert.deepEqual([report.signature, report.reason], ["valid", reason]);
      assert.equal(judge(flipped(token, 2, 7)).signature, "invalid");
    });
  });
}

test("the seven examples are all here, each once", () => {
  const sources = [
    "RFC 7515 A.2",
    "RFC 7515 A.3",
    "RFC 7515 A.4",
    "RFC 7520 §4.1",
    "RFC 7520 §4.2",
    "RFC 7520 §4.3",
    "RFC 8037 A.4",
  ];
  assert.deepEqual(
    examples.map(({ source }) => source),
    sources,
  );
});
