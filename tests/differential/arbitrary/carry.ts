/** Puts tokens into requests, at the places where a policy looks for them. */
import type { Arrived } from "../reference/request.ts";
import { some_places } from "./issuers.ts";
import { mint, type TokenParts } from "./keys.ts";
import type { Carried } from "./requests.ts";

/** As much of a policy as is looked at: `issuers` and `trust.jwtSvid`. */
type Mapping = Record<string, unknown>;
type Place = Record<string, string>;

const default_places: readonly Place[] = [some_places[0]!];

/** The request with one token more. */
export function carry(
  arrived: Arrived,
  { token, place, manner }: Carried,
  tokens: readonly TokenParts[],
  policy: Mapping,
): Arrived {
  const parts = token === null ? undefined : tokens[token % tokens.length]!;
  const text = parts === undefined ? "e30.e30.AA" : mint(parts);
  const isBlank = manner === "blank" || manner === "tampered";
  const sent = manner === "tampered" ? tampered(text, place) : manner === "blank" ? `${text} ` : text;
  // One time in twenty it stands anywhere.
  const own = place % 20 === 0 ? some_places : ownPlaces(parts, policy);
  const at = own[place % own.length]!;
  const once = put(arrived, at, sent, isBlank ? "plainly" : manner);
  return manner === "twice" ? put(once, at, sent, manner) : once;
}

/** Where the issuer of a token has them. */
function ownPlaces(parts: TokenParts | undefined, { issuers, trust }: Mapping): readonly Place[] {
  const iss = parts?.claims.find(([name]) => name === "iss")?.[1];
  const all = Object.values(issuers as Record<string, Mapping>);
  const owners = iss === undefined ? [] : all.filter(({ issuer }) => JSON.stringify(issuer) === iss);
  const svid = (trust as { jwtSvid?: Mapping }).jwtSvid;
  if (iss === undefined && svid !== undefined) owners.push(svid);
  const places = owners.flatMap(({ from }) => (from as Place[] | undefined) ?? default_places);
  return places.length === 0 ? default_places : places;
}

/** One character becomes another, somewhere after the header. */
function tampered(token: string, place: number): string {
  const first = token.indexOf(".") + 1;
  const at = first + ((place * 7919) % (token.length - first));
  return `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
}

function put({ path, headers, ...rest }: Arrived, place: Place, token: string, manner: Carried["manner"]): Arrived {
  const isEncoded = manner === "encoded";
  if (place.query !== undefined) {
    const name = isEncoded ? place.query.replace(/./u, percent) : place.query;
    const value = isEncoded ? token.replace(".", "%2e").replaceAll(/A/gu, percent) : token.replaceAll(" ", "%20");
    const query = manner === "amid" ? `a=1&${name}=${value}&&b=2` : `${name}=${value}`;
    return { ...rest, headers, path: `${path}${path.includes("?") ? "&" : "?"}${query}` };
  }
  if (place.cookie !== undefined) {
    const cookie = `${place.cookie}=${isEncoded ? `"${token}"` : token}`;
    const first = headers.findIndex(([name]) => name === "cookie");
    if (manner === "amid" || (first >= 0 && manner !== "apart")) {
      const before = first >= 0 ? headers[first]![1] : "theme=dark";
      const joined = ["cookie", `${before}; ${cookie}${manner === "amid" ? ";lang=en" : ""}`] as const;
      return { ...rest, path, headers: [...headers.filter((_, index) => index !== first), joined] };
    }
    return { ...rest, path, headers: [...headers, ["cookie", cookie]] };
  }
  const name = place.header!.toLowerCase();
  const prefix = place.prefix ?? (name === "authorization" ? "Bearer " : "");
  const written = manner === "lower" ? prefix.toLowerCase() : manner === "amid" ? `${prefix} ` : prefix;
  return { ...rest, path, headers: [...headers, [name, written + token]] };
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16)}`;
