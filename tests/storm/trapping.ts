/** A module that traps at a word, as none of ours does: what Envoy makes of a VM that is lost while requests wait. */
import {
  readSections,
  type Section,
  section_code,
  section_export,
  unsigned,
  WasmError,
  WasmReader,
} from "../../scripts/policy/module/wasm.ts";

/** A request with so many headers has the module trap. Envoy takes a hundred. */
export const trapping_headers = 90;

const on_request_headers = "proxy_on_request_headers";

/**
 * A copy of a module whose `proxy_on_request_headers(context, headers, end)` begins with
 *
 *   if (headers >= trapping_headers) unreachable();
 *
 * @throws WasmError where there is no such function
 */
export function trapping(module: Uint8Array): Uint8Array {
  const sections = readSections(module);
  const code = sections.find(({ id }) => id === section_code)!;
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(new Uint8Array(module)));
  const position = exportedFunction(module, sections) - imports.filter(({ kind }) => kind === "function").length;
  const reader = new WasmReader(module, code.start);
  const count = reader.unsigned();
  const bodies = Array.from({ length: count }, () => reader.take(reader.unsigned()));
  bodies[position] = withTrap(bodies[position]!);
  const contents = Buffer.concat([
    Buffer.from(unsigned(count)),
    ...bodies.flatMap((body) => [Buffer.from(unsigned(body.length)), body]),
  ]);
  const head = Buffer.from([section_code, ...unsigned(contents.length)]);
  return new Uint8Array(Buffer.concat([module.subarray(0, code.head), head, contents, module.subarray(code.end)]));
}

/** The number of the function that is asked about every request. */
function exportedFunction(module: Uint8Array, sections: readonly Section[]): number {
  const reader = new WasmReader(module, sections.find(({ id }) => id === section_export)!.start);
  for (let left = reader.unsigned(); left > 0; left--) {
    const name = reader.name();
    const kind = reader.byte();
    const index = reader.unsigned();
    if (name === on_request_headers && kind === 0) return index;
  }
  throw new WasmError(`the module exports no ${on_request_headers}`);
}

/** A function's body (core specification §5.5.13): its locals come first. */
function withTrap(body: Uint8Array): Uint8Array {
  const reader = new WasmReader(body);
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.unsigned();
    reader.byte();
  }
  const trap = [
    ...[0x20, 1], // local.get 1
    ...[0x41, ...[(trapping_headers & 0x7f) | 0x80, trapping_headers >> 7]], // i32.const, in two bytes
    0x4f, // i32.ge_u
    ...[0x04, 0x40], // if
    0x00, // unreachable
    0x0b, // end
  ];
  return new Uint8Array(Buffer.concat([body.subarray(0, reader.at), Buffer.from(trap), body.subarray(reader.at)]));
}
