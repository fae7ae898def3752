/** A chain of the user's own, from a file: measured beside the others, and not asked to decide as they do. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Json } from "./native.ts";
import { audience, caller, issuer, type World } from "./world.ts";

/** What the file says. */
export interface CustomChain {
  name: string;
  filters: Json[];
  clusters: Json[];
}

/** A chain's file that cannot be used; the message begins with its path. */
export class ChainFileError extends Error {
  override name = "ChainFileError";
}

/** Stands in the file for the path of the issuer's keys, which are made anew for every run. */
const keys_placeholder = "$BENCH_JWKS";
const router = "envoy.filters.http.router";

export const customHelp = `A chain of your own (--chain) is a YAML file:
  name: mine
  http_filters: [...]     # as in Envoy's connection manager; the router is added behind them
  clusters: [...]         # those that the filters talk to, if any
It gets the requests with known tokens that the others get: GET /resource-N/order-7 (N from 0 to 9) over mTLS,
${caller} as the caller, an RS256 bearer token of ${issuer} for ${audience}.
Where ${keys_placeholder} stands in a string, the path of the issuer's key set (a JWK Set) is put in. It may answer as it
likes: its statuses are shown rather than required, since what denies everything is cheap. No answer is an error.
Relative paths in the file count from the folder the benchmark runs in.`;

/** @throws ChainFileError where the file cannot be read, or is not of that shape */
export async function readCustomChain(path: string, world: World): Promise<CustomChain> {
  const refuse = (what: string): never => {
    throw new ChainFileError(`${path}: ${what}; \`npm run bench -- --help\` shows what the file looks like`);
  };
  const keysPath = join(world.directory, "jwks.json");
  await writeFile(keysPath, JSON.stringify(world.jwks));
  const document = await readYaml(path);
  if (!isMapping(document)) return refuse("a mapping with `name` and `http_filters` is wanted");
  const unknown = Object.keys(document).find((key) => !["name", "http_filters", "clusters"].includes(key));
  if (unknown !== undefined) return refuse(`there is no key \`${unknown}\``);
  if (!/^[\w.-]{1,40}$/.test(String(document.name ?? ""))) {
    return refuse("`name` is wanted: up to 40 letters, digits, dots, hyphens and underscores");
  }
  const { http_filters, clusters = [] } = withKeys(document, keysPath);
  if (!isListOfMappings(http_filters) || http_filters.length === 0) return refuse("`http_filters` must list filters");
  if (!isListOfMappings(clusters)) return refuse("`clusters` must be a list of clusters");
  const filters = http_filters.filter((filter: Json) => filter.name !== router);
  return { name: String(document.name), filters, clusters };
}

async function readYaml(path: string): Promise<Json> {
  try {
    return parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new ChainFileError(`${path}: cannot be read: ${(error as Error).message}`);
  }
}

function withKeys(document: Json, keysPath: string): Json {
  return JSON.parse(JSON.stringify(document), (_, value) =>
    typeof value === "string" ? value.replaceAll(keys_placeholder, keysPath) : value,
  );
}

function isMapping(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOfMappings(value: unknown): boolean {
  return Array.isArray(value) && value.every(isMapping);
}
