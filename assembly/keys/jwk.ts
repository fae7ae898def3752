/**
 * One key of a fetched set (RFC 7517 §4): what it is for, which algorithms it fits, and its public part. A key that does not
 * fit is left out (RFC 7517 §5); the policy compiler (scripts/policy/check/jwks.ts) judges embedded ones by the same rules, says why,
 * and looks whether points are on their curves, which here shows when something is to be verified.
 */
import { decodeBase64url } from "../bytes/base64";
import { Literal, literal } from "../bytes/literal";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import {
  algorithm_count,
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_ps256,
  algorithm_ps384,
  algorithm_ps512,
  algorithm_rs256,
  algorithm_rs384,
  algorithm_rs512,
  ecdsaNumberBytes,
  svid_algorithms,
} from "../crypto/algorithms";
import { algorithmNamed } from "../crypto/names";
import { kid_bytes_max } from "../limits";
import { use_jwt_svid } from "../policy/layout";

const kty_name = literal("kty");
const kid_name = literal("kid");
const use_name = literal("use");
const ops_name = literal("key_ops");
const alg_name = literal("alg");
const crv_name = literal("crv");
const n_name = literal("n");
const e_name = literal("e");
const x_name = literal("x");
const y_name = literal("y");
/** Members of private keys and of secrets (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const d_name = literal("d");
const k_name = literal("k");
const sig_use = literal("sig");
const svid_use = literal("jwt-svid");
const verify_operation = literal("verify");
const rsa_type = literal("RSA");
const ec_type = literal("EC");
const okp_type = literal("OKP");
const p256_curve = literal("P-256");
const p384_curve = literal("P-384");
const p521_curve = literal("P-521");
const ed25519_curve = literal("Ed25519");

const rsa_algorithms: u32 =
  (1 << algorithm_rs256) |
  (1 << algorithm_rs384) |
  (1 << algorithm_rs512) |
  (1 << algorithm_ps256) |
  (1 << algorithm_ps384) |
  (1 << algorithm_ps512);

/** RFC 7518 §3.3, and what the arithmetic has room for. */
const rsa_least_bits: u32 = 2048;
const rsa_most_bytes: u32 = 1024;

/** A key as it was read: its ID, the algorithms it fits, and the sizes of its public part, as KEYS in policy/layout.ts has it. */
@unmanaged
export class Jwk {
  kidStart: usize;
  kidSize: u32;
  algorithms: u32;
  publicSize: u32;
  exponent: u32;
  /** The coordinate's size for EC; 0 for others. */
  coordinateBytes: u32;
  isRsa: bool;
}

/** Reads the key at a record of a tape into `jwk`; its public part goes to `target`. False where it is of no use here. */
export function readKey(jwk: Jwk, key: usize, use: u32, target: usize): bool {
  if (has(key, d_name) || has(key, k_name) || !isForSignatures(key, use) || !readKid(jwk, key, use)) return false;
  const type = member(key, kty_name);
  jwk.isRsa = isText(type, rsa_type);
  jwk.coordinateBytes = 0;
  jwk.exponent = 0;
  let fits = false;
  if (jwk.isRsa) fits = readRsa(jwk, key, target);
  else if (isText(type, ec_type)) fits = readEc(jwk, key, target);
  else if (isText(type, okp_type)) fits = readEd25519(jwk, key, target);
  if (!fits) return false;
  if (use == use_jwt_svid) jwk.algorithms &= svid_algorithms;
  narrowToAlg(jwk, key);
  return jwk.algorithms != 0;
}

function readRsa(jwk: Jwk, key: usize, target: usize): bool {
  const size = decode(member(key, n_name), target, rsa_most_bytes);
  if (size <= 0 || load<u8>(target) == 0 || (load<u8>(target + size - 1) & 1) == 0) return false;
  const bits = <u32>size * 8 - (clz<u32>(load<u8>(target)) - 24);
  if (bits < rsa_least_bits) return false;
  const at = target + size;
  const exponentSize = decode(member(key, e_name), at, 4);
  if (exponentSize <= 0 || load<u8>(at) == 0) return false;
  for (let index: i32 = 0; index < exponentSize; index++) jwk.exponent = (jwk.exponent << 8) | load<u8>(at + index);
  if (jwk.exponent < 3 || (jwk.exponent & 1) == 0) return false;
  jwk.publicSize = size;
  jwk.algorithms = rsa_algorithms;
  return true;
}

