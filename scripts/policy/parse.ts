/**
 * From YAML to a draft of the policy: structure and types, not meaning. A key the language has and this version does not
 * is refused, never ignored: to leave out a condition would be to admit.
 */

import { limit_burst } from "../../assembly/limits.ts";
import type { Reporter } from "./diagnostic.ts";
import type { DraftCallerSet, DraftIssuer, DraftLimit, DraftPolicy, DraftRule } from "./model.ts";
import { findRules } from "./region.ts";
import { type Field, type Located, parseYaml, Reader, type Slot } from "./yaml.ts";

const policy_keys = ["version", "name", "mode", "trust", "issuers", "callers", "limits", "rules"];
const later_policy_keys = ["forward", "quarantine", "include"];
const issuer_keys = [
  "issuer",
  "audiences",
  "algorithms",
  "keys",
  "leeway",
  "maxLifetime",
  "from",
  "forwardToken",
  "bind",
];
const limit_keys = ["rate", "burst", "per", "scope", "concurrency"];
const rule_keys = [
  "name",
  "callers",
  "hosts",
  "allow",
  "deny",
  "token",
  "scopes",
  "limit",
  "cost",
  "mode",
  "starts",
  "expires",
];
const later_rule_keys = ["when", "maxBodyBytes"];

/** Rules of one piece of a long file: enough that starting the parser costs little, few enough to be forgotten young. */
const rules_a_piece = 20;

/** Told after each piece of a long file how many characters of rules are read, and of how many. */
export type OnProgress = (done: number, total: number) => void;

/** Reads a policy file's text. Undefined when it is no mapping; what else is wrong is reported, and left out. */
export function parsePolicy(reporter: Reporter, onProgress?: OnProgress): DraftPolicy | undefined {
  const { text } = reporter.source;
  const region = findRules(text);
  if (region !== undefined) {
    const skip = region.end - region.start;
    const place = (at: number): number => (at < region.start ? at : at + skip);
    const head = parseYaml(reporter, text.slice(0, region.start) + text.slice(region.end), 0, place);
    const reader = new Reader(reporter, place);
    // The region was found by its lines; only if YAML agrees that the list of rules stands there is it read by pieces.
    if (head !== undefined && region.isEmptyRulesOf(head)) {
      const draft = parseRoot(reader, head);
      for (const piece of region.pieces(rules_a_piece)) {
        const node = parseYaml(reporter, text.slice(piece.start, piece.end), piece.start);
        const rules = new Reader(reporter, (at) => at + piece.start);
        if (node !== undefined) draft?.rules.push(...parseRules(rules, { at: piece.start, node }));
        onProgress?.(piece.end - region.start, skip);
      }
      return draft;
    }
    if (head === undefined) return undefined;
  }
  const root = parseYaml(reporter, text);
  if (root === undefined) {
    if (reporter.findings.errors.length === 0)
      reporter.error("missing_key", 0, "the policy is empty; `sallyport init` writes one to start from");
    return undefined;
  }
  return parseRoot(new Reader(reporter), root, true);
}

/** @param withRules whether `rules` is read too, or by pieces afterwards */
function parseRoot(reader: Reader, node: Slot["node"], withRules = false): DraftPolicy | undefined {
  const root: Slot = { at: 0, node };
  const fields = reader.fields(root, "a policy", [...policy_keys, ...later_policy_keys]);
  if (fields === undefined) return undefined;
  const missing = (key: string, example: string): void => {
    if (!fields.has(key))
      reader.reporter.error("missing_key", reader.at(root), `a policy needs \`${key}\`, as in \`${example}\``);
  };
  missing("version", "version: 1");
  missing("name", "name: shop");
  missing("trust", "trust: { domains: [example.org] }");
  missing("rules", "rules: […]");
  for (const key of later_policy_keys) unsupported(reader, fields.get(key), `\`${key}\` is`);
  parseVersion(reader, fields.get("version"));
  const rules = fields.get("rules");
  return {
    name: optional(fields.get("name"), (field) => reader.text(field, "`name`")),
    mode: parseMode(reader, fields.get("mode")),
    modeAt: fields.get("mode")?.at ?? 0,
    domains: parseTrust(reader, fields.get("trust")),
    issuers: named(reader, fields.get("issuers"), "`issuers`").map((field) => parseIssuer(reader, field)),
    callerSets: named(reader, fields.get("callers"), "`callers`").map((field) => parseCallerSet(reader, field)),
    limits: named(reader, fields.get("limits"), "`limits`").map((field) => parseLimit(reader, field)),
    rules: withRules && rules !== undefined ? parseRules(reader, rules) : [],
  };
}

function optional<T>(field: Field | undefined, read: (field: Field) => T | undefined): T | undefined {
  return field === undefined ? undefined : read(field);
}

/** The fields of a mapping from names to things, if it is there. */
function named(reader: Reader, field: Field | undefined, what: string): Field[] {
  return optional(field, (slot) => reader.entries(slot, what)) ?? [];
}

