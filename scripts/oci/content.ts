/** Content of images as OCI addresses it: bytes, their digest, and descriptors of them (image-spec, descriptor.md). */
import { createHash } from "node:crypto";

/** Media types of what images, and what is attached to them, are made of. */
export const media = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
  empty: "application/vnd.oci.empty.v1+json",
  sbom: "application/vnd.cyclonedx+json",
  statement: "application/vnd.in-toto+json",
} as const;

/** Annotations by their keys. */
export type Annotations = Readonly<Record<string, string>>;

/** What names content: where it is does not matter. */
export interface Descriptor {
  mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  /** In bytes. */
  size: number;
  artifactType?: string;
  annotations?: Annotations;
  /** The content itself in base64, where it is tiny. */
  data?: string;
}

/** Content and its descriptor. */
export interface Blob {
  descriptor: Descriptor;
  bytes: Uint8Array;
}

/** A manifest with all that it names. */
export interface Packed {
  manifest: Blob;
  blobs: readonly Blob[];
}

/** SHA-256 as hexadecimal digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes with their descriptor. */
export function blobOf(mediaType: string, bytes: Uint8Array): Blob {
  return { descriptor: { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }, bytes };
}

/** A value as JSON, with its descriptor. The order of members is that of the value, so that equal values have equal digests. */
export function jsonBlob(mediaType: string, value: object): Blob {
  return blobOf(mediaType, Buffer.from(JSON.stringify(value)));
}
