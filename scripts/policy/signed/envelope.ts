/** The envelope of a signed policy image: bytes as assembly/policy/layout-signed.ts has them. */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import {
  envelope_expires_at,
  envelope_head_bytes,
  envelope_image_at,
  envelope_key_at,
  envelope_signature_bytes,
  envelope_version_at,
} from "../../../assembly/policy/layout-signed.ts";
import { keyIdOf, rawOf } from "./keys.ts";

export { policy_version_max } from "../../../assembly/limits.ts";

const head = Buffer.from("sallyport:image1", "latin1");

/** What a signature says of an image. */
export interface Signing {
  /** 1 to 4,294,967,295. */
  version: number;
  /** Seconds since 1970 from which on no module takes it; undefined: never. */
  expiresSeconds: number | undefined;
}

/** An envelope, read but not verified: whose signature it has is for the engine to say. */
export interface Envelope extends Signing {
  /** The key it says it is signed with (keys.ts, `keyIdOf`). */
  keyId: string;
  image: Uint8Array;
}

/** Signs an image. Ed25519 draws no random numbers: the same image, key and words give the same bytes. */
export function signImage(image: Uint8Array, privateKey: KeyObject, { version, expiresSeconds }: Signing): Uint8Array {
  const bytes = Buffer.alloc(envelope_image_at + image.length + envelope_signature_bytes);
  head.copy(bytes);
  bytes.writeUInt32LE(version, envelope_version_at);
  bytes.writeUInt32LE(expiresSeconds ?? 0, envelope_expires_at);
  bytes.set(Buffer.from(keyIdOf(rawOf(privateKey)), "hex"), envelope_key_at);
  bytes.set(image, envelope_image_at);
  const signed = bytes.subarray(0, bytes.length - envelope_signature_bytes);
  bytes.set(sign(null, signed, privateKey), signed.length);
  return new Uint8Array(bytes);
}

/** Reads an envelope; undefined where the bytes are none. */
export function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < envelope_image_at + envelope_signature_bytes) return undefined;
  if (Buffer.compare(bytes.subarray(0, envelope_head_bytes), head) !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    version: view.getUint32(envelope_version_at, true),
    expiresSeconds: view.getUint32(envelope_expires_at, true) || undefined,
    keyId: keyIdOf(bytes.subarray(envelope_key_at)),
    image: bytes.subarray(envelope_image_at, bytes.length - envelope_signature_bytes),
  };
}

/** The first bytes of a SubjectPublicKeyInfo for Ed25519 (RFC 8410); the 32 bytes of the key follow. */
const spki_head = Buffer.from("302a300506032b6570032100", "hex");

/** Whether an envelope has the signature of a key. @param publicKey 32 bytes */
export function isSignedBy(envelope: Uint8Array, publicKey: Uint8Array): boolean {
  const end = envelope.length - envelope_signature_bytes;
  const key = createPublicKey({ key: Buffer.concat([spki_head, publicKey]), format: "der", type: "spki" });
  return verify(null, envelope.subarray(0, end), key, envelope.subarray(end));
}
