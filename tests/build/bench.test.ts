/** The benchmark's arithmetic: from rounds to figures, ratios and verdicts, and from the kernel's files to CPU time. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { comparedChains, enforcementCheck, judge, verdictOf } from "../bench/budgets.ts";
import { BenchToolsError, orMissing } from "../bench/building.ts";
import { chainNames } from "../bench/chains.ts";
import { cpuNanoseconds } from "../bench/cpu.ts";
import type { Environment } from "../bench/environment.ts";
import { drawFigures, shownChains } from "../bench/figures.ts";
import type { Kind, Measured } from "../bench/measure.ts";
import { type Results, withResults } from "../bench/page.ts";
import { allowedProcessors } from "../bench/pinning.ts";
import { caseResults } from "../bench/results.ts";
import { rustFilter } from "../bench/rust.ts";
import { differences, median, quantile, summarize } from "../bench/statistics.ts";
import { budgetLines, caseLines } from "../bench/tables.ts";

/** What was measured of a chain, one figure a round. */
function measured(listener: string, micros: number[], kind: Kind = "known"): Measured {
  const requests = { name: kind, status: 200, path: "" };
  const title = `${listener}: ${kind}`;
  return {
    case: { listener, kind, title, protocol: "http1", requests, helpers: [], anyStatus: false },
    requests: 1000,
    statuses: { 200: 1000 * micros.length },
    micros,
  };
}

describe("statistics", () => {
  test("medians and quartiles lie between values by proportion, in whatever order they come", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([7]), 7);
    assert.deepEqual(summarize([50, 10, 40, 20, 30]), {
      median: 30,
      minimum: 10,
      lowerQuartile: 20,
      upperQuartile: 40,
    });
    assert.equal(quantile([1, 2, 3, 4], 0.25), 1.75);
    assert.throws(() => median([]), RangeError);
  });

  test("differences are of the same round", () => {
    assert.deepEqual(differences([5, 9], [1, 2]), [4, 7]);
    assert.throws(() => differences([5, 9], [1]), RangeError);
  });
});

describe("results", () => {
  const results = caseResults([
    measured("router", [20, 40, 21]),
    measured("native-cache", [28, 48, 30]),
    measured("ours", [24, 45, 25]),
    measured("ours-module", [23, 44, 24.5]),
    measured("step-ends", [22, 42, 23]),
    measured("ours-condition", [26, 46, 27]),
    measured("native-same-job", [32, 52, 33]),
    measured("rust", [28, 48, 29]),
    measured("ours", [28, 49, 30], "403"),
    measured("opa", [520, 541, 522]),
  ]);

  test("a round that was disturbed for all cases leaves what they add as it is", () => {
    const ours = results.find(({ chain, kind }) => chain === "ours" && kind === "known")!;
    assert.equal(ours.microseconds.median, 25);
    assert.deepEqual(ours.addedMicroseconds, { median: 4, minimum: 4, lowerQuartile: 4, upperQuartile: 4.5 });
    assert.equal(ours.addedByMinimaMicroseconds, 4);
  });

  test("budgets are held against the ratio of what is added; what was not measured is left out", () => {
    const judged = judge(results);
    const of = (what: string) => judged.find((one) => one.what === what)!;
    assert.deepEqual(of("cached token, to native with cache, which does less"), {
      protocol: "http1",
      what: "cached token, to native with cache, which does less",
      ratio: 0.5,
      ratioByMinima: 0.5,
      atMost: 1.6,
      verdict: "kept",
      sparePercent: (1.1 / 1.6) * 100,
    });
    assert.equal(of("cached token, module alone, to native with cache").verdict, undefined);
    // The same job against the same job: the claim, the bucket of its own and the record on both sides.
    const sameJob = of("cached token and a claim, to native doing the same job");
    assert.deepEqual([sameJob.ratio, sameJob.atMost, sameJob.verdict], [0.5, 1, "kept"]);
    const rust = of("cached token and a claim, to the Rust filter");
    assert.deepEqual([rust.ratio, rust.atMost, rust.verdict], [0.75, 0.7, "missed"]);
    const calls = of("cached token, module alone, to its host calls alone");
    assert.deepEqual([calls.ratio, calls.atMost, calls.verdict], [1.75, 1.1, "missed"]);
    const denial = of("403, no rule, to ours admitted");
    assert.deepEqual([denial.ratio, denial.verdict], [2.25, "missed"]);
    const opa = of("OPA, to ours");
    assert.deepEqual([opa.ratio, opa.atLeast, opa.verdict], [125.25, 25, "kept"]);
    assert.equal(judged.length, 7);
    const lines = budgetLines(judged, enforcementCheck(results));
    assert.match(lines.join("\n"), /403, no rule.* 2\.25 .*MISSED by 125 %/);
    assert.equal(lines.at(-1), "budgets: 3 kept, 3 missed, 0 unclear");
  });

  test("the enforcement check is what the module alone leaves", () => {
    const [check] = enforcementCheck(results);
    assert.deepEqual([check!.microseconds.median, check!.byMinimaMicroseconds], [1, 1]);
  });

  test("a peer whose cost is lost in the noise decides nothing", () => {
    const [known] = judge(
      caseResults([measured("router", [20]), measured("native-cache", [19]), measured("ours", [24])]),
    );
    assert.deepEqual([known!.ratio, known!.verdict], [null, "unclear"]);
  });

  test("on a budget is kept, both ways", () => {
    assert.deepEqual(verdictOf(1.2, 1.2, undefined), { atMost: 1.2, verdict: "kept", sparePercent: 0 });
    assert.deepEqual(verdictOf(50, undefined, 50), { atLeast: 50, verdict: "kept", sparePercent: 0 });
    assert.equal(verdictOf(49.9, undefined, 50).verdict, "missed");
  });

  test("the table has a line a case, and says what a chain of the user's own answered", () => {
    const mine = measured("yours-mine", [22, 23], "known");
    mine.case.anyStatus = true;
    mine.statuses = { 200: 1200, 403: 800 };
    const lines = caseLines("http1", caseResults([measured("router", [20, 21]), mine]));
    assert.equal(lines.filter((line) => line.startsWith("yours-mine: known ")).length, 2);
    assert.equal(lines.at(-1), "yours-mine: known answered 1,200 × 200, 800 × 403");
    assert.deepEqual(caseLines("http2", results), []);
  });
});

