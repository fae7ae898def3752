/** What of an image counts without the rest of it: the policy's name, the forms of paths that it takes, how much of bodies it reads. */
import {
  form_empty,
  form_encoded_slash,
  image_header_bytes,
  image_magic,
  magic_at,
  needs_answers,
  needs_hold,
  policy_body_bytes_at,
  policy_name_at,
  policy_needs_at,
  policy_open_forms_at,
  section_policy,
  sections_at,
} from "../../../assembly/policy/layout.ts";

/** What names are made of: of policies, rules and limits, and of records. */
export const name_pattern = /^[A-Za-z0-9_-]{1,64}$/u;

/** The name of the policy in an image; undefined where the bytes are none. */
export function policyNameOf(image: Uint8Array): string | undefined {
  const view = viewOf(image);
  const name = fieldAt(view, policy_name_at);
  if (name === undefined) return undefined;
  const start = view.getUint32(name, true);
  const text = Buffer.from(image.subarray(start, start + view.getUint32(name + 4, true))).toString("latin1");
  return name_pattern.test(text) ? text : undefined;
}

/** Which forms of paths, of those that Envoy may refuse or change, some rule of the policy in an image takes. */
export function openFormsOf(image: Uint8Array): { encodedSlash: boolean; emptySegments: boolean } {
  const view = viewOf(image);
  const field = fieldAt(view, policy_open_forms_at);
  const forms = field === undefined ? 0 : view.getUint32(field, true);
  return { encodedSlash: (forms & form_encoded_slash) !== 0, emptySegments: (forms & form_empty) !== 0 };
}

/** The most bytes of a body that the policy in an image reads; undefined where it reads none. */
export function readBodyBytesOf(image: Uint8Array): number | undefined {
  const view = viewOf(image);
  const [needs, bytes] = [fieldAt(view, policy_needs_at), fieldAt(view, policy_body_bytes_at)];
  if (needs === undefined || bytes === undefined || (view.getUint32(needs, true) & needs_hold) === 0) return undefined;
  return view.getUint32(bytes, true);
}

/** Whether the policy in an image has answers read: lists of tools. */
export function readsAnswers(image: Uint8Array): boolean {
  const view = viewOf(image);
  const needs = fieldAt(view, policy_needs_at);
  return needs !== undefined && (view.getUint32(needs, true) & needs_answers) !== 0;
}

const viewOf = (image: Uint8Array): DataView => new DataView(image.buffer, image.byteOffset, image.byteLength);

/** Where a field of two words, or of one that is not the last, of the policy's record begins; undefined where there is none. */
function fieldAt(view: DataView, offset: number): number | undefined {
  if (view.byteLength < image_header_bytes || view.getUint32(magic_at, true) !== image_magic) return undefined;
  const field = view.getUint32(sections_at + 8 * section_policy, true) + offset;
  return field + 8 > view.byteLength ? undefined : field;
}
