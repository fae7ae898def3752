/** A policy in several files: one policy, with every finding in the file it belongs to. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { compilePolicy, type LoadedPolicy, loadPolicyFile } from "../../../scripts/policy/build.ts";
import { type Diagnostic, PolicyError } from "../../../scripts/policy/source/diagnostic.ts";
import { mark, unmark } from "../../support/policy.ts";

type Files = Readonly<Record<string, string>>;

/** The main file. @param include the patterns, as YAML */
const main = (include: string): string => `version: 1
name: shop
trust: { domains: [example.org] }
callers:
  storefront: [spiffe://example.org/web]
limits:
  writes: { rate: 100/s }
include: ${include}
rules:
  - name: main
    callers: [storefront]
    allow: [GET /main]
    limit: writes
`;
const rule = (name: string, caller = "storefront"): string =>
  `  - name: ${name}\n    callers: [${caller}]\n    allow: [GET /${name}]\n`;

/** A folder with these files, which is removed after the test. */
function folderWith(context: TestContext, files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-include-"));
  context.after(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** The errors in `policy.yaml` of a folder; paths are from there. */
function errorsIn(folder: string): Diagnostic[] {
  try {
    loadPolicyFile(join(folder, "policy.yaml"));
  } catch (error) {
    assert.ok(error instanceof PolicyError);
    const plain = (text: string): string => text.replaceAll(`${folder}/`, "");
    return error.diagnostics.map((one) => ({
      ...one,
      file: relative(folder, one.file),
      message: plain(one.message),
    }));
  }
  return [];
}

const load = (folder: string): LoadedPolicy => loadPolicyFile(join(folder, "policy.yaml"));

test("rules, callers and limits of all files make one policy, and each may use names of any", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": main("[teams/*.yaml, more/?.yaml]"),
    "teams/a.yaml": `version: 1\ncallers:\n  team-a: [spiffe://example.org/a]\nrules:\n${rule("a", "team-b")}`,
    "teams/b.yaml": `callers:\n  team-b: [spiffe://example.org/b]\nlimits:\n  slow: { rate: 1/s }\nrules:\n${rule("b")}    limit: [slow, writes]\n`,
    "teams/.draft.yaml": "hidden: true\n",
    "teams/notes.txt": "no policy",
    "teams/old.yaml/c.yaml": "a folder\n",
    "more/x.yaml": `rules:\n${rule("x", "team-a")}`,
    "more/xy.yaml": "one character too many\n",
  });
  const { policy, warnings } = load(folder);
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    policy.rules.map(({ name, file, line }) => `${name} ${relative(folder, file)}:${line}`),
    ["a teams/a.yaml:5", "b teams/b.yaml:6", "main policy.yaml:10", "x more/x.yaml:2"],
  );
  assert.deepEqual(policy.callerSets.map(({ name }) => name).sort(), ["storefront", "team-a", "team-b"]);
  assert.deepEqual(policy.limits.map(({ name }) => name).sort(), ["slow", "writes"]);
});

test("where a rule stands leaves no trace in the image", (context) => {
  const sets = "callers:\n  one: [spiffe://example.org/1]\n";
  const variants: Files[] = [
    { "parts/a.yaml": `${sets}rules:\n${rule("a", "one")}`, "parts/b.yaml": `rules:\n${rule("b")}` },
    { "parts/a.yaml": `rules:\n${rule("b")}`, "parts/b.yaml": `rules:\n${rule("a", "one")}${sets}` },
    { "parts/z.yaml": `rules:\n${rule("b")}${rule("a", "one")}${sets}` },
  ];
  const images = variants.map((files) => {
    const folder = folderWith(context, { "policy.yaml": main("[parts/*]"), ...files });
    return Buffer.from(compilePolicy(load(folder), "policy.yaml").image).toString("hex");
  });
  assert.deepEqual(new Set(images).size, 1);
});

test("a file that several patterns or links lead to counts once", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": main("[parts/a.yaml, parts/*.yaml, ./parts/../parts/a.yaml]"),
    "parts/a.yaml": `rules:\n${rule("a")}`,
  });
  symlinkSync("a.yaml", join(folder, "parts/link.yaml"));
  assert.equal(load(folder).policy.rules.length, 2);
});

const part = `rules:\n${rule("a")}`;
const cases: [what: string, files: Files, code: string, message: RegExp][] = [
  ["a pattern without a file", { "policy.yaml": main(`[${mark}teams/*.yaml]`) }, "include", /matches no file/],
  ["a file that is not there", { "policy.yaml": main(`[${mark}teams/a.yaml]`) }, "include", /matches no file/],
  ["the policy itself", { "policy.yaml": main(`[${mark}"*.yaml"]`), "a.yaml": part }, "include", /itself; put/],
  ["two stars", { "policy.yaml": main(`[${mark}"teams/**"]`) }, "include", /each level/],
  ["a range", { "policy.yaml": main(`[${mark}"teams/[ab].yaml"]`) }, "include", /only `\*` and `\?`/],
  ["no name", { "policy.yaml": main(`[${mark}teams/]`), "teams/a.yaml": part }, "include", /needs a name/],
  ["a folder", { "policy.yaml": main(`[${mark}teams]`), "teams/a.yaml": part }, "file", /it is a directory/],
  ["no list", { "policy.yaml": main(`${mark}teams/a.yaml`), "teams/a.yaml": part }, "type", /must be a list/],
  ["an empty list", { "policy.yaml": main("[]").replace("include", `${mark}include`) }, "value", /leave it out/],
  ["an empty file", { "policy.yaml": main("[a.yaml]"), "a.yaml": `${mark}# later\n` }, "missing_key", /is empty/],
  [
    "a key of the main policy",
    { "policy.yaml": main("[a.yaml]"), "a.yaml": `version: 1\n${mark}trust: { domains: [example.org] }\n${part}` },
    "unknown_key",
    /`trust` belongs in the main policy/,
  ],
  [
    "an include of its own",
    { "policy.yaml": main("[a.yaml]"), "a.yaml": `${part}${mark}include: [a.yaml]\n` },
    "unknown_key",
    /`include` belongs in the main policy/,
  ],
  [
    "a misspelt key",
    { "policy.yaml": main("[a.yaml]"), "a.yaml": `${mark}rulse:\n${part}` },
    "unknown_key",
    /`rules`\?/,
  ],
  ["another version", { "policy.yaml": main("[a.yaml]"), "a.yaml": `${mark}version: 2\n${part}` }, "unsupported", /2/],
  [
    "broken YAML",
    {
      "policy.yaml": main("[a.yaml]"),
      "a.yaml": `rules:\n  - name: a\n    callers: [any\n    ${mark}allow: [GET /a]\n`,
    },
    "yaml",
    /./,
  ],
  [
    "a mistake in the last of many rules",
    {
      "policy.yaml": main("[a.yaml]"),
      "a.yaml": `# 🚪\nrules:\n${Array.from({ length: 3000 }, (_, number) => rule(`r${number}`)).join("")}${rule("last")}    hosts: [${mark}a:1]\n`,
    },
    "invalid_host",
    /port/,
  ],
  [
    "a rule's name that the main policy has",
    {
      "policy.yaml": main("[a.yaml]"),
      "a.yaml": `rules:\n  - name: ${mark}main\n    callers: [any]\n    allow: [GET /a]\n`,
    },
    "duplicate",
    /the rule `main` stands already in `policy.yaml`, line 10/,
  ],
  [
    "a caller set's name that another file has",
    {
      "policy.yaml": main("[a.yaml, b.yaml]"),
      "a.yaml": "callers:\n  team: [spiffe://example.org/a]\n",
      "b.yaml": `callers:\n  ${mark}team: [spiffe://example.org/b]\n`,
    },
    "duplicate",
    /the caller set `team` stands already in `a.yaml`, line 2/,
  ],
  [
    "a limit's name that the main policy has",
    { "policy.yaml": main("[a.yaml]"), "a.yaml": `limits:\n  ${mark}writes: { rate: 1/s }\n` },
    "duplicate",
    /the limit `writes` stands already in `policy.yaml`, line 7/,
  ],
];

for (const [what, files, code, message] of cases) {
  test(`refused: ${what}`, (context) => {
    const [file, marked] = Object.entries(files).find(([, text]) => text.includes(mark))!;
    const { text, line, column } = unmark(marked);
    const errors = errorsIn(folderWith(context, { ...files, [file]: text }));
    const found = errors.find((one) => one.file === file && one.line === line && one.column === column);
    assert.ok(found, `nothing at ${file}:${line}:${column} in ${JSON.stringify(errors, null, 1)}`);
    assert.equal(found.code, code);
    assert.match(found.message, message);
  });
}

test("a link that leads nowhere is an error, not a file less", (context) => {
  const folder = folderWith(context, { "policy.yaml": main("[teams/*]"), "teams/a.yaml": part });
  symlinkSync("nowhere", join(folder, "teams/b.yaml"));
  assert.deepEqual(
    errorsIn(folder).map(({ code, message }) => [code, message]),
    [["file", "included file `teams/b.yaml`: cannot read the file: there is no such file"]],
  );
});

test("a pipe, which might never end, is not read", (context) => {
  const folder = folderWith(context, { "policy.yaml": main("[teams/*]"), "teams/a.yaml": part });
  execFileSync("mkfifo", [join(folder, "teams/b.yaml")]);
  assert.deepEqual(
    errorsIn(folder).map(({ code }) => code),
    ["file"],
  );
});

test("errors of all files are found in one run", (context) => {
  const files = { "a.yaml": "rulse: []\n", "b.yaml": "limits: []\n" };
  const folder = folderWith(context, { "policy.yaml": `${main("[a.yaml, b.yaml]")}moed: shadow\n`, ...files });
  assert.deepEqual(
    errorsIn(folder).map(({ file, code }) => `${file} ${code}`),
    ["a.yaml unknown_key", "b.yaml type", "policy.yaml unknown_key"],
  );
});

test("what no rule of any file uses is warned of where it stands", (context) => {
  const folder = folderWith(context, { "policy.yaml": main("[a.yaml]"), "a.yaml": "limits:\n  slow: { rate: 1/s }\n" });
  assert.deepEqual(
    load(folder).warnings.map(({ file, line, code }) => `${relative(folder, file)}:${line} ${code}`),
    ["a.yaml:2 unused_limit"],
  );
});
