/**
 * Callers the engine has seen before (assembly/identity/known.ts): whatever came in between, each gets what it would have
 * got from an engine that has seen nobody. Callers that resemble each other, gateways, JWT-SVIDs, headers that
 * are too long for a place, and policies that follow one another are put against each other.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nowSeconds, recordOf } from "../support/plugin.ts";
import { Random } from "../support/random.ts";
import {
  type Asked,
  agree,
  alice,
  alien,
  bruno,
  deep,
  digest,
  edge,
  fleet,
  fresh,
  full,
  groups,
  Keeper,
  longest,
  malformed,
  many,
  other_digest,
  policy,
  policyOf,
  policyText,
  reasonOf,
  ridge,
  rules,
  seen,
  svidOf,
  wedge,
} from "./callers.ts";

describe("callers that resemble each other", () => {
  test("are what these tests have", () => {
    const sharing = [
      [alice, bruno, malformed],
      [edge, ridge, wedge, alien],
    ];
    for (const ids of sharing) assert.equal(new Set(ids.map((id) => `${id.length} ${id.slice(-8)}`)).size, 1);
  });

  test("get their own groups, in turn", () => {
    const keeper = new Keeper();
    for (let turn = 0; turn < 3; turn++) {
      for (const [caller, own] of [
        [alice, "/alice"],
        [bruno, "/bruno"],
      ] as const) {
        for (const path of ["/alice", "/bruno"]) {
          assert.equal(reasonOf(keeper, { caller, path }), `${caller} ${path === own ? "allowed" : "no_rule"}`);
        }
      }
    }
  });

  test("get their own reason: one is trusted, one is not, one is no ID", () => {
    for (const path of ["/edge", "/wedge", "/any", "/anonymous"]) {
      agree({ caller: edge, path }, { caller: alien, path }, { caller: wedge, path }, { caller: alien, path });
      agree({ caller: alice, path }, { caller: malformed, path }, { caller: bruno, path }, { caller: malformed, path });
    }
    const keeper = new Keeper();
    assert.equal(reasonOf(keeper, { caller: edge, path: "/any" }), `${edge} allowed`);
    assert.equal(reasonOf(keeper, { caller: alien, path: "/any" }), `${alien} identity_untrusted`);
    assert.equal(reasonOf(keeper, { caller: malformed, path: "/any" }), `${malformed} identity_malformed`);
    assert.equal(reasonOf(keeper, { caller: malformed, path: "/anonymous" }), `${malformed} allowed`);
  });

  test("get their own trust domain, though it is of another size", () => {
    for (const path of ["/any", "/ridge"])
      agree(...[ridge, wedge, ridge, alien, edge].map((caller) => ({ caller, path })));
  });

  test("an ID that begins or ends like one that is known is another", () => {
    const ids = [alice, alice.slice(0, -1), `${alice}x`, alice.toUpperCase(), alice.replace("alice", "alicf")];
    agree(...ids.flatMap((caller) => ["/alice", "/any"].map((path) => ({ caller, path }))));
  });

  test("more groups than a place keeps, as many, and none", () => {
    const paths = ["/many-0", "/many-11", "/full-0", "/full-10", "/any", "/anonymous"];
    for (const [caller, path] of [
      [many, "/many-11"],
      [full, "/full-10"],
    ] as const) {
      assert.equal(reasonOf(new Keeper(), { caller, path }), `${caller} allowed`);
    }
    agree(...[many, full, alien, fleet, deep].flatMap((caller) => paths.map((path) => ({ caller, path }))));
  });

  test("IDs as long as a place keeps, and longer, and shorter than a word", () => {
    const ids = [
      ...longest,
      ...longest.map((id) => `${id.slice(0, -9)}y${id.slice(-8)}`),
      "",
      "a",
      "spiffe:",
      "spiffe:/",
    ];
    agree(...ids.flatMap((caller) => ["/long", "/anonymous"].map((path) => ({ caller, path }))));
  });
});

describe("x-forwarded-client-cert that adds nothing", () => {
  const of = (uri: string) => `By=x;Hash=00;URI=${uri}`;

  test("of one caller is a gateway's word all the same", () => {
    const keeper = agree(
      { caller: wedge, path: "/alice", xfcc: of(alice) },
      { caller: edge, path: "/alice", xfcc: of(alice) },
      { caller: alice, path: "/alice", xfcc: of(alice) },
      { caller: ridge, path: "/alice", xfcc: of(alice) },
      { caller: alien, path: "/alice", xfcc: of(alice) },
    );
    assert.equal(reasonOf(keeper, { caller: wedge, path: "/alice", xfcc: of(alice) }), `${wedge} no_rule`);
    assert.equal(reasonOf(keeper, { caller: edge, path: "/alice", xfcc: of(alice) }), `${alice} allowed`);
  });

  test("is a gateway's own groups' business only where it speaks for itself", () => {
    const own = `Hash=${digest};URI=${edge}`;
    const requests = [
      own,
      of(alice),
      `${of(bruno)},${own}`,
      `${of(wedge)},${own}`,
      of(edge),
      "Hash=00",
      "URI=",
      "URI=x",
    ];
    agree(
      ...requests.flatMap((xfcc) =>
        ["/edge", "/wedge", "/alice", "/anonymous"].map((path) => ({ caller: edge, path, xfcc })),
      ),
    );
  });

  test("does not hide a certificate with several names", () => {
    const several = `Hash=${digest};URI=${alice};URI=${bruno}`;
    const keeper = agree(
      { caller: alice, path: "/alice", xfcc: `Hash=${digest};URI=${alice}` },
      { caller: alice, path: "/alice", xfcc: several },
      { caller: alice, path: "/alice", xfcc: several, digest: other_digest },
      { caller: alice, path: "/alice", xfcc: `${of(bruno)},${several}` },
      { caller: alice, path: "/anonymous", xfcc: several },
      { caller: alice, path: "/alice" },
    );
    for (const [shown, reason] of [
      [other_digest, "allowed"],
      [digest, "identity_malformed"],
      [other_digest, "allowed"],
    ] as const) {
      assert.equal(
        reasonOf(keeper, { caller: alice, path: "/alice", xfcc: several, digest: shown }),
        `${alice} ${reason}`,
      );
    }
  });

  test("does not hide a second header, nor one that cannot be read", () => {
    const known = of(bruno);
    for (const xfcc of [
      [known, known],
      [known, "x"],
      ["", known],
      `${known},`,
      `x${known}`,
      `${known};`,
      "",
      [known],
    ]) {
      agree(
        { caller: alice, path: "/alice", xfcc: known },
        { caller: alice, path: "/alice", xfcc },
        { caller: alice, path: "/anonymous", xfcc },
        { caller: alice, path: "/alice" },
      );
    }
  });

  test("as long as a place keeps, and longer, in any order", () => {
    const long = (bytes: number, end = "a") => `Subject="${"x".repeat(bytes - 10 - end.length)}${end}"`;
    const values = [255, 256, 257, 300, 4000].flatMap((bytes) => [long(bytes), long(bytes, "b")]);
    const broken = values.map((value) => value.slice(0, -1));
    agree(...[...values, ...broken, ...values].map((xfcc) => ({ caller: alice, path: "/alice", xfcc })));
  });
});

test("what is too long for a place goes nowhere else, from whichever place", () => {
  // Behind the last place stand the numbers of the policy's metrics.
  const crowd = policyOf("crowd", policyText(`${rules}${groups("spiffe://example.org/crowd/*", 200)}`));
  const keeper = new Keeper(crowd.standInImage);
  const xfcc = `Subject="${"x".repeat(40_000)}"`;
  // Short ones, and ones that no place keeps; their last bytes differ, so that they are spread over all places.
  const callers = Array.from({ length: 300 }, (_, index) => {
    const name = `${index % 2 === 0 ? "" : "x".repeat(1900)}${String(index).padStart(3, "0")}-many`;
    return `spiffe://example.org/crowd/${name}`;
  });
  for (let turn = 0; turn < 2; turn++) {
    for (const caller of callers) {
      assert.equal(reasonOf(keeper, { caller, path: "/crowd-199", xfcc }), `${caller} allowed`);
      assert.equal(reasonOf(keeper, { caller: alice, path: "/alice" }), `${alice} allowed`);
    }
  }
  assert.equal(keeper.host.metrics().get("sallyport_requests.policy.known;.decision.allow"), 1200n);
});

describe("callers of JWT-SVIDs", () => {
  test("have places as others do, and no token that is not good takes one", () => {
    const good = svidOf(alice);
    const forged = `${good.split(".").slice(0, 2).join(".")}.${svidOf(bruno).split(".")[2]}`;
    const requests: Asked[] = [
      { caller: alice, path: "/alice" },
      { caller: null, path: "/alice", svid: forged },
      { caller: null, path: "/alice", svid: svidOf(bruno) },
      { caller: null, path: "/alice", svid: svidOf(alice, { exp: nowSeconds - 1 }) },
      { caller: null, path: "/alice", svid: svidOf(alice, { aud: "other" }) },
      { caller: null, path: "/alice", svid: good },
      { caller: bruno, path: "/alice", svid: good },
      { caller: alien, path: "/alice", svid: good },
      { caller: null, path: "/alice" },
      { caller: null, path: "/any" },
      { caller: edge, path: "/alice", xfcc: "Hash=00", svid: good },
      { caller: edge, path: "/alice", xfcc: "Hash=00" },
      { caller: edge, path: "/alice", xfcc: "Hash=00;URI=x", svid: good },
      { caller: null, path: "/alice", xfcc: `URI=${alice}` },
    ];
    const keeper = agree(...requests);
    assert.equal(reasonOf(keeper, { caller: null, path: "/alice", svid: good }), `${alice} allowed`);
    assert.equal(reasonOf(keeper, { caller: null, path: "/alice", svid: forged }), "nobody token_signature");
    assert.equal(reasonOf(keeper, { caller: bruno, path: "/alice", svid: good }), `${bruno} no_rule`);
  });
});

describe("what is known belongs to one policy", () => {
  const swapped = policyOf(
    "swapped",
    policyText(
      rules
        .replace("[GET /alice]", "[GET /swap]")
        .replace("[GET /bruno]", "[GET /alice]")
        .replace("[GET /swap]", "[GET /bruno]"),
    )
      .replaceAll(`[${edge}]`, `[${wedge}]`)
      .replace("domains: [example.org, partnr.net]", "domains: [example.org, partnr.net, examplx.org]"),
  );
  const requests: Asked[] = [
    { caller: alice, path: "/alice" },
    { caller: bruno, path: "/alice" },
    { caller: alien, path: "/any" },
    { caller: wedge, path: "/bruno", xfcc: `URI=${alice}` },
    { caller: edge, path: "/bruno", xfcc: `URI=${alice}` },
  ];

  test("not to one beside it, nor to one that takes its memory", () => {
    const keeper = new Keeper();
    const roots = [keeper.root, keeper.load(swapped.standInImage)];
    for (let turn = 0; turn < 6; turn++) {
      for (const asked of requests) {
        for (const [index, root] of roots.entries()) {
          keeper.root = root;
          const isSwapped = (index + turn) % 2 === 1;
          const expected = isSwapped ? seen(new Keeper(swapped.standInImage).ask(asked)) : fresh(asked);
          assert.deepEqual(
            seen(keeper.ask(asked)),
            expected,
            `turn ${turn}, policy ${index}: ${JSON.stringify(asked)}`,
          );
        }
      }
      // Each leaves its regions to the other.
      for (const [index, root] of roots.entries()) {
        keeper.host.deleteContext(root);
        roots[index] = keeper.load((index + turn) % 2 === 1 ? policy.standInImage : swapped.standInImage);
      }
    }
  });

  test("in shadow mode too, where everybody passes", () => {
    const shadow = policyOf("shadow", policyText(rules, "shadow"));
    const keeper = new Keeper(shadow.standInImage);
    for (const asked of [...requests, ...requests]) {
      const outcome = keeper.ask(asked);
      assert.equal(outcome.action, "continue");
      const { mode, admit, ...record } = recordOf(outcome);
      assert.deepEqual([mode, admit], ["shadow", true]);
      const enforced = (fresh(asked) as { record: Record<string, unknown> }).record;
      assert.deepEqual({ admit: enforced.admit, ...record }, enforced);
    }
  });
});

test("a tool that looks on is told the same of a caller that is known, and changes nothing", () => {
  const keeper = new Keeper();
  const inspect = (asked: Asked) => {
    const first = keeper.host.logs.length;
    keeper.host.callTool("sallyport_inspect", [1]);
    const outcome = seen(keeper.ask(asked));
    keeper.host.callTool("sallyport_inspect", [0]);
    return { outcome, lines: keeper.host.logs.slice(first).map(({ message }) => message) };
  };
  const asked = [alice, bruno, many, full, alien].map((caller) => ({ caller, path: "/any" }));
  const cold = asked.map(inspect);
  for (const one of asked) assert.deepEqual(seen(keeper.ask(one)), fresh(one));
  assert.deepEqual(asked.map(inspect), cold);
  for (const one of asked) assert.deepEqual(seen(keeper.ask(one)), fresh(one));
  assert.ok(
    cold[0]!.lines.some((line) => line.includes("group")),
    cold[0]!.lines.join("\n"),
  );
});

test("a request that the host fails leaves nothing wrong behind", () => {
  const asked: Asked = { caller: alice, path: "/alice", xfcc: `Hash=${digest};URI=${alice};URI=${bruno}` };
  const keeper = new Keeper();
  for (const call of ["get_property", "get_header_map_pairs", "get_current_time_nanoseconds", "set_property"]) {
    for (const nth of [1, 2]) {
      keeper.host.faults = [{ call, result: 10, nth }];
      keeper.ask(asked);
      keeper.host.faults = [];
      for (const one of [asked, { caller: alice, path: "/alice" }, { caller: bruno, path: "/bruno" }]) {
        assert.deepEqual(seen(keeper.ask(one)), fresh(one), `${call} ${nth}`);
      }
    }
  }
});

test("any order of callers, gateways and headers: SEED=<number> changes it", () => {
  const random = new Random(Number(process.env.SEED ?? 609));
  const ids = [alice, bruno, edge, ridge, wedge, alien, many, full, malformed, fleet, deep, ...longest];
  const paths = ["/alice", "/bruno", "/edge", "/child", "/below", "/any", "/anonymous", "/many-3", "/full-3", "/long"];
  const certificate = () =>
    `${random.pick(["By=x;", ""])}Hash=${random.pick([digest, "00"])};URI=${random.pick(ids.slice(0, 6))}`;
  const headers = [undefined, ...Array.from({ length: 8 }, certificate), `${certificate()},${certificate()}`];
  headers.push(`${certificate()};URI=${bruno}`, "x", `${certificate()};Subject="${"s".repeat(250)}"`);
  const svids = [undefined, svidOf(alice), svidOf(ridge)];
  const some = (): Asked => {
    const [xfcc, svid] = [random.pick(headers), random.pick(svids)];
    const caller = random.below(6) === 0 ? null : random.pick(ids);
    return {
      caller,
      path: random.pick(paths),
      ...(xfcc !== undefined && { xfcc }),
      ...(svid !== undefined && { svid }),
    };
  };
  // Few enough for an engine of its own each, and met again in other company.
  const pool = Array.from({ length: 80 }, some);
  const keeper = new Keeper();
  let admitted = 0;
  for (let count = 0; count < 2000; count++) {
    // A crowd, so that sets of the table are full and places change hands.
    keeper.ask({ caller: `spiffe://example.org/crowd/${random.below(300)}`, path: "/any" });
    const asked = random.pick(pool);
    const outcome = keeper.ask(asked);
    assert.deepEqual(seen(outcome), fresh(asked), `request ${count}: ${JSON.stringify(asked)}`);
    if (outcome.action === "continue") admitted++;
  }
  assert.ok(admitted > 200, `only ${admitted} were admitted: the test no longer tests much`);
});
