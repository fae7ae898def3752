/** The names of bounds and offsets say what they are, and bounds that depend on each other fit. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import * as limits from "../../assembly/limits.ts";
import * as layout from "../../assembly/policy/layout.ts";

/** Numbers of limits.ts that are chosen, not bounds, and why. */
const chosen: Record<string, string> = {
  quarantine_ask_seconds: "how often the fleet is asked of a key",
  bucket_sets: "how a limit's table is built; a fingerprint chooses the set",
  slot_sets: "how a table of requests in flight is built; a fingerprint chooses the set",
  lost_worker_beats: "after how many of its own beats a worker takes another for lost",
  bucket_ways: "how a limit's table is built",
  quarantine_sets: "how a quarantine's table is built; a hash chooses the set",
  quarantine_ways: "how a quarantine's table is built",
  reservation_divisor: "a ratio",
  key_tick_milliseconds: "a period",
  fleet_rest_milliseconds: "a period",
  lease_divisor: "a ratio",
  count_tick_milliseconds: "a period",
  shortage_retry_seconds: "a period",
  body_bytes_usual: "what holds where the policy does not say",
};

/** What identifies the format, and sizes of what is no record. */
const format = ["image_magic", "image_version", "trailer_magic", "section_count"];
const sizes = ["image_header_bytes", "trailer_bytes"];
/** Fields of the image's header, which is no record. */
const header = ["magic_at", "version_at", "size_at", "checksum_at", "sections_at"];
/** What a field may hold, by what the names begin with. */
const values: Record<string, string[]> = {
  mode: ["enforce", "shadow"],
  caller: ["exact", "child", "descendants"],
  group: ["any", "anonymous"],
  host: ["exact", "suffix"],
  action: ["allow", "deny"],
  error: ["local", "deny", "allow"],
  bind: ["none", "certificate", "caller"],
  held: ["all", "any"],
  type: ["none", "jwt", "access_token", "other"],
  value: ["any", "string", "int", "double", "bool", "list", "map"],
  part: ["segment", "label"],
  use: ["signature", "jwt_svid"],
  place: ["header", "cookie", "query"],
  absent: ["share", "deny"],
  headers: ["denied", "always"],
  selector: ["caller", "claim", "trust_domain", "variable", "header", "source", "rule", "host", "method"],
  source: ["connection", "forwarded"],
  token: ["required", "optional"],
  forward: ["caller_id", "trust_domain", "caller_path", "claim", "capture"],
  as: ["plain", "comma", "json", "base64url"],
  sizes: ["headers", "query", "body"],
  limit: ["rate", "concurrency", "hops"],
  protocol: ["mcp", "jsonrpc", "a2a", "graphql"],
};
/** Values that stand alone. */
const lone = [
  "host_any",
  "no_segment",
  "type_own",
  "caller_segment",
  "caller_shape_segments_shift",
  "caller_shape_words",
  "trailer_callbacks_shift",
  "trailer_keys_shift",
  "sizes_words",
  "size_any",
];
/** How a variable of a rule is packed into a word. */
const packing = ["index_mask", "from_end", "prefix_shift", "suffix_shift", "text_mask", "bits"].map(
  (part) => `variable_${part}`,
);
/** Bits that a mask may have. */
const masks: Record<string, string[]> = {
  needs: ["body", "response", "ticks", "hops", "hold", "answers"],
  reads: ["body", "call", "endpoint"],
  form: ["slash", "encoded_slash", "empty", "semicolon", "dots", "distinct", "case", "read"],
};

const bounds: Readonly<Record<string, unknown>> = limits;
const numbers: Readonly<Record<string, unknown>> = layout;

test("a bound ends in _max or _min; what is none is known with its reason", () => {
  for (const [name, value] of Object.entries(bounds)) {
    assert.equal(typeof value, "number", name);
    assert.ok(/_(?:max|min)$/u.test(name) !== name in chosen, `${name} ends in _max or _min, or is chosen`);
  }
  for (const name of Object.keys(chosen)) assert.ok(name in bounds, name);
});

