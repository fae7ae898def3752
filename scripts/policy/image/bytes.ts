/** Growable buffers of the image writer: little-endian words, and strings that are stored once. */

/** Words one after the other. */
export class Words {
  private view = new DataView(new ArrayBuffer(4096));
  /** How many words there are. */
  size = 0;

  push(...words: number[]): void {
    for (const word of words) this.pushOne(word);
  }

  pushOne(word: number): void {
    const at = this.size * 4;
    if (at === this.view.byteLength) {
      const grown = new ArrayBuffer(at * 2);
      new Uint8Array(grown).set(new Uint8Array(this.view.buffer));
      this.view = new DataView(grown);
    }
    this.view.setUint32(at, word, true);
    this.size++;
  }

  /** The words as bytes; a view, not a copy. */
  bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, 0, this.size * 4);
  }
}

/** Strings stored once, numbered from 0 in the order they were first asked for. */
export class StringPool {
  private buffer = Buffer.alloc(65536);
  private readonly numbers = new Map<string, number>();
  private readonly starts: number[] = [];
  private readonly sizes: number[] = [];
  /** Bytes in use. */
  size = 0;

  /** The number of a text's UTF-8 bytes. */
  text(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.reserve(text.length * 3);
    return this.keep(text, this.buffer.write(text, this.size, "utf8"));
  }

  /** The number of bytes that are no text. */
  binary(bytes: Uint8Array): number {
    // No text of a policy has this character, so the two kinds of names cannot meet.
    const name = `\u0000${Buffer.from(bytes).toString("latin1")}`;
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.size);
    return this.keep(name, bytes.length);
  }

  /** Offset of a string's first byte. */
  startOf(number: number): number {
    return this.starts[number]!;
  }

  /** Bytes of a string. */
  sizeOf(number: number): number {
    return this.sizes[number]!;
  }

  /** All bytes; a view, not a copy. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.size);
  }

  private keep(name: string, size: number): number {
    const number = this.starts.length;
    this.numbers.set(name, number);
    this.starts.push(this.size);
    this.sizes.push(size);
    this.size += size;
    return number;
  }

  private reserve(bytes: number): void {
    if (this.size + bytes <= this.buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.buffer.length * 2, this.size + bytes));
    grown.set(this.buffer);
    this.buffer = grown;
  }
}
