/** The verb `run`, as a process of its own: ready line, requests, upstreams of the user's own, and the end. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";

const policyYaml = `
version: 1
name: run
trust: { domains: [example.org] }
rules:
  - name: web-reads
    callers: [spiffe://example.org/web]
    allow: ["GET /**"]
`;

let directory: string;
let policyPath: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "sallyport-run-"));
  policyPath = join(directory, "policy.yaml");
  await writeFile(policyPath, policyYaml);
});
after(() => rm(directory, { recursive: true, force: true }));

/** The line `--format json` prints when it is ready. */
interface ReadyLine {
  port: number;
  adminPort: number;
  authority: string;
  accessLog: string;
  callers: { id: string; certificate: string; key: string }[];
}

const program = `
  import { Command } from "commander";
  import { registerRun } from ${JSON.stringify(new URL("../../scripts/commands/run.ts", import.meta.url).href)};
  const program = new Command("sallyport");
  registerRun(program);
  await program.parseAsync();`;

/** How to start it; by default with the policy above and nothing else. */
interface RunSetting {
  args?: string[];
  environment?: NodeJS.ProcessEnv;
  policy?: string;
}

function startRun({ args = [], environment = {}, policy = policyPath }: RunSetting): ChildProcess {
  const node = ["--import", "tsx", "--input-type=module", "-e", program];
  return spawn(process.execPath, [...node, "run", policy, "--format", "json", ...args], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Runs it until the check is done, ends it as Ctrl-C does, and sees to it that it cleaned up. */
async function whileRunning(
  setting: RunSetting,
  check: (ready: ReadyLine, target: Target) => Promise<void>,
): Promise<void> {
  const child = startRun(setting);
  try {
    const [line] = (await Promise.race([
      once(createInterface(child.stdout!), "line"),
      once(child, "exit").then(([code]) => assert.fail(`it ended with ${code} before it was ready`)),
    ])) as [string];
    const ready = JSON.parse(line) as ReadyLine;
    const [caller] = ready.callers;
    const target = {
      port: ready.port,
      authorityPem: await readFile(ready.authority, "utf8"),
      identity: {
        certificatePem: await readFile(caller!.certificate, "utf8"),
        privateKeyPem: await readFile(caller!.key, "utf8"),
      },
    };
    await check(ready, target);
    const exit = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual(await exit, [0, null]);
    await assert.rejects(access(ready.authority), { code: "ENOENT" });
  } finally {
    child.kill("SIGKILL");
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("with the order API of its own", async () => {
  await whileRunning({}, async (ready, target) => {
    assert.deepEqual(
      ready.callers.map(({ id }) => id),
      ["spiffe://example.org/web"],
    );
    const answer = await sendRequest(target, { path: "/orders/7" });
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.body).service, "orders");
    assert.equal((await sendRequest(target, { method: "POST", path: "/orders" })).status, 403);
  });
});

test("with a rule for callers without a certificate, such callers get in, and no further", async () => {
  const path = join(directory, "anonymous.yaml");
  await writeFile(path, `${policyYaml}  - name: health\n    callers: [anonymous]\n    allow: [GET /healthz]\n`);
  await whileRunning({ policy: path }, async (_ready, { identity: _, ...stranger }) => {
    assert.equal((await sendRequest(stranger, { path: "/healthz" })).status, 200);
    assert.equal((await sendRequest(stranger, { path: "/orders/7" })).status, 403);
  });
});

test("with a plain upstream of the user's own", async () => {
  const server = createServer((request, response) => response.end(`plain ${request.url}`));
  const port = await listen(server);
  try {
    await whileRunning({ args: ["--upstream", `http://127.0.0.1:${port}`] }, async (_ready, target) => {
      assert.equal((await sendRequest(target, { path: "/a" })).body, "plain /a");
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("with an https upstream, whose certificate and name are checked", async () => {
  const authority = await makeAuthority({ trustDomain: "elsewhere.example" });
  const own = await authority.issue({ ipAddresses: ["127.0.0.1"] });
  const bundle = join(directory, "elsewhere.pem");
  await writeFile(bundle, authority.certificatePem);
  const server = createTlsServer({ cert: own.certificatePem, key: own.privateKeyPem }, (request, response) =>
    response.end(`secure ${request.url}`),
  );
  const port = await listen(server);
  const args = ["--upstream", `https://127.0.0.1:${port}`];
  try {
    await whileRunning({ args, environment: { SSL_CERT_FILE: bundle } }, async (_ready, target) => {
      assert.equal((await sendRequest(target, { path: "/a" })).body, "secure /a");
    });
    // Without its authority the upstream is nobody we know.
    await whileRunning({ args, environment: { SSL_CERT_FILE: "" } }, async (_ready, target) => {
      assert.equal((await sendRequest(target, { path: "/a" })).status, 503);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
