/** The sections of an image that are about tokens: who issues them, by which keys, and where they stand. */
import { claim_name_bytes_max } from "../../../assembly/limits.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { algorithmMask } from "../language/algorithms.ts";
import { byName, compare, sorted } from "../language/byteorder.ts";
import type { ClaimType, ClaimTypeName } from "../language/claims.ts";
import { placeKey } from "../language/location.ts";
import type { Issuer, KeySet, KeyUse, Place, Policy } from "../language/model.ts";
import type { TemplatePart } from "../language/template.ts";
import { ownTypes, typeNumbers } from "../language/terms.ts";
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

const claim_types: Record<ClaimTypeName, number> = {
  any: layout.value_any,
  string: layout.value_string,
  int: layout.value_int,
  double: layout.value_double,
  bool: layout.value_bool,
  list: layout.value_list,
  map: layout.value_map,
};

const part_kinds: Record<TemplatePart["kind"], number> = { segment: layout.part_segment, label: layout.part_label };

/** A claim as records name it: as much of it as they have room for, in whole characters. */
function shownName(path: readonly string[]): string {
  let shown = "";
  for (const character of path.join(".")) {
    if (Buffer.byteLength(shown + character) > claim_name_bytes_max) break;
    shown += character;
  }
  return shown;
}

/** Writes what is about tokens. */
export class TokenSections extends Sections {
  /** Writes issuers, those who vouch for JWT-SVIDs after the others, with their places and key sets. */
  protected writeIssuers(policy: Policy): void {
    const issuers = [...byName(policy.issuers), ...byName(policy.svids)];
    const places = this.writePlaces(issuers);
    const sets = this.writeKeySets(issuers);
    const types = typeNumbers(ownTypes(issuers));
    for (const issuer of issuers) {
      this.add("issuer", {
        name: this.text(issuer.name),
        iss: this.text(issuer.issuer),
        algorithms: algorithmMask(issuer.algorithms),
        leeway_seconds: issuer.leewaySeconds,
        lifetime_seconds: issuer.maxLifetimeSeconds,
        audiences: this.textRun(sorted(issuer.audiences)),
        key_set: sets.get(keySetText(issuer.keySet))!,
        places: this.wordRun(issuer.places.map((place) => places.get(placeKey(place))!).sort((a, b) => a - b)),
        bind: binds[issuer.bind],
        challenge: this.text(challengeText(policy, issuer)),
        audience_claim: this.textRun(issuer.audienceClaim),
        scope_claims: this.claimRun(issuer.scopeClaims),
        types: issuer.types.reduce((mask, type) => mask | (1 << types.get(type)!), 0) >>> 0,
        claims: this.writeClaims(issuer.claims),
        template: this.writeTemplate(issuer.template),
        tenants: issuer.tenants === undefined ? 0 : this.textSet(issuer.tenants) + 1,
      });
    }
  }

  /** A run of claims, in their order. */
  private claimRun(claims: Issuer["scopeClaims"]): Pair {
    const paths = claims.map((claim) => this.textRun(claim));
    const numbers = paths.map((path) =>
      this.add("selector", { kind: layout.selector_claim, path, four_bits: 0, six_bits: 0 }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }

  private writeTemplate(parts: readonly TemplatePart[]): Pair {
    const numbers = parts.map(({ text, claim, kind }) =>
      this.add("template_part", { text: this.text(text), claim: this.text(claim), kind: part_kinds[kind] }),
    );
    return [numbers[0] ?? 0, numbers.length];
  }

  private writeClaims(claims: readonly ClaimType[]): Pair {
    const write = (): void => {
      for (const { path, type, isRequired } of claims) {
        this.add("claim", {
          name: this.text(shownName(path)),
          path: this.textRun(path),
          type: claim_types[type],
          required: isRequired ? 1 : 0,
        });
      }
    };
    return [
      claims.length === 0 ? 0 : this.run(layout.section_claims, `c${JSON.stringify(claims)}`, write),
      claims.length,
    ];
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

  /** Writes each key set once, for the first issuer that has it; those that are fetched first. @returns the number of each by its text */
  private writeKeySets(issuers: readonly Issuer[]): Map<string, number> {
    const sets = new Map<string, number>();
    for (const { name, keySet } of [...issuers.filter(isFetched), ...issuers.filter((one) => !isFetched(one))]) {
      const text = keySetText(keySet);
      if (!sets.has(text)) sets.set(text, this.writeKeySet(name, keySet));
    }
    return sets;
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
      header_name: this.text(source?.header?.name ?? ""),
      header_value: this.text(source?.header?.value ?? ""),
      issuer: this.text(source?.discovery?.issuer ?? ""),
      second_path: this.text(source?.discovery?.secondPath ?? ""),
      hosts: this.textRun((source?.discovery?.hosts ?? []).flatMap(({ authority, cluster }) => [authority, cluster])),
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

function isFetched({ keySet }: Issuer): boolean {
  return keySet.source !== undefined;
}

/** How many key sets of a policy are fetched. */
export function fetchedKeySets({ issuers, svids }: Policy): number {
  return new Set([...issuers, ...svids].filter(isFetched).map(({ keySet }) => keySetText(keySet))).size;
}

function inOrder(keys: KeySet["keys"]): KeySet["keys"] {
  return [...keys].sort(
    (a, b) => compare(a.kid, b.kid) || Buffer.compare(a.spki, b.spki) || a.algorithms - b.algorithms,
  );
}

/** The parameters of a challenge (RFC 9110 §11.2). Without a realm of its own, it is the policy's name, as where no issuer says anything. */
function challengeText({ name }: Policy, { challenge }: Issuer): string {
  if (challenge === undefined) return "";
  const { realm = name, resourceMetadata } = challenge;
  return `realm="${realm}"${resourceMetadata === undefined ? "" : `, resource_metadata="${resourceMetadata}"`}`;
}

/** The same text for key sets that are the same: issuers that have them share one. */
function keySetText({ use, keys, source }: KeySet): string {
  const ofKeys = inOrder(keys).map(({ kid, algorithms, spki }) => [
    kid,
    algorithms,
    Buffer.from(spki).toString("base64"),
  ]);
  return JSON.stringify([use, source, ofKeys]);
}
