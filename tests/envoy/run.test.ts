/** The verb `run`, as a process of its own: ready line, requests, upstreams of the user's own, and the end. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { filterLog } from "../../scripts/envoy/filterlog.ts";
import { makeCorpIssuer } from "../support/envoy.ts";
import { makeKey, providerAudience, providerIssuer, startJwksServer } from "../support/jwks-server.ts";
import { program } from "../support/program.ts";
import { endOf, paste, root, whileRunning, whileShowing } from "../support/run.ts";

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

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("with the order API of its own", async () => {
  await whileRunning({ policy: policyPath }, async (ready, target) => {
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

test("with several trust domains, members of each are admitted", async () => {
  const path = join(directory, "federated.yaml");
  const federated = policyYaml.replace("[example.org]", "[example.org, partner.example.net]");
  await writeFile(path, federated.replace("/web]", "/web, spiffe://partner.example.net/app]"));
  await whileRunning({ policy: path }, async ({ callers }, target) => {
    assert.equal(callers.length, 2);
    for (const { certificate, key } of callers) {
      const identity = {
        certificatePem: await readFile(certificate, "utf8"),
        privateKeyPem: await readFile(key, "utf8"),
      };
      assert.equal((await sendRequest({ ...target, identity }, { path: "/orders/7" })).status, 200);
    }
  });
});

test("where an outer listener says who the caller is, this one says so itself", async () => {
  const path = join(directory, "behind.yaml");
  await writeFile(path, policyYaml.replace("[example.org]", "[example.org], identity: filter-state"));
  await whileRunning({ policy: path }, async (_ready, target) => {
    assert.equal((await sendRequest(target, { path: "/orders/7" })).status, 200);
    assert.equal((await sendRequest(target, { method: "POST", path: "/orders" })).status, 403);
    const { identity: _, ...stranger } = target;
    await assert.rejects(sendRequest(stranger, { path: "/orders/7" }));
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

test("with a plain upstream of the user's own, which any client reaches, curl's HTTP/2 among them", async () => {
  const server = createServer((request, response) => response.end(`plain ${request.url} ${request.httpVersion}`));
  const port = await listen(server);
  try {
    await whileShowing({ policy: policyPath, args: ["--upstream", `http://127.0.0.1:${port}`] }, async (lines) => {
      const command = lines.find((line) => line.startsWith("curl "))!;
      const answer = await paste([command]);
      assert.match(answer, /^HTTP\/\S+ 200/u);
      assert.match(answer, /plain \/\S* 1\.1$/u);
    });
    await whileRunning(
      { policy: policyPath, args: ["--upstream", `http://127.0.0.1:${port}`] },
      async (_ready, target) => {
        assert.equal((await sendRequest(target, { path: "/a" })).body, "plain /a 1.1");
        assert.equal((await sendRequest(target, { path: "/a", http2: true })).body, "plain /a 1.1");
      },
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("gRPC goes to a plain upstream as HTTP/2", async () => {
  const versions: string[] = [];
  const server = createHttp2Server((request, response) => {
    versions.push(request.httpVersion);
    response.writeHead(200, { "content-type": "application/grpc", "grpc-status": "0" });
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await whileRunning(
      { policy: policyPath, args: ["--upstream", `http://127.0.0.1:${port}`] },
      async (_ready, target) => {
        const headers = { "content-type": "application/grpc" };
        assert.equal((await sendRequest(target, { path: "/shop.Orders/Place", headers, http2: true })).status, 200);
      },
    );
    assert.deepEqual(versions, ["2.0"]);
  } finally {
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
    await whileRunning({ policy: policyPath, args, environment: { SSL_CERT_FILE: bundle } }, async (_ready, target) => {
      assert.equal((await sendRequest(target, { path: "/a" })).body, "secure /a");
    });
    // Without its authority the upstream is nobody we know.
    await whileRunning({ policy: policyPath, args, environment: { SSL_CERT_FILE: "" } }, async (_ready, target) => {
      assert.equal((await sendRequest(target, { path: "/a" })).status, 503);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("for people: where it listens, commands to paste, and a line for each request", async () => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  await whileShowing({ policy: policyPath, args: ["--port", String(port)] }, async (lines, nextLine) => {
    assert.equal(lines[0], `Envoy enforces ${policyPath} on https://127.0.0.1:${port} (mTLS)`);
    assert.ok(lines.includes("# spiffe://example.org/web, by rule web-reads"), lines.join("\n"));
    assert.ok(!lines.some((line) => line.includes("TOKEN")));
    const curl = lines.find((line) => line.startsWith("curl "))!;
    assert.match(await paste([curl]), /^HTTP\/2 200|^HTTP\/1\.1 200/);
    assert.equal(await nextLine(), "  200  GET /example  spiffe://example.org/web  allow  rule web-reads");
    assert.match(await paste([`${curl} -X POST`]), /^HTTP\/\S+ 403/);
    assert.equal(await nextLine(), "  403  POST /example  spiffe://example.org/web  deny  no_rule  rule none");
  });
});

test("what init writes can be run at once: tokens are there, and every command works as pasted", async () => {
  const folder = join(directory, "started");
  const { stdout } = await promisify(execFile)(process.execPath, [program, "init", folder], { cwd: root });
  assert.match(stdout, /sallyport run .*policy\.yaml/);
  assert.match(await readFile(join(folder, ".sallyport/README"), "utf8"), /sallyport run policy\.yaml/);
  const policy = join(folder, "policy.yaml");
  await whileShowing({ policy }, async (lines) => {
    assert.ok(lines.some((line) => line.startsWith("# A token of corp") && line.includes("(orders:write)")));
    const exports = lines.filter((line) => line.startsWith("export "));
    const curls = lines.filter((line) => line.startsWith("curl "));
    assert.equal(exports.length, 1);
    assert.equal(curls.length, 3);
    for (const curl of curls) assert.match(await paste([...exports, curl]), /^HTTP\/\S+ 200/, curl);
    const order = curls.find((line) => line.includes("$TOKEN_corp"))!;
    assert.match(await paste(["TOKEN_corp=a.b.c", order]), /^HTTP\/\S+ 401/);
  });
  await whileRunning({ policy }, async (ready) => {
    assert.deepEqual(
      ready.tokens.map(({ issuer, scopes }) => ({ issuer, scopes })),
      [{ issuer: "corp", scopes: ["orders:write"] }],
    );
  });

  // Once the policy has other keys, a token made with this one would be refused: none is made, and the reason is told.
  const issuer = await makeCorpIssuer();
  await writeFile(join(folder, "keys/corp.jwks.json"), JSON.stringify(issuer.jwks));
  await whileShowing({ policy }, async (lines) => {
    assert.ok(lines.includes("# Put a token of corp into $TOKEN_corp."), lines.join("\n"));
    assert.ok(!lines.some((line) => line.startsWith("export ")));
  });
});

test("keys behind a URL come through a cluster of their own, from a server whose certificate is checked", async () => {
  const server = await startJwksServer();
  const key = await makeKey("first");
  server.publish(key);
  const bundle = join(directory, "provider.pem");
  await writeFile(bundle, server.authorityPem);
  const policy = join(directory, "keys.yaml");
  await writeFile(
    policy,
    `${policyYaml.replace(
      "rules:",
      `issuers:
  corp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [ES256]
    keys: { url: "${server.url}", cluster: idp, refresh: 1s }
rules:`,
    )}    token: corp\n`,
  );
  const token = await key.token();
  const statusOf = async (target: Target): Promise<number> =>
    (await sendRequest(target, { path: "/a", headers: { authorization: `Bearer ${token}` } })).status;
  try {
    await whileRunning({ policy, args: ["--keys-ca", bundle] }, async (ready, target) => {
      assert.deepEqual(ready.keys, [{ url: server.url, cluster: "idp", refreshSeconds: 1 }]);
      for (let tries = 0; (await statusOf(target)) !== 200; tries++) {
        assert.ok(tries < 50, "the keys did not come");
        await sleep(100);
      }
    });
    const asked = server.requests.length;
    await whileShowing({ policy }, async (lines) => {
      assert.ok(
        lines.includes(`  keys          ${server.url}, fetched every 1 s through cluster idp`),
        lines.join("\n"),
      );
      await sleep(1_500);
    });
    // Without its authority it is not the provider, and not one byte of a request reaches it.
    assert.equal(server.requests.length, asked);
  } finally {
    await server.stop();
  }
});

/** A key pair as `init` leaves one: the private half in `.sallyport`, the public one for the policy. */
async function makeKeyFiles(folder: string, name: string, use: "sig" | "jwt-svid"): Promise<void> {
  const { publicKey, privateKey } = makeKeyPair("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: `${name}-1`, use };
  await mkdir(join(folder, ".sallyport"), { recursive: true });
  await writeFile(join(folder, `${name}.json`), JSON.stringify({ keys: [jwk] }));
  await writeFile(
    join(folder, ".sallyport", `${name}.private.jwk.json`),
    JSON.stringify(privateKey.export({ format: "jwk" })),
  );
}

/** A policy in a folder of its own, with keys for the names; the export lines and commands it is shown with work. */
async function assertCommandsWork(name: string, yaml: string, keys: Record<string, "sig" | "jwt-svid">) {
  const folder = await mkdtemp(join(directory, `${name}-`));
  for (const [owner, use] of Object.entries(keys)) await makeKeyFiles(folder, owner, use);
  const policy = join(folder, "policy.yaml");
  await writeFile(policy, yaml);
  const shown: string[] = [];
  const requests: string[] = [];
  await whileShowing({ policy }, async (lines, nextLine) => {
    shown.push(...lines);
    const exports = lines.filter((line) => line.startsWith("export "));
    for (const curl of lines.filter((line) => line.startsWith("curl "))) {
      const answer = await paste([...exports, curl]);
      requests.push(await nextLine());
      assert.match(answer, /^HTTP\/\S+ 200/, `${curl}\n${requests.at(-1)}`);
    }
  });
  return { folder, policy, shown, requests, curls: shown.filter((line) => line.startsWith("curl ")) };
}

const issuer = (name: string, more: string): string =>
  `  ${name}: { issuer: "https://${name}.example", audiences: [api], algorithms: [ES256], keys: { file: ${name}.json }, ${more} }\n`;

test("commands put tokens where their issuers look for them, bound as they bind them", async () => {
  const { shown, curls } = await assertCommandsWork(
    "places",
    `version: 1
name: places
trust: { domains: [example.org] }
issuers:
${issuer("scheme", 'from: [{ header: x-session, prefix: "S$! " }, { cookie: other }]')}${issuer("cookie", "from: [{ cookie: session }]")}${issuer("query", "from: [{ query: t }]")}${issuer("held", "bind: certificate")}${issuer("own", "from: [{ header: x-own }], bind: caller")}rules:
  - { name: a, callers: [spiffe://example.org/web], allow: ["GET /scheme"], token: scheme }
  - { name: b, callers: [spiffe://example.org/web], allow: ["GET /cookie"], token: cookie }
  - { name: c, callers: [spiffe://example.org/web], allow: ["GET /query"], token: query }
  - { name: d, callers: [spiffe://example.org/web, spiffe://example.org/app, anonymous], allow: ["GET /held"], token: held }
  - { name: e, callers: [spiffe://example.org/web, spiffe://example.org/app, anonymous], allow: ["GET /own"], token: own }
`,
    { scheme: "sig", cookie: "sig", query: "sig", held: "sig", own: "sig" },
  );
  assert.equal(curls.length, 8, shown.join("\n"));
  assert.ok(curls[0]!.includes(`'x-session: S$! '"$TOKEN_scheme"`), curls[0]);
  assert.ok(curls[1]!.includes('-H "cookie: session=$TOKEN_cookie"'), curls[1]);
  assert.match(curls[2]!, /"https:\S+\/query\?t=\$TOKEN_query"$/u);
  assert.ok(curls[3]!.includes('-H "authorization: Bearer $TOKEN_held_web"'), curls[3]);
  assert.ok(shown.includes("# anyone, with a certificate that its token is bound to, by rule d"), shown.join("\n"));
  assert.ok(curls[6]!.includes('-H "x-own: $TOKEN_own_web"') && curls[7]!.includes("$TOKEN_own_app"), curls[7]);
});

const svidPolicy = (identity: string): string => `version: 1
name: svids
trust:
  domains: [example.org]
  identity: ${identity}
  jwtSvid: { audiences: [api], bundles: { example.org: { file: example.org.json } } }
issuers:
${issuer("corp", "from: [{ header: authorization }, { header: x-token }]")}${issuer("held", "from: [{ cookie: held }], bind: certificate")}rules:
  - { name: a, callers: [spiffe://example.org/web], allow: ["GET /a"] }
  - { name: b, callers: [any], allow: ["GET /b"], token: corp }
  - { name: c, callers: [spiffe://example.org/web], allow: ["GET /c"], token: held }
`;

test("where JWT-SVIDs say who a caller is, commands carry one, and a token where it leaves room", async () => {
  const keys = { "example.org": "jwt-svid", corp: "sig", held: "sig" } as const;
  const { folder, policy, requests, curls } = await assertCommandsWork("svids", svidPolicy("jwt-svid"), keys);
  assert.equal(curls.length, 3);
  assert.ok(curls[0]!.includes('-H "authorization: Bearer $SVID_web"') && !curls[0]!.includes("--cert"), curls[0]);
  assert.ok(curls[1]!.includes('"authorization: Bearer $SVID_example" -H "x-token: $TOKEN_corp"'), curls[1]);
  assert.ok(curls[2]!.includes("--cert ") && curls[2]!.includes('"cookie: held=$TOKEN_held_web"'), curls[2]);
  assert.equal(requests[0], "  200  GET /a  no certificate, JWT-SVID of spiffe://example.org/web  allow  rule a");

  await rm(join(folder, ".sallyport"), { recursive: true });
  await whileShowing({ policy }, async (lines, nextLine) => {
    const wanted =
      "# Put a JWT-SVID of spiffe://example.org/web into $SVID_web (run makes it where .sallyport/example.org.private.jwk.json is the private key of a key in the bundle).";
    assert.ok(lines.includes(wanted), lines.join("\n"));
    const bound =
      /^# Put a token of held bound to \S+\/web \(certificate, `cnf\.x5t#S256` \S{43}\) into \$TOKEN_held_web\.$/u;
    assert.ok(
      lines.some((line) => bound.test(line)),
      lines.join("\n"),
    );
    // What is wrong with a token stands behind the reason.
    const curl = lines.find((line) => line.startsWith("curl "))!;
    await paste(["SVID_web=a.b.c", curl]);
    assert.match(
      await nextLine(),
      /^ {2}401 {2}GET \/a {2}no certificate {2}deny {2}token_malformed \(\S+\) {2}rule /u,
    );
  });
});

test("where either does, commands show certificates", async () => {
  const keys = { "example.org": "jwt-svid", corp: "sig", held: "sig" } as const;
  const { curls } = await assertCommandsWork("either", svidPolicy("either"), keys);
  assert.equal(curls.length, 3);
  for (const curl of curls) assert.ok(curl.includes("--cert ") && !curl.includes("SVID"), curl);
});

test("what the filter has to say stands among the requests, the same words once in ten seconds", async () => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  const policy = join(directory, "unfetched.yaml");
  const keys = `{ url: "http://127.0.0.1:${port}/keys", cluster: idp, refresh: 1s }`;
  const corp = `issuers: { corp: { issuer: https://a.example, audiences: [api], algorithms: [ES256], keys: ${keys} } }`;
  await writeFile(policy, `${policyYaml.replace("rules:", `${corp}\nrules:`)}    token: corp\n`);
  await whileShowing({ policy }, async (_lines, nextLine) => {
    assert.match(await nextLine(), /^ {2}filter: key set \S+ not fetched: /u);
  });

  let nowMs = 0;
  const said: string[] = [];
  const follow = filterLog(
    (words) => said.push(words),
    () => nowMs,
  );
  const line = (level: string, words: string): string =>
    `[2026-11-22 22:00:00.000][1][${level}][wasm] [source/extensions/common/wasm/context.cc:1] wasm log sallyport sallyport: sallyport: ${words}`;
  for (const at of [0, 9_999, 10_000]) {
    nowMs = at;
    for (const words of ["one", "two: three"]) follow(line("warning", words));
    follow(line("info", "not this"));
    follow(line("error", "no words of ours").replace(": sallyport:", ": other:"));
  }
  assert.deepEqual(said, ["one", "two: three", "one", "two: three"]);
});

