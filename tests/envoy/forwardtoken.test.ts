/**
 * `forwardToken: false` in a real Envoy: what the upstream then reads, name by name and byte by byte. Each request is held
 * against the same one sent without tokens: nothing but the tokens may differ.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { makeCorpIssuer, managerOf, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { type JwksServer, makeKey, type ProviderKey, providerIssuer, startJwksServer } from "../support/jwks-server.ts";

const caller = "spiffe://example.org/web";

const policyFor = (server: JwksServer, mode: "enforce" | "shadow"): string => `
version: 1
name: ${mode}
mode: ${mode}
trust: { domains: [example.org] }
issuers:
  hidden:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: keys/corp.jwks.json }
    from: [{ header: authorization }, { header: x-user-token }, { cookie: session }, { query: access_token }]
    forwardToken: false
  shown:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: keys/corp.jwks.json }
    from: [{ header: authorization, prefix: "Shown " }, { header: x-shown }, { cookie: shown }, { query: shown }]
  late:
    issuer: ${providerIssuer}
    audiences: [order-api]
    algorithms: [ES256]
    keys: { url: "${server.url}", cluster: idp, refresh: 1h }
    from: [{ header: authorization }, { header: x-user-token }, { cookie: session }, { query: access_token }]
    forwardToken: false
forward: { x-caller: caller.id, x-user: claims.sub }
rules:
  - { name: open, callers: [any], allow: [GET /open] }
  - { name: hidden, callers: [any], allow: [GET /hidden], token: hidden }
  - { name: shown, callers: [any], allow: [GET /shown], token: shown }
  - { name: late, callers: [any], allow: [GET /late], token: late }
`;

/** What the upstream read: the request line's target, and the headers in their order. */
interface Received {
  target: string;
  headers: [name: string, value: string][];
}

/** An upstream over HTTP/1.1 that keeps what it read as it was written, and answers 200. */
function startPlainUpstream(): Promise<{ port: number; received: Received[]; server: Server }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const raw = request.rawHeaders;
    const headers = raw.flatMap((name, index): [string, string][] =>
      index % 2 === 0 ? [[name, raw[index + 1]!]] : [],
    );
    received.push({ target: request.url ?? "", headers });
    response.end();
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve({ port: (server.address() as AddressInfo).port, received, server }));
  });
}

/** A request as it is written; cookies may stand in several headers. */
interface Asked {
  path: string;
  headers?: [name: string, value: string][];
}

