/** Signed images as options give them: what a filter's configuration carries in place of its module's policy. */
import { readFileSync } from "node:fs";
import type { CompiledPolicy } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import { isSignedBy, readEnvelope } from "../policy/signed/envelope.ts";
import { keyIdOf } from "../policy/signed/keys.ts";
import { reasonOf } from "../policy/source/read.ts";
import { UsageError } from "./output.ts";

/** A signed image that a module with these trust keys takes, as long as no newer one has been in force. */
export interface SignedImage {
  version: number;
  /** The filter's configuration: JSON. */
  configuration: string;
}

/**
 * Reads the signed image of a policy.
 * @param policy the file that it has to be of
 * @param trustKeys 32 bytes each
 * @throws UsageError where no module with these keys would take it, or it is of another policy
 */
export function readSigned(
  path: string,
  policy: string,
  { policy: { minimumVersion = 0 }, image }: CompiledPolicy,
  trustKeys: readonly Uint8Array[],
): SignedImage {
  const bytes = readBytes(path);
  const signed = readEnvelope(bytes);
  const again = `sign it: \`sallyport image ${policy} --sign KEY --image-version N -o ${path}\``;
  if (signed === undefined) throw new UsageError(`${path} is no signed policy image; ${again}`);
  const { version, expiresSeconds, keyId } = signed;
  if (Buffer.compare(signed.image, image) !== 0)
    throw new UsageError(
      `${path} has image ${imageChecksum(signed.image)}, and ${policy} makes image ${imageChecksum(image)}; ${again}`,
    );
  const key = trustKeys.find((one) => keyIdOf(one) === keyId);
  if (key === undefined)
    throw new UsageError(`${path} is signed by key ${keyId}, which is no --trust-key: every module would refuse it`);
  if (!isSignedBy(bytes, key)) throw new UsageError(`${path} has a wrong signature; ${again}`);
  if (version < minimumVersion)
    throw new UsageError(
      `${path} has version ${version}, and the policy's \`minimumVersion\` is ${minimumVersion}: every module would refuse it`,
    );
  if (expiresSeconds !== undefined && expiresSeconds * 1000 <= Date.now())
    throw new UsageError(`${path} has ended (--expires): no module takes it; ${again}`);
  return { version, configuration: JSON.stringify({ policy: bytes.toString("base64") }) };
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${reasonOf(error)}`);
  }
}
