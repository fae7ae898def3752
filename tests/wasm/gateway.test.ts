/** Callers that a gateway tells of, and headers that tell the upstream of callers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { recordOf, TestPlugin } from "../support/plugin.ts";

const edge = "spiffe://example.org/edge";
const mobile = "spiffe://example.org/mobile";
const digest = "a1".repeat(32);

function told(xfcc: string | string[], caller: string | null = edge, path = "/orders"): Outcome {
  const plugin = new TestPlugin("gateway");
  const headers = [xfcc].flat().map((value) => ["x-forwarded-client-cert", value] as const);
  const outcome = plugin.request(
    { caller, method: "GET", path, headers },
    {
      properties: {
        ...(caller !== null && { "connection.uri_san_peer_certificate": caller }),
        "connection.sha256_peer_certificate_digest": digest,
      },
    },
  );
  assert.equal(outcome.trapped, false);
  return outcome;
}

/** The caller that was decided on, and the verdict. */
function verdict(outcome: Outcome): string {
  const { reason, caller = "nobody" } = recordOf(outcome);
  return `${caller} ${reason}`;
}

describe("a gateway's word on its caller", () => {
  test("is taken", () => {
    const outcome = told(`By=${edge};Hash=00ff;Subject="CN=a,O=\\"b\\";c";URI=${mobile};DNS=x`);
    assert.equal(verdict(outcome), `${mobile} allowed`);
    assert.equal(recordOf(outcome).forwarder, edge);
  });

  test("keys have no case, and the last element counts", () => {
    assert.equal(verdict(told(`uri=${mobile}`)), `${mobile} allowed`);
    assert.equal(verdict(told(`By=x;URI=spiffe://example.org/web,Hash=1;URI=${mobile}`)), `${mobile} allowed`);
    assert.equal(verdict(told(`By=x;URI=${mobile},URI=spiffe://example.org/web`)), "spiffe://example.org/web no_rule");
  });

  test("an element of our own connection manager is not the gateway's", () => {
    assert.equal(verdict(told(`URI=${mobile},By=x;Hash=${digest.toUpperCase()};URI=${edge}`)), `${mobile} allowed`);
    assert.equal(verdict(told(`By=x;Hash=${digest};URI=${edge}`)), `${edge} no_rule`);
    assert.equal(verdict(told(`By=x;Hash=${digest};URI=${edge}`, edge, "/status")), `${edge} allowed`);
  });

  test("without it the gateway speaks for itself", () => {
    assert.equal(verdict(told([], edge, "/status")), `${edge} allowed`);
    assert.equal(verdict(told([])), `${edge} no_rule`);
  });

  test("a caller without a URI name is nobody", () => {
    assert.equal(verdict(told("Hash=00;Subject=x")), "nobody identity_missing");
    assert.equal(verdict(told("Hash=00;Subject=x", edge, "/healthz")), "nobody allowed");
    assert.equal(verdict(told("URI=", edge)), "nobody identity_malformed");
    assert.equal(verdict(told("URI=spiffe://other.org/x")), "spiffe://other.org/x identity_untrusted");
    assert.equal(verdict(told("URI=https://example.org/x")), "https://example.org/x identity_malformed");
  });

  test("what can be read in two ways is malformed", () => {
    const wrong = [
      `URI=${mobile};URI=spiffe://example.org/web`,
      "",
      ";",
      ",",
      `URI=${mobile},`,
      `URI=${mobile};`,
      `URI="${mobile}`,
      `URI="${mobile}\\`,
      `URI="a"b`,
      `URI=a"b`,
      `=x`,
      `URI`,
      `URI ${mobile}`,
      `Hash=${digest};Hash=00;URI=${mobile}`,
      `URI=${mobile}\u0000`,
      `URI=a b`,
    ];
    for (const xfcc of wrong) assert.equal(recordOf(told(xfcc)).reason, "identity_malformed", JSON.stringify(xfcc));
    assert.equal(recordOf(told([`URI=${mobile}`, `URI=${mobile}`])).reason, "identity_malformed");
  });

  test("is refused where names of the caller's certificate stand as pairs and elements of their own", () => {
    const real = `By=${edge};Hash=00;Subject="CN=a";URI=spiffe://example.org/web;DNS=x`;
    const own = `By=spiffe://example.org/orders;Hash=${digest};URI=${edge}`;
    const wrong = [
      // After the element that the gateway wrote comes one that it did not.
      `${real},URI=${mobile}`,
      `${real},By=${edge};Hash=00;URI=${mobile}`,
      `${real},By=x,Hash=00;URI=${mobile}`,
      `${real},URI=${mobile},${own}`,
      `${real},By=${edge};Hash=00;URI=${mobile},${own}`,
      `${real},URI=${mobile},Hash=${digest};URI=${edge}`,
      // Whoever wrote the element before it does not say who that is.
      `Hash=00;URI=spiffe://example.org/web;DNS=x,By=${edge};Hash=00;URI=${mobile}`,
      `By=x;URI=a,Hash=00;URI=spiffe://example.org/web;DNS=x,By=${edge};Hash=00;URI=${mobile},${own}`,
      // Envoy writes DNS names last, and no name in quotes.
      `By=${edge};Hash=00;DNS=x;URI=${mobile}`,
      `By=${edge};Hash=00;URI="${mobile}"`,
      `By=${edge};Hash="00";URI=${mobile}`,
      `By="${edge}";Hash=00;URI=${mobile}`,
      `${real};URI=${mobile}`,
    ];
    for (const xfcc of wrong) assert.equal(recordOf(told(xfcc)).reason, "identity_malformed", xfcc);
    assert.equal(
      verdict(told(`By=x;Hash=00;URI=spiffe://example.org/web,By=${edge};Hash=00;URI=${mobile},${own}`)),
      `${mobile} allowed`,
    );
  });

  test("of a peer that is no gateway is nothing", () => {
    assert.equal(verdict(told(`URI=${edge}`, mobile)), `${mobile} allowed`);
    assert.equal(verdict(told(`URI=${mobile}`, "spiffe://example.org/web")), "spiffe://example.org/web no_rule");
    assert.equal(verdict(told(`URI=${mobile}`, null)), "nobody identity_missing");
    assert.equal(
      verdict(told(`URI=${edge},URI=${mobile}`, "spiffe://other.org/edge")),
      "spiffe://other.org/edge identity_untrusted",
    );
  });

  test("a peer whose certificate has several URI names is malformed, gateway or not", () => {
    const own = `Hash=${digest};URI=${mobile};URI=spiffe://example.org/admin`;
    assert.equal(verdict(told(own, mobile)), `${mobile} identity_malformed`);
    assert.equal(verdict(told(`URI=${mobile},${own}`, edge)), `${edge} identity_malformed`);
    // Nor does what the peer puts in front of it hide it.
    for (const hiding of ["garbage", 'X="', "URI", ""]) {
      assert.equal(verdict(told(`${hiding},${own}`, mobile)), `${mobile} identity_malformed`, hiding);
    }
    // Nor what stands in its own DNS names.
    for (const hiding of ["x,By=y", `x,Hash=${digest};URI=${mobile}`, "x,URI=a;URI=b"]) {
      assert.equal(verdict(told(`${own};DNS=${hiding}`, mobile)), `${mobile} identity_malformed`, hiding);
    }
    assert.equal(verdict(told(["URI=a", own], mobile)), `${mobile} identity_malformed`);
    // Who sends such a header itself only claims it of itself, and the digest is not that of its certificate.
    assert.equal(verdict(told(`Hash=00;URI=a;URI=b`, mobile)), `${mobile} allowed`);
  });
});