describe("figures", () => {
  test("every chain that a budget or a figure is about exists", () => {
    const unknown = [...comparedChains, ...shownChains()].filter((name) => !chainNames.includes(name));
    assert.deepEqual(unknown, []);
  });

  test("a figure has a bar for each case that was measured, and no figure is drawn of none", () => {
    const environment: Environment = {
      ...{ date: "", processor: "a processor", processors: 2, kernel: "", node: "", envoy: "1.40.0" },
      ...{ engineBytes: 0, isEngineFresh: true },
    };
    const results = caseResults([
      measured("router", [20, 20]),
      measured("native-same-job", [32, 32]),
      measured("ours-condition", [26, 26]),
      measured("rust", [30, 30]),
    ]);
    const drawn = drawFigures(results, environment);
    assert.deepEqual([...drawn.keys()], ["bench-known.svg", "bench-denials.svg"]);
    const known = drawn.get("bench-known.svg")!;
    for (const label of ["native, the same job", "sallyport, condition", "Rust filter"]) {
      assert.ok(known.includes(label), `there is no bar "${label}"`);
    }
    assert.doesNotMatch(known, /module alone/);
  });
});

describe("the page", () => {
  const environment: Environment = {
    ...{
      date: "2026-01-02T03:04:05Z",
      processor: "a processor",
      processors: 2,
      kernel: "6.1",
      node: "",
      envoy: "1.40.0",
    },
    ...{ engineBytes: 90 * 1024, isEngineFresh: true },
  };
  const cases = caseResults([
    measured("router", [20, 20]),
    measured("empty", [23, 23]),
    measured("native-10000", [1520, 1521]),
    measured("engine-1", [33, 33]),
    measured("ours-module", [30, 31]),
  ]);
  const options = { rounds: 2 };
  const results: Results = { environment, options, cases, budgets: judge(cases), latency: [] };

  test("has the run's tables between its marks, and its prose as it was", () => {
    const text =
      "prose\n<!-- measured: cases -->\nold\n<!-- /measured -->\nmore\n<!-- measured: environment -->\n<!-- /measured -->\n";
    const lines = withResults(text, results).split("\n");
    assert.deepEqual(lines, [
      "prose",
      "<!-- measured: cases -->",
      "| chain | HTTP/1.1, median | quartiles | HTTP/2, median | quartiles |",
      "|---|---|---|---|---|",
      "| the router alone, in all | 20.0 | 20.0 to 20.0 | | |",
      "| empty: known | 3.0 | 3.0 to 3.0 | | |",
      "| native-10000: known | 1,501 | 1,500 to 1,501 | | |",
      "| ours-module: known | 10.5 | 10.3 to 10.8 | | |",
      "<!-- /measured -->",
      "more",
      "<!-- measured: environment -->",
      "CPU in µs that a chain adds to the router of the same round: Envoy 1.40.0 on a shared virtual machine with 2 processors " +
        "(a processor), Linux 6.1, 2 rounds, an engine of 90 KiB, 2026-01-02.",
      "<!-- /measured -->",
      "",
    ]);
  });

  test("says which budgets are missed, and over which protocol", () => {
    const [above, below] = [measured("ours-condition", [30]), measured("native-same-job", [25])];
    const budgets = judge(caseResults([measured("router", [20]), above, below]));
    const text = withResults("<!-- measured: budgets -->\n<!-- /measured -->", { ...results, budgets });
    assert.match(text, /doing the same job \| at most 1 \| 2\.00 \/ 2\.00 \| \| missed, HTTP\/1\.1 \|/);
  });

  test("names a table that there is not", () => {
    assert.throws(
      () => withResults("<!-- measured: nothing -->\n<!-- /measured -->", results),
      /no table is named nothing/,
    );
  });

  test("docs/performance.md has every table", () => {
    const text = withResults(readFileSync("docs/performance.md", "utf8"), results);
    for (const name of ["environment", "cases", "steps", "budgets", "latency"]) {
      assert.ok(text.includes(`<!-- measured: ${name} -->`), name);
    }
  });
});

