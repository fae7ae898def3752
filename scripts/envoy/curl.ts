/** `curl` commands ready to paste, for people who try a local Envoy by hand. */
import type { Place } from "../policy/language/model.ts";
import { putToken } from "../policytest/location.ts";
import type { StoredIdentity } from "./local.ts";

/** A token that the shell puts in. */
export interface ShellToken {
  place: Place;
  /** The name of the shell's variable. */
  variable: string;
}

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
  /** What the request carries besides. */
  tokens?: readonly ShellToken[];
}

/** Stands around a variable's name until the word is quoted: no text of a request has it. */
const mark = "\0";

/** The command on one line, quoted for a POSIX shell. */
export function curlCommand(request: CurlRequest): string {
  const words = ["curl", "-i", "--path-as-is", "--cacert", quote(request.authorityPath)];
  if (request.identity !== undefined) {
    words.push("--cert", quote(request.identity.certificatePath), "--key", quote(request.identity.keyPath));
  }
  if (request.method !== "GET") words.push("-X", quote(request.method));
  if (request.host !== undefined) words.push("-H", quote(`host: ${request.host}`));
  const bare: { path: string; headers: readonly (readonly [string, string])[] } = { path: request.path, headers: [] };
  const { path, headers } = (request.tokens ?? []).reduce(
    (carrier, { place, variable }) => putToken(carrier, place, `${mark}${variable}${mark}`),
    bare,
  );
  for (const [name, value] of headers) words.push("-H", quote(`${name}: ${value}`));
  words.push(quote(`https://127.0.0.1:${request.port}${path}`));
  return words.join(" ");
}

/** A word that stays as it is, but for the variables in it. */
function quote(word: string): string {
  const parts = word.split(mark);
  if (parts.length === 1) return quoteText(word);
  const variables = parts.map((part, index) => (index % 2 === 0 ? part : `$${part}`));
  // Double quotes read best; what means something between them keeps single ones, `!` for the sake of shells in use.
  if (parts.every((part, index) => index % 2 === 1 || /^[^"$`\\!]*$/u.test(part))) return `"${variables.join("")}"`;
  return parts.map((part, index) => (index % 2 === 1 ? `"$${part}"` : part === "" ? "" : quoteText(part))).join("");
}

function quoteText(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
