/** The least that a Wasm filter can be: what is added by it is the price of the boundary itself. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import type { Json } from "./native.ts";

const source = `
export function proxy_abi_version_0_2_1(): void {}
export function malloc(size: usize): usize { return 0; }
export function proxy_on_request_headers(context: u32, headers: u32, end: u32): u32 { return 0; }
`;

/** A filter that lets every request go on at once and exports nothing else. */
export async function emptyFilter(directory: string): Promise<Json> {
  const { error, binary, stderr } = await asc.compileString(source, {
    runtime: "stub",
    optimizeLevel: 3,
    exportStart: "_initialize",
  });
  if (error !== null || binary === null) throw new Error(`the empty filter does not compile: ${stderr}`);
  const path = join(directory, "empty.wasm");
  await writeFile(path, binary);
  return {
    name: "envoy.filters.http.wasm",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      config: {
        name: "empty",
        root_id: "empty",
        vm_config: { vm_id: "empty", runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } },
      },
    },
  };
}
