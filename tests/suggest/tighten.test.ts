/** `tightenPolicy`: what nobody used goes, with its lines; the rest stays as it is written, and nothing more is let in. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { comparePolicies, hasGain } from "../../scripts/policy/meaning/difference.ts";
import { TightenError } from "../../scripts/suggest/period.ts";
import { policyOfTexts, readPolicyTexts } from "../../scripts/suggest/read.ts";
import { type Tightened, tightenPolicy } from "../../scripts/suggest/tighten.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { denied, usage } from "../discover/usages.ts";
import { parameters } from "../support/arbitrary.ts";
import { Asking, temporaryFolder } from "./shop.ts";

const folder = temporaryFolder();
after(() => rmSync(folder, { recursive: true }));
let written = 0;

/** A policy on disk. */
function policyFile(text: string, included: Readonly<Record<string, string>> = {}): string {
  const path = join(folder, `${written++}`, "policy.yaml");
  for (const [name, content] of Object.entries({ "policy.yaml": text, ...included })) {
    mkdirSync(dirname(join(dirname(path), name)), { recursive: true });
    writeFileSync(join(dirname(path), name), content);
  }
  return path;
}

const head = `version: 1
name: shop
trust: { domains: [example.org] }
`;
const web = "spiffe://example.org/web";
const batch = "spiffe://example.org/batch";

/** A week in which these requests were made each day. */
function week(...requests: (readonly [request: string, given?: Partial<Usage>])[]): Usage[] {
  const days = Array.from({ length: 7 }, (_, n) => `2026-11-${14 + n}`);
  return days.flatMap((day) =>
    requests.map(([request, given]) =>
      usage(request, { day, policy: "shop", decision: "allow", reason: "allowed", ...given }),
    ),
  );
}

function tighten(text: string, usages: readonly Usage[], days = 7): Tightened & { after: string } {
  const result = tightenPolicy(policyFile(text), usages, { days });
  return { ...result, after: result.files[0]?.text ?? text };
}

