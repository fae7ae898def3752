/** `manifest`: limits of the fleet in the words of envoyproxy/ratelimit, and folders for meshes. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
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

const digest = "0123456789abcdef".repeat(4);
const istio = [
  "manifest",
  "--for",
  "istio",
  "--selector",
  "app=orders",
  "--image",
  "r.example/shop:1",
  "--sha256",
  digest,
];

test("manifest --for istio prints what is applied as one stream of resources", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const { code, stdout } = sallyport([...istio, "policy.yaml"], { cwd: folder });
  assert.equal(code, 0);
  const kinds = parseAllDocuments(stdout).map((document) => document.toJSON().kind);
  assert.deepEqual([kinds[0], kinds.at(-1)], ["EnvoyFilter", "WasmPlugin"]);
  assert.ok(!kinds.includes("Kustomization"));
});

test("manifest -o writes a folder: over files of its own, over no other, and takes away what is not made any more", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": plain_policy,
    "fleet.yaml": policy("100/s"),
  });
  const run = (...more: string[]) => sallyport([...istio, ...more, "-o", "mesh"], { cwd: folder });
  const names = () => readdirSync(join(folder, "mesh")).sort();
  const { code, stdout } = run("fleet.yaml", "--ratelimit", "ratelimit.example.org:8081", "--format", "json");
  assert.equal(code, 0);
  const { files } = JSON.parse(stdout);
  assert.deepEqual(names(), files.map(({ name }: { name: string }) => name).sort());
  writeFileSync(join(folder, "mesh", "workload.yaml"), "kind: Deployment\n");
  const second = run("policy.yaml");
  assert.match(second.stdout, /mesh\/40-servers\.yaml +removed/u);
  assert.ok(names().includes("workload.yaml"));
  assert.ok(!names().includes("40-servers.yaml"));
  writeFileSync(join(folder, "mesh", "70-wasm-plugin.yaml"), "# mine\n");
  const third = run("fleet.yaml", "--ratelimit", "ratelimit.example.org:8081");
  assert.equal(third.code, 2);
  assert.match(third.stderr, /nothing was written, since mesh\/70-wasm-plugin\.yaml exists/u);
  assert.ok(!existsSync(join(folder, "mesh", "40-servers.yaml")));
});

test("manifest --helm writes a chart, which is a folder", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  assert.match(sallyport([...istio, "--helm", "policy.yaml"], { cwd: folder }).stderr, /a chart is a folder.*-o/u);
  assert.equal(sallyport([...istio, "--helm", "policy.yaml", "-o", "chart"], { cwd: folder }).code, 0);
  assert.ok(existsSync(join(folder, "chart", "Chart.yaml")));
  assert.ok(existsSync(join(folder, "chart", "templates", "70-wasm-plugin.yaml")));
});

test("manifest writes nothing through a link in its folder, and no chart of a policy with a placeholder's name", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": plain_policy,
    "named.yaml": plain_policy.replace(/^name: .*$/mu, "name: __NAMESPACE__"),
  });
  mkdirSync(join(folder, "chart"));
  mkdirSync(join(folder, "elsewhere"));
  symlinkSync(join(folder, "elsewhere"), join(folder, "chart", "templates"));
  const linked = sallyport([...istio, "--helm", "policy.yaml", "-o", "chart"], { cwd: folder });
  assert.equal(linked.code, 2);
  assert.match(linked.stderr, /nothing was written, since chart\/templates is a link to another place/u);
  assert.deepEqual(readdirSync(join(folder, "elsewhere")), []);
  const named = sallyport([...istio, "--helm", "named.yaml", "-o", "other"], { cwd: folder });
  assert.equal(named.code, 2);
  assert.match(named.stderr, /the policy has `__NAMESPACE__` in a name/u);
});

test("manifest --for envoy-gateway and --for envoy write what their options say", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": plain_policy,
    "forwarded.yaml": plain_policy.replace("[example.org]", "[example.org], sourceAddress: forwarded"),
  });
  const run = (...args: string[]): string => {
    const { code, stdout, stderr } = sallyport(["manifest", ...args], { cwd: folder });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const gateway = ["--for", "envoy-gateway", "--gateway", "edge", "--namespace", "gateways"];
  const policies = parseAllDocuments(run(...gateway, "--url", "https://example.org/a.wasm", "policy.yaml"));
  const [check] = policies.map((document) => document.toJSON());
  assert.equal(check.metadata.namespace, "gateways");
  assert.equal(check.spec.targetRefs[0].name, "edge");
  const image = ["--image", `r.example/shop:1@sha256:${digest}`, "--pull-secret", "registry-pull"];
  assert.match(run(...gateway, ...image, "policy.yaml"), /pullSecretRef:\n +kind: Secret\n +name: registry-pull\n/u);
  const envoy = ["--for", "envoy", "--upstream", "https://orders.internal:8443", "--upstream-id"];
  const text = run(...envoy, "spiffe://example.org/orders", "--trusted-hops", "2", "forwarded.yaml");
  assert.match(text, /xff_num_trusted_hops: 2\n/u);
  assert.match(text, /exact: spiffe:\/\/example\.org\/orders\n/u);
  assert.match(text, /port_value: 8443\n/u);
});

test("manifest takes one policy for a mesh, and says what is missing", (context) => {
  const folder = folderWith(context, { "a.yaml": plain_policy, "b.yaml": plain_policy });
  const problem = (...args: string[]) => {
    const { code, stderr } = sallyport(["manifest", ...args], { cwd: folder });
    assert.equal(code, 2);
    return stderr;
  };
  assert.match(problem("--for", "envoy", "a.yaml", "b.yaml"), /one policy at a time.*leave out b\.yaml/u);
  assert.match(problem("--for", "istio", "a.yaml"), /say where the module is/u);
  assert.match(problem("--for", "ratelimit", "a.yaml", "--helm"), /--helm is not for ratelimit/u);
});

test("manifest --gateway-listener is for policies that read bodies", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const place = ["--gateway", "edge", "--namespace", "gateways", "--url", "https://example.org/shop.wasm"];
  const { code, stderr } = sallyport(
    ["manifest", "--for", "envoy-gateway", "policy.yaml", ...place, "--gateway-listener", "mtls", "-o", "out"],
    { cwd: folder },
  );
  assert.equal(code, 2, stderr);
  assert.match(stderr, /--gateway-listener is for policies that read bodies/u);
});
