/**
 * A rollout in steps, each with the files that are applied: the new policy is tried in shadow mode in front of the one in force, then it
 * takes its place. The way back is a step too.
 */
import { parseAllDocuments } from "yaml";
import { type Manifest, ManifestError, type ManifestFile, type System } from "../manifest/files.ts";
import { kustomization_name } from "../manifest/kustomization.ts";
import { makeManifest, type Tried } from "../manifest/manifest.ts";
import type { GivenOptions } from "../manifest/options.ts";
import { type CompiledPolicy, compilePolicy } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import type { Policy } from "../policy/language/model.ts";
import { shadow_record, shadowCopyOf } from "./shadowcopy.ts";

/** A policy and where its module is. */
export interface Side {
  path: string;
  compiled: CompiledPolicy;
  /** With `envoy`, the filter's configuration: JSON with a signed image of the policy; undefined: the module's own policy counts. */
  configuration?: string | undefined;
  /** What is said of its module's place in a mesh, and of everything else. */
  given: GivenOptions;
}

/**
 * The file of the module by which the new policy is tried. What is tried is not signed, so where modules have trust keys this is one without,
 * and no other file may be taken for it.
 */
export function trialFile({ compiled }: Side, hasTrustKeys: boolean): string {
  return hasTrustKeys ? `sallyport-${shadow_record}-${imageChecksum(compiled.image)}.wasm` : moduleFile(compiled);
}

/** One step: a folder of files. */
export interface Step {
  folder: string;
  files: ManifestFile[];
  /** Those of them that differ from what a step before has in place, in the order in which they are applied. */
  changed: ManifestFile[];
}

/** What is to be done, and what it cannot show. */
export interface Rollout {
  /** Has what changes and no more. */
  shadow: Step;
  enforce: Step;
  back: Step;
  /** Limits that the new policy is tried without. */
  leftOut: string[];
  /** The name under which the new policy is tried. */
  triedName: string;
}

/** The file that has a policy's module, beside Envoy's configuration: named by the policy's image, so that a new policy is a new file. */
export function moduleFile({ image }: CompiledPolicy): string {
  return `sallyport-${imageChecksum(image)}.wasm`;
}

/**
 * The files of each step.
 * @throws ManifestError where an option is missing or makes no sense
 */
export async function planRollout(system: System, before: Side, after: Side, hasTrustKeys = false): Promise<Rollout> {
  if (hasTrustKeys && system !== "envoy") {
    throw new ManifestError(
      "a module with trust keys takes no policy that is not signed, and what is tried is not: give its rules `mode: shadow` in a signed policy, or use --for envoy, where the trial has a module of its own",
    );
  }
  const { policy, leftOut } = shadowCopyOf(after.compiled.policy);
  const { image } = compilePolicy({ policy, warnings: [] }, after.path);
  const configuration = JSON.stringify({ policy: Buffer.from(image).toString("base64"), record: shadow_record });
  const tried: Tried = {
    policy,
    configuration,
    record: shadow_record,
    next: after.compiled,
    source: after.given,
    file: trialFile(after, hasTrustKeys),
  };
  const policies = [before.compiled.policy, after.compiled.policy];
  const make = ({ compiled, given, configuration: own }: Side, more: { tried?: Tried } = {}): Promise<Manifest> => {
    const asks = more.tried === undefined ? [compiled.policy] : policies;
    return makeManifest(system, compiled, heeded(given, compiled.policy, asks, policies), {
      file: moduleFile(compiled),
      configuration: own,
      ...more,
    });
  };
  const [now, both, then] = [await make(before), await make(before, { tried }), await make(after)];
  const shadow = changedFrom(now, both).filter(({ name }) => name !== kustomization_name);
  return {
    shadow: stepOf("1-shadow", shadow, shadow),
    enforce: stepOf("2-enforce", filesOf(then), changedFrom(both, then)),
    back: stepOf(
      "back",
      filesOf(now),
      filesOf(now).filter((file) => [both, then].some((other) => changedFrom(other, now).includes(file))),
    ),
    leftOut,
    triedName: policy.name,
  };
}

/**
 * What is given for both policies, without what one has no use for that the other has: its manifest would refuse it.
 * @param asks the policies whose servers are in the manifest
 */
function heeded(given: GivenOptions, enforced: Policy, asks: readonly Policy[], all: readonly Policy[]): GivenOptions {
  const hasFleet = ({ fleet }: Policy): boolean => fleet !== undefined;
  const readsForwarded = ({ sourceAddress }: Policy): boolean => sourceAddress === "forwarded";
  const { ratelimit, trustedHops, ...others } = given;
  return {
    ...others,
    ...(ratelimit !== undefined && (asks.some(hasFleet) || !all.some(hasFleet)) && { ratelimit }),
    ...(trustedHops !== undefined && (readsForwarded(enforced) || !all.some(readsForwarded)) && { trustedHops }),
  };
}

const filesOf = ({ applied, others }: Manifest): ManifestFile[] => [...applied, ...others];

function stepOf(folder: string, files: readonly ManifestFile[], changed: readonly ManifestFile[]): Step {
  const inFolder = (file: ManifestFile): ManifestFile => ({ ...file, name: `${folder}/${file.name}` });
  return { folder, files: files.map(inFolder), changed: changed.map(inFolder) };
}

/** What of a manifest differs from one before, in more than comments. */
function changedFrom(before: Manifest, after: Manifest): ManifestFile[] {
  const contentOf = ({ text }: ManifestFile): string => JSON.stringify(parseAllDocuments(text));
  const known = new Map(filesOf(before).map((file) => [file.name, contentOf(file)]));
  return filesOf(after).filter((file) => known.get(file.name) !== contentOf(file));
}
