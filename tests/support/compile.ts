/** A part of the engine alone, compiled as the engine is and instantiated in Node. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import { readEngineSource } from "../../scripts/build/sources.ts";

/** An instance of a part of the engine. */
interface CompiledModule {
  instance: WebAssembly.Instance;
  /** The module as text. */
  text: string;
  size_bytes: number;
}

/** Compiles an entry file and instantiates it. Throws where it does not compile, or asks for imports. */
export async function compileModule(entry: string): Promise<CompiledModule> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-part-"));
  try {
    const wasm = join(folder, "module.wasm");
    const wat = join(folder, "module.wat");
    // A configuration of that name does not exist: the one in the working folder would add the engine's entries.
    const files = [entry, "--config", "none.json", "--outFile", wasm, "--textFile", wat];
    const { error, stderr } = await asc.main([...files, ...(await options())], { readFile: readEngineSource });
    if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
    const bytes = await readFile(wasm);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    (instance.exports as { _initialize(): void })._initialize();
    return { instance, text: await readFile(wat, "utf8"), size_bytes: bytes.length };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The options of the engine, without its entries and files. */
async function options(): Promise<string[]> {
  const config = JSON.parse(await readFile("asconfig.json", "utf8"));
  const { outFile: _, textFile: __, ...target } = config.targets.release;
  return Object.entries({ ...config.options, ...target }).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    const values = Array.isArray(value) ? value : [value];
    return values.flatMap((each) => [`--${name}`, String(each)]);
  });
}
