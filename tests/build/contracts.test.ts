/**
 * Each contract is one table in the code. What is in one is documented, emitted and tested, or a test here
 * fails and says what is missing.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { detailName } from "../../assembly/detail.ts";
import { failureName } from "../../assembly/failure.ts";
import { reasonName } from "../../assembly/reason.ts";
import { grpcStatus, isChallenge } from "../../assembly/response/status.ts";
import { block_names, blocksOf, documents, withTables } from "../../scripts/build/documents.ts";
import { createProgram, verbs } from "../../scripts/commands/verbs.ts";
import { detailNames } from "../../scripts/evaluate/details.ts";
import { failures } from "../../scripts/evaluate/failures.ts";
import { reasonNames, reasonNumber, reasons, responses, statusOf } from "../../scripts/evaluate/reasons.ts";

import { functions } from "../../scripts/policy/condition/functions.ts";
import { languageKeys } from "../../scripts/policy/language/keys.ts";
import { policy_shape } from "../../scripts/policy/language/policy.ts";
import type { CodeEntry } from "../../scripts/policy/source/codeentry.ts";
import { code_tables } from "../../scripts/policy/source/codes.ts";
import { compile } from "../support/condition.ts";

/** The files below a folder whose names end so. */
function filesIn(folder: string, ending = ".ts"): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const texts = (files: readonly string[]): string => files.map((file) => readFileSync(file, "utf8")).join("\n");

/** What tests say; tables, and this file, prove nothing. */
const tests = texts(filesIn("tests").filter((file) => file !== join("tests", "build", "contracts.test.ts")));

/** Fails for names that a text does not have in quotes. */
function assertNamed(names: readonly string[], text: string, what: string): void {
  const isNamed = (name: string): boolean => ['"', "'", "`"].some((quote) => text.includes(quote + name + quote));
  assert.deepEqual(
    names.filter((name) => !isNamed(name)),
    [],
    what,
  );
}

describe("tables of the documents", () => {
  for (const document of documents) {
    test(`${document}: its tables are what the code says; if not, \`npm run docs\` writes them again`, () => {
      const text = readFileSync(document, "utf8");
      assert.equal(text, withTables(text));
    });
  }

  test("each stands in one document, and each mark has its end", () => {
    const all = documents.map((document) => readFileSync(document, "utf8"));
    assert.deepEqual(all.flatMap(blocksOf).sort(), [...block_names].sort());
    const begun = all.flatMap((text) => [...text.matchAll(/^<!-- generated: /gmu)]);
    const ended = all.flatMap((text) => [...text.matchAll(/^<!-- end -->$/gmu)]);
    assert.deepEqual([begun.length, ended.length], [block_names.length, block_names.length]);
  });
});

/** One of the engine's lists, and the table that has its words. */
interface EngineList {
  file: string;
  name: string;
  bounds: readonly string[];
  table: object;
  nameOf: (number: number) => string;
}

