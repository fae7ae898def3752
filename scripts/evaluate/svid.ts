/** Judging one JWT-SVID as the filter would: it has no issuer, and its subject's trust domain chooses whose keys count. */

import type { Issuer, Policy } from "../policy/language/model.ts";
import { type DetailName, detailWords } from "./details.ts";
import type { Evaluator } from "./engine.ts";
import { decodeToken, type InspectedToken, policyForToken, signatureOf } from "./token.ts";

const default_leeway_seconds = 60;

/** The trust domain that a token's subject is of; undefined where that is no SPIFFE ID, and so the token no JWT-SVID. */
export function subjectDomain(claims: InspectedToken["report"]["claims"]): string | undefined {
  const { sub } = claims ?? {};
  return typeof sub === "string" ? /^spiffe:\/\/([^/]+)/u.exec(sub)?.[1] : undefined;
}

/** A policy whose callers are known by their JWT-SVIDs, as `policy` has them, and that admits nobody. */
export function policyForSvids(policy: Policy): Policy {
  const places: Issuer["places"] = [{ kind: "header", name: "authorization", prefix: "Bearer " }];
  return {
    ...policyForToken(null, [], []),
    tokenBytes: policy.tokenBytes,
    trustDomains: policy.trustDomains,
    aliases: policy.aliases,
    identity: "jwt-svid",
    issuers: [],
    svids: policy.svids.map((svid) => ({ ...svid, places })),
  };
}

/** A policy for one token and the keys of its trust domain, so that only its signature and times can fail. */
export function policyForSvid(
  claims: InspectedToken["report"]["claims"],
  domain: string,
  keys: Issuer["keySet"]["keys"],
  algorithms: string[],
): Policy {
  const policy = policyForToken(claims, [], algorithms);
  const [issuer] = policy.issuers as [Issuer];
  const keySet = { use: "jwt-svid" as const, keys, source: undefined };
  const svid = { ...issuer, name: domain, issuer: domain, keySet, leewaySeconds: default_leeway_seconds };
  return policyForSvids({ ...policy, trustDomains: [domain], svids: [svid] });
}

/** Judges a JWT-SVID. @param evaluator one of a policy of `policyForSvids` */
export function inspectSvid(evaluator: Evaluator, token: string): InspectedToken {
  const { verdict, record, lines } = evaluator.inspect({
    caller: null,
    source: "127.0.0.1",
    method: "GET",
    path: "/",
    host: "localhost",
    headers: [],
    token,
  });
  // Who is known is denied for want of a rule, and for nothing else.
  const reason = verdict.reason === "no_rule" ? null : verdict.reason;
  const detail = reason === null ? undefined : record?.detail;
  const { signature, isKeyless } = signatureOf(lines);
  return {
    report: {
      signature,
      ...decodeToken(token),
      reason,
      detail: detail === undefined ? null : detailWords(detail as DetailName),
    },
    isKeyless,
  };
}
