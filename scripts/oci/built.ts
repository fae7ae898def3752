/** What an image, and the documents about it, are made from. */

/** A module with all that it was built from. */
export interface Built {
  policy: {
    name: string;
    /** The checksum of its image, as `build` and Envoy's log show it. */
    checksum: string;
    /** The file it was compiled from. */
    path: string;
    /** Every file that was read for it, secrets left out. */
    files: readonly string[];
    /** The IDs of the keys that sign other images for this module; none: it takes any. */
    trustKeys: readonly string[];
    /** The version that those images have at least. */
    minimumVersion: number | null;
  };
  /** The policy image. */
  image: Uint8Array;
  /** The engine without a policy. */
  engine: Uint8Array;
  /** The engine with the policy inside. */
  module: Uint8Array;
  /** The program that built it. */
  program: {
    version: string;
    /** Versions of the packages whose code is compiled into the engine, by name. */
    engineSources: Readonly<Record<string, string>>;
  };
  /** The commit, or another name of a version, that the policy's files are of; undefined: not known. */
  revision: string | undefined;
}
