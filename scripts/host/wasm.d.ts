/** The part of the WebAssembly JavaScript Interface in use here; Node has it, but its type package of this version does not declare it. */
declare namespace WebAssembly {
  class Module {
    private readonly brand: "module";
    constructor(bytes: Uint8Array<ArrayBuffer>);
    static imports(module: Module): { module: string; name: string; kind: string }[];
    static exports(module: Module): { name: string; kind: string }[];
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
    constructor(descriptor: { initial: number });
  }
  type ModuleImports = Record<string, (...args: (number | bigint)[]) => number>;
  type Exports = Readonly<Record<string, unknown>>;
  class Instance {
    readonly exports: Exports;
    constructor(module: Module, imports?: Record<string, ModuleImports>);
  }
}