function unsupported(reader: Reader, field: Field | undefined, what: string): void {
  if (field === undefined) return;
  reader.reporter.error(
    "unsupported",
    field.at,
    `${what} not supported in this version; the policy is refused, since to ignore it could admit more than you meant`,
  );
}

function parseVersion(reader: Reader, field: Field | undefined): void {
  if (field === undefined) return;
  const version = reader.integer(field, "`version`", 0, Number.MAX_SAFE_INTEGER);
  if (version !== undefined && version.value !== 1) {
    reader.reporter.error(
      "unsupported",
      version.at,
      `version ${version.value} of the policy language is not known here; write \`version: 1\``,
    );
  }
}

/** One of a few words; others are reported. */
function word<T extends string>(reader: Reader, field: Field, words: readonly T[]): Located<T> | undefined {
  const text = reader.text(field, `\`${field.name}\``);
  if (text === undefined) return undefined;
  if ((words as readonly string[]).includes(text.value)) return text as Located<T>;
  const list = words.map((one) => `\`${one}\``).join(" or ");
  reader.reporter.error("value", text.at, `\`${field.name}\` is ${list}, not \`${text.value}\``);
  return undefined;
}

function parseMode(reader: Reader, field: Field | undefined): "enforce" | "shadow" {
  return optional(field, (slot) => word(reader, slot, ["enforce", "shadow"] as const))?.value ?? "enforce";
}

function parseTrust(reader: Reader, field: Field | undefined): Located<string>[] {
  const fields = optional(field, (slot) => reader.fields(slot, "`trust`", ["domains", "identity", "forwarders"]));
  if (field === undefined || fields === undefined) return [];
  unsupported(reader, fields.get("forwarders"), "`forwarders` (callers told by a gateway) is");
  const identity = optional(fields.get("identity"), (slot) =>
    word(reader, slot, ["mtls", "jwt-svid", "either"] as const),
  );
  if (identity !== undefined && identity.value !== "mtls") {
    unsupported(reader, { ...fields.get("identity")!, at: identity.at }, `\`identity: ${identity.value}\` is`);
  }
  const domains = fields.get("domains");
  if (domains === undefined) {
    reader.reporter.error("missing_key", field.at, "`trust` needs `domains`, as in `domains: [example.org]`");
    return [];
  }
  const names = reader.texts(domains, "`domains`") ?? [];
  if (names.length === 0 && domains.node !== null) {
    reader.reporter.error(
      "value",
      reader.at(domains),
      "`domains` is empty, so that no caller could be trusted; name a trust domain",
    );
  }
  return names;
}

function nameOf(field: Field): Located<string> {
  return { value: field.name, at: field.at };
}

function parseIssuer(reader: Reader, field: Field): DraftIssuer {
  const what = `issuer \`${field.name}\``;
  const fields = reader.fields(field, what, issuer_keys);
  const get = (key: string): Field | undefined => fields?.get(key);
  for (const key of ["issuer", "audiences", "algorithms", "keys"]) {
    if (fields !== undefined && !fields.has(key))
      reader.reporter.error("missing_key", field.at, `${what} needs \`${key}\``);
  }
  parseBinding(reader, fields);
  return {
    name: nameOf(field),
    issuer: optional(get("issuer"), (slot) => reader.text(slot, "`issuer`")),
    audiences: optional(get("audiences"), (slot) => reader.texts(slot, "`audiences`")),
    algorithms: optional(get("algorithms"), (slot) => reader.texts(slot, "`algorithms`")),
    keyFile: optional(get("keys"), (slot) => parseKeys(reader, slot)),
    leeway: optional(get("leeway"), (slot) => reader.text(slot, "`leeway` (such as `30s`)")),
    maxLifetime: optional(get("maxLifetime"), (slot) => reader.text(slot, "`maxLifetime` (such as `1h`)")),
  };
}

/** What this version does anyway may be asked for: the token of the `authorization` header, passed on, bound to nothing. */
function parseBinding(reader: Reader, fields: Map<string, Field> | undefined): void {
  const forward = fields?.get("forwardToken");
  const passed = optional(forward, (slot) => reader.boolean(slot, "`forwardToken`"));
  if (passed?.value === false) unsupported(reader, forward, "`forwardToken: false` is");
  const bind = optional(fields?.get("bind"), (slot) => word(reader, slot, ["none", "certificate", "caller"] as const));
  if (bind !== undefined && bind.value !== "none")
    unsupported(reader, fields?.get("bind"), `\`bind: ${bind.value}\` is`);
  const from = fields?.get("from");
  const places = optional(from, (slot) => reader.items(slot, "`from`"));
  if (from === undefined || places === undefined) return;
  const found = places.map((slot) => reader.fields(slot, "a place of `from`", ["header", "prefix"]));
  if (found.includes(undefined)) return;
  const headers = found.map((place) => optional(place?.get("header"), (slot) => reader.text(slot, "`header`"))?.value);
  const prefixes = found.map((place) => optional(place?.get("prefix"), (slot) => reader.text(slot, "`prefix`"))?.value);
  if (headers.length === 1 && headers[0]?.toLowerCase() === "authorization" && prefixes[0] === "Bearer ") return;
  unsupported(reader, from, '`from` other than `[{ header: authorization, prefix: "Bearer " }]` is');
}

