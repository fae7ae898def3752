/** `curl` commands ready to paste, for people who try a local door by hand. */
import type { StoredIdentity } from "./door.ts";

/** What the command shall ask for. */
export interface CurlRequest {
  port: number;
  authorityPath: string;
  /** The caller's certificate; none if absent. */
  identity?: StoredIdentity;
  method: string;
  path: string;
  /** The host to ask for, where it is not the address. */
  host?: string;
  /** Text put after `authorization: Bearer `, for example `$TOKEN`; the shell expands it. */
  bearer?: string;
}

/** The command on one line, quoted for a POSIX shell. */
export function curlCommand(request: CurlRequest): string {
  const words = ["curl", "-i", "--path-as-is", "--cacert", quote(request.authorityPath)];
  if (request.identity !== undefined) {
    words.push("--cert", quote(request.identity.certificatePath), "--key", quote(request.identity.keyPath));
  }
  if (request.method !== "GET") words.push("-X", quote(request.method));
  if (request.host !== undefined) words.push("-H", quote(`host: ${request.host}`));
  // Double quotes, so that the shell puts the token in.
  if (request.bearer !== undefined) words.push("-H", `"authorization: Bearer ${request.bearer}"`);
  words.push(quote(`https://127.0.0.1:${request.port}${request.path}`));
  return words.join(" ");
}

function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
