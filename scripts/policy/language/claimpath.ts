/**
 * How a claim is named, wherever a policy names one: `claims.org.id`, `claims["https://x.example/roles"]`, or both mixed. A plain
 * name follows a dot, any other stands in brackets and quotes.
 */
import { condition_text_bytes_max, json_depth_max } from "../../../assembly/limits.ts";

const plain = "[A-Za-z_][A-Za-z0-9_-]*";
const quoted = String.raw`"(?:[^"\\\u0000-\u001f]|\\(?:["'\\]|u[0-9A-Fa-f]{4}))*"|'(?:[^'\\\u0000-\u001f]|\\(?:["'\\]|u[0-9A-Fa-f]{4}))*'`;
const step = String.raw`\.${plain}|\[(?:${quoted})\]`;

/** What names a claim, as a part of a pattern. */
export const claim_pattern = `claims(?:${step})+`;

const whole = new RegExp(`^${claim_pattern}$`, "u");
const dotted = new RegExp(`^${plain}(?:\\.${plain})*$`, "u");

/** The names that lead to the claim that a text such as `claims.org.id` names; in words what is wrong otherwise. */
export function parseClaimPath(text: string): string[] | string {
  if (!whole.test(text)) {
    return 'a claim is named by single dots, as in `claims.org.id`, and by brackets where its name has more than letters, digits, `_` and `-`, as in `claims["https://x.example/roles"]`';
  }
  const path = [...text.slice("claims".length).matchAll(new RegExp(step, "gu"))].map(([part]) =>
    part.startsWith(".") ? part.slice(1) : unquoted(part.slice(2, -2)),
  );
  return nameOfClaimFault(path) ?? path;
}

/**
 * The names that lead to a claim where nothing else can stand, so that `claims.` may be left out: `scp`, `realm_access.roles`. A
 * text with other characters, such as `https://x.example/roles`, is the name of one claim as it is.
 */
export function parseClaimName(text: string): string[] | string {
  if (/^claims[.[]/u.test(text)) return parseClaimPath(text);
  const path = dotted.test(text) ? text.split(".") : [text];
  return nameOfClaimFault(path) ?? path;
}

/** A claim as a policy names it: one text for each path. */
export function printClaimPath(path: readonly string[]): string {
  return `claims${path.map((name) => (dotted.test(name) && !name.includes(".") ? `.${name}` : `[${JSON.stringify(name)}]`)).join("")}`;
}

function unquoted(text: string): string {
  return text.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/gu, (_, code: string | undefined, character: string) =>
    code === undefined ? character : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Why no claim has these names, or undefined. */
export function nameOfClaimFault(path: readonly string[]): string | undefined {
  if (path.length > json_depth_max) return `a claim lies at most ${json_depth_max} levels deep`;
  for (const name of path) {
    if (name === "") return "a claim has a name";
    if (/\p{Cs}/u.test(name)) return "the name of a claim is Unicode, without halves of characters";
    if (Buffer.byteLength(name) > condition_text_bytes_max)
      return `the name of a claim has at most ${condition_text_bytes_max} bytes`;
  }
  return undefined;
}