function parseKeys(reader: Reader, field: Field): Located<string> | undefined {
  const fields = reader.fields(field, "`keys`", ["file", "url", "cluster", "refresh"]);
  if (fields === undefined) return undefined;
  for (const key of ["url", "cluster", "refresh"])
    unsupported(reader, fields.get(key), `\`${key}\` (keys fetched while running) is`);
  const file = fields.get("file");
  if (file !== undefined) return reader.text(file, "`file`");
  if (!fields.has("url"))
    reader.reporter.error("missing_key", field.at, "`keys` needs `file`, as in `keys: { file: keys/corp.jwks.json }`");
  return undefined;
}

function parseCallerSet(reader: Reader, field: Field): DraftCallerSet {
  return { name: nameOf(field), callers: reader.texts(field, `callers \`${field.name}\``) };
}

function parseLimit(reader: Reader, field: Field): DraftLimit {
  const what = `limit \`${field.name}\``;
  const fields = reader.fields(field, what, limit_keys);
  unsupported(reader, fields?.get("concurrency"), "`concurrency` is");
  const scope = optional(fields?.get("scope"), (slot) => word(reader, slot, ["proxy", "fleet"] as const));
  if (scope?.value === "fleet") unsupported(reader, fields?.get("scope"), "`scope: fleet` is");
  if (fields !== undefined && !fields.has("rate") && !fields.has("concurrency")) {
    reader.reporter.error("missing_key", field.at, `${what} needs \`rate\`, as in \`rate: 100/s\``);
  }
  return {
    name: nameOf(field),
    rate: optional(fields?.get("rate"), (slot) => reader.text(slot, "`rate` (such as `100/s`)")),
    burst: optional(fields?.get("burst"), (slot) => reader.integer(slot, "`burst`", 1, limit_burst)),
    per: optional(fields?.get("per"), (slot) => reader.texts(slot, "`per`")) ?? [],
  };
}

function parseRules(reader: Reader, slot: Slot): DraftRule[] {
  const rules: DraftRule[] = [];
  for (const item of reader.items(slot, "`rules`") ?? []) {
    const rule = parseRule(reader, item);
    if (rule !== undefined) rules.push(rule);
  }
  return rules;
}

const all_rule_keys = [...rule_keys, ...later_rule_keys];

function parseRule(reader: Reader, slot: Slot): DraftRule | undefined {
  const fields = reader.fields(slot, "a rule", all_rule_keys);
  if (fields === undefined) return undefined;
  const at = reader.at(slot);
  for (const key of later_rule_keys) unsupported(reader, fields.get(key), `\`${key}\` is`);
  for (const key of ["name", "callers"]) {
    if (!fields.has(key)) reader.reporter.error("missing_key", at, `a rule needs \`${key}\``);
  }
  const list = (key: string, read: (field: Field) => Located<string>[] | undefined) => {
    const field = fields.get(key);
    const value = field === undefined ? undefined : read(field);
    return field === undefined || value === undefined ? undefined : { value, at: field.at };
  };
  const texts = (key: string) => list(key, (field) => reader.texts(field, `\`${key}\``));
  const oneOrMore = (key: string) => list(key, (field) => reader.textOrTexts(field, `\`${key}\``));
  return {
    at,
    name: optional(fields.get("name"), (field) => reader.text(field, "`name`")),
    callers: texts("callers")?.value,
    hosts: parseHosts(reader, fields.get("hosts")),
    allow: texts("allow"),
    deny: texts("deny"),
    token: oneOrMore("token"),
    scopes: texts("scopes"),
    limits: oneOrMore("limit"),
    cost: optional(fields.get("cost"), (field) => reader.integer(field, "`cost`", 1, limit_burst)),
    mode: parseMode(reader, fields.get("mode")),
    starts: optional(fields.get("starts"), (field) => reader.text(field, "`starts`")),
    expires: optional(fields.get("expires"), (field) => reader.text(field, "`expires`")),
  };
}

/** No `hosts` means every host, so an empty list, which could mean none, is refused. */
function parseHosts(reader: Reader, field: Field | undefined): Located<string>[] {
  const hosts = optional(field, (slot) => reader.texts(slot, "`hosts`"));
  if (field !== undefined && hosts?.length === 0 && field.node !== null) {
    reader.reporter.error("value", reader.at(field), "`hosts` is empty; leave it out for every host");
  }
  return hosts ?? [];
}
