/** `manifest`: limits of the fleet in the words of envoyproxy/ratelimit. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { folderWith, plain_policy, sallyport } from "./program.ts";

const policy = (rate: string, more = ""): string =>
  plain_policy
    .replace(
      "rules:",
      `fleet: { replicas: 4${more} }\nlimits:\n  w: { rate: ${rate}, scope: fleet }\n  own: { rate: 1/s }\nrules:`,
    )
    .replace("[GET /healthz]", "[GET /healthz]\n    limit: [w, own]");

const entry = (value: string, unit: string, requests_per_unit: number) => ({
  key: "limit",
  value,
  descriptors: [{ key: "key", rate_limit: { unit, requests_per_unit } }],
});

test("manifest --for ratelimit: each limit of the fleet by its name and rate, and no other", (context) => {
  const folder = folderWith(context, { "policy.yaml": policy("100/s") });
  const { code, stdout } = sallyport(["manifest", "--for", "ratelimit", "policy.yaml"], { cwd: folder });
  assert.equal(code, 0);
  assert.deepEqual(parse(stdout), { domain: "shop", descriptors: [entry("w=100/second", "second", 100)] });
});

test("manifest of an old and a new policy has the limits of both; a file of ours is written over, no other", (context) => {
  const folder = folderWith(context, {
    "old.yaml": policy("6/m", ", domain: d"),
    "new.yaml": policy("9/h", ", domain: d"),
  });
  const write = (...policies: string[]) =>
    sallyport(["manifest", "--for", "ratelimit", ...policies, "-o", "limits.yaml", "--format", "json"], {
      cwd: folder,
    });
  assert.equal(write("old.yaml").code, 0);
  const { code, stdout } = write("old.yaml", "new.yaml");
  assert.equal(code, 0);
  const expected = { domain: "d", descriptors: [entry("w=6/minute", "minute", 6), entry("w=9/hour", "hour", 9)] };
  assert.deepEqual(parse(readFileSync(join(folder, "limits.yaml"), "utf8")), expected);
  const { warnings, ...said } = JSON.parse(stdout);
  assert.deepEqual(said, { file: "limits.yaml", ...expected });
  assert.ok(Array.isArray(warnings));
  const onto = ["manifest", "--for", "ratelimit", "new.yaml", "-o", "old.yaml"];
  assert.match(sallyport(onto, { cwd: folder }).stderr, /old\.yaml exists and is no/u);
});

test("manifest of policies that the service cannot have in one file, or of none of the fleet", (context) => {
  const folder = folderWith(context, {
    "a.yaml": policy("1/s", ", domain: a"),
    "b.yaml": policy("1/s"),
    "c.yaml": plain_policy,
  });
  const problem = (...policies: string[]) => {
    const { code, stdout, stderr } = sallyport(["manifest", "--for", "ratelimit", ...policies], { cwd: folder });
    assert.deepEqual([code, stdout], [2, ""]);
    return stderr;
  };
  assert.match(problem("a.yaml", "b.yaml"), /one file for each domain/u);
  assert.match(problem("c.yaml"), /no limit and no quarantine of the policy has `scope: fleet`/u);
});