describe("a chain that cannot be built", () => {
  test("is named with what is missing, and does not keep the others from being measured", async () => {
    const empty = mkdtempSync(join(tmpdir(), "sallyport-empty-"));
    const { PATH, XDG_CACHE_HOME } = process.env;
    const missing: string[] = [];
    try {
      Object.assign(process.env, { PATH: empty, XDG_CACHE_HOME: empty });
      assert.equal(await orMissing(["rust"], rustFilter, missing), undefined);
      assert.deepEqual(readdirSync(join(empty, "sallyport")), [], "a half of it was left");
    } finally {
      Object.assign(process.env, { PATH });
      if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
      rmSync(empty, { recursive: true });
    }
    assert.equal(missing.length, 1);
    assert.match(missing[0]!, /^the chain "rust" is not measured: there is no Rust for Wasm: .*rustup target add/);
  });

  test("any other error ends the run", async () => {
    const broken = async (): Promise<never> => {
      throw new TypeError("a mistake of ours");
    };
    await assert.rejects(orMissing(["rust"], broken, []), TypeError);
    const unbuilt = async (): Promise<never> => {
      throw new BenchToolsError("no compiler");
    };
    assert.equal(await orMissing([], unbuilt, []), undefined);
  });
});

describe("the kernel's files", () => {
  test("CPU time is the first figure of every thread's schedstat, over all processes", () => {
    const proc = mkdtempSync(join(tmpdir(), "sallyport-proc-"));
    try {
      const thread = (pid: number, tid: number, text?: string): void => {
        const folder = join(proc, String(pid), "task", String(tid));
        mkdirSync(folder, { recursive: true });
        if (text !== undefined) writeFileSync(join(folder, "schedstat"), text);
      };
      thread(7, 7, "1000 20 3\n");
      thread(7, 8, "500 1 1\n");
      // It ended after the threads were listed.
      thread(7, 9);
      thread(11, 11, "30 0 0\n");
      thread(13, 13);
      assert.equal(cpuNanoseconds([7], proc), 1500);
      assert.equal(cpuNanoseconds([7, 11], proc), 1530);
      assert.throws(() => cpuNanoseconds([12], proc), /task cannot be read/);
      assert.throws(() => cpuNanoseconds([7, 13], proc), /CONFIG_SCHED_INFO/);
    } finally {
      rmSync(proc, { recursive: true });
    }
  });

  test("processors a process may run on", () => {
    assert.deepEqual(allowedProcessors("Name:\tx\nCpus_allowed:\t10f\nCpus_allowed_list:\t0-3,8\n"), [0, 1, 2, 3, 8]);
    assert.deepEqual(allowedProcessors("Cpus_allowed_list:\t5\n"), [5]);
    assert.deepEqual(allowedProcessors("Cpus_allowed_list:\t0-1\n"), [0, 1]);
    assert.deepEqual(allowedProcessors(""), []);
  });
});
