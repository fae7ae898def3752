/** Who a test's caller is: its certificate, and the JWT-SVID it sends. */
import { createHash } from "node:crypto";
import type { MintingIssuer } from "./mint.ts";
import { mintToken } from "./mint.ts";
import type { TestPolicy } from "./policy.ts";
import type { TestSvid } from "./token.ts";

/** What a request says of its caller. */
export interface CallerIdentity {
  /** The SPIFFE ID in the certificate, here or at a listener in front; null: no certificate. */
  certificate: string | null;
  /** The JWT-SVID; null: none. */
  svid: string | null;
  /** Whom the policy takes the caller for, if it believes what it is told; null for nobody. */
  id: string | null;
}

/** The digest of the certificate that a caller of tests has, in lower-case hexadecimal digits: made up, and always the same. */
export function certificateDigest(caller: string): string {
  return createHash("sha256").update(`sallyport test certificate of ${caller}`).digest("hex");
}

/**
 * How a test's caller shows who it is. Where a policy goes by JWT-SVIDs alone, `caller` stands for one, so that the same
 * tests do for a policy that goes by certificates.
 * @param svid undefined: the test says nothing of it
 * @param needsCertificate a token is bound to the caller's certificate, so that it has one
 * @param nowSeconds the clock its times start from, seconds since 1970
 */
export function identify(
  policy: TestPolicy,
  caller: string | null,
  svid: TestSvid | undefined,
  needsCertificate: boolean,
  nowSeconds: number,
): CallerIdentity {
  const isImplied = policy.identity === "jwt-svid" && svid === undefined && caller !== null;
  const sent = isImplied ? { sub: caller, claims: {}, header: {} } : (svid ?? null);
  const certificate = isImplied && !needsCertificate ? null : caller;
  if (sent === null) return { certificate, svid: null, id: caller };
  if (typeof sent === "string") return { certificate, svid: sent, id: caller };
  const { sub, claims, header } = sent;
  const token = mintToken({ issuer: "", claims: { sub, ...claims }, header }, svidIssuer(policy, sub), nowSeconds);
  const isCertificateFirst = policy.identity !== "jwt-svid" && certificate !== null;
  return { certificate, svid: token, id: isCertificateFirst ? certificate : sub };
}

/** Who vouches for an ID; for one of no known trust domain somebody whom the policy does not know. */
function svidIssuer({ svids }: TestPolicy, id: string): MintingIssuer {
  const [, domain = ""] = /^spiffe:\/\/([^/]*)/u.exec(id) ?? [];
  return svids.get(domain) ?? svids.values().next().value!;
}