describe("what goes", () => {
  test("rules, endpoints, methods and callers that nobody used, with the comments right above them", () => {
    const { after, removed } = tighten(
      `${head}# Who is who.
callers:
  storefront: [${web}, spiffe://example.org/mobile] # both of them
rules:
  # Orders are everybody's.
  - name: orders
    callers: [storefront, ${batch}]
    allow:
      - GET|PUT|POST /orders # all of it
      # For the archive.
      - "DELETE /orders/{id}"
      - GET /orders/{id}

  # Reports were asked for once.
  # They were long.
  - name: reports
    callers: [${batch}]
    allow: [GET /reports]

  # Never.
  - { name: no-deletes, callers: [any], deny: ["DELETE /**"] }
`,
      week(
        ["GET /orders", { rule: "orders" }],
        ["POST /orders", { rule: "orders" }],
        ["GET /orders/{number}", { rule: "orders" }],
      ),
    );
    assert.equal(
      after,
      `${head}# Who is who.
callers:
  storefront: [${web}] # both of them
rules:
  # Orders are everybody's.
  - name: orders
    callers: [storefront]
    allow:
      - GET|POST /orders # all of it
      - GET /orders/{id}

  # Never.
  - { name: no-deletes, callers: [any], deny: ["DELETE /**"] }
`,
    );
    assert.deepEqual(
      removed.map(({ rule, what }) => `${rule}: ${what}`),
      [
        `orders: ${batch}`,
        "orders: DELETE /orders/{id}",
        "orders: PUT /orders",
        "reports: rule",
        ": spiffe://example.org/mobile of set storefront",
      ],
    );
  });

  test("a set that no rule has any more, and only a set that is in no deny rule", () => {
    const rules = (deny: string) => `${head}callers:
  old: [spiffe://example.org/a]
  # Those who are kept out.
  kept: [spiffe://example.org/b, ${web}]
rules:
  - { name: a, callers: [old, ${web}], allow: [GET /a] }
  - { name: b, callers: [kept], allow: [GET /b] }
${deny}`;
    const log = week(["GET /a", { rule: "a" }]);
    assert.match(tighten(rules(""), log).after, /^callers:\n {2}# Those who are kept out\.\n {2}kept: \[/mu);
    const deny = "  - { name: c, callers: [kept], deny: [PUT /a] }\n";
    assert.match(tighten(rules(deny), log).after, /\n {2}kept: \[spiffe:\/\/example\.org\/b, spiffe:/u);
  });

  test("included files too, and the patch is one that `patch` takes", () => {
    const path = policyFile(
      `${head}include: [teams/*.yaml]\nrules:\n  - { name: a, callers: [${web}], allow: [GET /a, GET /b] }\n`,
      {
        "teams/b.yaml": `rules:\n  - name: b\n    callers: [${web}]\n    allow: [GET /b]\n  - name: c\n    callers: [${web}]\n    allow: [GET /c]`,
      },
    );
    const { files, patch } = tightenPolicy(path, week(["GET /a", { rule: "a" }], ["GET /c", { rule: "c" }]), {
      days: 7,
    });
    assert.equal(files.length, 2);
    applied(path, patch, files);
    assert.equal(
      readFileSync(join(dirname(path), "teams/b.yaml"), "utf8"),
      `rules:\n  - name: c\n    callers: [${web}]\n    allow: [GET /c]`,
    );
  });

  test("all rules of an included file", () => {
    const path = policyFile(`${head}include: [b.yaml]\nrules:\n  - { name: a, callers: [${web}], allow: [GET /a] }\n`, {
      "b.yaml": `rules:\n  - name: b\n    callers: [${web}]\n    allow: [GET /b]\nlists: {}\n`.replace(
        "lists: {}\n",
        "# the end\n",
      ),
    });
    const { files } = tightenPolicy(path, week(["GET /a", { rule: "a" }]), { days: 7 });
    assert.equal(files[0]!.text, "rules: []\n# the end\n");
  });

  test("nothing where all is in use", () => {
    const { patch, removed } = tighten(
      `${head}rules:\n  - { name: a, callers: [${web}], allow: [GET /a] }\n`,
      week(["GET /a", { rule: "a" }]),
    );
    assert.deepEqual([patch, removed], ["", []]);
  });
});

/** Applies a patch as a person would, and holds what is there against what was to come. */
function applied(path: string, patch: string, files: Tightened["files"]): void {
  const { status, stderr } = spawnSync("git", ["apply", "-p1", "-"], {
    cwd: dirname(path),
    input: patch,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stderr}\n${patch}`);
  for (const { file, text } of files) assert.equal(readFileSync(file, "utf8"), text);
}

describe("what stays", () => {
  const kept = (rule: string, log: Usage[]) =>
    tighten(
      `${head}rules:\n  - { name: a, callers: [${web}], allow: [GET /a] }\n  - { name: b, callers: [${web}], ${rule} }\n`,
      [...week(["GET /a", { rule: "a" }]), ...log],
    );
  const isLeft = (result: Tightened): boolean => result.removed.length === 0;

  test("deny rules, rules in shadow mode, and rules that have not held for so long", () => {
    assert.equal(isLeft(kept("deny: [PUT /a]", [])), true);
    const shadow = kept("allow: [GET /b], mode: shadow", []);
    assert.deepEqual(
      [isLeft(shadow), shadow.notes],
      [true, ["rule b stays as it is: it is in shadow mode, and a log does not say what it would have let in"]],
    );
    const young = kept("allow: [GET /b], starts: 2026-11-16T00:00:00Z", []);
    assert.deepEqual(
      [isLeft(young), young.notes],
      [true, ["rule b stays as it is: it holds only since 2026-11-16T00:00:00Z"]],
    );
    assert.equal(isLeft(kept("allow: [GET /b], starts: 2026-11-14T00:00:00Z", [])), false);
  });

  test("a rule that has ended goes where nobody used it, and is told of where somebody did", () => {
    const end = "allow: [GET /b], expires: 2026-11-16T00:00:00Z";
    assert.deepEqual(kept(end, []).removed, [{ rule: "b", what: "rule" }]);
    const used = kept(end, week(["GET /b", { rule: "b" }]).slice(0, 1));
    assert.deepEqual(
      [isLeft(used), used.notes],
      [true, ["rule b was used, and does not hold since 2026-11-16T00:00:00Z"]],
    );
  });

  test("a rule whose limit alone kept a caller out is in use; one that only ever denied is not", () => {
    assert.equal(
      isLeft(kept("allow: [GET /b]", [denied("GET /b", "limit_exceeded", { rule: "b", day: "2026-11-20" })])),
      true,
    );
    assert.equal(
      isLeft(kept("allow: [GET /b]", [denied("GET /b", "scope_missing", { rule: "b", day: "2026-11-20" })])),
      false,
    );
  });

  test("what was used longer ago is not in use", () => {
    const old = usage("GET /b", { day: "2026-11-13", policy: "shop", decision: "allow", rule: "b" });
    assert.equal(isLeft(kept("allow: [GET /b]", [old])), false);
  });

  test("without a record every rule that may have let a request in is in use", () => {
    const log = week(["GET /b/{number}", { policy: "", decision: "", rule: "" }]);
    for (const path of ["/b/7", "/b/{id}", "/b/**", "/B/v{n}"])
      assert.equal(isLeft(kept(`allow: ["GET ${path}"]`, log)), true, path);
    for (const path of ["/c/{id}", "/b/list"]) assert.equal(isLeft(kept(`allow: ["GET ${path}"]`, log)), false, path);
  });

  test("a caller that a log without records has by its old trust domain is in use", () => {
    const text = `version: 1
name: shop
trust: { domains: [example.org], aliases: { old.example.net: example.org } }
rules:
  - { name: a, callers: [${web}, ${batch}], allow: [GET /a] }
`;
    const { removed } = tighten(
      text,
      week(["GET /a", { policy: "", decision: "", rule: "", caller: "spiffe://old.example.net/web" }]),
    );
    assert.deepEqual(removed, [{ rule: "a", what: batch }]);
  });

  test("a path that is longer than the log has it is in use", () => {
    const segments = Array.from({ length: 20 }, (_, n) => `s${n}`);
    const path = `/${segments.slice(0, 16).join("/")}/{other}`;
    const log = week([`GET ${path}`, { policy: "", decision: "", rule: "" }]);
    for (const of of [`/${segments.join("/")}`, `/${segments.join("/")}/**`, "/**/s19", "/s0/**/s19"])
      assert.equal(isLeft(kept(`allow: ["GET ${of}"]`, log)), true, of);
    for (const of of [`/${segments.slice(0, 15).join("/")}`, `/x${segments.join("/")}`, "/x/**/s19"])
      assert.equal(isLeft(kept(`allow: ["GET ${of}"]`, log)), false, of);
  });

  test("an endpoint is in use where the record's path may be cut before its end", () => {
    const allow = '"GET /files/{name}", "GET /files/a/b/c"';
    const { removed } = kept(`allow: [${allow}, GET /other]`, week(["GET /files/{other}", { rule: "b" }]));
    assert.deepEqual(removed, [{ rule: "b", what: "GET /other" }]);
  });

  test("so it is beside a line without a record, whose path is whole", () => {
    const whole = { policy: "", decision: "" as const, rule: "" };
    const log = week(["GET /files/{other}", whole], ["GET /files/{other}", { rule: "gone" }]);
    assert.equal(isLeft(kept('allow: ["GET /files/a/b/c"]', log)), true);
  });

  test("a line that names no caller may be from any caller of a rule, which stays whole", () => {
    const unknown = { policy: "", decision: "" as const, rule: "", caller: "" };
    const text = `${head}rules:
  - { name: a, callers: [${web}, ${batch}], allow: [GET /a, PUT /a] }
  - { name: b, callers: [${web}], allow: [GET /b] }
  - { name: c, callers: [anonymous], allow: [GET /a, GET /c] }
`;
    const { after, removed, notes } = tighten(text, week(["GET /a", unknown]));
    assert.deepEqual(removed, [
      { rule: "b", what: "rule" },
      { rule: "c", what: "GET /c" },
    ]);
    assert.match(
      after,
      /name: a, callers: \[spiffe:\/\/example\.org\/web, spiffe:\/\/example\.org\/batch\], allow: \[GET \/a, PUT \/a\]/u,
    );
    assert.deepEqual(notes, [
      "rule a stays as it is: 7 requests may have used it, of which the log does not name the caller; log `peer` or the filter's record",
    ]);
    // What Envoy or another filter refused keeps nothing.
    for (const status of [400, 401, 403])
      assert.equal(
        tighten(text, [
          ...week(["GET /c", { rule: "c", caller: "" }]),
          usage("GET /a", { ...unknown, admitted: false, status }),
        ]).notes.length,
        0,
        `${status}`,
      );
  });

  test("a line without a record that has a gateway as its caller may be from anybody", () => {
    const edge = "spiffe://example.org/edge";
    const text = `${head.replace("[example.org]", `[example.org], forwarders: [${edge}]`)}rules:
  - { name: a, callers: [${web}, ${batch}], allow: [GET /a] }
  - { name: b, callers: [${web}], allow: [GET /b] }
`;
    const { removed } = tighten(text, week(["GET /a", { policy: "", decision: "", rule: "", caller: edge }]));
    assert.deepEqual(removed, [{ rule: "b", what: "rule" }]);
  });

  test("a rule that the record names, and that is another now, is in use as a whole", () => {
    assert.equal(isLeft(kept("allow: [GET /new, PUT /new]", week(["GET /old", { rule: "b" }]))), true);
  });

  test("patterns are told of, with who used them", () => {
    const { removed, notes } = tighten(
      `${head}rules:\n  - { name: a, callers: ["spiffe://example.org/*"], allow: ["* /a"] }\n`,
      week(["GET /a", { rule: "a" }]),
    );
    assert.deepEqual(removed, []);
    assert.deepEqual(notes, [
      "rule a: `spiffe://example.org/*` was used by 1 caller only: spiffe://example.org/web",
      "rule a: `* /a` is for every method, and was used with GET",
    ]);
  });

  test("a rule without which more would be let in: its optional token refuses bad ones", () => {
    const text = `${head}issuers:
  corp: { issuer: https://corp.example.org, audiences: [a], algorithms: [ES256], keys: { url: https://corp.example.org/keys, cluster: corp } }
rules:
  - { name: a, callers: [${web}], allow: [GET /a] }
  - { name: b, callers: [${web}], allow: [GET /a], token: { issuer: corp, optional: true } }
  - { name: c, callers: [${web}], allow: [GET /c] }
`;
    const { removed, notes } = tighten(text, week(["GET /a", { rule: "a" }]));
    assert.deepEqual(removed, [{ rule: "c", what: "rule" }]);
    assert.deepEqual(notes, ["rule b stays as it is: without it, the policy would let in more"]);
  });
});

