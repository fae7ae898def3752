/**
 * The engine's sources as asc reads them. Lines keep their numbers.
 *
 * A line `// @inline` or `// @external(…)` before a function stands for AssemblyScript's decorator of that name, which the language
 * has for functions and TypeScript, whose tools read these files too, has not. What is inlined was measured: short functions on every
 * request's path.
 *
 * AssemblyScript keeps a text in UTF-16, twice as long as it is. So two characters go into one here, and assembly/bytes/literal.ts
 * knows (PACKED in asconfig.json).
 *
 * What is declared at the top of a file that only the engine with bodies needs (`lazy_folders`) is compiled where it is used alone: the other
 * engine has neither its code nor its memory. AssemblyScript's decorator for that, `@lazy`, is put in front of it here.
 *
 * `@version@` stands for the version of the package.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import manifest from "../../package.json" with { type: "json" };

/** Comments and texts: what begins in one of them ends there. */
const tokens = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/gu;
/** The folders whose declarations are lazy. */
const lazy_folders = /(?:^|\/)assembly\/(?:(?:body|graphql|guard)\/|decision\/inside\.ts|answers\.ts)/u;

/** Before a text that is for the compiler. */
const of_compiler = /(?:\b(?:from|import)|\bERROR\(|\boffsetof<\w+>\()\s*$/u;

/** For asc's `readFile`: null where there is no such file, which asc asks to find out. */
export async function readEngineSource(name: string, folder: string): Promise<string | null> {
  const text = await readFile(resolve(folder, name), "utf8").catch(() => null);
  if (!name.endsWith(".ts") || text === null) return text;
  // Libraries have texts for the compiler alone.
  const packed = name.includes("node_modules") ? text : packTexts(text.replaceAll("@version@", manifest.version));
  const lazy = lazy_folders.test(name) ? packed.replace(/^(?:export )?(?:const(?! enum)|let) /gm, "@lazy $&") : packed;
  return lazy.replace(/^\/\/ (@inline|@external\(.*\))$/gm, "$1");
}

/**
 * Packs two characters of each text into one, the first into the lower half; a last one alone has zero above it.
 * @throws where a text is not ASCII, or could not be told from one that is shorter
 */
export function packTexts(source: string): string {
  return source.replace(tokens, (token, at: number) => {
    if (token.startsWith("/") || of_compiler.test(source.slice(Math.max(0, at - 64), at))) return token;
    const bytes = token
      .slice(1, -1)
      .replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/giu, (_, sequence: string) => unescaped(sequence));
    if (Buffer.byteLength(bytes) !== bytes.length || bytes.endsWith("\0"))
      throw new Error(`a text of the engine is ASCII, and its last character not NUL: ${token}`);
    const units = bytes.match(/[\s\S]{1,2}/gu) ?? [];
    const packed = units.map((unit) => (unit.charCodeAt(0) | ((unit.charCodeAt(1) || 0) << 8)).toString(16));
    return `"${packed.map((unit) => `\\u${unit.padStart(4, "0")}`).join("")}"`;
  });
}

const escapes: Readonly<Record<string, string>> = { 0: "\0", n: "\n", r: "\r", t: "\t" };

function unescaped(sequence: string): string {
  if (sequence.length > 1) return String.fromCharCode(Number.parseInt(sequence.slice(1), 16));
  const known = escapes[sequence] ?? sequence;
  if (/[a-z1-9]/iu.test(known)) throw new Error(`the escape \\${sequence} is not known here`);
  return known;
}
