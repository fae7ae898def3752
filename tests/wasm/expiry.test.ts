/** Certificates that have ended while their connection was open, where the configuration has that looked at. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { PropertyValue } from "../../scripts/host/context.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { assertInternal, callNames, engine, nowSeconds, policyNamed, recordOf } from "../support/plugin.ts";

const edge = "spiffe://example.org/edge";
const mobile = "spiffe://example.org/mobile";
const end_property = "filter_state.sallyport.certificate_end";

interface Asked {
  /** The configuration asks for it. */
  isAsked?: boolean;
  /** What Envoy says of the end; undefined where it says nothing. */
  end?: PropertyValue;
  caller?: string | null;
  path?: string;
  xfcc?: string;
}

/** A host with the policy `gateway` in force; times in the tests are around its clock. */
function localOf(isAsked: boolean): { host: PluginHost; ask: (asked: Asked) => Outcome } {
  const host = PluginHost.load(engine, { clock: () => BigInt(nowSeconds) * 1_000_000_000n });
  const configuration = JSON.parse(pluginConfiguration(policyNamed("gateway").standInImage));
  const said = isAsked ? { ...configuration, certificateEnd: "checked" } : configuration;
  const { ok, rootContext } = host.startPlugin(JSON.stringify(said));
  assert.equal(ok, true);
  const ask = ({ end, caller = edge, path = "/status", xfcc }: Asked): Outcome => {
    const headers = xfcc === undefined ? [] : [["x-forwarded-client-cert", xfcc] as const];
    const request = { caller, source: "10.1.2.3", method: "GET", path, host: "h", headers, token: null };
    const { properties, ...rest } = hostRequest(request);
    return host.request(rootContext, {
      ...rest,
      properties: { ...properties, ...(end !== undefined && { [end_property]: end }) },
    });
  };
  return { host, ask };
}

/** The caller that was decided on, and the verdict. */
function verdict(outcome: Outcome): string {
  const { reason, caller = "nobody", cause } = recordOf(outcome);
  return [caller, reason, cause].filter((part) => part !== undefined).join(" ");
}

const before = String(nowSeconds - 1);
const after = String(nowSeconds + 1);

describe("the end of a certificate", () => {
  test("that lies ahead, or is this very second, changes nothing; one that has passed takes the identity", () => {
    const { ask } = localOf(true);
    for (const end of [after, String(nowSeconds), "253402300799"]) {
      assert.equal(verdict(ask({ end })), `${edge} allowed`, end);
    }
    for (const end of [before, "0"]) {
      const outcome = ask({ end });
      assert.equal(verdict(outcome), `${edge} identity_expired`, end);
      assert.equal(outcome.localResponse?.requestedStatus, 403);
    }
    // What was remembered of the caller before, and after, is of one whose certificate holds.
    assert.equal(verdict(ask({ end: after })), `${edge} allowed`);
    assert.equal(verdict(ask({ end: before })), `${edge} identity_expired`);
  });

  test("leaves what everybody may", () => {
    assert.equal(verdict(localOf(true).ask({ end: before, path: "/healthz" })), `${edge} allowed`);
  });

  test("of a gateway ends its word on others", () => {
    const { ask } = localOf(true);
    const xfcc = `URI=${mobile}`;
    assert.equal(verdict(ask({ end: after, path: "/orders", xfcc })), `${mobile} allowed`);
    assert.equal(verdict(ask({ end: before, path: "/orders", xfcc })), `${edge} identity_expired`);
  });

  test("does not matter to whoever has no certificate, or one that names nobody we trust", () => {
    const { ask } = localOf(true);
    assert.equal(verdict(ask({ caller: null })), "nobody identity_missing");
    assert.equal(verdict(ask({ caller: "spiffe://other.example/x" })), "spiffe://other.example/x identity_untrusted");
  });

  test("that nobody tells, or that is no time, denies by name", () => {
    const { ask } = localOf(true);
    for (const end of [undefined, "", "-", "2026-11-21T10:00:00Z", `${after}.5`, `-${after}`, "9".repeat(13)]) {
      const outcome = ask({ end });
      assertInternal(outcome, String(end));
      assert.equal(verdict(outcome), `${edge} internal certificate_end`, String(end));
    }
  });

  test("costs a property and a clock where it is asked for, and nothing where it is not", () => {
    const plain = localOf(false).ask({ end: before });
    assert.equal(verdict(plain), `${edge} allowed`);
    assert.ok(!callNames(plain.calls).includes(`get_property ${end_property}`));
    const asked = localOf(true).ask({ end: after });
    assert.equal(asked.calls.length, plain.calls.length + 2);
  });

  test("that the host will not hand over denies", () => {
    const { host, ask } = localOf(true);
    host.faults = [{ call: "get_property", nth: 2, result: WasmResult.InternalFailure }];
    assertInternal(ask({ end: after }), "get_property");
  });
});
