/** The sections of an image that are about tokens: who issues them, by which keys, and where they stand. */
import * as layout from "../../../assembly/policy/layout.ts";
import { algorithmMask } from "../language/algorithms.ts";
import { byName, compare, sorted } from "../language/byteorder.ts";
import { placeKey } from "../language/location.ts";
import type { Issuer, KeySet, KeyUse, Place, Policy } from "../language/model.ts";
import type { Pair } from "./records.ts";
import { Sections } from "./sections.ts";

const binds: Record<Issuer["bind"], number> = {
  none: layout.bind_none,
  certificate: layout.bind_certificate,
  caller: layout.bind_caller,
};

const uses: Record<KeyUse, number> = { sig: layout.use_signature, "jwt-svid": layout.use_jwt_svid };

const place_kinds: Record<Place["kind"], number> = {
  header: layout.place_header,
  cookie: layout.place_cookie,
  query: layout.place_query,
};

/** Writes what is about tokens. */
export class TokenSections extends Sections {
  /** Writes issuers, those who vouch for JWT-SVIDs after the others, with their places and key sets. */
  protected writeIssuers(policy: Policy): void {
    const issuers = [...byName(policy.issuers), ...byName(policy.svids)];
    const places = this.writePlaces(issuers);
    const sets = new Map<string, number>();
    for (const issuer of issuers) {
      this.add("issuer", {
        name: this.text(issuer.name),
        iss: this.text(issuer.issuer),
        algorithms: algorithmMask(issuer.algorithms),
        leeway_seconds: issuer.leewaySeconds,
        lifetime_seconds: issuer.maxLifetimeSeconds,
        audiences: this.textRun(sorted(issuer.audiences)),
        key_set: this.keySetNumber(sets, issuer),
        places: this.wordRun(issuer.places.map((place) => places.get(placeKey(place))!).sort((a, b) => a - b)),
        bind: binds[issuer.bind],
      });
    }
  }

  /** Writes each place once. @returns the number of each by what tells it from others */
  private writePlaces(issuers: readonly Issuer[]): Map<string, number> {
    const places = new Map<string, { place: Place; isStripped: boolean }>();
    for (const issuer of issuers)
      for (const place of issuer.places) places.set(placeKey(place), { place, isStripped: !issuer.forwardToken });
    const keys = sorted(places.keys());
    for (const key of keys) {
      const { place, isStripped } = places.get(key)!;
      this.add("place", {
        kind: place_kinds[place.kind],
        name: this.text(place.name),
        prefix: this.text(place.prefix),
        strip: isStripped ? 1 : 0,
      });
    }
    return new Map(keys.map((key, number) => [key, number]));
  }

  /** The number of an issuer's key set, which is written for the first issuer that has it. */
  private keySetNumber(sets: Map<string, number>, { name, keySet }: Issuer): number {
    const text = keySetText(keySet);
    const number = sets.get(text) ?? this.writeKeySet(name, keySet);
    sets.set(text, number);
    return number;
  }

  /** @returns the number of the set */
  private writeKeySet(name: string, { use, keys, source }: KeySet): number {
    return this.add("key_set", {
      name: this.text(name),
      keys: this.writeKeys(keys),
      use: uses[use],
      url: this.text(source?.url ?? ""),
      authority: this.text(source?.authority ?? ""),
      path: this.text(source?.path ?? ""),
      cluster: this.text(source?.cluster ?? ""),
      refresh_seconds: source?.refreshSeconds ?? 0,
    });
  }

  private writeKeys(keys: KeySet["keys"]): Pair {
    const numbers = inOrder(keys).map(({ kid, algorithms, spki, raw, exponent }) =>
      this.add("key", {
        kid: this.text(kid),
        algorithms,
        spki: this.binary(spki),
        public: this.binary(raw),
        exponent,
      }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }
}

function inOrder(keys: KeySet["keys"]): KeySet["keys"] {
  return [...keys].sort(
    (a, b) => compare(a.kid, b.kid) || Buffer.compare(a.spki, b.spki) || a.algorithms - b.algorithms,
  );
}

/** The same text for key sets that are the same: issuers that have them share one. */
function keySetText({ use, keys, source }: KeySet): string {
  const ofKeys = inOrder(keys).map(({ kid, algorithms, spki }) => [
    kid,
    algorithms,
    Buffer.from(spki).toString("base64"),
  ]);
  const { url, cluster, refreshSeconds } = source ?? {};
  return JSON.stringify([use, url, cluster, refreshSeconds, ofKeys]);
}
