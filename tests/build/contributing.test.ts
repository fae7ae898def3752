/** The worked examples of CONTRIBUTING.md, done in copies of the repository as they stand there: their changes, then their commands. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const contributing = readFileSync("CONTRIBUTING.md", "utf8");

/** What is made rather than written. */
const left_out = new Set([".git", "node_modules", "build", "dist"]);

/** A recipe, and a copy of the repository that it is followed in. */
class Recipe {
  readonly copy = mkdtempSync(join(tmpdir(), "sallyport-contributing-"));
  /** Its changes and its commands in their order. */
  readonly changes: readonly string[];
  readonly commands: readonly string[];

  constructor(title: string) {
    const section = contributing.split(/^## /m).find((text) => text.startsWith(`${title}\n`))!;
    const blocks = (language: string): string[] =>
      [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text!);
    this.changes = blocks("diff");
    this.commands = blocks("console").flatMap((block) => block.trim().split("\n"));
    // Not by git, which may not know the folder: an export, or a checkout of somebody else's.
    for (const name of readdirSync(".").filter((one) => !left_out.has(one)))
      cpSync(name, join(this.copy, name), { recursive: true });
    symlinkSync(join(process.cwd(), "node_modules"), join(this.copy, "node_modules"));
    cpSync("build/engine.wasm", join(this.copy, "build/engine.wasm"));
  }

  /** Makes the next so many changes. */
  apply(count: number): void {
    for (let times = 0; times < count; times++) {
      const change = this.changes[this.#applied++];
      assert.ok(change !== undefined, "the recipe has another change");
      this.run("git", ["apply", "-"], change);
    }
  }

  #applied = 0;

  /** Runs the recipe's commands, once all changes are made. */
  runCommands(): void {
    assert.equal(this.#applied, this.changes.length);
    assert.ok(this.commands.length > 0);
    for (const command of this.commands) this.run("sh", ["-c", command]);
  }

  /** Runs a program in the copy; what it wrote, or an error that has it. */
  run(program: string, args: readonly string[], input = ""): string {
    // The runner of this test must not be taken for that of those it starts.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return execFileSync(program, args, { cwd: this.copy, env, encoding: "utf8", timeout: 300_000, input });
  }

  /** Fails unless the program fails and says all of these. */
  fails(program: string, args: readonly string[], ...words: readonly string[]): void {
    const isAbout = ({ stdout }: Error & { stdout: string }): boolean => words.every((word) => stdout.includes(word));
    assert.throws(() => this.run(program, args), isAbout, `${args.join(" ")} must say ${words.join(" and ")}`);
  }

  end(): void {
    rmSync(this.copy, { recursive: true, force: true });
  }
}

function follow(title: string, way: (recipe: Recipe) => void): void {
  const recipe = new Recipe(title);
  try {
    way(recipe);
  } finally {
    recipe.end();
  }
}

const testOf = (file: string): string[] => ["--import", "tsx", "--test", file];
const types = ["tsc", "--noEmit", "-p", "."];

test("the recipe for a warning leads to a warning that is documented and tested", () => {
  follow("Add a warning", (recipe) => {
    recipe.apply(1);
    recipe.fails(process.execPath, testOf("tests/policy/source/codes.long.test.ts"), "limit_slow");
    recipe.apply(1);
    recipe.run("npx", types);
    recipe.runCommands();
    assert.match(readFileSync(join(recipe.copy, "docs/diagnostics.md"), "utf8"), /^\| `limit_slow` \|/m);

    writeFileSync(join(recipe.copy, "policy.yaml"), policy);
    const said = JSON.parse(
      recipe.run(process.execPath, ["--import", "tsx", "scripts/cli.ts", "check", "policy.yaml", "--format", "json"]),
    );
    const found = said.warnings.find(({ code }: { code: string }) => code === "limit_slow");
    assert.deepEqual([found?.line, found?.column], [5, 17]);
  });
});

const policy = `version: 1
name: shop
trust: { domains: [example.org] }
limits:
  slow: { rate: 10/h, per: [caller] }
rules:
  - { name: a, callers: [spiffe://example.org/web], allow: [GET /a], limit: slow }
`;

test("the recipe for a key that the engine evaluates names each file that is missing, and leads to a decision", () => {
  follow("Add a key that the engine evaluates", (recipe) => {
    const files = recipe.changes.flatMap((change) =>
      [...change.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, file]) => file!),
    );
    assert.equal(new Set(files).size, files.length);
    assert.ok(files.length <= 13, `${files.length} files`);

    recipe.apply(1);
    recipe.fails("npx", types, "scripts/policy/check/rules.ts", "scripts/evaluate/explain.ts");
    recipe.apply(2);
    recipe.fails("npx", types, "scripts/policy/image/image.ts");
    recipe.apply(1);
    recipe.run("npx", types);
    recipe.fails(process.execPath, testOf("tests/build/bounds.test.ts"), "reads rule_path_bytes_at");
    recipe.apply(1);
    recipe.run(process.execPath, testOf("tests/build/bounds.test.ts"));
    recipe.fails(process.execPath, testOf("tests/policy/language/rulekeys.long.test.ts"), "maxPathBytes");
    recipe.apply(2);
    recipe.run("npx", types);
    recipe.runCommands();
    assert.match(readFileSync(join(recipe.copy, "docs/policy-language.md"), "utf8"), /maxPathBytes/);
  });
});
