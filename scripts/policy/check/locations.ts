/** Where tokens stand in a request. What one token is must never depend on whose place it is read from. */
import {
  issuer_places_max,
  place_name_bytes_max,
  place_prefix_bytes_max,
  policy_places_max,
} from "../../../assembly/limits.ts";
import { bearer_place, placeKey, placeText } from "../language/location.ts";
import type { DraftPlaces, Forward, Place } from "../language/model.ts";
import { forms } from "../language/values.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";

const of_http = "says how a request is sent";

/** Headers that carry no tokens, and why. */
const reserved = new Map([
  ["host", of_http],
  ["connection", of_http],
  ["content-length", of_http],
  ["transfer-encoding", of_http],
  ["x-forwarded-client-cert", "is what proxies tell each other"],
]);

/** Who asks for places. */
export interface PlaceOwner {
  /** How messages call it. */
  what: string;
  /** Undefined: where RFC 6750 has it. */
  from: DraftPlaces | undefined;
  forwardToken: Located<boolean> | undefined;
  /** Where it is named. */
  at: number;
}

/** A place that somebody asked for first. */
interface Taken extends Place {
  owner: string;
  isForwarded: boolean;
  at: number;
}

/** The places of a policy. */
export class Places {
  private readonly reporter: Reporter;
  private readonly taken = new Map<string, Taken>();

  /** @param reporter the main file's */
  constructor(reporter: Reporter) {
    this.reporter = reporter;
  }

  /** Checks the places of one owner, and that they agree with those of others; the default where none is given. */
  check(owner: PlaceOwner): Place[] {
    const { reporter } = this;
    const { from } = owner;
    if (from === undefined) {
      this.take(bearer_place, owner, owner.at);
      return [bearer_place];
    }
    const places = new Map<string, Place>();
    for (const draft of from.value) {
      const place = this.parse(draft);
      if (place === undefined) continue;
      const key = placeKey(place);
      if (places.has(key)) reporter.error("duplicate", draft.at, `${placeText(place)} stands twice; remove one`);
      else this.take(place, owner, draft.at);
      places.set(key, place);
      if (place.kind === "query") {
        const message =
          "URLs end up in logs, histories and `Referer` headers, and the token with them (RFC 6750 §5.3, RFC 9700 §4.3.2); use a header";
        reporter.warn("token_in_query", draft.at, message);
      }
    }
    if (from.value.length > issuer_places_max) {
      const message = `tokens of one issuer stand in at most ${issuer_places_max} places`;
      reporter.error("bound", from.value[issuer_places_max]!.at, message);
    }
    return [...places.values()];
  }

  /** Reports places whose header the policy sets: what comes from outside under such a name is removed. */
  checkForwards(forwards: readonly Forward[]): void {
    for (const { kind, name, at } of this.taken.values()) {
      if (kind !== "header" || !forwards.some(({ header }) => header === name)) continue;
      const message = `\`forward\` sets the header \`${name}\`, and what the caller sends under that name is removed; choose another name for one of them`;
      this.reporter.error("place_conflict", at, message);
    }
  }

  private take(place: Place, { what, forwardToken }: PlaceOwner, at: number): void {
    const { reporter } = this;
    const isForwarded = forwardToken?.value ?? true;
    const key = placeKey(place);
    const first = this.taken.get(key);
    if (first !== undefined) {
      if (first.isForwarded === isForwarded) return;
      const [keeps, strips] = isForwarded ? [what, first.owner] : [first.owner, what];
      const message = `the upstream is to see the token in ${placeText(place)} of ${keeps}, but not that of ${strips}; give both the same \`forwardToken\`, or places of their own`;
      reporter.error("place_conflict", forwardToken?.at ?? at, message);
      return;
    }
    for (const other of this.taken.values()) {
      if (other.kind !== "header" || place.kind !== "header" || other.name !== place.name) continue;
      // Names of schemes have no case (RFC 9110 §11.1).
      const [one, two] = [place.prefix.toLowerCase(), other.prefix.toLowerCase()];
      if (!one.startsWith(two) && !two.startsWith(one)) continue;
      const message = `what stands in the header \`${place.name}\` ${afterPrefix(place)} is the token of ${what}, and ${afterPrefix(other)} that of ${other.owner}: which it is would be open; use one prefix for both`;
      reporter.error("place_conflict", at, message);
      break;
    }
    this.taken.set(key, { ...place, owner: what, isForwarded, at });
    if (this.taken.size === policy_places_max + 1)
      reporter.error("bound", at, `tokens of a policy stand in at most ${policy_places_max} places`);
  }

