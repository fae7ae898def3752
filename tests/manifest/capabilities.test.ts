/** The capability list that a manifest has: what the policy needs, and no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilitiesOf } from "../../scripts/manifest/capabilities.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { compile, policies } from "./policies.ts";

const listOf = (name: string): string[] => capabilitiesOf(compile(policies[name]!).policy);
const least = listOf("nothing");

/** What each policy adds to the least. Each of them is missed by name, or by its effects (docs/operations.md). */
const added: Readonly<Record<string, string[]>> = {
  "upstream headers": ["proxy_remove_header_map_value", "proxy_replace_header_map_value"],
  "fetched keys": [
    "proxy_call_foreign_function",
    "proxy_continue_stream",
    "proxy_http_call",
    "proxy_on_http_call_response",
  ],
  "a fleet": ["proxy_continue_stream", "proxy_grpc_call", "proxy_on_grpc_close", "proxy_on_grpc_receive"],
  "a quarantine of a fleet": [
    "proxy_continue_stream",
    "proxy_grpc_call",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
  ],
  "requests in flight": ["proxy_continue_stream"],
  hops: ["proxy_remove_header_map_value", "proxy_replace_header_map_value"],
  bodies: ["proxy_continue_stream", "proxy_on_request_body", "proxy_on_request_trailers"],
  "bounds of bodies": ["proxy_on_request_body"],
  "headers of limits": ["proxy_on_response_headers", "proxy_replace_header_map_value"],
  "trusted proxies": [],
};

for (const [name, more] of Object.entries(added)) {
  test(`a policy that needs ${name} has ${more.length === 0 ? "no more" : "that"}`, () => {
    assert.deepEqual(
      listOf(name).filter((one) => !least.includes(one)),
      more,
    );
  });
}

test("all lists together are what the engine calls and exports", () => {
  const reading = compile(policies.bodies!).image;
  const module = new WebAssembly.Module(loadEngineFor(reading) as Uint8Array<ArrayBuffer>);
  const used = [...WebAssembly.Module.imports(module), ...WebAssembly.Module.exports(module)]
    .map(({ name }) => name)
    .filter((name) => /^(proxy_(?!abi_version)|random_get$)/u.test(name));
  const listed = new Set(Object.keys(policies).flatMap(listOf));
  assert.deepEqual([...listed].sort(), used.sort());
});
