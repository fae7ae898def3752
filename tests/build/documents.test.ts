/** What the documents and the package files say of the project is true. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const documents = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  "tests/README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const folders = ["assembly", "scripts", "tests", "envoy", "docs", ".ci"];

/** What headings of a document are linked by, as GitHub has it. */
function anchorsOf(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

for (const document of documents) {
  test(`${document}: every path it names exists`, () => {
    const text = readFileSync(document, "utf8");
    const paths = [...text.matchAll(/`([A-Za-z.][\w.-]*\/[\w./*-]*)`/g)].map(([, path]) => path!);
    const own = paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
    for (const path of own) assert.ok(existsSync(path), `${document} names ${path}`);
    for (const [, target] of text.matchAll(/\]\((?!https:)([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(join(dirname(document), target!)), `${document} links to ${target}`);
    }
  });

  test(`${document}: every heading it links to exists`, () => {
    for (const [, target, anchor] of readFileSync(document, "utf8").matchAll(/\]\(([^)#:]*)#([^)]+)\)/g)) {
      const path = target === "" ? document : join(dirname(document), target!);
      assert.ok(anchorsOf(path).includes(anchor!), `${document} links to ${target}#${anchor}`);
    }
  });

  test(`${document}: every npm script it names exists`, () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = [...readFileSync(document, "utf8").matchAll(/npm run ([\w:]+(?:-\w+)*)/g)].map(([, name]) => name!);
    for (const name of named) assert.ok(name in scripts, `${document} names npm run ${name}`);
  });
}

test("the package has every document that the README links to", () => {
  const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
  for (const [, target] of readFileSync("README.md", "utf8").matchAll(/\]\((?!https:)([^)#]+)[^)]*\)/g)) {
    assert.ok(
      files.some((file) => target === file || target!.startsWith(`${file}/`)),
      `package.json's files lack ${target}`,
    );
  }
});

test("docs/README.md lists every document", () => {
  const index = readFileSync("docs/README.md", "utf8");
  for (const name of readdirSync("docs").filter((name) => name.endsWith(".md") && name !== "README.md")) {
    assert.ok(index.includes(`](${name})`), `docs/README.md lacks ${name}`);
  }
});

test("every row of the threat model has evidence, in its order", () => {
  const rows = (path: string) => [...readFileSync(path, "utf8").matchAll(/^\| ([A-Z]{2}-\d+) \| (.*) \|$/gm)];
  const evidence = rows("docs/evidence.md");
  const ids = rows("docs/threat-model.md").map(([, id]) => id);
  assert.ok(ids.length > 40 && new Set(ids).size === ids.length, "each row has a number of its own");
  assert.deepEqual(
    evidence.map(([, id]) => id),
    ids,
  );
  for (const [, id, cells] of evidence) assert.match(cells!, /`tests\/[^`]+\.(ts|yaml)`/, `${id} names no test`);
});

test("docs/building.md says why each dependency is there", () => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  const building = readFileSync("docs/building.md", "utf8");
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    assert.ok(
      building.includes(`| \`${name}\``) || building.includes(`, \`${name}\``),
      `docs/building.md lacks ${name}`,
    );
  }
});

test("every dependency is pinned to one version", () => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
  }
});

test("the lock file has every optional package, as `npm ci` demands", () => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const isLocked = (from: string, name: string): boolean => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
      if (`${folder === "" ? "" : `${folder}/`}node_modules/${name}` in packages) return true;
      if (folder === "") return false;
    }
  };
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) assert.ok(isLocked(path, name), `${path} wants ${name}`);
  }
});
