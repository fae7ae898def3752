/** Pushing to a registry: the order of things, credentials, trying again, and what is said when it does not work. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { bundle } from "../../scripts/oci/bundle.ts";
import { media, sha256 } from "../../scripts/oci/content.ts";
import type { Found } from "../../scripts/oci/credentials.ts";
import { pushBundle } from "../../scripts/oci/push.ts";
import { parseReference } from "../../scripts/oci/reference.ts";
import { Registry } from "../../scripts/oci/registry.ts";
import { send } from "../../scripts/oci/transport.ts";
import { folderWith } from "../cli/program.ts";
import { type FakeRegistry, type RegistrySetting, startRegistry } from "../support/registry.ts";
import { madeIn } from "./made.ts";

const nobody: Found = { credentials: undefined, source: "config.json" };
const ann: Found = { credentials: { kind: "password", username: "ann", password: "pass" }, source: "config.json" };

async function started(context: TestContext, setting?: RegistrySetting): Promise<FakeRegistry> {
  const registry = await startRegistry(setting);
  context.after(registry.stop);
  return registry;
}

/** A registry that asks for ann's credentials, and leads who shows them and asks what it has to another server. */
function leadingTo(context: TestContext, { host }: Pick<FakeRegistry, "host">): Promise<FakeRegistry> {
  return started(context, {
    auth: "basic",
    account: "ann:pass",
    intercept: ({ method, url, headers }, response) => {
      if (headers.authorization === undefined || method !== "HEAD") return false;
      response.writeHead(307, { location: `http://${host}${url}` }).end();
      return true;
    },
  });
}

/** Pushes a bundle as `team/shop:v1`. */
async function push(context: TestContext, { host }: Pick<FakeRegistry, "host">, found = nobody, waits: number[] = []) {
  const made = bundle(madeIn(folderWith(context)));
  const registry = new Registry(parseReference(`${host}/team/shop:v1`), found, async (milliseconds) => {
    waits.push(milliseconds);
  });
  return { made, by: await pushBundle(registry, made, "v1") };
}

test("everything arrives, and the tag moves last", async (context) => {
  const registry = await started(context);
  const { made, by } = await push(context, registry);
  assert.equal(by, "api");
  const { digest } = made.image.manifest.descriptor;
  assert.deepEqual(registry.manifests.get("v1"), registry.manifests.get(digest));
  assert.equal(registry.manifests.get("v1")!.mediaType, media.manifest);
  for (const { manifest, blobs } of [made.image, made.sbom, made.provenance]) {
    assert.deepEqual(registry.manifests.get(manifest.descriptor.digest)!.bytes, Buffer.from(manifest.bytes));
    for (const { descriptor, bytes } of blobs)
      assert.deepEqual(registry.blobs.get(descriptor.digest), Buffer.from(bytes));
  }
  assert.equal(registry.requests.at(-1), "PUT /v2/team/shop/manifests/v1");
});

test("what is there is not sent again", async (context) => {
  const registry = await started(context);
  await push(context, registry);
  registry.requests.length = 0;
  await push(context, registry);
  assert.deepEqual(
    registry.requests.filter((line) => line.includes("uploads")),
    [],
  );
});

test("without the referrers API an index by tag lists them, beside what others put there, once", async (context) => {
  const registry = await started(context, { hasReferrers: false });
  const digest = bundle(madeIn(folderWith(context))).image.manifest.descriptor.digest;
  const tag = digest.replace(":", "-");
  const foreign = {
    mediaType: media.manifest,
    digest: `sha256:${sha256("signature")}`,
    size: 9,
    artifactType: "application/x-signature",
  };
  const index = { schemaVersion: 2, mediaType: media.index, manifests: [foreign] };
  registry.manifests.set(tag, { mediaType: media.index, bytes: Buffer.from(JSON.stringify(index)) });
  const { made, by } = await push(context, registry);
  assert.equal(by, "tag");
  const listed = () => JSON.parse(registry.manifests.get(tag)!.bytes.toString()).manifests;
  assert.deepEqual(listed(), [foreign, made.sbom.manifest.descriptor, made.provenance.manifest.descriptor]);
  await push(context, registry);
  assert.equal(listed().length, 3);
});

test("a password by Basic", async (context) => {
  const registry = await started(context, { auth: "basic", account: "ann:pass" });
  assert.equal((await push(context, registry, ann)).by, "api");
});

test("a password for a token that may pull and push", async (context) => {
  const registry = await started(context, { auth: "bearer", account: "ann:pass" });
  await push(context, registry, ann);
  assert.deepEqual(
    registry.tokenRequests.map((asked) => Object.fromEntries(asked)),
    [{ service: "fake", scope: "repository:team/shop:pull,push" }],
  );
});