  private parse(draft: DraftPlaces["value"][number]): Place | undefined {
    const { header, cookie, query, prefix } = draft;
    const fail = (message: string, at: number): undefined => {
      this.reporter.error("invalid_place", at, message);
      return undefined;
    };
    if ([header, cookie, query].filter((one) => one !== undefined).length !== 1)
      return fail("a place is one of `{ header: name }`, `{ cookie: name }` and `{ query: name }`", draft.at);
    if (header === undefined && prefix !== undefined)
      return fail("only a header has a `prefix`; in cookies and queries the token stands alone", prefix.at);
    if (cookie !== undefined) {
      if (forms.field.test(cookie.value)) return { kind: "cookie", name: cookie.value, prefix: "" };
      return fail(`the name of a cookie has ${of_token} (RFC 6265 §4.1.1)`, cookie.at);
    }
    if (query !== undefined) {
      if (forms.parameter.test(query.value)) return { kind: "query", name: query.value, prefix: "" };
      const characters = `1 to ${place_name_bytes_max} letters, digits, \`-\`, \`.\`, \`_\` and \`~\``;
      return fail(`the name of a query parameter has ${characters} here`, query.at);
    }
    const name = header!.value.toLowerCase();
    const fault = headerFault(name) ?? prefixFault(name, prefix?.value);
    if (fault !== undefined) return fail(fault.message, fault.isPrefix ? prefix!.at : header!.at);
    const usual = name === bearer_place.name ? bearer_place.prefix : "";
    const isBearer = /^bearer +$/iu.test(prefix?.value ?? "");
    return { kind: "header", name, prefix: isBearer ? bearer_place.prefix : (prefix?.value ?? usual) };
  }
}

const of_token = `1 to ${place_name_bytes_max} letters, digits and characters of \`!#$%&'*+-.^_\`|~\``;

function headerFault(name: string): { message: string; isPrefix: false } | undefined {
  const why = name.startsWith(":") ? of_http : reserved.get(name);
  if (why !== undefined) return { message: `\`${name}\` ${why}, and carries no token; name another`, isPrefix: false };
  if (name === "cookie") return { message: "a cookie is named by itself: `{ cookie: session }`", isPrefix: false };
  if (forms.field.test(name)) return undefined;
  return { message: `the name of a header has ${of_token} (RFC 9110 §5.1)`, isPrefix: false };
}

function prefixFault(name: string, prefix: string | undefined): { message: string; isPrefix: true } | undefined {
  if (prefix === undefined) return undefined;
  if (!forms.prefix.test(prefix))
    return { message: `a prefix has at most ${place_prefix_bytes_max} characters of ASCII`, isPrefix: true };
  if (/^base64url\.bearer\.authorization\.k8s\.io\b/iu.test(prefix)) {
    const message =
      'Kubernetes\' `base64url.bearer.authorization.k8s.io.` is followed by a token that is encoded once more, which is not supported: let the client send `bearer, TOKEN` as its protocols and write `prefix: "bearer, "`, or use another place';
    return { message, isPrefix: true };
  }
  if (prefix.startsWith(" "))
    return { message: "no header begins with a blank, so that nothing would be found; remove it", isPrefix: true };
  if (name !== bearer_place.name || !/^[A-Za-z0-9-]+$/u.test(prefix)) return undefined;
  const message = `between scheme and token stands a blank, which YAML keeps only in quotes: \`prefix: "${prefix} "\``;
  return { message, isPrefix: true };
}

function afterPrefix({ prefix }: Place): string {
  return prefix === "" ? "without a prefix" : `after \`${prefix}\``;
}
