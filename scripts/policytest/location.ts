/** Putting a token where an issuer looks for it. */
import { bearer_place } from "../policy/language/location.ts";
import type { Place } from "../policy/language/model.ts";

/** The parts of a request that may carry a token. */
export interface Carrier {
  path: string;
  headers: readonly (readonly [name: string, value: string])[];
}

/** Whether a place is the `authorization: Bearer` that needs no naming. */
export function isBearer({ kind, name, prefix }: Place): boolean {
  return kind === bearer_place.kind && name === bearer_place.name && prefix === bearer_place.prefix;
}

/** The request with a token in it. */
export function putToken<Request extends Carrier>(request: Request, place: Place, token: string): Request {
  const { path, headers } = request;
  if (place.kind === "query") {
    const [before = "", query] = path.split(/\?(.*)/su);
    const pair = `${place.name}=${token}`;
    return { ...request, path: `${before}?${query ? `${query}&` : ""}${pair}` };
  }
  if (place.kind === "header") return { ...request, headers: [...headers, [place.name, place.prefix + token]] };
  const cookie = `${place.name}=${token}`;
  const at = headers.findIndex(([name]) => name === "cookie");
  if (at < 0) return { ...request, headers: [...headers, ["cookie", cookie]] };
  return { ...request, headers: headers.with(at, ["cookie", `${headers[at]![1]}; ${cookie}`]) };
}
