/** A policy made ready for tests: compiled as it is, and once more with the runner's keys in place of its issuers'. */
import { algorithm_es256 } from "../../assembly/crypto/algorithms.ts";
import { compilePolicy, compilePolicyFile } from "../policy/build.ts";
import { algorithmNumber } from "../policy/language/algorithms.ts";
import { bearer_place } from "../policy/language/location.ts";
import type { Identity, Issuer, Limit, Place, Policy, Quarantine, Rule } from "../policy/language/model.ts";
import type { Protocol } from "../policy/language/protocols.ts";
import { standInKeys } from "./keys.ts";
import { isBearer } from "./location.ts";
import type { MintingIssuer } from "./mint.ts";

/** For whom the runner's keys stand in. */
export interface StandIns {
  /** Issuers of tokens. */
  issuers: boolean;
  /** Those who vouch for JWT-SVIDs. */
  svids: boolean;
}

/** An issuer as tests use it. */
export interface TestIssuer extends MintingIssuer {
  /** Where its tokens go. */
  place: Place;
  /** What they are bound to. */
  bind: Issuer["bind"];
}

export interface TestPolicy {
  /** The policy's file. */
  path: string;
  /** The names of its rules, in the image's order. */
  rules: readonly string[];
  /** The rules themselves, in the same order. */
  model: readonly Rule[];
  /** Its issuers as the policy has them. */
  modelIssuers: readonly Issuer[];
  limits: readonly Limit[];
  /** Its quarantines. */
  quarantines: readonly Quarantine[];
  /** What is spoken on which paths. */
  protocols: readonly Protocol[];
  /** Its issuers by name. */
  issuers: ReadonlyMap<string, TestIssuer>;
  /** What says who the caller is. */
  identity: Identity;
  /** The key of the filter state that does; undefined where none does. */
  filterState: string | undefined;
  /** Who vouches for JWT-SVIDs, by trust domain. */
  svids: ReadonlyMap<string, TestIssuer>;
  /** Where a token goes that no issuer of the policy would have issued. */
  rawPlace: Place;
  /** The policy with its own keys, for tests with raw tokens or none. Nobody answers in a test, so no keys are fetched. */
  image: Uint8Array;
  /** The image that believes the runner's keys, for tests with claims; the same as `image` where there is no issuer. */
  standInImage: Uint8Array;
  /** The image that believes the runner's keys for some. */
  imageWith(standIns: StandIns): Uint8Array;
}

/** Compiles a policy for tests. Throws PolicyError. */
export function loadTestPolicy(path: string): TestPolicy {
  const { policy: written, image: own, warnings } = compilePolicyFile(path);
  const policy = { ...written, issuers: written.issuers.map(unfetched), svids: written.svids.map(unfetched) };
  const isFetched = [...written.issuers, ...written.svids].some(({ keySet }) => keySet.source !== undefined);
  const image = isFetched ? compilePolicy({ policy, warnings }, path).image : own;
  const images = new Map<string, Uint8Array>();
  const imageWith = ({ issuers, svids }: StandIns): Uint8Array => {
    const isIssuers = issuers && policy.issuers.length > 0;
    const isSvids = svids && policy.svids.length > 0;
    if (!isIssuers && !isSvids) return image;
    const key = `${isIssuers} ${isSvids}`;
    const known = images.get(key);
    if (known !== undefined) return known;
    const standIn: Policy = {
      ...policy,
      issuers: isIssuers ? policy.issuers.map(withStandIns) : policy.issuers,
      svids: isSvids ? policy.svids.map(withStandIns) : policy.svids,
    };
    const made = compilePolicy({ policy: standIn, warnings }, path).image;
    images.set(key, made);
    return made;
  };
  return {
    path,
    rules: policy.rules.map(({ name }) => name),
    model: policy.rules,
    modelIssuers: policy.issuers,
    limits: policy.limits,
    quarantines: policy.quarantines,
    protocols: policy.protocols ?? [],
    issuers: new Map(policy.issuers.map((issuer) => [issuer.name, testIssuer(issuer)])),
    identity: policy.identity,
    filterState: policy.filterState,
    svids: new Map(policy.svids.map((svid) => [svid.name, testSvid(svid)])),
    rawPlace: rawPlaceOf(policy.issuers),
    image,
    standInImage: imageWith({ issuers: true, svids: true }),
    imageWith,
  };
}

/** The issuer with those of its keys that are embedded; where none are, the engine has to know that some are to come. */
function unfetched(issuer: Issuer): Issuer {
  if (issuer.keySet.keys.length === 0) return issuer;
  return { ...issuer, keySet: { ...issuer.keySet, source: undefined } };
}

/** The issuer with a key of the runner's for each of its algorithms. */
function withStandIns(issuer: Issuer): Issuer {
  return { ...issuer, keySet: { ...issuer.keySet, source: undefined, keys: standInKeys(issuer.algorithms) } };
}

function testIssuer(issuer: Issuer): TestIssuer {
  return {
    iss: issuer.issuer,
    ...(issuer.template.length > 0 && { template: issuer.template, tenant: issuer.tenants?.[0] ?? "tenant" }),
    audiences: issuer.audiences,
    audienceClaim: issuer.audienceClaim,
    types: issuer.types,
    algorithms: issuer.algorithms.flatMap((name) => algorithmNumber(name) ?? []),
    lifetimeSeconds: issuer.maxLifetimeSeconds,
    place: issuer.places[0]!,
    bind: issuer.bind,
  };
}

/** As SPIRE does it: no `iss`, signed with ES256. */
function testSvid(svid: Issuer): TestIssuer {
  return { ...testIssuer(svid), iss: undefined, algorithms: [algorithm_es256] };
}

function rawPlaceOf(issuers: readonly Issuer[]): Place {
  const places = issuers.flatMap((issuer) => issuer.places);
  return places.find(isBearer) ?? places[0] ?? bearer_place;
}
