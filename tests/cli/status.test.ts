/** `sallyport status` as a user runs it, on dumps in files: what it prints, and what it ends with. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { sallyport, sallyportBeside } from "./program.ts";

const dump = "tests/status/inbound.json";
const folder = mkdtempSync(join(tmpdir(), "sallyport-status-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("usage: exit 2 with the way out", () => {
  const cases: [args: string[], says: RegExp][] = [
    [[], /say which Envoy is meant: --admin URL .* --config-dump FILE/u],
    [["--config-dump", "nowhere.json"], /cannot read nowhere\.json/u],
    [["--config-dump", "README.md"], /README\.md is no JSON/u],
    [["--config-dump", "package.json"], /package\.json: this is no answer to \/config_dump/u],
    [["--config-dump", dump, "--module", "nowhere.wasm"], /cannot read nowhere\.wasm/u],
    [["nowhere.yaml", "--config-dump", dump], /nowhere\.yaml/u],
    [["--admin", "ftp:///"], /base URL of an admin interface/u],
    [["--admin", "http://user:secret@127.0.0.1:9901"], /without a password/u],
  ];
  for (const [args, says] of cases) {
    test(args.join(" ") || "nothing", () => {
      const { code, stderr } = sallyport(["status", ...args]);
      assert.match(stderr, says);
      assert.equal(code, 2);
    });
  }
});

test("a dump alone: the policy by name, and a note that nobody could read it", () => {
  const { code, stdout } = sallyport(["status", "--config-dump", dump]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^tests\/status\/inbound\.json: node sallyport-inbound\n {2}listener inbound, filter chain 0: policy shop\n/u,
  );
  assert.match(stdout, /note: listener inbound, .*\[policy_unread\]\n {4}at configs\[1\]\.static_listeners/u);
  assert.match(stdout, /nothing is wrong, as far as Envoy tells/u);
});

test("a fault: exit 1, the sentence, and a path in the dump", () => {
  const faulty = join(folder, "dump.json");
  const text = JSON.stringify(
    JSON.parse(readFileSync(dump, "utf8").replace('"use_remote_address": true', '"via": "x"')),
  );
  writeFileSync(faulty, text.replace('"SANITIZE_SET"', '"FORWARD_ONLY"'));
  const { code, stdout } = sallyport(["status", "--config-dump", faulty, "--config-dump", dump]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /wrong: listener inbound, filter chain 0: `forward_client_cert_details` is FORWARD_ONLY: .*\[xfcc_passed_on\]/u,
  );
  assert.match(
    stdout,
    /at configs\[1\]\.static_listeners\[0\]\.listener\.filter_chains\[0\]\.filters\[0\]\.typed_config\.forward_client_cert_details/u,
  );
  assert.match(stdout, /1 thing wrong\n\ntests\/status/u);
});

test("an admin interface that answers with something else: exit 2, and the others are judged all the same", async (context) => {
  const answers: Record<string, string> = { "/good/config_dump": readFileSync(dump, "utf8"), "/strange/stats": "null" };
  const server = createServer(({ url = "" }, response) => response.end(answers[url.split("?")[0]!] ?? "{}"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  context.after(() => server.close());
  const base = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ["bad", "good", "strange"].flatMap((name) => ["--admin", `${base}/${name}`]);
  const { code, stdout, stderr } = await sallyportBeside(["status", ...args], ".");
  assert.equal(code, 2);
  assert.match(stderr, /\/bad\/: this is no answer to \/config_dump/u);
  assert.match(stdout, /bad: did not answer\n\n.*good: .*policy shop/su);
});

test("what a dump says does not steer the terminal", () => {
  const steering = join(folder, "steering.json");
  const parsed = JSON.parse(readFileSync(dump, "utf8"));
  const [entry] = parsed.configs[1].static_listeners;
  entry.last_updated = "2026\u001b[2J";
  entry.listener.name = "in\u001b[2Jbound";
  writeFileSync(steering, JSON.stringify(parsed));
  const { stdout } = sallyport(["status", "--config-dump", steering]);
  assert.match(stdout, /since 2026\\u001b/u);
  assert.equal(stdout.includes("\u001b"), false, stdout);
});
