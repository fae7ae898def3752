/** Keys by discovery: where the documents of an issuer stand, and which hosts may have its key set (OpenID Connect Discovery §4, RFC 8414 §3). */
import { discovery_hosts_max, key_url_bytes_max } from "../../../assembly/limits.ts";
import type { DraftKeys, KeySource } from "../language/model.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import { parseUrl } from "./url.ts";

const openid = "/.well-known/openid-configuration";
const oauth = "/.well-known/oauth-authorization-server";

/** A place of a document, and the hosts its keys may be on. */
type Found = Pick<KeySource, "url" | "authority" | "path"> & { discovery: NonNullable<KeySource["discovery"]> };

/** Whether a URL is that of a discovery document, whichever way a path of the issuer goes into it. */
export function isDiscoveryUrl(path: string): boolean {
  return path.includes(openid) || path.includes(oauth);
}

/**
 * Where an issuer's documents are; undefined, and reported, where that cannot be said.
 * @param issuer undefined: what the keys are for has no URL of its own
 */
export function checkDiscovery(
  reporter: Reporter,
  draft: DraftKeys,
  issuer: Located<string> | undefined,
  cluster: string,
): Found | undefined {
  const at = draft.discovery!.at;
  if (issuer === undefined) {
    reporter.error("discovery", at, "a bundle is no issuer's, so there is nothing to discover it by; name its `url`");
    return undefined;
  }
  const variable = /\{[^}]*\}/u.exec(issuer.value)?.[0];
  if (variable !== undefined) {
    const message = `\`${variable}\` stands for many issuers, each with a discovery document of its own; take the \`jwks_uri\` of one of them, which all have, as \`url\``;
    reporter.error("discovery", at, message);
    return undefined;
  }
  const parsed = parseUrl(issuer.value);
  if (typeof parsed === "string" || parsed.scheme !== "https" || parsed.path.includes("?")) {
    const message = `the discovery document of \`${issuer.value}\` cannot be found: an issuer that has one is an \`https\` URL without query and fragment (RFC 8414 §2); name the \`url\` of its keys`;
    reporter.error("discovery", at, message);
    return undefined;
  }
  const { authority } = parsed;
  const path = parsed.path.replace(/\/+$/u, "");
  const hosts = [{ authority: bare(authority), cluster }, ...checkClusters(reporter, draft, authority)];
  const url = `https://${authority}${path}${openid}`;
  if (url.length > key_url_bytes_max) {
    reporter.error("bound", at, `the URL of a discovery document has at most ${key_url_bytes_max} bytes`);
    return undefined;
  }
  return {
    url,
    authority,
    path: path + openid,
    discovery: { issuer: issuer.value, secondPath: oauth + path, hosts },
  };
}

/** Hosts beside the issuer's own that may have its key set. */
function checkClusters(
  reporter: Reporter,
  { clusters = [] }: DraftKeys,
  own: string,
): { authority: string; cluster: string }[] {
  const hosts = new Map<string, string>();
  for (const { name, value } of clusters) {
    const parsed = parseUrl(`https://${name.value}`);
    const authority = typeof parsed === "string" ? undefined : bare(parsed.authority);
    if (authority === undefined || /[/?]/u.test(name.value)) {
      const message = `\`${name.value}\` is no host: \`clusters\` has hosts with their ports, as \`jwks_uri\` has them, and the cluster that leads to each`;
      reporter.error("discovery", name.at, message);
    } else if (authority === bare(own) || hosts.has(authority)) {
      const message = `\`${name.value}\` has a cluster already; remove this one`;
      reporter.error("duplicate", name.at, message);
    } else if (value !== undefined) hosts.set(authority, value.value);
  }
  if (hosts.size >= discovery_hosts_max)
    reporter.error("bound", clusters[0]!.name.at, `the keys of an issuer are on at most ${discovery_hosts_max} hosts`);
  return [...hosts].map(([authority, cluster]) => ({ authority, cluster }));
}

/** Without the port that `https` has anyway. */
function bare(authority: string): string {
  return authority.replace(/:443$/u, "");
}
