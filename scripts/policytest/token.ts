/** Tokens as tests and options describe them. */
import { reporterFor } from "../policy/source/read.ts";
import { positionOf } from "../policy/source/source.ts";
import { type Field, parseYaml, Reader, type Slot } from "../policy/source/yaml.ts";
import { optional, readText, required } from "./fields.ts";

/** A line and a column, from 1. */
export type Position = ReturnType<typeof positionOf>;

/** A token to be made and signed by the runner. */
export interface ClaimsToken {
  /** The issuer's name in the policy. */
  issuer: string;
  /** Claims of the payload; null leaves out one that the runner would have added. */
  claims: Readonly<Record<string, unknown>>;
  /** Members of the JOSE header; null leaves one out. */
  header: Readonly<Record<string, unknown>>;
  /** Where the issuer's name stands. */
  place?: Position;
}

/** A token as a test gives it: to be made, as it is, or none. */
export type TestToken = ClaimsToken | string | null;

/** A JWT-SVID to be made and signed by the runner. */
export interface ClaimsSvid {
  /** The SPIFFE ID it says the caller has. */
  sub: string;
  claims: ClaimsToken["claims"];
  header: ClaimsToken["header"];
}

/** A JWT-SVID as a test gives it: to be made, as it is, or none. */
export type TestSvid = ClaimsSvid | string | null;

const svidKeys = ["sub", "claims", "header"];
const tokenKeys = ["issuer", "claims", "header"];

/** A token: `null`, a raw one, or a mapping of issuer, claims and header. */
export function readToken(reader: Reader, field: Field): TestToken | undefined {
  if (reader.isNull(field)) return null;
  return reader.isMapping(field) ? readClaimsToken(reader, field) : readText(reader, field);
}

function readClaimsToken(reader: Reader, slot: Slot): ClaimsToken | undefined {
  const fields = reader.fields(slot, "`token`", tokenKeys);
  if (fields === undefined) return undefined;
  const issuer = required(reader, fields, "issuer", slot, "`token`", (field) => readText(reader, field));
  const claims = optional(fields.get("claims"), (field) => readObject(reader, field)) ?? {};
  const header = optional(fields.get("header"), (field) => readObject(reader, field)) ?? {};
  if (issuer === undefined) return undefined;
  const place = positionOf(reader.reporter.source, reader.at(fields.get("issuer")!));
  return { issuer, claims, header, place };
}

/** A JWT-SVID: `null`, a SPIFFE ID to make one for, a raw one, or a mapping of sub, claims and header. */
export function readSvid(reader: Reader, field: Field): TestSvid | undefined {
  if (reader.isNull(field)) return null;
  if (!reader.isMapping(field)) {
    const text = readText(reader, field);
    return text?.startsWith("spiffe:") ? { sub: text, claims: {}, header: {} } : text;
  }
  return readClaimsSvid(reader, field);
}

function readClaimsSvid(reader: Reader, slot: Slot): ClaimsSvid | undefined {
  const fields = reader.fields(slot, "`svid`", svidKeys);
  if (fields === undefined) return undefined;
  const sub = required(reader, fields, "sub", slot, "`svid`", (one) => readText(reader, one));
  const claims = optional(fields.get("claims"), (one) => readObject(reader, one)) ?? {};
  const header = optional(fields.get("header"), (one) => readObject(reader, one)) ?? {};
  return sub === undefined ? undefined : { sub, claims, header };
}

/** Reads a token to be made from text such as `{issuer: corp, claims: {sub: alice}}`. Throws PolicyError. */
export function parseToken(name: string, text: string): ClaimsToken {
  return parseWith(readClaimsToken, name, text);
}

/** Reads a JWT-SVID to be made from text such as `{sub: spiffe://example.org/web, claims: {aud: [api]}}`. Throws PolicyError. */
export function parseSvid(name: string, text: string): ClaimsSvid {
  return parseWith(readClaimsSvid, name, text);
}

function parseWith<T>(read: (reader: Reader, slot: Slot) => T | undefined, name: string, text: string): T {
  const reporter = reporterFor(name, text);
  const node = parseYaml(reporter, text);
  const value = node === undefined ? undefined : read(new Reader(reporter), { at: 0, node });
  reporter.findings.throwIfErrors();
  return value!;
}

function readObject(reader: Reader, field: Field): Record<string, unknown> | undefined {
  const what = `\`${field.name}\``;
  const entries = reader.entries(field, what);
  return entries && Object.fromEntries(entries.map((entry) => [entry.name, reader.json(entry, `\`${entry.name}\``)]));
}
