/** docs/report.md: its files and its commands. A block ```yaml NAME is a file; a block ```console is a command and its output, in which `…` stands for anything. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { folderOf, sallyport } from "./program.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/report.md"), "utf8");
const blocks = [...text.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gmsu)].map(([, language, name, block]) => ({
  language,
  name,
  block: block!,
}));
const files = Object.fromEntries(
  blocks.flatMap(({ language, name, block }) => (language === "yaml" ? [[name!, block]] : [])),
);
const folder = folderOf({
  ...files,
  "older.yaml": files["orders.yaml"]!.replace("allow: [POST /orders]", "allow: [PUT /orders]"),
  "access.log": `${JSON.stringify({ time: "2026-11-30T10:00:00.000Z", method: "GET", host: "orders", path: "/orders/7", status: 200 })}\n`,
});
after(folder.remove);

function pattern(shown: string): RegExp {
  const literal = (part: string) => part.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&");
  return new RegExp(`^${shown.split("…").map(literal).join(".*?")}$`, "su");
}

for (const { language, block } of blocks) {
  if (language !== "console") continue;
  const [first, ...rest] = block.split("\n");
  test(first!, () => {
    assert.match(first!, /^\$ npx sallyport /);
    const { stdout, stderr, code } = sallyport(first!.split(" ").slice(3), { cwd: folder.path("") });
    assert.equal(code, 0, stderr);
    assert.match(stdout, pattern(rest.join("\n")));
  });
}
