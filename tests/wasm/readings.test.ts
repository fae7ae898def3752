/** Deny rules whose conditions read the path: every reading of it, with a slash at the end and without; and what that may cost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { engine, recordOf } from "../support/plugin.ts";
import { imageOf } from "../support/workers.ts";

const everything = "trailingSlash: distinct, encodedSlash: segment, emptySegments: keep, semicolons: keep";

/** What becomes of a path where a deny rule for every path has a condition. */
function start(paths: string, when: string): (path: string) => string {
  const text = `version: 1
name: readings
trust: { domains: [example.org] }
paths: { ${paths} }
rules:
  - { name: all, callers: [any], allow: ["GET /**"] }
  - { name: denied, callers: [any], deny: ["GET /**"], when: '${when}' }
`;
  const host = PluginHost.load(engine);
  const { ok, rootContext } = host.startPlugin(pluginConfiguration(imageOf(text)));
  assert.equal(ok, true);
  return (path) => {
    const request = { caller: "spiffe://example.org/a", source: "10.0.0.1", method: "GET", host: "h", headers: [] };
    const outcome = host.request(rootContext, hostRequest({ ...request, path, token: null }));
    assert.equal(outcome.trapped, false);
    return String((recordOf(outcome) as { reason: string }).reason);
  };
}

describe("a condition on a path with a slash behind what it denies", () => {
  const cases: [paths: string, when: string, denied: string[], allowed: string[]][] = [
    [
      "trailingSlash: distinct, semicolons: keep",
      'request.path.startsWith("/admin/")',
      ["/admin/", "/admin;x/", "/admin/;x", "/admin/;x/", "/admin/x;y", "/admin%3Bx/"],
      ["/admin", "/administrator;x/"],
    ],
    [
      "trailingSlash: same, semicolons: keep",
      'request.path.endsWith("/admin/")',
      ["/a/admin/", "/a/admin;x/", "/a/admin/;x", "/a/admin;x"],
      ["/a/admin/x;y"],
    ],
    [
      everything,
      'request.path == "/admin/"',
      ["/admin/", "//admin/", "/;/admin/", "/%2Fadmin/", "/admin%2F", "/admin//", "/admin;a;b", "//admin"],
      ["/admin", "/admin/x", "//admin/x"],
    ],
    [everything, 'request.path == "/admin"', ["/admin", "/admin/", "//admin/", "/admin%2F%2F"], ["/admins;/x"]],
    [everything, 'request.path == "/"', ["/", "//", "/;x", "/%2F"], ["/x;y"]],
  ];
  for (const [paths, when, denied, allowed] of cases) {
    test(`${when}, with ${paths}`, () => {
      const ask = start(paths, when);
      for (const path of denied) assert.equal(ask(path), "rule_denied", path);
      for (const path of allowed) assert.equal(ask(path), "allowed", path);
    });
  }

  test("the longest path there can be has room for a slash more", () => {
    const ask = start(everything, 'request.path.endsWith("y/")');
    for (const most of [8191, 8192]) {
      assert.equal(ask(`/;${"x".repeat(most - 3)}y`), "rule_denied");
      assert.equal(ask(`/${"x".repeat(100)}/${"y".repeat(most - 103)};`), "rule_denied");
      assert.equal(ask(`/;${"x".repeat(most - 3)}z`), "allowed");
    }
  });
});

/** So many deny rules, each with one condition. */
const denying = (count: number, paths: string, when: string, endpoint = "GET /**"): string =>
  `version: 1
name: costs
trust: { domains: [example.org] }
paths: { ${paths} }
rules:
  - { name: all, callers: [any], allow: ["GET /**"] }
${Array.from({ length: count }, (_, at) => `  - { name: d${at}, callers: [any], deny: ["${endpoint}"], when: '${when}' }`).join("\n")}
`;

describe("what the conditions of one request may cost", () => {
  const looks = Array.from({ length: 31 }, (_, at) => `request.path.contains("zzzq${at}")`).join(" || ");
  const headers = Array.from({ length: 18 }, (_, at) => `request.headers["x"].contains("zzzq${at}")`).join(" || ");

  test("those that read the path count for each reading of it", () => {
    imageOf(denying(16, "case: ignore", looks));
    assert.throws(
      () => imageOf(denying(16, everything, looks)),
      /could meet conditions that cost .*counts up to 32 times, once for each way to read a path/,
    );
    imageOf(denying(8, "trailingSlash: same", looks));
    assert.throws(() => imageOf(denying(16, "trailingSlash: same", looks)), /counts up to 2 times/);
  });

  test("those that do not read it count once at every path, and for each reading where it may lead to others", () => {
    imageOf(denying(16, everything, headers));
    assert.throws(() => imageOf(denying(16, everything, headers, "GET /a/**")), /counts up to 32 times/);
  });

  test("as many rules as there may be are judged within the room for them", () => {
    const rules = 9;
    const image = imageOf(denying(rules, everything, 'request.path.startsWith("/admin")'));
    const host = PluginHost.load(engine);
    const { rootContext } = host.startPlugin(pluginConfiguration(image));
    const request = { caller: "spiffe://example.org/a", source: "10.0.0.1", method: "GET", host: "h", headers: [] };
    const ask = (path: string): string =>
      (recordOf(host.request(rootContext, hostRequest({ ...request, path, token: null }))) as { reason: string })
        .reason;
    assert.equal(ask("/a;b/%2Fc%3Bd//e/"), "allowed");
    assert.equal(ask("/;/%2Fadmin%3Bd//e/"), "rule_denied");
    // Each reading has to be made, whatever the condition costs; but for the slash at the end.
    assert.throws(
      () => imageOf(denying(rules + 1, everything, 'request.path.startsWith("/admin")')),
      /could meet conditions that cost .*counts up to 32 times/,
    );
    imageOf(denying(400, "trailingSlash: same", 'request.path == "/admin"', "GET /a"));
    assert.throws(() => imageOf(denying(40, everything, 'request.path == "/admin"')), /could match 1281 rules/);
  });
});
