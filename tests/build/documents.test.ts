/** Documents name files and commands that exist, and stay on the project's own ground. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const documents = ["README.md", ...readdirSync("docs").map((name) => `docs/${name}`)];
const folders = ["assembly", "scripts", "tests", "envoy", "docs", ".ci"];
/** Made by the build, so not in a fresh checkout. */
const made = new Set(["build/engine.wasm", "dist/sallyport.mjs"]);

for (const document of documents) {
  test(`${document}: every path it names exists`, () => {
    const text = readFileSync(document, "utf8");
    const paths = [...text.matchAll(/`([A-Za-z.][\w.-]*\/[\w./*-]*)`/g)].map(([, path]) => path!);
    const own = paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)) && !made.has(path));
    for (const path of own) assert.ok(existsSync(path), `${document} names ${path}`);
  });

  test(`${document}: every npm script it names exists`, () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = [...readFileSync(document, "utf8").matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!);
    for (const name of named) assert.ok(name in scripts, `${document} names npm run ${name}`);
  });
}

test("the README says why each dependency is there", () => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  const readme = readFileSync("README.md", "utf8");
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    assert.ok(readme.includes(`\`${name}\``), `README.md does not mention ${name}`);
  }
});

test("every dependency is pinned to one version", () => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.match(String(version), /^\d+\.\d+\.\d+$/, name);
  }
});
