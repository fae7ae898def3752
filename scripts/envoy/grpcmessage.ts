/**
 * The little of gRPC's framing and of protobuf that the order API and its clients need: one uncompressed message with
 * one string field of number 1.
 */

/** Puts the five bytes before a message that gRPC wants: not compressed, and its length, big-endian. */
export function frameMessage(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The one message of a body; undefined if the body is not exactly one uncompressed message. */
export function unframeMessage(body: Buffer): Buffer | undefined {
  if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) return undefined;
  return body.subarray(5);
}

/** A message whose field 1 is this text. */
export function writeStringField(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const prefix = [0x0a];
  let rest = bytes.length;
  for (; rest > 0x7f; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes]);
}

/** The text of field 1, where it is the message's first field; else an empty string, as protobuf has it for absent ones. */
export function readStringField(message: Buffer): string {
  if (message[0] !== 0x0a) return "";
  let length = 0;
  let at = 1;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = message[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return message.subarray(at, at + length).toString("utf8");
}
