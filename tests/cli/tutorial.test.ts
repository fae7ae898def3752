/**
 * docs/tutorial.md: its files, its commands, and what it shows of their output. A block ```yaml NAME is a file; a block
 * ```console is a command and its output, in which `…` stands for anything.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { endsInTime, program } from "../support/program.ts";

interface Block {
  language: string;
  /** The file's name, where it is one. */
  file: string;
  text: string;
}

const text = readFileSync(join(import.meta.dirname, "../../docs/tutorial.md"), "utf8");
const blocks: Block[] = [...text.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gmsu)].map(([, language, file, text]) => ({
  language: language!,
  file: file ?? "",
  text: text!,
}));
const folder = mkdtempSync(join(tmpdir(), "sallyport-tutorial-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const shell = promisify(execFile);

/** Runs lines as they are pasted into a terminal; `npx sallyport` is the program of this checkout. */
async function paste(lines: string): Promise<string> {
  const command = lines.replaceAll("npx sallyport", `'${process.execPath}' '${program}'`);
  const env = { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1" };
  return new Promise((resolve, reject) => {
    execFile("/bin/sh", ["-c", `{ ${command}\n} 2>&1`], { cwd: folder, env, ...endsInTime }, (error, stdout) => {
      if (error?.killed === true) reject(error);
      else resolve(stdout);
    });
  });
}

/** The output that a block shows, as a pattern. */
function pattern(shown: string): RegExp {
  const literal = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&");
  return new RegExp(`^${shown.split("…").map(literal).join(".*?")}$`, "su");
}

function commandOf({ text }: Block): { command: string; shown: string } {
  const [first, ...rest] = text.split("\n");
  assert.ok(first!.startsWith("$ "), `a command begins with $: ${first}`);
  return { command: first!.slice(2), shown: rest.join("\n") };
}

describe("docs/tutorial.md", () => {
  for (const block of blocks) {
    const { language, file } = block;
    if (language === "yaml") {
      test(`has the file ${file}`, () => {
        assert.notEqual(file, "", "every YAML block names its file");
        writeFileSync(join(folder, file), block.text);
      });
    }
    if (language === "console") {
      const { command, shown } = commandOf(block);
      test(command, async () => {
        const isRun = command.startsWith("npx sallyport run ");
        assert.match(await (isRun ? tryInEnvoy(command) : paste(command)), pattern(shown));
      });
    }
  }

  test("the third test passes with the reason that the text gives", async () => {
    assert.ok(text.includes("`expect: { deny: no_rule }`"));
    const path = join(folder, "first/policy.test.yaml");
    writeFileSync(path, readFileSync(path, "utf8").replace("deny: token_missing", "deny: no_rule"));
    assert.match(await paste("npx sallyport test first/policy.test.yaml"), /\n3 passed, 0 failed\n$/u);
  });

  test("every condition of the table is a rule of the file beside it", () => {
    const conditions = [...text.matchAll(/^\| `([^`]+)` \| .* \|$/gmu)].map(([, condition]) => condition!);
    const file = blocks.find(({ file }) => file === "first/five.yaml")!.text;
    const five = [...file.matchAll(/^ {4}when: (.*)$/gmu)].map(([, condition]) => condition!);
    assert.equal(five.length, 5);
    assert.deepEqual(conditions, five);
  });
});

/** Runs `run`, sends the two requests that the tutorial sends, and gives what it showed in all. */
async function tryInEnvoy(command: string): Promise<string> {
  const child = spawn(process.execPath, [program, ...command.split(" ").slice(2)], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const reader = createInterface(child.stdout)[Symbol.asyncIterator]();
    const lines: string[] = [];
    const readUntil = async (isLast: (line: string) => boolean): Promise<void> => {
      do {
        const { value, done } = await reader.next();
        if (done === true) assert.fail(`it ended early: ${lines.join("\n")}`);
        lines.push(value);
      } while (!isLast(lines.at(-1)!));
    };
    await readUntil((line) => line.startsWith("Ctrl-C ends it."));
    const token = lines.find((line) => line.startsWith("export "))!;
    const curl = lines.find((line) => line.startsWith("curl "))!;
    const [, certificate] = / --cert (\S+)/u.exec(curl)!;
    const { subjectAltName } = new X509Certificate(readFileSync(certificate!));
    assert.ok(text.includes(`\n    ${subjectAltName}\n`), `the certificate's name is ${subjectAltName}`);
    for (const [line, status] of [
      [curl, "403"],
      [curl.replace("/users/7/", "/users/example/"), "200"],
    ]) {
      const { stdout } = await shell("/bin/sh", ["-c", `${token}\n${line}`]);
      assert.ok(new RegExp(`^HTTP/2 ${status}`, "u").test(stdout), stdout);
      await readUntil((shown) => shown.startsWith(`  ${status}  `));
    }
    const exit = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual(await exit, [0, null]);
    return `${lines.join("\n")}\n`;
  } finally {
    child.kill("SIGKILL");
  }
}
