/** The length-delimited part of Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding), no more. */

/** Fields of a message by number; of a field that comes twice the last counts. Undefined where the bytes are no message. */
export function decodeMessage(bytes: Uint8Array): Map<number, Uint8Array | bigint> | undefined {
  const fields = new Map<number, Uint8Array | bigint>();
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined) return undefined;
    const value = varint();
    if (value === undefined) return undefined;
    const field = Number(tag >> 3n);
    if ((tag & 7n) === 0n) {
      fields.set(field, value);
    } else if ((tag & 7n) === 2n) {
      const end = at + Number(value);
      if (end > bytes.length) return undefined;
      fields.set(field, bytes.slice(at, end));
      at = end;
    } else {
      return undefined;
    }
  }
  return fields;
}

const varintBytes = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
};

/** A message of byte fields, numbers and booleans; as in proto3, empty fields, 0 and `false` are left out. */
export function encodeMessage(fields: readonly (readonly [number, Uint8Array | boolean | number])[]): Uint8Array {
  const bytes: number[] = [];
  for (const [field, value] of fields) {
    if (value === false || value === 0 || (value instanceof Uint8Array && value.length === 0)) continue;
    if (typeof value === "number") bytes.push(...varintBytes(field << 3), ...varintBytes(value));
    else if (value === true) bytes.push(...varintBytes(field << 3), 1);
    else bytes.push(...varintBytes((field << 3) | 2), ...varintBytes(value.length), ...value);
  }
  return Uint8Array.from(bytes);
}
