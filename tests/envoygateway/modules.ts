/** Where Envoy Gateway gets the module from: a file by its SHA-256, an image by its digest. Anything else is not run, and admits nobody. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "../support/until.ts";
import { shop_policy, stranger, World, web } from "./world.ts";

const registry = "127.0.0.1:5000";
const wrong = "0123456789abcdef".repeat(4);

let world: World;
before(async () => {
  world = await World.make();
  await world.write("wider.yaml", shop_policy.replace("GET /orders/{id}", "GET /**"));
  const storage = { filesystem: { rootdirectory: join(world.folder, "registry") } };
  // JSON is YAML.
  await world.write("registry.yml", JSON.stringify({ version: "0.1", storage, http: { addr: registry } }));
  const child = spawn("docker-registry", ["serve", join(world.folder, "registry.yml")], { stdio: "ignore" });
  const ended = once(child, "exit");
  world.onStop(async () => {
    child.kill();
    await ended;
  });
  await until("the registry answers", async () =>
    fetch(`http://${registry}/v2/`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  await world.install([...world.build(), "--sha256", wrong]);
  await world.apply();
  world.system.start();
});
after(() => world?.stop());

/** Pushes the image of a policy; its digest in hex. */
function push(policy: string, name: string): string {
  const printed = world.sallyport("oci", policy, "--no-revision", "--push", `${registry}/${name}`, "--format", "json");
  return JSON.parse(printed).digest.replace("sha256:", "");
}

/** Nobody gets through, and it says why. */
async function admitsNobody(says: RegExp): Promise<void> {
  await until(`Envoy Gateway says ${says}`, async () => says.test(await world.system.log()));
  const before = world.received.length;
  await until("requests are answered", async () => (await world.status(web)) >= 400);
  for (let count = 0; count < 20; count++) {
    const status = await world.status(web);
    assert.ok(status >= 400, `the status is ${status}`);
  }
  assert.equal((await world.status(web, { path: "/other" })) >= 400, true);
  assert.equal(world.received.length, before);
}

async function judges(): Promise<void> {
  await world.untilStatus(200);
  assert.equal(await world.status(stranger), 403);
}

describe("a file", () => {
  test("with another SHA-256 than the manifest has is not run", async () => {
    await admitsNobody(new RegExp(`does not match: ${wrong}`, "u"));
  });

  test("with the SHA-256 that `manifest` finds out judges requests", async () => {
    await world.install(world.build());
    await world.apply();
    await judges();
  });
});

describe("an image", () => {
  test("that `oci` pushed judges requests, by the digest that it told", async () => {
    const digest = push("policy.yaml", "team/shop:v1");
    await world.install(["--image", `${registry}/team/shop:v1`, "--sha256", digest]);
    await world.apply();
    await until("Envoy Gateway has fetched it", async () =>
      /fetching image.*team\/shop/u.test(await world.system.log()),
    );
    await judges();
  });

  test("whose tag was moved to another is not run", async () => {
    const digest = push("policy.yaml", "team/moved:v1");
    assert.notEqual(push("wider.yaml", "team/moved:v1"), digest);
    await world.install(["--image", `${registry}/team/moved:v1`, "--sha256", digest]);
    await world.apply();
    await admitsNobody(new RegExp(`does not match: ${digest}`, "u"));
  });

  test("is run again once tag and digest agree", async () => {
    const digest = push("wider.yaml", "team/moved:v1");
    await world.install(["--image", `${registry}/team/moved:v1`, "--sha256", digest], "wider.yaml");
    await world.apply();
    await world.untilStatus(200, web, { path: "/other" });
  });
});
