/** `sallyport status` on an Envoy of Envoy Gateway: nothing is wrong with what `manifest` wrote, and what others changed is named. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { EnvoyStatus } from "../../scripts/status/judge.ts";
import { sallyport } from "../cli/program.ts";
import { until } from "../support/until.ts";
import { selfSigned } from "./selfsigned.ts";
import { route, routeTarget, v1alpha1 } from "./user.ts";
import { inNamespace, stranger, World, web } from "./world.ts";

let world: World;
before(async () => {
  world = await World.make();
  await world.install(world.build());
  world.put(route("side", "/side"));
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
  await world.untilStatus(403, web, { path: "/side" });
});
after(() => world?.stop());

/** What `status` finds, and with which exit code. */
async function look(...more: string[]): Promise<{ code: number | null; codes: string[]; status: EnvoyStatus }> {
  const args = ["status", "policy.yaml", "--admin", await world.system.admin(), "--format", "json", ...more];
  const { code, stdout, stderr } = sallyport(args, { cwd: world.folder });
  assert.equal(stderr, "");
  const [status] = JSON.parse(stdout).envoys as [EnvoyStatus];
  return { code, codes: status.findings.map((finding) => finding.code).sort(), status };
}

/** Waits until `status` finds this and nothing else. */
async function finds(codes: string[]): Promise<EnvoyStatus> {
  let last = await look();
  await until(`status finds ${codes}`, async () => {
    last = await look();
    return last.codes.join() === codes.join();
  }).catch((error: Error) => {
    throw new Error(`${error.message}, but ${JSON.stringify(last.status.findings, null, 1)}`);
  });
  assert.equal(last.code, codes.some((code) => code !== "reload_unavailable") ? 1 : 0);
  return last.status;
}

test("nothing is wrong with what the manifest has, and the policy is the one that was given", async () => {
  const { policies, workers } = await finds(["reload_unavailable"]);
  assert.equal(workers, 2);
  assert.deepEqual(
    policies.map(({ listener, policy }) => [listener, policy]),
    [["default/edge/https", "shop"]],
  );
  const { code, status } = await look("--module", join(world.folder, "sallyport.wasm"));
  assert.equal(code, 0);
  assert.deepEqual([status.policies[0]!.mode, status.policies[0]!.from], ["enforce", "module"]);
});

test("another policy than the one that was given is old", async () => {
  await world.write("newer.yaml", readFileSync(join(world.folder, "policy.yaml"), "utf8").replace("/orders/", "/o/"));
  const { code, stdout } = sallyport(["status", "newer.yaml", "--admin", await world.system.admin()], {
    cwd: world.folder,
  });
  assert.equal(code, 1);
  assert.match(stdout, /\[policy_old\]/u);
});

test("a route with an EnvoyExtensionPolicy of its own is named", async () => {
  const lua = [{ type: "Inline", inline: "function envoy_on_request(handle) end" }];
  const metadata = inNamespace("side-own");
  world.put({ apiVersion: v1alpha1, kind: "EnvoyExtensionPolicy", metadata, spec: { ...routeTarget("side"), lua } });
  await world.apply();
  const { findings } = await finds(["reload_unavailable", "route_without_filter"]);
  const { message } = findings.find(({ code }) => code === "route_without_filter")!;
  assert.match(message, /route "httproute\/default\/side\/rule\/0\/match\/0\/\*".*refused by the enforcement check/u);
});

test("so is one that has a SecurityPolicy of its own beside it: its requests pass undecided", async () => {
  const spec = { ...routeTarget("side"), authorization: { defaultAction: "Allow" } };
  world.put({ apiVersion: v1alpha1, kind: "SecurityPolicy", metadata: inNamespace("side-open"), spec });
  await world.apply();
  const { findings } = await finds(["check_missing", "reload_unavailable", "route_without_filter"]);
  assert.match(findings.find(({ code }) => code === "route_without_filter")!.message, /pass undecided/u);
  // That is what the roles are there against.
  assert.equal(await world.status(stranger, { path: "/side" }), 200);
  world.remove("SecurityPolicy", "side-open");
  world.remove("EnvoyExtensionPolicy", "side-own");
});

test("a Gateway without the check is named, although the filter decides", async () => {
  const check = world.get("SecurityPolicy", "sallyport-shop");
  world.remove("SecurityPolicy", "sallyport-shop");
  await world.apply();
  await finds(["check_missing", "reload_unavailable"]);
  assert.equal(await world.status(stranger), 403);
  world.put(check);
});

test("a Gateway that takes any certificate is named, and does take any", async () => {
  const traffic = structuredClone(world.get("ClientTrafficPolicy", "sallyport-shop"));
  traffic.metadata.name = "any";
  traffic.spec.tls.clientValidation = { mode: "RequireAny" };
  world.remove("ClientTrafficPolicy", "sallyport-shop");
  world.put(traffic);
  await world.apply();
  await finds(["client_certificate_unchecked", "reload_unavailable"]);
  assert.equal(await world.status(await selfSigned(web)), 200);
});
