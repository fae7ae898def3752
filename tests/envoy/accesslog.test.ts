/** Waiting for lines of the access log. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readAccessLog } from "../../scripts/envoy/accesslog.ts";

test("a clock that is set meanwhile does not end the wait", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-log-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "access.log");
  let now = 1_000;
  t.mock.method(Date, "now", () => {
    now *= 1_000;
    return now;
  });
  const lines = readAccessLog(path, 1);
  await sleep(30);
  writeFileSync(path, "{}\n");
  assert.equal((await lines).length, 1);
});