/** The members of an enumeration of the engine, of which those at the ends only bound it. */
function membersOf(file: string, name: string, bounds: readonly string[]): string[] {
  const [, body] = new RegExp(`enum ${name} \\{(.*?)\\n\\}`, "su").exec(readFileSync(file, "utf8"))!;
  const members = [...body!.replaceAll(/\/\*.*?\*\//gsu, "").matchAll(/^ {2}([A-Z0-9_]+)/gmu)].map(
    ([, member]) => member!,
  );
  return members.filter((member) => !bounds.includes(member));
}

describe("what the engine says", () => {
  const engine = filesIn("assembly").map((file) => [file, readFileSync(file, "utf8")] as const);
  const lists: EngineList[] = [
    { file: "assembly/reason.ts", name: "Reason", bounds: ["COUNT"], table: reasons, nameOf: reasonName },
    {
      file: "assembly/detail.ts",
      name: "Detail",
      bounds: ["NONE", "COUNT_OF_DETAILS"],
      table: Object.fromEntries(detailNames.map((detail) => [detail, detail])),
      nameOf: detailName,
    },
    { file: "assembly/failure.ts", name: "Failure", bounds: ["NONE", "COUNT"], table: failures, nameOf: failureName },
  ];
  for (const { file, name, bounds, table, nameOf } of lists) {
    test(`each ${name} of ${file} has a name, words, and a place where it is said`, () => {
      const members = membersOf(file, name, bounds);
      const numbers = Object.fromEntries(membersOf(file, name, []).map((member, number) => [member, number]));
      const names = members.map((member) => nameOf(numbers[member]!));
      assert.deepEqual([...new Set(names)].sort(), Object.keys(table).sort());
      // TOKEN_CLAIMS_MALFORMED is told as TOKEN_MALFORMED, and TOKEN_TOO_LARGE as HEADERS_TOO_LARGE.
      for (const [index, member] of members.entries())
        if (!["TOKEN_CLAIMS_MALFORMED", "TOKEN_TOO_LARGE"].includes(member))
          assert.equal(names[index], member.toLowerCase());
      const elsewhere = engine.filter(([path]) => path !== file).map(([, text]) => text);
      const silent = members.filter((member) => !elsewhere.some((text) => text.includes(`${name}.${member}`)));
      assert.deepEqual(silent, [], "said nowhere in assembly/");
    });
  }

  test("each reason is one that a test expects", () => {
    const inPolicies = texts(filesIn("tests", ".yaml")).replaceAll(/\bdeny: (\w+)/gu, '"$1"');
    assertNamed(Object.keys(reasons), tests + inPolicies, "no test expects");
  });

  test("each reason is answered as its table says", () => {
    for (const name of reasonNames) {
      const { grpc, headers } = responses[reasons[name].response];
      assert.equal(isChallenge(reasonNumber(name)), headers.includes("WWW-Authenticate"), name);
      if (name !== "allowed") assert.equal(grpcStatus(statusOf(name)), grpc, name);
    }
  });

  test("a reason that is about a part of a rule has the keys of that part, those that its words name among them", () => {
    const ruleKeys = languageKeys().flatMap(({ path }) => /^rules\[\]\.(\w+)$/u.exec(path)?.[1] ?? []);
    for (const name of reasonNames) {
      const { words, part, keys = part === undefined ? [] : [part] } = reasons[name];
      const said = [...words.matchAll(/`(\w+)`/gu)].map(([, word]) => word!).filter((word) => ruleKeys.includes(word));
      assert.deepEqual(
        keys.filter((key) => !ruleKeys.includes(key)),
        [],
        name,
      );
      assert.deepEqual(
        said.filter((key) => !keys.includes(key)),
        [],
        name,
      );
    }
    assert.deepEqual(reasons.headers_too_large.keys, ["maxHeaderBytes", "maxQueryBytes"]);
    assert.deepEqual(reasons.body_too_large.keys, ["maxBodyBytes"]);
  });
});

describe("diagnostics", () => {
  const entries = Object.values(code_tables).flatMap((codes) => Object.entries(codes) as [string, CodeEntry][]);

  test("no code is in two tables", () => {
    const names = entries.map(([name]) => name);
    assert.deepEqual(names, [...new Set(names)]);
  });

  // Those with an example are raised by it in tests/policy/source/codes.long.test.ts.
  test("a code without an example is said by the code and by a test", () => {
    const without = entries.filter(([, { example }]) => example === undefined).map(([name]) => name);
    assertNamed(without, tests, "named in no test");
    const sources = filesIn("scripts/policy").filter(
      (file) => !/source.(?:errors|warnings|testcodes)\.ts$/u.test(file),
    );
    assertNamed(without, texts(sources), "said by no part of the compiler");
  });
});

describe("keys of the language", () => {
  const keys = languageKeys();

  test("none is without its place in the list", () => {
    assert.deepEqual(
      keys.filter(({ path }) => !path.includes(".")).map(({ name }) => name),
      Object.entries(policy_shape.keys).flatMap(([name, key]) => ("later" in key ? [] : [name])),
    );
  });

  test("each is read by the compiler", () => {
    const readers = texts(
      [...filesIn("scripts/policy/check"), ...filesIn("scripts/policy/language")].filter(
        (file) => !/language.(?:policy|issuers)\.ts$/u.test(file),
      ),
    );
    const isRead = (name: string): boolean => new RegExp(`[.{,] *${name}\\b`, "u").test(readers);
    assert.deepEqual(
      keys.filter(({ name }) => !isRead(name)).map(({ path }) => path),
      // Its shape admits one value.
      ["version"],
    );
  });
});

test("what the language has, but not in this version, is named as such", () => {
  const shapes = texts(filesIn("scripts/policy/language"));
  const keys = [...shapes.matchAll(/^ *(\w+): later\(/gmu)].map(([, key]) => key!);
  const words = [...shapes.matchAll(/word\(\[[^\]]*\], \[([^\]]*)\]/gu)].flatMap(
    ([, list]) => list!.match(/[\w-]+/gu) ?? [],
  );
  const [, section] = readFileSync("docs/policy-language.md", "utf8").split("## Not in this version\n");
  for (const name of [...keys, ...words]) assert.match(section!, new RegExp(`\\b${name}\``, "u"));
});

describe("functions of conditions", () => {
  // The second evaluator judges what this makes (tests/differential/).
  const search = readFileSync("tests/differential/arbitrary/conditions.ts", "utf8");
  for (const [name, { example }] of Object.entries(functions)) {
    test(`${name}: its example is sound, and random conditions have it`, () => {
      const { errors, warnings } = compile(example);
      assert.deepEqual([errors, warnings], [[], []]);
      assert.match(example, new RegExp(`\\b${name}\\(`, "u"));
      assert.match(search, new RegExp(`\\b${name}\\b`, "u"));
    });
  }
});

describe("verbs", () => {
  const program = createProgram();

  test("each is one of the program, and the first word that some test gives it", () => {
    assert.deepEqual(
      program.commands.map((verb) => verb.name()),
      Object.keys(verbs),
    );
    const run = texts(["cli", "envoy", "support"].flatMap((folder) => filesIn(join("tests", folder))));
    assert.deepEqual(
      Object.keys(verbs).filter((verb) => !new RegExp(`(?:\\[|program,)\\s*"${verb}"`, "u").test(run)),
      [],
    );
  });

  test("each option is given in some test", () => {
    const options = program.commands.flatMap((verb) => verb.options.map(({ long, short }) => [long, short]));
    const given = options.filter((names) => names.some((name) => name && tests.includes(`"${name}`)));
    assert.deepEqual(
      options.filter((names) => !given.includes(names)),
      [],
    );
  });
});