describe("a log that says too little", () => {
  const text = `${head}rules:\n  - { name: a, callers: [${web}], allow: [GET /a, GET /b] }\n`;
  const log = week(["GET /a", { rule: "a" }]);
  const refuses = (usages: readonly Usage[], days: number, message: RegExp, leftOut = 0): void =>
    assert.throws(
      () => tightenPolicy(policyFile(text), usages, { days, leftOut }),
      (error) => {
        assert.ok(error instanceof TightenError, String(error));
        assert.match(error.message, message);
        return true;
      },
    );

  test("is refused", () => {
    refuses(log, 8, /^the log covers 7 days, from 2026-11-14 to 2026-11-20, and 8 are asked for; give more logs/u);
    refuses(
      log.filter(({ day }) => !/1[5-7]$/u.test(day)),
      7,
      /^the log has requests on only 4 days of the last 7/u,
    );
    refuses(
      log.map((one) => ({ ...one, day: "" })),
      7,
      /has no times/u,
    );
    refuses(log, 0, /whole one from 1 to 3660/u);
    refuses(log, 7, /^3 requests of the log are in no group/u, 3);
    refuses(
      log.map((one) => ({ ...one, policy: "other\n" })),
      7,
      /no requests that the policy `shop` judged: it has those of other\\u\{a\}$/u,
    );
  });

  test("so is a log of which a file could be read in part alone", () => {
    const damaged = [
      { file: "a\n.gz", reason: "unexpected end of file" },
      { file: "b.gz", reason: "" },
    ];
    assert.throws(() => tightenPolicy(policyFile(text), log, { days: 7, damaged }), {
      name: "TightenError",
      message:
        "a\\u{a}.gz could be read in part alone (unexpected end of file), as could 1 more file, so what their other requests used is not known; give them whole, or leave them out",
    });
  });

  test("two quiet days of seven are a weekend", () => {
    const quiet = log.filter(({ day }) => !/1[56]$/u.test(day));
    assert.equal(tightenPolicy(policyFile(text), quiet, { days: 7 }).removed.length, 1);
  });
});