function readEc(jwk: Jwk, key: usize, target: usize): bool {
  const curve = member(key, crv_name);
  let algorithm: u32 = 0;
  if (isText(curve, p256_curve)) algorithm = algorithm_es256;
  else if (isText(curve, p384_curve)) algorithm = algorithm_es384;
  else if (isText(curve, p521_curve)) algorithm = algorithm_es512;
  else return false;
  const bytes = <u32>ecdsaNumberBytes(algorithm);
  if (decode(member(key, x_name), target, bytes) != <i32>bytes) return false;
  if (decode(member(key, y_name), target + bytes, bytes) != <i32>bytes) return false;
  jwk.coordinateBytes = bytes;
  jwk.publicSize = 2 * bytes;
  jwk.algorithms = (<u32>1) << algorithm;
  return true;
}

/** RFC 8037 §2. */
function readEd25519(jwk: Jwk, key: usize, target: usize): bool {
  if (!isText(member(key, crv_name), ed25519_curve) || decode(member(key, x_name), target, 32) != 32) return false;
  jwk.publicSize = 32;
  jwk.algorithms = (<u32>1) << algorithm_eddsa;
  return true;
}

/** A bundle's keys have an ID (SPIFFE JWT-SVID §6.1); others may have none. */
function readKid(jwk: Jwk, key: usize, use: u32): bool {
  const kid = member(key, kid_name);
  jwk.kidSize = 0;
  if (kid == json.absent) return use != use_jwt_svid;
  if (json.kindOf(kid) != Kind.STRING || json.sizeOf(kid) == 0 || json.sizeOf(kid) > kid_bytes_max) return false;
  jwk.kidStart = json.startOf(kid);
  jwk.kidSize = json.sizeOf(kid);
  return true;
}

/** RFC 7517 §4.2 and §4.3: what the key is for. */
function isForSignatures(key: usize, use: u32): bool {
  const told = member(key, use_name);
  if (use == use_jwt_svid ? !isText(told, svid_use) : told != json.absent && !isText(told, sig_use)) return false;
  const operations = member(key, ops_name);
  if (operations == json.absent) return true;
  if (json.kindOf(operations) != Kind.ARRAY) return false;
  const end = json.after(operations);
  for (let operation = json.firstOf(operations); operation < end; operation = json.after(operation)) {
    if (isText(operation, verify_operation)) return true;
  }
  return false;
}

/** A key that names its `alg` fits that one alone. */
function narrowToAlg(jwk: Jwk, key: usize): void {
  const alg = member(key, alg_name);
  if (alg == json.absent) return;
  const isText = json.kindOf(alg) == Kind.STRING;
  const named = isText ? algorithmNamed(json.startOf(alg), json.sizeOf(alg)) : algorithm_count;
  jwk.algorithms = named == algorithm_count ? 0 : jwk.algorithms & ((<u32>1) << named);
}

function member(key: usize, name: Literal): usize {
  return json.member(key, name.start, name.size);
}

function has(key: usize, name: Literal): bool {
  return member(key, name) != json.absent;
}

function isText(record: usize, text: Literal): bool {
  return record != json.absent && json.isString(record, text.start, text.size);
}

/** The size of a base64url member, or -1 where it is none or takes more than `most` bytes. */
function decode(record: usize, target: usize, most: u32): i32 {
  if (record == json.absent || json.kindOf(record) != Kind.STRING) return -1;
  const size = json.sizeOf(record);
  return size > (most * 4 + 2) / 3 ? -1 : decodeBase64url(json.startOf(record), size, target);
}
