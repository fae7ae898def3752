/**
 * The little of gRPC's framing and of protobuf that the order API and its clients need: one uncompressed message with
 * one string field of number 1.
 */
import { decodeMessage, encodeMessage } from "../host/protobuf.ts";

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
  return Buffer.from(encodeMessage([[1, Buffer.from(text, "utf8")]]));
}

/** The text of field 1; an empty string where there is none, as protobuf has it for absent fields. */
export function readStringField(message: Buffer): string {
  const field = decodeMessage(message)?.get(1);
  return field instanceof Uint8Array ? Buffer.from(field).toString("utf8") : "";
}