describe("any policy and any log", () => {
  const callers = [web, batch, "spiffe://example.org/ns/a/sa/x", ""];
  const methods = ["GET", "HEAD", "POST", "DELETE"];
  const paths = ["/a", "/a/b", "/a/{number}", "/c", "/c/d/e"];
  const endpoint = fc
    .tuple(
      fc.constantFrom("GET", "GET|POST", "POST|DELETE", "*", "HEAD"),
      fc.constantFrom("/a", "/a/b", "/a/{id}", "/a/**", "/c", "/**/e"),
    )
    .map((parts) => parts.join(" "));
  const caller = fc.constantFrom(
    web,
    batch,
    "spiffe://example.org/ns/{ns}/sa/x",
    "spiffe://example.org/**",
    "any",
    "anonymous",
    "one",
    "two",
  );
  const list = (of: fc.Arbitrary<string>) => fc.uniqueArray(of, { minLength: 1, maxLength: 4 });
  const rule = fc.record({
    callers: list(caller),
    endpoints: list(endpoint),
    action: fc.constantFrom("allow", "allow", "allow", "deny"),
    style: fc.constantFrom("block", "flow", "lines"),
    hosts: fc.constantFrom("", "shop.example.org", "*.example.org"),
    mode: fc.constantFrom("", "", "shadow"),
    comment: fc.boolean(),
  });
  type Rule = typeof rule extends fc.Arbitrary<infer T> ? T : never;

  function ruleText({ callers, endpoints, action, style, hosts, mode, comment }: Rule, at: number): string {
    const quote = (items: readonly string[]) => items.map((item) => JSON.stringify(item));
    const flow = (items: readonly string[]) => `[${quote(items).join(", ")}]`;
    const lines = (items: readonly string[]) =>
      `[ # which\n${quote(items)
        .map((item) => `        ${item}, # ${item.slice(1, 4)}\n`)
        .join("")}      ]`;
    const block = (items: readonly string[]) =>
      quote(items)
        .map((item) => `\n      # about ${item.slice(1, 5)}\n      - ${item} # kept`)
        .join("");
    const of = style === "block" ? block : style === "flow" ? flow : lines;
    const more = `${hosts === "" ? "" : `\n    hosts: ["${hosts}"]`}${mode === "" ? "" : `\n    mode: ${mode}`}`;
    return `${comment ? `\n  # Rule ${at}.\n` : ""}  - name: r${at}\n    callers: ${of(callers)}\n    ${action}: ${of(endpoints)}${more}\n`;
  }

  const request = fc.record({
    caller: fc.constantFrom(...callers),
    method: fc.constantFrom(...methods),
    path: fc.constantFrom(...paths),
  });

  test("what was used is let in still, and nothing more is", { timeout: 280_000 }, () => {
    let tightened = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 6 }),
        fc.array(request, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (rules, requests, isRecorded) => {
          const text = `${head}callers:\n  one: [${web}, spiffe://example.org/unused]\n  two: # of them\n    - ${batch}\n    # somebody\n    - "spiffe://example.org/ns/*/sa/x"\nrules:\n${rules.map(ruleText).join("")}`;
          const path = policyFile(text);
          const before = new Asking(text);
          const ask = (asking: Asking, { caller, method, path }: (typeof requests)[number]) =>
            asking.ask({
              caller,
              host: "shop.example.org",
              method,
              path: path.replace("{number}", "7"),
              issuer: "",
              scopes: [],
            });
          const log = requests.flatMap((one) => {
            const { decision, reason, rule } = ask(before, one);
            const record = isRecorded
              ? { policy: "shop", decision, reason, rule: rule ?? "" }
              : { policy: "", decision: "" as const };
            return week([
              `${one.method} ${one.path}`,
              {
                caller: one.caller,
                admitted: decision === "allow",
                status: decision === "allow" ? 200 : 403,
                ...record,
              },
            ]);
          });
          const { files, patch } = tightenPolicy(path, log, { days: 7 });
          const texts = new Map(files.map((file) => [file.file, file.text]));
          const old = readPolicyTexts(path).policy;
          assert.equal(hasGain(comparePolicies(old, policyOfTexts(path, texts).policy)), false, patch);
          if (files.length === 0) return;
          tightened++;
          const now = new Asking(files[0]!.text);
          for (const one of requests)
            assert.equal(ask(now, one).decision, ask(before, one).decision, `${JSON.stringify(one)} after\n${patch}`);
          for (const caller of callers)
            for (const method of methods)
              for (const path of paths) {
                const one = { caller, method, path };
                if (ask(now, one).decision === "allow")
                  assert.equal(ask(before, one).decision, "allow", JSON.stringify(one));
              }
          applied(path, patch, files);
        },
      ),
      { numRuns: 120, ...parameters },
    );
    assert.ok(tightened > 50, `${tightened} policies lost something`);
  });
});
