/** Starting and ending a real Envoy, without any filter of ours in it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { EnvoyStartError, startEnvoy } from "../../scripts/envoy/process.ts";

const admin = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function ended(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(50);
  return !isAlive(pid);
}

test("an Envoy starts, answers, and stops", async () => {
  const envoy = await startEnvoy({ envoyPath: await findEnvoy(), config: { admin } });
  try {
    assert.equal((await envoy.admin("/ready")).trim(), "LIVE");
    assert.equal((await envoy.stats()).get("server.live"), 1);
    assert.equal((await envoy.stats()).get("server.concurrency"), 1);
    assert.throws(() => envoy.listenerPort("absent"), /no listener "absent"/);
  } finally {
    await envoy.stop();
  }
  assert.equal(isAlive(envoy.pid), false);
  await envoy.ended;
  await envoy.stop();
});

test("a configuration Envoy refuses: the error has its own words, and nothing is left", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-process-"));
  try {
    const config = { admin, static_resources: { listeners: [{ name: "nonsense", no_such_field: 1 }] } };
    await assert.rejects(startEnvoy({ envoyPath: await findEnvoy(), config, directory }), (error: unknown) => {
      assert.ok(error instanceof EnvoyStartError);
      assert.match(error.message, /no_such_field/);
      return true;
    });
    assert.deepEqual(await readdir(directory), ["envoy.json"]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("an executable that is not there: the error names it", async () => {
  await assert.rejects(startEnvoy({ envoyPath: "/nowhere/envoy", config: { admin } }), /\/nowhere\/envoy: .*ENOENT/);
});

test("an Envoy does not outlive the process that started it, even if that is killed outright", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-process-"));
  const module = new URL("../../scripts/envoy/process.ts", import.meta.url).href;
  const options = { envoyPath: await findEnvoy(), config: { admin }, directory };
  const program = `
    const { startEnvoy } = await import(${JSON.stringify(module)});
    const envoy = await startEnvoy(${JSON.stringify(options)});
    console.log(envoy.pid);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    assert.ok(isAlive(pid));
    parent.kill("SIGKILL");
    assert.ok(await ended(pid), `Envoy ${pid} is still there`);
  } finally {
    parent.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
});