test("a number of the image is a section, an offset, a size, a bound or a value, as its name says", () => {
  const records = Object.keys(numbers).flatMap((name) => /^(\w+)_record_bytes$/u.exec(name)?.[1] ?? []);
  const known = new Set([...format, ...sizes, ...header, ...lone, ...packing]);
  for (const [field, words] of [...Object.entries(values), ...Object.entries(masks)])
    for (const word of words) known.add(`${field}_${word}`);
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value === "function") continue;
    assert.equal(typeof value, "number", name);
    const isOffset = name.endsWith("_at") && records.some((record) => name.startsWith(`${record}_`));
    const isOther = /^section_\w+$|_record_bytes$|_max$/u.test(name);
    assert.ok(known.delete(name) || isOffset || isOther, `${name} is none of what layout.ts says its names mean`);
  }
  assert.deepEqual([...known], []);
  for (const [field, words] of Object.entries(values))
    assert.deepEqual(
      words.map((word) => numbers[`${field}_${word}`]),
      [...words.keys()],
      field,
    );
});

test("no name stands for a bound and for a part of the image", () => {
  assert.deepEqual(
    Object.keys(bounds).filter((name) => name in numbers),
    [],
  );
});

test("bounds that depend on each other fit", () => {
  for (const [name, value] of Object.entries(bounds)) {
    const max = name.endsWith("_min") ? bounds[name.replace(/_min$/u, "_max")] : undefined;
    if (max !== undefined) assert.ok((value as number) <= (max as number), name);
  }
  const relations: Record<string, boolean> = {
    "a bit of a word for each method, and one for all others": limits.policy_methods_max === 31,
    "a bit of a word for each segment or label of a pattern": limits.pattern_segments_max === 31,
    "what was found of issuers is cleared four at a time": limits.policy_issuers_max % 4 === 0,
    "a bit of a u64 for each key set that is fetched": limits.fetched_key_sets_max <= 64,
    "each issuer may have a key set of its own": limits.policy_key_sets_max === limits.policy_issuers_max,
    "a bit of a word for each type of token": layout.type_own + limits.policy_types_max === 32,
    "an issuer's places are places of the policy": limits.issuer_places_max <= limits.policy_places_max,
    "claims have a share of values for each share of bytes":
      limits.claims_nodes_max ===
      limits.json_nodes_max * Math.ceil(limits.token_bytes_max / limits.usual_token_bytes_max),
    "a token may come in a header": limits.token_bytes_max <= limits.header_pairs_bytes_max,
    "a path may come in a header": limits.path_bytes_max <= limits.header_pairs_bytes_max,
    "a header's name may be a place's": limits.place_name_bytes_max <= limits.header_name_bytes_max,
    "a trust domain is part of an ID": limits.trust_domain_bytes_max < limits.spiffe_id_bytes_max,
    "the record has a part of a path": limits.record_path_bytes_max <= limits.path_bytes_max,
    "a text that is looked for is a text": limits.search_bytes_max <= limits.condition_text_bytes_max,
    "a condition is one of a request's": limits.condition_cost_max <= limits.request_condition_cost_max,
    "the largest key fits into a fetched set": limits.key_bytes_max < limits.jwks_bytes_max,
    "a chunk is part of what is parked": limits.parked_chunk_bytes_max <= limits.parked_bytes_max,
    "what is parked is no larger than an image": limits.parked_bytes_max <= limits.image_bytes_max,
    "a lost callout has passed its timeout": limits.key_fetch_milliseconds_max < limits.key_callout_seconds_max * 1000,
    "a failing server is asked less often": limits.key_interval_seconds_min <= limits.key_failing_interval_seconds_min,
    "after any failure a set is fetched before it would be anyway":
      limits.backoff_seconds_max <= limits.refresh_seconds_max,
    "ticks are short beside a lease": limits.key_tick_milliseconds < limits.key_lease_seconds_max * 1000,
    "a client takes a part of the room": limits.client_streams_max < limits.waiting_streams_max,
  };
  for (const [relation, holds] of Object.entries(relations)) assert.ok(holds, relation);
});

/** Records whose words the engine takes as they lie, and what only the validator has to know. */
const read_by_place = ["text", "word", "instruction"];
const only_validated = [...header, "rule_variables_at", "text_set_members_at"];

test("the engine reads every field of the image, beyond whether it is sound", () => {
  const files = readdirSync("assembly", { recursive: true, encoding: "utf8" });
  const readers = files.filter((path) => path.endsWith(".ts") && !/^policy\/(?:layout|image)[\w-]*\.ts$/u.test(path));
  const words = new Set(readers.flatMap((path) => readFileSync(`assembly/${path}`, "utf8").match(/\w+/gu)));
  for (const name of Object.keys(numbers)) {
    if (!name.endsWith("_at") || only_validated.includes(name)) continue;
    if (read_by_place.some((record) => name.startsWith(`${record}_`))) continue;
    assert.ok(words.has(name), `nothing in assembly/ reads ${name}`);
  }
});