/** The headers of ours that the upstream gets. */
function forwarded(outcome: Outcome): Record<string, string> {
  assert.equal(outcome.action, "continue", JSON.stringify(recordOf(outcome)));
  return Object.fromEntries(outcome.headers.filter(([name]) => name.startsWith("x")));
}

describe("headers for the upstream", () => {
  const web = "spiffe://example.org/web";
  const me = { caller: web, method: "GET", path: "/me" };

  test("say who the caller and the user are", () => {
    const plugin = new TestPlugin("gateway");
    const token = plugin.token({ sub: "alice", scope: "me", org: { id: 7 }, admin: true });
    assert.deepEqual(forwarded(plugin.request({ ...me, token })), {
      "x-caller": web,
      "x-caller-domain": "example.org",
      "x-caller-path": "/web",
      "x-user": "alice",
      "x-org": "7",
      "x-admin": "true",
    });
  });

  test("that come from outside never get through", () => {
    const plugin = new TestPlugin("gateway");
    const spoofed = ["x-caller", "x-caller-domain", "x-caller-path", "x-user", "x-org", "x-admin"].flatMap((name) => [
      [name, "root"] as const,
      [name, "again"] as const,
      [name.replaceAll("-", "_"), "root"] as const,
      [name.replace("-", "_"), "root"] as const,
    ]);
    const token = plugin.token({ scope: "me" });
    assert.deepEqual(forwarded(plugin.request({ ...me, token, headers: spoofed })), {
      "x-caller": web,
      "x-caller-domain": "example.org",
      "x-caller-path": "/web",
    });
    const health = { caller: null, method: "GET", path: "/healthz" };
    assert.deepEqual(forwarded(plugin.request({ ...health, headers: [...spoofed, ["x-other", "stays"]] })), {
      "x-other": "stays",
    });
  });

  test("are left out where a claim is no field value", () => {
    const plugin = new TestPlugin("gateway");
    for (const sub of ["a\r\nx-admin: true", "", " a", "a ", "a\u007f"]) {
      const token = plugin.token({ sub, scope: "me", org: { id: ["a"] }, admin: null });
      const headers = forwarded(plugin.request({ ...me, token, headers: [["x-user", "root"]] }));
      assert.deepEqual(Object.keys(headers), ["x-caller", "x-caller-domain", "x-caller-path"], JSON.stringify(sub));
    }
    const token = plugin.token({ sub: "zoë", scope: "me" });
    assert.equal(Buffer.from(forwarded(plugin.request({ ...me, token }))["x-user"]!, "latin1").toString(), "zoë");
  });

  test("speak of no token the rule did not ask for", () => {
    const plugin = new TestPlugin("gateway");
    const token = plugin.token({ sub: "alice", scope: "me" });
    const headers = forwarded(plugin.request({ caller: mobile, method: "GET", path: "/orders", token }));
    assert.deepEqual(Object.keys(headers), ["x-caller", "x-caller-domain", "x-caller-path"]);
  });

  test("a host that does not let them be changed lets no request pass", () => {
    for (const name of ["replace_header_map_value", "remove_header_map_value"]) {
      const plugin = new TestPlugin("gateway");
      plugin.host.faults = [{ call: name, result: 10 }];
      const outcome = plugin.request({ caller: mobile, method: "GET", path: "/orders", headers: [["x-user", "root"]] });
      assert.equal(outcome.action, "pause", name);
      assert.deepEqual([recordOf(outcome).reason, recordOf(outcome).cause], ["internal", name]);
    }
  });
});
