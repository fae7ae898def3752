/** An image with what is attached to it: bill of materials and provenance. */
import type { Built } from "./built.ts";
import { type Annotations, media, type Packed, sha256 } from "./content.ts";
import { attach, packModule } from "./image.ts";
import { predicate_type, provenance } from "./provenance.ts";
import { billOfMaterials } from "./sbom.ts";

/** An image and its attachments, ready to be written or pushed. */
export interface Bundle {
  annotations: Annotations;
  /** SHA-256 of the module by itself, as hexadecimal digits. */
  moduleSha256: string;
  image: Packed;
  sbom: Packed;
  provenance: Packed;
}

/** Packs a module. The same module of the same revision gives the same bytes. */
export function bundle(built: Built): Bundle {
  const { policy, engine, module, program, revision } = built;
  const moduleSha256 = sha256(module);
  const annotations = {
    "org.opencontainers.image.title": `Sallyport with policy ${policy.name}`,
    ...(revision === undefined ? {} : { "org.opencontainers.image.revision": revision }),
    "sallyport.policy": policy.name,
    "sallyport.policy.checksum": policy.checksum,
    ...(policy.minimumVersion === null ? {} : { "sallyport.policy.minimumVersion": String(policy.minimumVersion) }),
    ...(policy.trustKeys.length === 0 ? {} : { "sallyport.policy.trustKeys": policy.trustKeys.join(",") }),
    "sallyport.engine.version": program.version,
    "sallyport.engine.sha256": sha256(engine),
    "sallyport.module.sha256": moduleSha256,
  };
  const image = packModule(module, annotations);
  const subject = image.manifest.descriptor;
  return {
    annotations,
    moduleSha256,
    image,
    sbom: attach(subject, {
      mediaType: media.sbom,
      document: billOfMaterials(built),
      fileName: `${policy.name}.cdx.json`,
    }),
    provenance: attach(subject, {
      mediaType: media.statement,
      document: provenance(built, subject.digest),
      fileName: `${policy.name}.provenance.json`,
      annotations: { "in-toto.io/predicate-type": predicate_type },
    }),
  };
}
