/**
 * Pushing an image and what refers to it. The tag moves last: whoever sees it finds the bill of materials and the provenance, and a push
 * that broke off has changed nothing that anybody pulls.
 */
import type { Bundle } from "./bundle.ts";
import { type Descriptor, jsonBlob, media, type Packed } from "./content.ts";
import type { Registry } from "./registry.ts";

/** How the registry says what refers to an image: by its API, or by an index with a tag that follows from the digest. */
export type ReferrersBy = "api" | "tag";

/** Pushes a bundle. Throws RegistryError, with the tag as it was. */
export async function pushBundle(
  registry: Registry,
  { image, sbom, provenance }: Bundle,
  tag: string,
): Promise<ReferrersBy> {
  await registry.connect();
  for (const { manifest, blobs } of [image, sbom, provenance]) {
    for (const blob of blobs) await registry.putBlob(blob);
    await registry.putManifest(manifest);
  }
  const { digest } = image.manifest.descriptor;
  const attached = [sbom, provenance];
  const listed = await registry.referrers(digest);
  const isListed = attached.every(({ manifest }) => listed?.some((one) => one.digest === manifest.descriptor.digest));
  if (!isListed) await listByTag(registry, digest, attached);
  await registry.putManifest(image.manifest, tag);
  return isListed ? "api" : "tag";
}

/** The tag of the index of what refers to a manifest (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(digest: string): string {
  return digest.replace(":", "-");
}

/** Adds to the index what is not in it. What others added meanwhile may be lost: the specification has no way to prevent that. */
async function listByTag(registry: Registry, digest: string, attached: readonly Packed[]): Promise<void> {
  const tag = referrersTag(digest);
  const known: Descriptor[] = (await registry.index(tag))?.manifests ?? [];
  const added = attached
    .map(({ manifest }) => manifest.descriptor)
    .filter((one) => !known.some((other) => other.digest === one.digest));
  if (added.length === 0) return;
  await registry.putManifest(
    jsonBlob(media.index, { schemaVersion: 2, mediaType: media.index, manifests: [...known, ...added] }),
    tag,
  );
}
