/** An image as a folder: the OCI image layout (image-spec, image-layout.md), which skopeo, crane and oras read. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Bundle } from "./bundle.ts";
import { media } from "./content.ts";

/** What there is in a layout, and nothing else. */
const entries = ["blobs", "index.json", "oci-layout"];
/** Tells a layout that was written here from others, which may hold images that nobody has elsewhere. */
const mark = "sallyport.layout";

/**
 * Whether a folder may be written: it is not there, is empty, or holds a layout that was written here.
 * @throws Error from the file system
 */
export function mayWriteLayout(path: string): boolean {
  if (!existsSync(path)) return true;
  const names = readdirSync(path).sort();
  if (names.length === 0) return true;
  if (names.join() !== entries.join()) return false;
  try {
    return mark in JSON.parse(readFileSync(join(path, "index.json"), "utf8")).annotations;
  } catch {
    return false;
  }
}

/**
 * Writes a bundle as a folder, in the place of one that `mayWriteLayout` allowed: whole, or not at all.
 * @param tag what the image is called in the folder
 */
export function writeLayout(path: string, { image, sbom, provenance }: Bundle, tag: string): void {
  const target = resolve(path);
  mkdirSync(dirname(target), { recursive: true });
  const temporary = mkdtempSync(join(dirname(target), `.${basename(target)}-`));
  try {
    const fresh = join(temporary, "new");
    mkdirSync(join(fresh, "blobs/sha256"), { recursive: true });
    for (const { manifest, blobs } of [image, sbom, provenance]) {
      for (const { descriptor, bytes } of [manifest, ...blobs])
        writeFileSync(join(fresh, "blobs", descriptor.digest.replace(":", "/")), bytes);
    }
    writeFileSync(join(fresh, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    const index = {
      schemaVersion: 2,
      mediaType: media.index,
      manifests: [
        { ...image.manifest.descriptor, annotations: { "org.opencontainers.image.ref.name": tag } },
        sbom.manifest.descriptor,
        provenance.manifest.descriptor,
      ],
      annotations: { [mark]: "1" },
    };
    writeFileSync(join(fresh, "index.json"), JSON.stringify(index));
    const old = join(temporary, "old");
    if (existsSync(target)) renameSync(target, old);
    try {
      renameSync(fresh, target);
    } catch (error) {
      if (existsSync(old)) renameSync(old, target);
      throw error;
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
