/** Policies that are signed: whether the module looks at the signature, and whether their end has come. */
import { type Finding, finding } from "./codes.ts";
import { type Plugin, placeOf } from "./plugin.ts";

/** A policy that is signed, and its end. What the module would not have taken is not in force. */
export function checkSigned({ signed, trustKeys, manager, filter }: Plugin): Finding[] {
  const place = placeOf(manager, filter);
  const found: Finding[] = [];
  if (signed !== undefined && trustKeys?.length === 0)
    found.push(
      finding(
        "signature_unchecked",
        place,
        `The policy is signed (version ${signed.version}, key ${signed.keyId}), and the module has no trust keys: it takes any policy. Build it with \`--trust-key\`.`,
      ),
    );
  const end = signed === undefined ? null : endOf(signed);
  if (end !== null && signed!.expiresSeconds! * 1000 <= Date.now())
    found.push(
      finding(
        "image_expired",
        place,
        `The signed policy (version ${signed!.version}) has ended at ${end}: it goes on here, and no Envoy that starts anew takes it. Sign and roll out a newer version.`,
      ),
    );
  return found;
}

/**
 * Whether another image decides than the one that the configuration has: an older one that Envoy took, and the module did not put in
 * force. @param others those that decide
 */
export function checkSuperseded(
  { policy, signed, trustKeys = [], manager, filter }: Plugin,
  others: readonly string[],
): Finding[] {
  if (policy === undefined || trustKeys.length === 0 || others.length === 0) return [];
  const has = signed === undefined ? "the module's own policy" : `signed version ${signed.version}`;
  return [
    finding(
      "image_superseded",
      placeOf(manager, filter),
      `Envoy has taken a configuration with ${has} (image ${policy.checksum}), and the filter goes on with image ${others.join(", ")}, which is newer: its log has \`which was in force in this Envoy\`. Roll out an image of a newer version.`,
    ),
  ];
}

/** The end of a signed policy, RFC 3339; null where it has none. */
export const endOf = ({ expiresSeconds }: { expiresSeconds: number | undefined }): string | null =>
  expiresSeconds === undefined ? null : new Date(expiresSeconds * 1000).toISOString().replace(".000Z", "Z");
