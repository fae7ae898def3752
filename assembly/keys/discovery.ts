/**
 * Discovery documents (OpenID Connect Discovery §4, RFC 8414 §3): what one says is where the issuer's key set is. It is believed only of
 * the issuer that the policy names, and only an `https` URL on a host that the policy has a cluster for; so whoever writes it can have no
 * other host asked. Nothing here runs on a request's path.
 *
 *   stage    asked for                                          leads to
 *   OPENID   /.well-known/openid-configuration after the        KEYS; OAUTH where there is none (4xx)
 *            issuer's path
 *   OAUTH    /.well-known/oauth-authorization-server before it  KEYS
 *   KEYS     the key set, at the document's `jwks_uri`; of a    –
 *            set with a URL of its own the only stage
 */
import { scanJson, scanned } from "../bytes/json";
import { literal } from "../bytes/literal";
import { indexOfByte, isAlike, sameBytes, startsWithLiteral } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { giveRegion, takeRegion } from "../host/region";
import { json_nodes_max, key_url_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { sectionIn } from "../policy/policy";
import { KeySet } from "./keyset";

/** What a set's callout under way asks for. */
export const enum Stage {
  KEYS = 0,
  OPENID,
  OAUTH,
}

/** Where a document, or a key set, is: the host, as `:authority` has it, the cluster that leads there, and the path with its query. */
@unmanaged
export class Target {
  authorityStart: usize;
  authoritySize: u32;
  clusterStart: usize;
  clusterSize: u32;
  pathStart: usize;
  pathSize: u32;
}

/** What a document said where it is not believed, for the log; the words that `locateKeys` answers with say what that is. */
export let foundStart: usize = 0;
export let foundSize: u32 = 0;

const issuer_name = literal("issuer");
const jwks_uri_name = literal("jwks_uri");
const https_start = literal("https://");
const https_port = literal(":443");

/** Whether a set's URL is that of a discovery document. */
export function isDiscovered(set: KeySet): bool {
  return load<u32>(set.record + layout.key_set_issuer_at, 4) != 0;
}

/** The first thing to ask a set's server for. */
export function firstStage(set: KeySet): Stage {
  return isDiscovered(set) ? Stage.OPENID : Stage.KEYS;
}

/** Points a target at what a stage asks for; not at the keys of a set that is discovered, since only its document says where they are. */
export function setTarget(target: Target, set: KeySet, stage: Stage): void {
  const path = stage == Stage.OAUTH ? layout.key_set_second_path_at : layout.key_set_path_at;
  target.authorityStart = set.image + load<u32>(set.record + layout.key_set_authority_at);
  target.authoritySize = load<u32>(set.record + layout.key_set_authority_at, 4);
  target.clusterStart = set.image + load<u32>(set.record + layout.key_set_cluster_at);
  target.clusterSize = load<u32>(set.record + layout.key_set_cluster_at, 4);
  target.pathStart = set.image + load<u32>(set.record + path);
  target.pathSize = load<u32>(set.record + path, 4);
}

/**
 * Reads `size` bytes of a document, which it changes, and points a target at the key set that it names, whose path lies in those bytes.
 * @returns "", or in words why it is not believed
 */
export function locateKeys(set: KeySet, text: usize, size: u32, target: Target): string {
  foundSize = 0;
  const tape = takeRegion(json_nodes_max * json.tape_record_bytes);
  if (tape == 0) return "there is no memory for it";
  const trouble =
    scanJson(text, size, tape, json_nodes_max) == scanned ? readDocument(set, tape, target) : "it is no JSON";
  giveRegion(tape);
  return trouble;
}

function readDocument(set: KeySet, root: usize, target: Target): string {
  const issuer = json.member(root, issuer_name.start, issuer_name.size);
  const uri = json.member(root, jwks_uri_name.start, jwks_uri_name.size);
  if (issuer == json.absent || uri == json.absent) return "it lacks `issuer` or `jwks_uri`";
  const own = set.record + layout.key_set_issuer_at;
  if (!json.isString(issuer, set.image + load<u32>(own), load<u32>(own, 4))) return found(issuer, "another `issuer`");
  return json.kindOf(uri) == Kind.STRING && isUrl(uri)
    ? readUri(set, uri, target)
    : found(uri, "`jwks_uri` is no https URL");
}

/** Whether a string begins as an https URL does, and has only characters that a URL of keys may have. */
function isUrl(record: usize): bool {
  const start = json.startOf(record);
  const size = json.sizeOf(record);
  if (size > key_url_bytes_max || !startsWithLiteral(start, size, https_start)) return false;
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte <= 0x20 || byte > 0x7e || byte == 0x22 || byte == 0x23 || byte == 0x5c) return false;
  }
  return true;
}

/** What comes before the path has to be a host of the policy's as it is, so that a user there is none. */
function readUri(set: KeySet, record: usize, target: Target): string {
  const start = json.startOf(record) + https_start.size;
  const size = json.sizeOf(record) - https_start.size;
  const host = indexOfByte(start, size, 0x2f);
  if (host == size || !findHost(set, start, host, target))
    return found(record, "`jwks_uri` is on no host of the policy's");
  target.pathStart = start + host;
  target.pathSize = size - host;
  return "";
}

function found(record: usize, trouble: string): string {
  foundStart = json.startOf(record);
  foundSize = json.sizeOf(record);
  return trouble;
}

/** Looks a host up among those that the set may be on; its port may be left out where it is that of https. */
function findHost(set: KeySet, start: usize, whole: u32, target: Target): bool {
  const port = https_port.size;
  const hasPort = whole > port && sameBytes(start + whole - port, https_port.start, port);
  const size = hasPort ? whole - port : whole;
  const texts = sectionIn(set.image, layout.section_texts);
  const hosts = set.record + layout.key_set_hosts_at;
  const first = texts + <usize>load<u32>(hosts) * layout.text_record_bytes;
  const end = first + <usize>load<u32>(hosts, 4) * layout.text_record_bytes;
  for (let host = first; host < end; host += 2 * layout.text_record_bytes) {
    const name = set.image + load<u32>(host);
    if (load<u32>(host, 4) != size || !isAlike(start, name, size)) continue;
    target.authorityStart = name;
    target.authoritySize = size;
    const cluster = host + layout.text_record_bytes;
    target.clusterStart = set.image + load<u32>(cluster);
    target.clusterSize = load<u32>(cluster, 4);
    return true;
  }
  return false;
}
