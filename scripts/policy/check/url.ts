/** URLs of what is fetched, and of what challenges name. */
import { key_url_bytes_max } from "../../../assembly/limits.ts";
import { forms } from "../language/values.ts";

/** A URL as a request needs it. */
export interface Url {
  scheme: string;
  /** In lower case, with the port where it says one. */
  authority: string;
  /** With the query. */
  path: string;
}

/** Takes a URL apart; in words what is wrong otherwise. */
export function parseUrl(text: string): Url | string {
  if (Buffer.byteLength(text) > key_url_bytes_max) return `a URL has at most ${key_url_bytes_max} bytes`;
  const [, scheme, host, port, path = "/", query = ""] = forms.url.exec(text) ?? [];
  if (scheme !== undefined && host !== undefined) {
    if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return "a port is from 1 to 65535";
    const authority = host.toLowerCase() + (port === undefined ? "" : `:${port}`);
    return { scheme, authority, path: path + query };
  }
  if (text.includes("#")) return "what stands after `#` is never sent; remove it";
  if (/^[^/]*\/\/[^/?]*@/u.test(text)) return "a URL of keys has no user and no password: policies hold no secrets";
  if (!/^https?:\/\//u.test(text))
    return "a URL of keys begins with `https://`, as in `https://idp.example.org/jwks.json`";
  return "a URL has a host, an optional port, a path and a query in ASCII: `https://idp.example.org/jwks.json`; encode other characters with `%`";
}