test("a refresh token for a token, and nothing at all where anybody may push", async (context) => {
  const registry = await started(context, { auth: "bearer", account: "ann:pass", identity: "refresh" });
  await push(context, registry, { credentials: { kind: "identity", token: "refresh" }, source: "config.json" });
  assert.equal(registry.tokenRequests[0]!.get("grant_type"), "refresh_token");
  await push(context, await started(context, { auth: "bearer" }));
});

test("no credentials, wrong ones, and those that may not push: each by its name, and no secret", async (context) => {
  for (const auth of ["basic", "bearer"] as const) {
    const registry = await started(context, { auth, account: "ann:other" });
    await assert.rejects(
      push(context, registry),
      /wants credentials for team\/shop, and there are none in config\.json: `docker login 127/u,
    );
    await assert.rejects(push(context, registry, ann), (error: Error) => {
      assert.match(error.message, /refuses the credentials of config\.json for pushing to team\/shop.*docker login/u);
      assert.doesNotMatch(error.message, /pass\b|YW5uOnBhc3M/u);
      return true;
    });
  }
  const registry = await started(context, { failures: [{ at: "POST", statuses: [403] }] });
  await assert.rejects(push(context, registry, ann), /403.*or have the account allowed to push there/u);
});

test("credentials go to the registry and to its token server alone", async (context) => {
  const seen: (string | undefined)[] = [];
  const storage = await started(context, {
    intercept: ({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(201).end();
      return true;
    },
  });
  const registry = await started(context, {
    auth: "basic",
    account: "ann:pass",
    intercept: ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(202, { location: `http://${storage.host}/upload` }).end();
      return true;
    },
  });
  await push(context, registry, ann);
  assert.ok(seen.length > 0 && seen.every((one) => one === undefined));
});

test("an upload or a token is never sent in the clear to another machine", async (context) => {
  const location = "http://storage.example.org/upload";
  const registry = await started(context, {
    intercept: ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(202, { location }).end();
      return true;
    },
  });
  await assert.rejects(push(context, registry), /http:\/\/storage\.example\.org\/upload\S* is no https/u);
  const challenge = await started(context, {
    intercept: (_, response) => {
      response.writeHead(401, { "www-authenticate": 'Bearer realm="http://token.example.org/"' }).end();
      return true;
    },
  });
  await assert.rejects(push(context, challenge, ann), /http:\/\/token\.example\.org\/\S* is no https/u);
});

test("a server that the registry leads to does not say where credentials go", async (context) => {
  const thief = await started(context);
  const storage = await started(context, {
    intercept: (_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${thief.host}/token"` }).end();
      return true;
    },
  });
  const registry = await leadingTo(context, storage);
  await push(context, registry, ann);
  assert.ok(storage.requests.length > 0, "the registry leads nowhere");
  assert.deepEqual(thief.requests, []);
  const leading = await started(context, {
    intercept: (_, response) => {
      response.writeHead(307, { location: `http://${storage.host}/v2/` }).end();
      return true;
    },
  });
  await assert.rejects(push(context, leading, ann), /\/v2\/ answers 401, as no registry does/u);
  assert.deepEqual(thief.requests, []);
});

test("a refresh token follows no redirect", async (context) => {
  const thief = await started(context);
  const registry = await started(context, {
    auth: "bearer",
    intercept: ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(307, { location: `http://${thief.host}/token` }).end();
      return true;
    },
  });
  const account = await started(context, {
    intercept: (_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${registry.host}/token"` }).end();
      return true;
    },
  });
  const refresh: Found = { credentials: { kind: "identity", token: "refresh" }, source: "config.json" };
  await assert.rejects(push(context, account, refresh), /which gives tokens for .*, answers 307 without a token/u);
  assert.deepEqual(thief.requests, []);
});

test("an answer without an end is left, and what it says does not steer the terminal", async (context) => {
  const endless = await started(context, {
    intercept: ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(400);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
      return true;
    },
  });
  await assert.rejects(push(context, endless), /refuses to begin an upload in team\/shop: 400$/u);
  const message = "\u001b[2Jno\u009b1m";
  const steering = await started(context, {
    intercept: ({ method }, response) => {
      if (method !== "POST") return false;
      response.writeHead(400).end(JSON.stringify({ errors: [null, 5, { code: 7 }, { message }] }));
      return true;
    },
  });
  await assert.rejects(push(context, steering), /: 400 \(\\u001b\[2Jno\\u009b1m\)$/u);
});

test("addresses that are none, and lists that are none", async (context) => {
  for (const [at, location] of [
    ["POST", "http://[::"],
    ["GET", "https://:0:0/"],
  ] as const) {
    const registry = await started(context, {
      intercept: ({ method }, response) => {
        if (method !== at) return false;
        response.writeHead(at === "GET" ? 307 : 202, { location }).end();
        return true;
      },
    });
    await assert.rejects(push(context, registry), /127\.0\.0\.1:\d+ leads to what is no address$/u);
  }
  for (const body of ["null", "[]", '{"manifests":[null]}', '{"manifests":{}}', '{"manifests":[{"digest":5}]}']) {
    const registry = await started(context, {
      intercept: ({ method, url }, response) => {
        if (method !== "GET" || !url!.includes("/referrers/")) return false;
        response.writeHead(200).end(body);
        return true;
      },
    });
    assert.equal((await push(context, registry)).by, "tag", body);
  }
});

