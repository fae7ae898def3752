/**
 * The image that Istio and Envoy Gateway pull: the "compat" variant of the Wasm Image Specification
 * (https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md), one tar+gzip layer with `plugin.wasm`. And what refers to it,
 * as OCI 1.1 has it: manifests with a `subject`.
 */
import {
  type Annotations,
  type Blob,
  blobOf,
  type Descriptor,
  jsonBlob,
  media,
  type Packed,
  sha256,
} from "./content.ts";
import { compressed, tarOf } from "./layer.ts";

/** The image of a module. */
export function packModule(module: Uint8Array, annotations: Annotations): Packed {
  const archive = tarOf(module);
  const layer = blobOf(media.layer, compressed(archive));
  // The platform is that of images which Docker builds in this form; nobody reads it.
  const config = jsonBlob(media.config, {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(archive)}`] },
  });
  const manifest = jsonBlob(media.manifest, {
    schemaVersion: 2,
    mediaType: media.manifest,
    config: config.descriptor,
    layers: [layer.descriptor],
    annotations: { "module.wasm.image/variant": "compat", ...annotations },
  });
  return { manifest, blobs: [config, layer] };
}

/** The configuration of manifests that need none (image-spec, manifest.md). */
const empty: Blob = blobOf(media.empty, Buffer.from("{}"));

/** A document about an image. */
export interface Attachment {
  mediaType: string;
  document: object;
  /** A name for the file, where it becomes one. */
  fileName: string;
  annotations?: Annotations;
}

/** A manifest that refers to an image, with the document in it. */
export function attach(subject: Descriptor, { mediaType, document, fileName, annotations = {} }: Attachment): Packed {
  const layer = jsonBlob(mediaType, document);
  const { mediaType: subjectType, digest, size } = subject;
  const manifest = jsonBlob(media.manifest, {
    schemaVersion: 2,
    mediaType: media.manifest,
    artifactType: mediaType,
    config: { ...empty.descriptor, data: Buffer.from(empty.bytes).toString("base64") },
    layers: [{ ...layer.descriptor, annotations: { "org.opencontainers.image.title": fileName, ...annotations } }],
    subject: { mediaType: subjectType, digest, size },
    annotations,
  });
  return {
    manifest: { ...manifest, descriptor: { ...manifest.descriptor, artifactType: mediaType } },
    blobs: [empty, layer],
  };
}
