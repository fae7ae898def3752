/** Callers that a listener in front knows: what the host says of its filter state, and what is asked of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { PropertyValue } from "../../scripts/host/context.ts";
import { assertInternal, callNames, recordOf, TestPlugin } from "../support/plugin.ts";

const web = "spiffe://example.org/ns/shop/sa/web";
const property = "filter_state.io.istio.peer_principal";
const asked = `get_property ${property}`;

/** Asks with filter state as the host has it, over a connection with a certificate of somebody else. */
function ask(plugin: TestPlugin, state: PropertyValue | undefined, path = "/web") {
  const properties = {
    "source.address": "10.1.2.3:40000",
    "connection.mtls": true,
    "connection.uri_san_peer_certificate": web,
    ...(state !== undefined && { [property]: state }),
  };
  return plugin.request({ method: "GET", path }, { properties });
}

describe("identity: filter-state", () => {
  const plugin = new TestPlugin("filterstate");

  test("one property is read for it, and the connection's certificate is not", () => {
    const outcome = ask(plugin, web);
    assert.equal(outcome.action, "continue");
    const properties = callNames(outcome.calls).filter((call) => call.startsWith("get_property"));
    assert.deepEqual(properties, [asked]);
    assert.equal(recordOf(outcome).caller, web);
  });

  test("what is no SPIFFE ID is what it would be in a certificate", () => {
    const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
    for (const [state, reason] of [
      [undefined, "identity_missing"],
      ["", "identity_missing"],
      ["-", "identity_malformed"],
      [`${web},${web}`, "identity_malformed"],
      [`${web}\0`, "identity_malformed"],
      [` ${web}`, "identity_malformed"],
      [`${web}/`, "identity_malformed"],
      ["spiffe://example.org", "identity_malformed"],
      ["https://example.org/web", "identity_malformed"],
      [bytes("spiffe://example.org/\xff"), "identity_malformed"],
      [bytes("\x0a\x24spiffe://example.org/ns/shop/sa/web"), "identity_malformed"],
      [`spiffe://example.org/${"a".repeat(2048)}`, "identity_malformed"],
      ["spiffe://evil.example/ns/shop/sa/web", "identity_untrusted"],
    ] as const) {
      const outcome = ask(plugin, state);
      assert.deepEqual([outcome.localResponse?.requestedStatus, recordOf(outcome).reason], [403, reason]);
      // Rules for anonymous admit whoever has no identity that counts.
      assert.equal(ask(plugin, state, "/healthz").action, "continue", reason);
    }
  });

  test("a host that does not say is a failure of ours, whatever the rule", () => {
    for (const result of [WasmResult.InternalFailure, WasmResult.BadArgument, WasmResult.Unimplemented]) {
      const failing = new TestPlugin("filterstate");
      failing.host.faults = [{ call: "get_property", result }];
      for (const path of ["/web", "/healthz"]) assertInternal(ask(failing, web, path), "get_property");
    }
  });
});
