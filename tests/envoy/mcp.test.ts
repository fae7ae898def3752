/** A server and clients of MCP, by the protocol's own SDK, with a real Envoy and the filter between them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { McpError, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { startToolServer, type ToolClient, type ToolServer, toolClient } from "../support/mcp.ts";
import { until } from "../support/until.ts";

const agent = "spiffe://example.org/agent";
const stranger = "spiffe://example.org/stranger";
const guest = "spiffe://example.org/guest";
const policyYaml = `version: 1
name: tools
trust: { domains: [example.org] }
mcp: { paths: [/mcp] }
rules:
  - name: agents
    callers: [${agent}]
    allow: [mcp initialize, mcp ping, mcp notifications/*, mcp tools/list, "mcp tools/call get_*", GET /mcp, DELETE /mcp]
  - name: guests
    callers: [${guest}]
    allow: [mcp initialize, mcp notifications/*, mcp tools/list]
`;
const textOf = ({ content }: Record<string, unknown>): string => (content as { text: string }[])[0]!.text;

for (const asJson of [true, false]) {
  describe(`with answers ${asJson ? "in JSON" : "as streams of events"}`, () => {
    let server: ToolServer;
    let envoy: TestEnvoy;
    const clients: ToolClient[] = [];
    before(async () => {
      server = await startToolServer(asJson);
      envoy = await startTestEnvoy({ policyYaml, upstream: server.address });
    });
    after(async () => {
      for (const client of clients) await client.close();
      await envoy?.stop();
      server?.stop();
    });
    const clientOf = async (
      caller: string,
      ...change: [((r: Response) => Promise<Response>)?]
    ): Promise<ToolClient> => {
      const client = toolClient(await envoy.local.target(caller), ...change);
      clients.push(client);
      return client;
    };

    test("what the policy admits works as without a filter: initialize, tools, notifications, the stream, the session's end", async () => {
      const { client, transport, connect, errors } = await clientOf(agent);
      await connect();
      const { tools } = await client.listTools();
      assert.deepEqual(
        tools.map(({ name }) => name),
        ["get_weather"],
      );
      assert.equal(
        textOf(await client.callTool({ name: "get_weather", arguments: { text: "Ülm" } })),
        "get_weather Ülm",
      );
      await client.ping();
      let changes = 0;
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
        changes++;
      });
      // The client opens its stream by itself, once it has told that it is initialized.
      await until("the stream is open", () => server.requests.includes("GET"), 10_000);
      await until("the server's notification has come", () => {
        server.announce();
        return changes > 0;
      });
      await transport.terminateSession();
      assert.equal(server.requests.at(-1), "DELETE");
      assert.deepEqual(errors, []);
    });

    test("a tool that no rule names does not run; the client is told 403, and goes on", async () => {
      const { client, connect } = await clientOf(agent);
      await connect();
      const error = await client.callTool({ name: "delete_all", arguments: { text: "" } }).catch((thrown) => thrown);
      assert.ok(error instanceof StreamableHTTPError, String(error));
      assert.equal(error.code, 403);
      const [, body] = /^Streamable HTTP error: Error POSTing to endpoint: (\{.*\})\s*$/su.exec(error.message) ?? [];
      assert.ok(body !== undefined, error.message);
      const { jsonrpc, id, error: said } = JSON.parse(body) as { jsonrpc: string; id: unknown; error: object };
      assert.deepEqual([jsonrpc, typeof id, said], ["2.0", "number", { code: -32001, message: "Forbidden" }]);
      assert.equal(server.calls.includes("delete_all"), false);
      assert.equal(textOf(await client.callTool({ name: "get_weather", arguments: { text: "b" } })), "get_weather b");
    });

    test("the error in the answer is one of the protocol, with the id of the call", async () => {
      // A client that reads the body of a 403 as it does that of a 200.
      const reads = async (response: Response): Promise<Response> =>
        response.status === 403 ? new Response(await response.text(), { headers: response.headers }) : response;
      const { client, connect } = await clientOf(agent, reads);
      await connect();
      const error = await client.callTool({ name: "delete_all", arguments: { text: "" } }).catch((thrown) => thrown);
      assert.ok(error instanceof McpError, String(error));
      assert.match(error.message, /Forbidden/u);
    });

    test("a caller without the stream has its tools all the same", async () => {
      const { client, connect, errors } = await clientOf(guest);
      await connect();
      assert.deepEqual((await client.listTools()).tools, []);
      await until("its stream was denied", () => errors.length > 0, 10_000);
      assert.match(String(errors[0]), /Failed to open SSE stream/u);
      await assert.rejects(client.callTool({ name: "get_weather", arguments: { text: "" } }), { code: 403 });
    });

    test("a caller whom no rule names cannot even begin", async () => {
      const before = server.requests.length;
      await assert.rejects((await clientOf(stranger)).connect(), { code: 403 });
      assert.equal(server.requests.length, before);
    });
  });
}
