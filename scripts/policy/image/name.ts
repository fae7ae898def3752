/** The name of the policy in an image, without the rest of it. */
import {
  image_header_bytes,
  image_magic,
  magic_at,
  policy_name_at,
  section_policy,
  sections_at,
} from "../../../assembly/policy/layout.ts";

/** What names are made of: of policies, rules and limits, and of records. */
export const name_pattern = /^[A-Za-z0-9_-]{1,64}$/u;

/** The name of the policy in an image; undefined where the bytes are none. */
export function policyNameOf(image: Uint8Array): string | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < image_header_bytes || view.getUint32(magic_at, true) !== image_magic) return undefined;
  const name = view.getUint32(sections_at + 8 * section_policy, true) + policy_name_at;
  if (name + 8 > image.length) return undefined;
  const start = view.getUint32(name, true);
  const text = Buffer.from(image.subarray(start, start + view.getUint32(name + 4, true))).toString("latin1");
  return name_pattern.test(text) ? text : undefined;
}
