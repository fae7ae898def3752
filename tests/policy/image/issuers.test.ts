/** What images say of tokens: key sets, keys, places and issuers, read back as assembly/policy/layout.ts has them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { svid_algorithms } from "../../../assembly/crypto/algorithms.ts";
import * as layout from "../../../assembly/policy/layout.ts";
import { readImage } from "../../../scripts/evaluate/image.ts";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { algorithmMask } from "../../../scripts/policy/language/algorithms.ts";
import { check } from "../../support/policy.ts";

const text = `version: 1
name: shop
trust:
  domains: [example.org, partner.example.net]
  identity: either
  jwtSvid:
    audiences: [order-api]
    bundles:
      partner.example.net: { url: https://b.example.net/keys?v=1, cluster: b, refresh: 1m }
      example.org: { file: keys/bundle.json }
    from: [{ header: x-svid }]
issuers:
  zeta:
    issuer: https://zeta.example.org
    audiences: [order-api]
    algorithms: [EdDSA, PS256]
    keys: { file: keys/machine.jwks.json }
    from: [{ query: t }, { cookie: session }, { header: authorization }]
    bind: caller
  alpha:
    issuer: https://alpha.example.org
    audiences: [order-api]
    algorithms: [EdDSA]
    keys: { file: keys/machine.jwks.json }
    from: [{ header: X-Token, prefix: "Token " }]
    forwardToken: false
    bind: certificate
rules:
  - name: a
    callers: [any]
    allow: [GET /a]
    token: [zeta, alpha]
`;

const { policy, errors } = check(text);
const image = writeImage(policy!);
const view = new DataView(image.buffer);
const word = (at: number): number => view.getUint32(at, true);
const texts = (at: number): string => Buffer.from(image.subarray(word(at), word(at) + word(at + 4))).toString("latin1");
const record = (section: number, index: number): number =>
  word(layout.sections_at + section * 8) + index * layout.sectionRecordBytes(section);
const records = (section: number): number[] =>
  Array.from({ length: word(layout.sections_at + section * 8 + 4) }, (_, index) => record(section, index));

test("issuers of JWT-SVIDs come after the others, by their trust domains", () => {
  assert.deepEqual(errors, []);
  const issuers = records(layout.section_issuers);
  assert.deepEqual(
    issuers.map((at) => [texts(at), texts(at + layout.issuer_iss_at), word(at + layout.issuer_bind_at)]),
    [
      ["alpha", "https://alpha.example.org", layout.bind_certificate],
      ["zeta", "https://zeta.example.org", layout.bind_caller],
      ["example.org", "example.org", layout.bind_none],
      ["partner.example.net", "partner.example.net", layout.bind_none],
    ],
  );
  assert.deepEqual(
    issuers.map((at) => word(at + layout.issuer_algorithms_at)),
    [algorithmMask(["EdDSA"]), algorithmMask(["EdDSA", "PS256"]), svid_algorithms, svid_algorithms],
  );
  const at = record(layout.section_policy, 0);
  assert.equal(texts(at + layout.policy_identity_at), "connection\0uri_san_peer_certificate");
  assert.deepEqual([word(at + layout.policy_svids_at), word(at + layout.policy_svids_at + 4)], [2, 2]);
  assert.deepEqual(
    readImage(image).issuers.map(({ name }) => name),
    ["alpha", "zeta"],
  );
});

test("each place is there once, and issuers point at theirs", () => {
  const places = records(layout.section_places).map((at) => [
    word(at + layout.place_kind_at),
    texts(at + layout.place_name_at),
    texts(at + layout.place_prefix_at),
    word(at + layout.place_strip_at),
  ]);
  assert.deepEqual(places, [
    [layout.place_cookie, "session", "", 0],
    [layout.place_header, "authorization", "Bearer ", 0],
    [layout.place_header, "x-svid", "", 0],
    [layout.place_header, "x-token", "Token ", 1],
    [layout.place_query, "t", "", 0],
  ]);
  const placesOf = records(layout.section_issuers).map((at) => {
    const run = at + layout.issuer_places_at;
    return Array.from({ length: word(run + 4) }, (_, index) => word(record(layout.section_words, word(run) + index)));
  });
  assert.deepEqual(placesOf, [[3], [0, 1, 4], [2], [2]]);
});

test("equal key sets are one, under the name of the first who has it; those that are fetched stand first", () => {
  const sets = records(layout.section_key_sets).map((at) => [
    texts(at),
    word(at + layout.key_set_keys_at + 4),
    word(at + layout.key_set_use_at),
    texts(at + layout.key_set_url_at),
    texts(at + layout.key_set_authority_at),
    texts(at + layout.key_set_path_at),
    texts(at + layout.key_set_cluster_at),
    word(at + layout.key_set_refresh_seconds_at),
  ]);
  assert.deepEqual(sets, [
    [
      "partner.example.net",
      0,
      layout.use_jwt_svid,
      "https://b.example.net/keys?v=1",
      "b.example.net",
      "/keys?v=1",
      "b",
      60,
    ],
    ["alpha", 2, layout.use_signature, "", "", "", "", 0],
    ["example.org", 1, layout.use_jwt_svid, "", "", "", "", 0],
  ]);
  assert.deepEqual(
    records(layout.section_issuers).map((at) => word(at + layout.issuer_key_set_at)),
    [1, 1, 2, 0],
  );
});

test("keys have their numbers beside the SubjectPublicKeyInfo", () => {
  const keys = records(layout.section_keys).map((at) => [
    texts(at),
    word(at + layout.key_algorithms_at),
    texts(at + layout.key_public_at).length,
    word(at + layout.key_exponent_at),
  ]);
  assert.deepEqual(
    keys.sort(),
    [
      ["machine-2026", algorithmMask(["EdDSA"]), 32, 0],
      ["machine-2026", algorithmMask(["PS256"]), 256, 65537],
      ["svid-2026", 1 << 3, 64, 0],
    ].sort(),
  );
  for (const at of records(layout.section_keys)) {
    // The numbers are in the SubjectPublicKeyInfo, too.
    assert.ok(texts(at + layout.key_spki_at).includes(texts(at + layout.key_public_at)));
  }
});

test("a policy of certificates has no issuers of JWT-SVIDs", () => {
  const other = check(text.replace(/ {2}identity: either[\s\S]*?(?=issuers:)/u, ""));
  assert.deepEqual(other.errors, []);
  const bytes = writeImage(other.policy!);
  const at = new DataView(bytes.buffer).getUint32(layout.sections_at, true);
  const one = (offset: number): number => new DataView(bytes.buffer).getUint32(at + offset, true);
  assert.deepEqual([one(layout.policy_svids_at), one(layout.policy_svids_at + 4)], [0, 0]);
});