test("without a usable Envoy it ends with 1 and says what to do", async () => {
  const { code, stdout, stderr } = await endOf({ policy: policyPath, environment: { ENVOY: "/nonexistent" } });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /ENVOY is set to \/nonexistent, but there is no such file\. Set ENVOY/);
});

test("a policy with errors ends with 2 before anything starts, warnings are shown", async () => {
  const path = join(directory, "broken.yaml");
  await writeFile(path, policyYaml.replace("callers:", "callrs:"));
  const broken = await endOf({ policy: path, environment: { ENVOY: "/nonexistent" } });
  assert.equal(broken.code, 2);
  assert.equal(broken.stdout, "");
  assert.match(broken.stderr, /broken\.yaml:\d+:\d+: error: /);
  const anonymous = join(directory, "warned.yaml");
  await writeFile(anonymous, `${policyYaml}  - name: health\n    callers: [anonymous]\n    allow: [GET /healthz]\n`);
  const warned = await endOf({ policy: anonymous, environment: { ENVOY: "/nonexistent" } });
  assert.match(warned.stderr, /warning: .*\[anonymous_rule\]/);
});

test("wrong options end with 2", async () => {
  for (const args of [
    ["--port", "70000"],
    ["--upstream", "ftp://x"],
    ["--upstream", "http://127.0.0.1/path"],
    ["--keys-ca", "/nonexistent.pem"],
  ]) {
    const { code, stderr } = await endOf({ policy: policyPath, args });
    assert.equal(code, 2, stderr);
  }
});

test("a file of authorities without a certificate is no such file", async () => {
  const empty = join(directory, "no-certificate.pem");
  await writeFile(empty, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
  const broken = join(directory, "broken-certificate.pem");
  const { certificatePem } = await makeAuthority({ trustDomain: "example.org" });
  await writeFile(broken, `${certificatePem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
  for (const [path, trouble] of [
    [empty, "the file holds no PEM certificate"],
    [broken, "certificate 2 of the file cannot be read"],
  ] as const) {
    const { code, stderr } = await endOf({
      policy: policyPath,
      args: ["--keys-ca", path],
      environment: { ENVOY: "/nonexistent" },
    });
    assert.equal(code, 2, stderr);
    for (const words of ["--keys-ca", path, trouble]) assert.ok(stderr.includes(words), stderr);
  }
});
