/** The sections of an image that are about tokens: who issues them, by which keys, and where they stand. */
import * as layout from "../../../assembly/policy/layout.ts";
import { algorithmMask } from "../language/algorithms.ts";
import { byName, compare, sorted } from "../language/byteorder.ts";
import { placeKey } from "../language/location.ts";
import type { Issuer, KeySet, KeyUse, Place, Policy } from "../language/model.ts";
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
    const to = layout.section_issuers;
    const issuers = [...byName(policy.issuers), ...byName(policy.svids)];
    const places = this.writePlaces(issuers);
    const sets = new Map<string, number>();
    for (const issuer of issuers) {
      this.text(to, issuer.name);
      this.text(to, issuer.issuer);
      this.section(to).push(algorithmMask(issuer.algorithms), issuer.leewaySeconds, issuer.maxLifetimeSeconds);
      this.textRun(to, sorted(issuer.audiences));
      const keySet = keySetText(issuer.keySet);
      const set = sets.get(keySet) ?? this.writeKeySet(issuer.name, issuer.keySet);
      sets.set(keySet, set);
      this.section(to).push(set);
      const numbers = issuer.places.map((place) => places.get(placeKey(place))!);
      this.wordRun(
        to,
        [...numbers].sort((a, b) => a - b),
      );
      this.section(to).push(binds[issuer.bind]);
    }
  }

  /** Writes each place once. @returns the number of each by what tells it from others */
  private writePlaces(issuers: readonly Issuer[]): Map<string, number> {
    const to = layout.section_places;
    const places = new Map<string, { place: Place; isStripped: boolean }>();
    for (const issuer of issuers)
      for (const place of issuer.places) places.set(placeKey(place), { place, isStripped: !issuer.forwardToken });
    const keys = sorted(places.keys());
    for (const key of keys) {
      const { place, isStripped } = places.get(key)!;
      this.section(to).push(place_kinds[place.kind]);
      this.text(to, place.name);
      this.text(to, place.prefix);
      this.section(to).push(isStripped ? 1 : 0);
    }
    return new Map(keys.map((key, number) => [key, number]));
  }

  /** @returns the number of the set */
  private writeKeySet(name: string, { use, keys, source }: KeySet): number {
    const to = layout.section_key_sets;
    this.text(to, name);
    const first = this.count(layout.section_keys);
    for (const { kid, algorithms, spki, raw, exponent } of inOrder(keys)) {
      this.text(layout.section_keys, kid);
      this.section(layout.section_keys).push(algorithms);
      this.string(layout.section_keys, this.strings.binary(spki));
      this.string(layout.section_keys, this.strings.binary(raw));
      this.section(layout.section_keys).push(exponent);
    }
    this.section(to).push(keys.length === 0 ? 0 : first, keys.length, uses[use]);
    this.text(to, source?.url ?? "");
    this.text(to, source?.authority ?? "");
    this.text(to, source?.path ?? "");
    this.text(to, source?.cluster ?? "");
    this.section(to).push(source?.refreshSeconds ?? 0);
    return this.count(to) - 1;
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
