/** Folders import as scripts/build/folders.ts has it, and every source file belongs to one of them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { engineFolders, type Folder, folderOf, toolFolders } from "../../scripts/build/folders.ts";

const folders = [...engineFolders, ...toolFolders];

/** Paths of the TypeScript and AssemblyScript files below a folder. */
function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

/** The files of the project that a file imports; AssemblyScript leaves the ending out. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/\b(?:from|import\()\s*"(\.[^"]+)"/g)]
    .map(([, path]) => relative(".", join(dirname(file), path!)))
    .map((path) => (existsSync(path) ? path : `${path}.ts`));
}

const sources = ["assembly", "scripts"].flatMap(sourcesBelow);

test("every source file is in a folder of the table, and no row of it is empty", () => {
  for (const file of sources) assert.ok(folderOf(folders, file), `${file} is in no folder of scripts/build/folders.ts`);
  for (const folder of folders) {
    assert.ok(
      sources.some((file) => folderOf(folders, file) === folder),
      `${folder.path} has no file`,
    );
  }
});

test("a folder may import only what stands before it", () => {
  const before = new Set<string>();
  for (const { path, imports } of folders) {
    for (const one of imports) assert.ok(before.has(one), `${path} imports ${one}, which does not stand before it`);
    before.add(path);
  }
});

for (const folder of folders) {
  test(`${folder.path} imports what its row says`, () => {
    for (const file of sources.filter((one) => folderOf(folders, one) === folder)) {
      for (const target of importsOf(file)) {
        if (target === "package.json") continue;
        const other = folderOf(folders, target);
        assert.ok(other, `${file} imports ${target}, which is no source of the product`);
        assert.ok(
          other === folder || folder.imports.includes(other.path),
          `${file} imports ${target}: ${folder.path} may not import ${other.path} (scripts/build/folders.ts)`,
        );
      }
    }
  });
}

test("no file imports itself by a detour", () => {
  const state = new Map<string, "open" | "done">();
  const visit = (file: string, way: string[]): void => {
    if (state.get(file) === "done") return;
    assert.notEqual(state.get(file), "open", `a circle: ${[...way.slice(way.indexOf(file)), file].join(" → ")}`);
    state.set(file, "open");
    for (const target of importsOf(file)) if (target.endsWith(".ts")) visit(target, [...way, file]);
    state.set(file, "done");
  };
  for (const file of sources) visit(file, []);
});

test("a row that is broken is found", () => {
  const row = (path: string, imports: string[]): Folder => ({ path, purpose: "", imports });
  const table = [row("a/{x,y}.ts", []), row("a/b/", []), row("a/", [])];
  assert.equal(folderOf(table, "a/x.ts"), table[0]);
  assert.equal(folderOf(table, "a/z.ts"), table[2]);
  assert.equal(folderOf(table, "a/b/x.ts"), table[1]);
  assert.equal(folderOf(table, "a/b/c/x.ts"), undefined);
});

test("helpers of tests depend on no test, and no source of the product on tests", () => {
  for (const file of sourcesBelow("tests/support")) {
    for (const target of importsOf(file)) {
      assert.ok(!target.startsWith("tests/") || target.startsWith("tests/support/"), `${file} imports ${target}`);
    }
  }
});
