/** Behind a gateway, in a real Envoy: whose word on callers is believed, and what the upstream is told of them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Asker, makeCorpIssuer, managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const edge = "spiffe://example.org/edge";
const mobile = "spiffe://example.org/mobile";
const web = "spiffe://example.org/web";

const policyYaml = `
version: 1
name: gateway
trust: { domains: [example.org], forwarders: [${edge}] }
issuers:
  corp: { issuer: https://issuer.example.org, audiences: [order-api], algorithms: [ES256], keys: { file: keys/corp.jwks.json } }
forward: { x-caller: caller.id, x-user: claims.sub }
rules:
  - { name: mobile, callers: [${mobile}], allow: [GET /orders] }
  - { name: user, callers: [${web}], allow: [GET /me], token: corp, when: claims.sub != "root" }
  - { name: health, callers: [anonymous], allow: [GET /healthz] }
`;

const issuer = await makeCorpIssuer();

/** How the connection manager treats the header, and what then becomes of a gateway's word. */
const modes = ["SANITIZE_SET", "APPEND_FORWARD", "ALWAYS_FORWARD_ONLY"] as const;

for (const mode of modes) {
  describe(`x-forwarded-client-cert under ${mode}`, () => {
    let envoy: TestEnvoy;
    before(async () => {
      envoy = await startTestEnvoy({
        policyYaml,
        issuers: { corp: issuer },
        adjust: (bootstrap) => {
          const manager = managerOf(bootstrap);
          manager.forward_client_cert_details = mode;
          if (mode === "ALWAYS_FORWARD_ONLY") delete manager.set_current_client_cert_details;
          manager.common_http_protocol_options.headers_with_underscores_action = "ALLOW";
        },
      });
    });
    after(() => envoy?.stop());

    /** The caller that was decided on, and why so. */
    const told = async (asker: Asker, xfcc?: string): Promise<string> => {
      const headers: Record<string, string> = xfcc === undefined ? {} : { "x-forwarded-client-cert": xfcc };
      const { record } = await envoy.judge({ path: "/orders", headers, ...asker });
      return `${record?.caller ?? "nobody"} ${record?.reason}`;
    };
    const isBelieved = mode !== "SANITIZE_SET";

    test("a gateway is believed where its word gets through", async () => {
      const said = `By=${edge};Hash=${"00".repeat(32)};URI=${mobile}`;
      const expected = isBelieved ? `${mobile} allowed` : `${edge} no_rule`;
      assert.equal(await told({ caller: edge }, said), expected);
      assert.equal(await told({ caller: edge }), `${edge} no_rule`);
    });

    test("nobody else is", async () => {
      assert.equal(await told({ caller: web }, `URI=${mobile}`), `${web} no_rule`);
      assert.equal(await told({ caller: mobile }, `URI=${web}`), `${mobile} allowed`);
    });

    test("a peer with several URI names in its certificate is refused where the manager tells of them", async () => {
      const identity = await envoy.local.authority.issue({ spiffeId: mobile, uriSans: ["spiffe://example.org/admin"] });
      const expected = mode === "ALWAYS_FORWARD_ONLY" ? "allowed" : "identity_malformed";
      assert.equal(await told({ identity }), `${mobile} ${expected}`);
    });

    test("the upstream learns who called, from nobody but the filter", async () => {
      const token = await issuer.token({ claims: { sub: "alice" }, algorithm: "ES256" });
      const spoofed = { "x-caller": ["root", "admin"], "x-user": "root", x_user: "root", "x-other": "stays" };
      const { status } = await envoy.request({ path: "/me", caller: web, token, headers: spoofed });
      assert.equal(status, 200);
      const { headers } = envoy.upstreamRequests.at(-1)!;
      const seen = Object.fromEntries(
        Object.entries(headers).filter(([name]) => /^x[-_](?:caller|user|other)/u.test(name)),
      );
      assert.deepEqual(seen, { "x-caller": web, "x-user": "alice", "x-other": "stays" });
      await envoy.request({ path: "/healthz", caller: mobile, headers: spoofed, http2: true });
      const after = envoy.upstreamRequests.at(-1)!.headers;
      assert.deepEqual([after["x-caller"], after["x-user"], after.x_user], [mobile, undefined, undefined]);
    });
  });
}
