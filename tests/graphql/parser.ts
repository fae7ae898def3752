/** assembly/graphql/ alone, compiled as the engine is and instantiated in Node. */
import { compileModule } from "../support/compile.ts";

/** GraphqlFault, by its numbers. */
export const faults = [
  "NONE",
  "SYNTAX",
  "TEXT",
  "DEPTH",
  "ALIASES",
  "FIELDS",
  "OPERATION_NAME",
  "FRAGMENT",
  "DEFINITION",
  "COUNT",
  "SUBSCRIPTION_FIELDS",
] as const;
export type Fault = (typeof faults)[number];

const types = ["", "query", "mutation", "subscription"];

/** What a request asks of its document, and what it may be. */
export interface Asked {
  /** Undefined where the request names none. */
  operationName?: string | undefined;
  depth_max: number;
  aliases_max: number;
  rootFields_max: number;
}

/** Bounds beyond what any document has that the parser's own bounds allow. */
export const unbounded: Asked = { depth_max: 0xffffffff, aliases_max: 0xffffffff, rootFields_max: 0xffffffff };

/** What an operation selects. */
export interface Selected {
  type: string;
  /** Names of fields at the root with how often each is selected, in the order of the document. */
  fields: [name: string, times: number][];
  selections: number;
  typenames: number;
  depth: number;
  aliases: number;
  isIntrospecting: boolean;
}

interface Exports {
  memory: WebAssembly.Memory;
  start(): number;
  parse(size: number, nameSize: number, depth: number, aliases: number, rootFields: number): number;
  outcome(): number;
  nameStart(index: number): number;
  nameSize(index: number): number;
  times(index: number): number;
}

const encoder = new TextEncoder();

export class GraphqlParser {
  readonly #exports: Exports;
  readonly #memory: Buffer;
  readonly #start: number;

  private constructor(
    exports: Exports,
    /** The module as text. */
    readonly text: string,
  ) {
    this.#exports = exports;
    this.#memory = Buffer.from(exports.memory.buffer);
    this.#start = exports.start();
  }

  static async compile(): Promise<GraphqlParser> {
    const { instance, text } = await compileModule("tests/unit/graphql/module.ts");
    return new GraphqlParser(instance.exports as unknown as Exports, text);
  }

  /** What the parser says of a document. Throws when it traps, or changes what it was given. */
  parse(document: Uint8Array | string, asked: Asked = unbounded): { fault: Fault; selected: Selected } {
    const bytes = typeof document === "string" ? encoder.encode(document) : document;
    const name = asked.operationName === undefined ? undefined : encoder.encode(asked.operationName);
    this.#memory.set(bytes, this.#start);
    if (name !== undefined) this.#memory.set(name, this.#start + bytes.length);
    const { depth_max, aliases_max, rootFields_max } = asked;
    const fault = this.#exports.parse(bytes.length, name?.length ?? -1, depth_max, aliases_max, rootFields_max);
    const end = this.#start + bytes.length;
    if (this.#memory.compare(bytes, 0, bytes.length, this.#start, end) !== 0)
      throw new Error("the parser wrote to its document");
    return { fault: faults[fault]!, selected: this.#selected() };
  }

  #selected(): Selected {
    const at = this.#exports.outcome();
    const word = (index: number): number => this.#memory.readUInt32LE(at + 4 * index);
    const field = (index: number): [string, number] => {
      const start = this.#exports.nameStart(index);
      const size = this.#exports.nameSize(index);
      return [this.#memory.toString("latin1", start, start + size), this.#exports.times(index)];
    };
    return {
      type: types[word(0)]!,
      fields: Array.from({ length: word(1) }, (_, index) => field(index)),
      selections: word(2),
      typenames: word(3),
      depth: word(4),
      aliases: word(5),
      isIntrospecting: this.#memory[at + 24] !== 0,
    };
  }
}
