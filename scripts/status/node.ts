/** A value of a JSON document that knows where it stands, so that a finding can name its place. */

/** What a message of Envoy's configuration is, and its members. */
export interface Message {
  /** Its type without the package: `HttpConnectionManager`; "" where the document does not say. */
  type: string;
  node: Node;
}

/** A value, or its absence: what is asked of an absent one is absent too. */
export class Node {
  readonly value: unknown;
  /** From the document's root, as `jq` takes it after a dot: `configs[3].static_listeners[0]`. */
  readonly path: string;

  constructor(value: unknown, path = "") {
    this.value = value;
    this.path = path;
  }

  /** A member, or one of a member, and so on. */
  at(...keys: string[]): Node {
    let node: Node = this;
    for (const key of keys) {
      const members = node.#members();
      const value = members !== undefined && Object.hasOwn(members, key) ? members[key] : undefined;
      node = new Node(value, join(node.path, key));
    }
    return node;
  }

  /** The elements of a list; none where it is no list. */
  list(): Node[] {
    return Array.isArray(this.value) ? this.value.map((value, at) => new Node(value, `${this.path}[${at}]`)) : [];
  }

  /** The members of an object by name; none where it is no object. */
  entries(): [name: string, node: Node][] {
    return Object.keys(this.#members() ?? {}).map((key) => [key, this.at(key)]);
  }

  get exists(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  get text(): string | undefined {
    return typeof this.value === "string" ? this.value : undefined;
  }

  get isTrue(): boolean {
    return this.value === true;
  }

  /** A number, also one that JSON has as a string, as it does of 64 bits. */
  get number(): number | undefined {
    if (typeof this.value === "number") return this.value;
    return typeof this.value === "string" && /^\d+$/u.test(this.value) ? Number(this.value) : undefined;
  }

  /** Every object in it, itself first. */
  *objects(): Generator<Node> {
    if (typeof this.value !== "object" || this.value === null) return;
    if (Array.isArray(this.value)) {
      for (const element of this.list()) yield* element.objects();
      return;
    }
    yield this;
    for (const [, member] of this.entries()) yield* member.objects();
  }

  /** The message in a `google.protobuf.Any`; one in a `TypedStruct`, as control planes write it, is taken out of it. */
  message(): Message {
    const type = typeName(this.at("@type"));
    return type === "TypedStruct"
      ? { type: typeName(this.at("type_url")), node: this.at("value") }
      : { type, node: this };
  }

  #members(): Record<string, unknown> | undefined {
    const isObject = typeof this.value === "object" && this.value !== null && !Array.isArray(this.value);
    return isObject ? (this.value as Record<string, unknown>) : undefined;
  }
}

function typeName({ text }: Node): string {
  return text === undefined ? "" : text.slice(text.lastIndexOf(".") + 1);
}

function join(path: string, key: string): string {
  if (!/^[A-Za-z_]\w*$/u.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