test("redirects are followed, without credentials to another server", async (context) => {
  const seen: (string | undefined)[] = [];
  const storage = await started(context, {
    intercept: ({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(200).end();
      return true;
    },
  });
  const registry = await leadingTo(context, storage);
  await push(context, registry, ann);
  assert.ok(seen.length > 0 && seen.every((one) => one === undefined));
  const open = await started(context, {
    intercept: ({ method }, response) => {
      if (method !== "PUT") return false;
      response.writeHead(307, { location: "http://storage.example.org/upload" }).end();
      return true;
    },
  });
  await assert.rejects(push(context, open), /http:\/\/storage\.example\.org\/upload is no https/u);
});

test("an upload that the registry has forgotten begins anew", async (context) => {
  const registry = await started(context, { failures: [{ at: "PUT /v2/team/shop/blobs", statuses: [503, 404] }] });
  await push(context, registry);
  assert.ok(registry.manifests.has("v1"));
  const forgetful = await started(context, { failures: [{ at: "PUT /v2/team/shop/blobs", statuses: [404, 404] }] });
  await assert.rejects(push(context, forgetful), /loses what is uploaded: try later/u);
});

test("tried again while the registry is busy, each time after a longer while, or as long as it says", async (context) => {
  const failures = [
    { at: "GET /v2/", statuses: [503, 502, 500] },
    { at: "PUT /v2/team/shop/manifests/v1", statuses: [429], headers: { "retry-after": "7" } },
  ];
  const waits: number[] = [];
  const registry = await started(context, { failures });
  await push(context, registry, nobody, waits);
  assert.equal(waits.length, 4);
  for (const [at, base] of [500, 1000, 2000, 7000].entries())
    assert.ok(waits[at]! >= base * 0.75 && waits[at]! <= base * 1.25, `${waits[at]} for ${base}`);
});

test("given up after five tries, with the registry's words", async (context) => {
  const registry = await started(context, { failures: [{ at: "POST", statuses: [503, 503, 503, 503, 503] }] });
  await assert.rejects(
    push(context, registry),
    /refuses to begin an upload in team\/shop: 503, also when asked again: try later/u,
  );
  assert.equal(registry.requests.filter((line) => line.startsWith("POST")).length, 5);
  assert.ok(!registry.manifests.has("v1"));
});

const refusals: [name: string, status: number, body: string, said: RegExp][] = [
  [
    "a reason",
    400,
    JSON.stringify({ errors: [{ code: "TAG_INVALID", message: "tag is immutable" }] }),
    /400 \(TAG_INVALID: tag is immutable\)$/u,
  ],
  ["a page for people", 405, "<html>", /: 405$/u],
  [
    "no repository",
    404,
    JSON.stringify({ errors: [{ code: "NAME_UNKNOWN" }] }),
    /404 \(NAME_UNKNOWN\): some registries want a repository to be made/u,
  ],
];
for (const [name, status, body, said] of refusals) {
  test(`refused with ${name}`, async (context) => {
    const registry = await started(context, {
      intercept: ({ method, url }, response) => {
        if (method !== "PUT" || !url!.endsWith("/manifests/v1")) return false;
        response.writeHead(status).end(body);
        return true;
      },
    });
    await assert.rejects(push(context, registry), said);
  });
}

test("a server that is no registry, or stores something else", async (context) => {
  const other = await started(context, { failures: [{ at: "GET /v2/", statuses: [404] }] });
  await assert.rejects(push(context, other), /\/v2\/ answers 404, as no registry does: look at the host and port/u);
  const changing = await started(context, {
    intercept: ({ method, url }, response) => {
      if (method !== "PUT" || !url!.includes("/manifests/")) return false;
      response.writeHead(201, { "docker-content-digest": "sha256:00" }).end();
      return true;
    },
  });
  await assert.rejects(push(context, changing), /stored sha256:00 where sha256:[0-9a-f]{64} was sent/u);
});

test("nothing listens, and what listens does not speak TLS", async (context) => {
  const server = createTcpServer((socket) => socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const at = (url: string) => send(url, { method: "GET" }, async () => {});
  await assert.rejects(at(`https://127.0.0.1:${port}/v2/`), /127\.0\.0\.1:\d+ does not speak TLS.*plain HTTP/u);
  server.close();
  await once(server, "close");
  await assert.rejects(
    push(context, { host: `127.0.0.1:${port}` }),
    /nothing listens at 127\.0\.0\.1:\d+: is the registry running/u,
  );
});