/** Sends header by header, as it stands there, over HTTP/1.1. The answer's status. */
function sendLines(target: Target, { path, headers = [] }: Asked): Promise<number> {
  return new Promise((resolve, reject) => {
    const { port, authorityPem: ca, identity } = target;
    const options = { cert: identity!.certificatePem, key: identity!.privateKeyPem };
    const socket = connect({ host: "127.0.0.1", port, ca, servername: "localhost", ...options });
    let text = "";
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.setTimeout(15_000, () => socket.destroy(new Error("no answer in time")));
    socket.on("secureConnect", () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines}connection: close\r\n\r\n`),
    );
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(Number(/^HTTP\/1\.1 (\d+)/u.exec(text)?.[1] ?? 0)));
  });
}

/** The same over HTTP/2. Headers of one name go as several fields. */
async function sendFields(target: Target, { path, headers = [] }: Asked): Promise<number> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return (await sendRequest(target, { path, headers: fields, http2: true })).status;
}

const protocols = { "HTTP/1.1": sendLines, "HTTP/2": sendFields };

describe("forwardToken: false", () => {
  let keys: JwksServer;
  let upstream: Awaited<ReturnType<typeof startPlainUpstream>>;
  let envoy: TestEnvoy;
  let token: string;
  const targets: Partial<Record<"enforce" | "shadow", Target>> = {};

  before(async () => {
    const issuer = await makeCorpIssuer();
    const issuers = { corp: issuer };
    token = await issuer.token({ claims: { sub: "alice" }, algorithm: "ES256" });
    keys = await startJwksServer();
    keys.publish(await makeKey("early"));
    upstream = await startPlainUpstream();
    const shadow = await moduleFor({ policyYaml: policyFor(keys, "shadow"), issuers });
    envoy = await startTestEnvoy({
      policyYaml: policyFor(keys, "enforce"),
      issuers,
      upstream: { host: "127.0.0.1", port: upstream.port, tls: false },
      keyClusters: {
        idp: {
          host: "127.0.0.1",
          port: keys.port,
          tls: { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem: keys.authorityPem },
        },
      },
      adjust: (bootstrap) => adjust(bootstrap, shadow),
    });
    targets.enforce = await envoy.local.target(caller);
    targets.shadow = { ...targets.enforce, port: envoy.local.envoy.listenerPort("shadow") };
  });
  after(async () => {
    await envoy?.stop();
    await keys?.stop();
    upstream?.server.close();
    upstream?.server.closeAllConnections();
  });

  /** A second listener with the shadow policy; to the upstream everything goes over HTTP/1.1. */
  function adjust(bootstrap: Bootstrap, shadow: Uint8Array): void {
    managerOf(bootstrap).common_http_protocol_options.headers_with_underscores_action = "ALLOW";
    const second = structuredClone(bootstrap.static_resources.listeners[0]);
    second.name = "shadow";
    const { config } = second.filter_chains[0].filters[0].typed_config.http_filters[0].typed_config;
    config.name = "shadow";
    config.vm_config.vm_id = "shadow";
    config.vm_config.code.local = { inline_bytes: Buffer.from(shadow).toString("base64") };
    bootstrap.static_resources.listeners.push(second);
    const [options] = Object.values(bootstrap.static_resources.clusters[0].typed_extension_protocol_options) as [
      Record<string, unknown>,
    ];
    options.explicit_http_config = { http_protocol_options: {} };
  }

  /** What the upstream reads of a request, without what differs from one to the next anyway. */
  const readBy = async (send: typeof sendLines, asked: Asked, mode: "enforce" | "shadow" = "enforce") => {
    const count = upstream.received.length;
    const status = await send(targets[mode]!, asked);
    assert.equal(status, 200, JSON.stringify(asked));
    assert.equal(upstream.received.length, count + 1);
    const { target, headers } = upstream.received.at(-1)!;
    // The order of headers of different names means nothing (RFC 9110 §5.3); that within a name does, and stays.
    const byName = headers.filter(([name]) => name !== "x-request-id").toSorted(([a], [b]) => (a < b ? -1 : +(a > b)));
    return { target, headers: byName };
  };

  const valuesOf = (received: Received, name: string): string[] =>
    received.headers.filter(([one]) => one === name).map(([, value]) => value);

  /** Both requests must look the same to the upstream, under either protocol and in either mode. */
  const assertAlike = async (asked: Asked, plain: Asked): Promise<void> => {
    for (const [name, send] of Object.entries(protocols)) {
      for (const mode of ["enforce", "shadow"] as const) {
        const what = `${name}, ${mode}: ${JSON.stringify(asked).replaceAll(token, "TOKEN")}`;
        const expected = await readBy(send, plain, mode);
        const seen = await readBy(send, asked, mode);
        assert.deepEqual(seen, expected, what);
        assert.equal(JSON.stringify(seen).includes(token), false, what);
      }
    }
  };

  const others: [string, string][] = [
    ["accept", "*/*"],
    ["x-before", "one, two;three"],
    ["x-before", "again"],
    ["x-authorization", "Bearer of news"],
    ["x-user-token-2", "stays"],
  ];

  test("authorization, in whatever case its scheme is, and though no rule asked for it", async () => {
    const schemes = ["Bearer ", "bearer ", "BEARER ", "bEaReR  ", "Bearer\t"];
    for (const scheme of schemes) {
      const headers: [string, string][] = [...others, ["authorization", `${scheme}${token}`], ["x-after", "last"]];
      await assertAlike({ path: "/open", headers }, { path: "/open", headers: [...others, ["x-after", "last"]] });
    }
    const junk: [string, string][] = [["authorization", "Bearer not.a.token"]];
    await assertAlike({ path: "/open", headers: junk }, { path: "/open" });
    await assertAlike({ path: "/open", headers: [["authorization", "Bearer"]] }, { path: "/open" });
  });

  test("authorization of another scheme stays as it is", async () => {
    for (const value of [
      "Basic YWxpY2U6c2VjcmV0",
      "Bearerish abc",
      "DPoP abc",
      `Shown ${"x".repeat(99)}`,
      "Negotiate",
    ]) {
      for (const send of Object.values(protocols)) {
        for (const mode of ["enforce", "shadow"] as const) {
          const headers: [string, string][] = [
            ["authorization", value],
            ["x-user-token", token],
          ];
          const seen = await readBy(send, { path: "/open", headers }, mode);
          assert.deepEqual(valuesOf(seen, "authorization"), [value]);
          assert.deepEqual(valuesOf(seen, "x-user-token"), []);
        }
      }
    }
  });

  // Envoy makes one header of them, joined by a comma.
  const basic = "Basic YWxpY2U6c2VjcmV0";
  for (const [what, values] of Object.entries({
    "the token's first": (jwt: string) => [`Bearer ${jwt}`, basic],
    "the token's last": (jwt: string) => [basic, `Bearer ${jwt}`],
    "both with a token": (jwt: string) => [`bearer ${jwt}`, `Bearer ${jwt}`],
  })) {
    test(`two authorization headers, ${what}`, async () => {
      const headers = values(token).map((value): [string, string] => ["authorization", value]);
      const seen = await readBy(sendLines, { path: "/open", headers });
      const text = JSON.stringify(seen.headers);
      assert.equal(text.includes(token), false, text.replaceAll(token, "TOKEN"));
    });
  }

  test("another header, once or twice, also with `_` for `-`", async () => {
    for (const headers of [
      [["x-user-token", token]],
      [
        ["x-user-token", token],
        ["x-user-token", token],
      ],
      [["x-user-token", ""]],
      [["x_user_token", token]],
      [
        ["x-user_token", token],
        ["x-user-token", "x"],
      ],
    ] as [string, string][][]) {
      const around = (inner: [string, string][]) => [...others, ...inner, ["x-after", "last"] as [string, string]];
      await assertAlike({ path: "/open", headers: around(headers) }, { path: "/open", headers: around([]) });
    }
  });

  test("a cookie, out of several, which keep their order and their values", async () => {
    const one = (value: string): [string, string][] => [["cookie", value]];
    const cases: [cookies: [string, string][], left: [string, string][]][] = [
      [one(`session=${token}`), []],
      [one(`a=1; session=${token}; b=2`), one("a=1; b=2")],
      [one(`session=${token}; b=2; a=1`), one("b=2; a=1")],
      [one(`a=1; b=2; session=${token}`), one("a=1; b=2")],
      [one(`session=${token}; a=1; session=${token}; b="x=y"; session=`), one('a=1; b="x=y"')],
      [
        one(`Session=stays; sessions=too; xsession=x; session=${token}; a==; =b; c`),
        one("Session=stays; sessions=too; xsession=x; a==; =b; c"),
      ],
      [
        one(`theme=dark; session=${token}; path=session%3D1; note=session=old`),
        one("theme=dark; path=session%3D1; note=session=old"),
      ],
    ];
    for (const [cookies, left] of cases) {
      await assertAlike(
        { path: "/open", headers: [...others, ...cookies] },
        { path: "/open", headers: [...others, ...left] },
      );
    }
  });

  test("a cookie, where there are several cookie headers", async () => {
    const cases: [cookies: string[], left: string[]][] = [
      [
        ["a=1", `session=${token}`, "b=2"],
        ["a=1", "b=2"],
      ],
      [[`session=${token}`, "a=1; b=2"], ["a=1; b=2"]],
      [["a=1; b=2", `session=${token}`], ["a=1; b=2"]],
      [[`session=${token}`, `session=${token}; c=3`], ["c=3"]],
      [[`session=${token}`, `session=${token}`], []],
    ];
    for (const [name, send] of Object.entries(protocols)) {
      for (const mode of ["enforce", "shadow"] as const) {
        for (const [cookies, left] of cases) {
          const headers = [
            ...others,
            ...cookies.map((value): [string, string] => ["cookie", value]),
            ["x-after", "last"] as [string, string],
          ];
          const seen = await readBy(send, { path: "/open", headers }, mode);
          const what = `${name}, ${mode}: ${JSON.stringify(cookies).replaceAll(token, "TOKEN")}`;
          // One header or several: to a reader it is the same list (RFC 9113 §8.2.3).
          assert.equal(valuesOf(seen, "cookie").join("; "), left.join("; "), what);
          const rest = seen.headers.filter(([one]) => one !== "cookie");
          const plain = await readBy(send, { path: "/open", headers: [...others, ["x-after", "last"]] }, mode);
          assert.deepEqual(rest, plain.headers, what);
        }
      }
    }
  });

  test("a parameter of the query, also percent-encoded; the others keep their order and their writing", async () => {
    const cases: [query: string, left: string][] = [
      [`?access_token=${token}`, ""],
      [`?a=1&access_token=${token}&b=2`, "?a=1&b=2"],
      [`?access_token=${token}&b=2&a=1`, "?b=2&a=1"],
      [`?b=2&a=1&access_token=${token}`, "?b=2&a=1"],
      [`?a=1&access%5Ftoken=${token}&b=2`, "?a=1&b=2"],
      [`?a=1&%61ccess_%74oken=${token}&access%5ftoken=${token}`, "?a=1"],
      [`?access_token=${token}&a=1&access_token=x&b=2&access_token`, "?a=1&b=2"],
      [`?A=%2f%2F%C3%A4+b&access_token=${token}&c=%20d;e&&=&f`, "?A=%2f%2F%C3%A4+b&c=%20d;e&&=&f"],
      [
        `?ACCESS_TOKEN=stays&access_token2=x&xaccess_token=y&access_token=${token}`,
        "?ACCESS_TOKEN=stays&access_token2=x&xaccess_token=y",
      ],
      [`?q=access_token=1?access_token=2/&access_token=${token}`, "?q=access_token=1?access_token=2/"],
    ];
    for (const [query, left] of cases) {
      await assertAlike({ path: `/open${query}`, headers: others }, { path: `/open${left}`, headers: others });
      const { target } = await readBy(sendLines, { path: `/open${query}` });
      assert.equal(target, `/open${left}`);
    }
    for (const query of ["?", "?a", "?&", "?=", "?a=1&&b;c", "?%61=%zz"]) {
      assert.equal((await readBy(sendLines, { path: `/open${query}` })).target, `/open${query}`);
    }
  });

  test("the token that admitted, at each place it may stand in, leaves its claims behind and nothing else", async () => {
    const places: [path: string, headers: [string, string][]][] = [
      [
        "/hidden?a=1",
        [
          ["authorization", `Bearer ${token}`],
          ["cookie", "a=1; b=2"],
        ],
      ],
      [
        "/hidden?a=1",
        [
          ["x-user-token", token],
          ["cookie", "a=1; b=2"],
        ],
      ],
      ["/hidden?a=1", [["cookie", `a=1; session=${token}; b=2`]]],
      [`/hidden?access_token=${token}&a=1`, [["cookie", "a=1; b=2"]]],
    ];
    for (const send of Object.values(protocols)) {
      for (const mode of ["enforce", "shadow"] as const) {
        for (const [path, headers] of places) {
          const spoofed: [string, string][] = [
            ["x-user", "root"],
            ["x-caller", "root"],
            ["x_user", "root"],
          ];
          const seen = await readBy(send, { path, headers: [...others, ...headers, ...spoofed] }, mode);
          assert.equal(JSON.stringify(seen).includes(token), false, path);
          assert.equal(seen.target, "/hidden?a=1");
          assert.deepEqual(valuesOf(seen, "cookie"), ["a=1; b=2"]);
          assert.deepEqual(
            ["x-user", "x-caller", "x_user"].map((name) => valuesOf(seen, name)),
            [["alice"], [caller], []],
          );
        }
      }
    }
  });

  test("in shadow mode, of a request that would have been denied, too", async () => {
    const headers: [string, string][] = [
      ["authorization", `Bearer ${token}`],
      ["cookie", `a=1; session=${token}`],
      ["x-user-token", "junk"],
      ["x-user", "root"],
    ];
    for (const path of ["/hidden", "/nowhere", "/late", "/shown"]) {
      const seen = await readBy(
        sendLines,
        { path: `${path}?x=y&access_token=${token}`, headers: [...others, ...headers] },
        "shadow",
      );
      const plain = await readBy(sendLines, { path: `${path}?x=y`, headers: [...others, ["cookie", "a=1"]] }, "shadow");
      assert.deepEqual(seen, plain, path);
    }
  });

  test("tokens of an issuer that forwards them stay, at each of its places, also beside those that go", async () => {
    for (const send of Object.values(protocols)) {
      for (const mode of ["enforce", "shadow"] as const) {
        const places: [path: string, headers: [string, string][]][] = [
          ["/shown", [["authorization", `Shown ${token}`]]],
          ["/shown", [["x-shown", token]]],
          ["/shown", [["cookie", `shown=${token}; a=1`]]],
          [`/shown?shown=${token}&b=2`, []],
        ];
        for (const [path, headers] of places) {
          const seen = await readBy(send, { path, headers }, mode);
          const gone = await readBy(
            send,
            {
              path: `${path}${path.includes("?") ? "&" : "?"}access_token=x`,
              headers: [...headers, ["x-user-token", "y"]],
            },
            mode,
          );
          assert.equal(seen.target, path);
          for (const [name, value] of headers) assert.deepEqual(valuesOf(seen, name), [value]);
          assert.deepEqual(valuesOf(seen, "x-user"), ["alice"]);
          assert.deepEqual(gone, seen);
        }
      }
    }
  });

  test("a request that waited for its key", async () => {
    const late: ProviderKey = await makeKey("late");
    const jwt = await late.token({ sub: "bob" });
    const spoofed: [string, string][] = [
      ["x-user", "root"],
      ["x-caller", "root"],
    ];
    const asked: Asked[] = [
      { path: "/late?a=1", headers: [["authorization", `Bearer ${jwt}`], ["cookie", "a=1; b=2"], ...spoofed] },
      { path: "/late?a=1", headers: [["x-user-token", jwt], ["cookie", "a=1; b=2"], ...spoofed] },
      { path: "/late?a=1", headers: [["cookie", `a=1; session=${jwt}; b=2`], ...spoofed] },
      { path: `/late?access%5Ftoken=${jwt}&a=1`, headers: [["cookie", "a=1; b=2"], ...spoofed] },
    ];
    const count = upstream.received.length;
    const fetches = keys.requests.length;
    // Published, and yet unknown here until somebody asks for it; and then the answer takes a second.
    keys.publish(late);
    keys.mode = "slow";
    const answers = Object.values(protocols).flatMap((send) =>
      asked.map(async (one) => {
        const startedMs = Date.now();
        const status = await send(targets.enforce!, one);
        return { status, tookMs: Date.now() - startedMs };
      }),
    );
    await sleep(300);
    assert.equal(upstream.received.length, count);
    for (const { status, tookMs } of await Promise.all(answers)) {
      assert.equal(status, 200);
      assert.ok(tookMs > 500, `it did not wait, ${tookMs} ms`);
    }
    assert.ok(keys.requests.length > fetches);
    const seen = upstream.received.slice(count);
    assert.equal(seen.length, answers.length);
    for (const one of seen) {
      assert.equal(JSON.stringify(one).includes(jwt), false, "the token is gone");
      assert.equal(one.target, "/late?a=1");
      assert.deepEqual(valuesOf(one, "cookie"), ["a=1; b=2"]);
      assert.deepEqual(valuesOf(one, "authorization"), []);
      assert.deepEqual(valuesOf(one, "x-user-token"), []);
      assert.deepEqual(valuesOf(one, "x-user"), ["bob"]);
      assert.deepEqual(valuesOf(one, "x-caller"), [caller]);
    }
    const admitted = async () =>
      (await envoy.local.accessLog()).filter(({ record }) => record?.policy === "enforce" && record.sub === "bob")
        .length;
    for (let turn = 0; turn < 50 && (await admitted()) < answers.length; turn++) await sleep(100);
    assert.equal(await admitted(), answers.length);
  });
});
