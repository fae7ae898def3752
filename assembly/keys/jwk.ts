/**
 * One key of a fetched set (RFC 7517 §4): what it is for, which algorithms it fits, and its public part. A key that does not
 * fit is left out (RFC 7517 §5); the policy compiler (scripts/policy/check/jwks.ts) judges embedded ones by the same rules, says why,
 * and looks whether points are on their curves, which here shows when something is to be verified.
 */
import { LeftOut } from "../audit/metrics";
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
const x5c_name = literal("x5c");
const x5u_name = literal("x5u");
const sig_use = literal("sig");
const x509_use = literal("x509-svid");
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

/** "AAAA" of base64: three zero bytes. */
const four_zeros: u32 = 0x41414141;

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

/** Reads the key at a record of a tape into `jwk`; its public part goes to `target`. NONE, or why it is of no use here. */
export function readKey(jwk: Jwk, key: usize, use: u32, target: usize): LeftOut {
  const hasKid = readKid(jwk, key, use);
  if (has(key, d_name) || has(key, k_name)) return LeftOut.SECRET;
  if (!isForSignatures(key, use)) return isOfCertificates(key, use) ? LeftOut.FOREIGN : LeftOut.USE;
  if (!hasKid) return LeftOut.KID;
  const type = member(key, kty_name);
  if (type == json.absent) return LeftOut.MALFORMED;
  jwk.isRsa = isText(type, rsa_type);
  jwk.coordinateBytes = 0;
  jwk.exponent = 0;
  let why = LeftOut.TYPE;
  if (hasOnlyCertificate(key)) return LeftOut.CERTIFICATE;
  if (jwk.isRsa) why = readRsa(jwk, key, target);
  else if (isText(type, ec_type)) why = readEc(jwk, key, target);
  else if (isText(type, okp_type)) why = readEd25519(jwk, key, target);
  if (why != LeftOut.NONE) return why;
  if (use == use_jwt_svid) jwk.algorithms &= svid_algorithms;
  narrowToAlg(jwk, key);
  return jwk.algorithms != 0 ? LeftOut.NONE : LeftOut.ALG;
}

/** RFC 7517 §4.6 and §4.7: what repeats the key may be its only form. */
function hasOnlyCertificate(key: usize): bool {
  if (!has(key, x5c_name) && !has(key, x5u_name)) return false;
  return !has(key, n_name) && !has(key, e_name) && !has(key, x_name) && !has(key, y_name);
}

/** The authorities of X.509-SVIDs stand in each bundle, and are nobody's loss. */
function isOfCertificates(key: usize, use: u32): bool {
  return use == use_jwt_svid && isText(member(key, use_name), x509_use);
}

function readRsa(jwk: Jwk, key: usize, target: usize): LeftOut {
  const size = decodeNumber(member(key, n_name), target, rsa_most_bytes);
  if (size <= 0 || (load<u8>(target + size - 1) & 1) == 0) return LeftOut.MALFORMED;
  const bits = <u32>size * 8 - (clz<u32>(load<u8>(target)) - 24);
  if (bits < rsa_least_bits) return LeftOut.WEAK;
  const at = target + size;
  const exponentSize = decodeNumber(member(key, e_name), at, 4);
  if (exponentSize <= 0) return LeftOut.MALFORMED;
  for (let index: i32 = 0; index < exponentSize; index++) jwk.exponent = (jwk.exponent << 8) | load<u8>(at + index);
  if (jwk.exponent < 3 || (jwk.exponent & 1) == 0) return LeftOut.WEAK;
  jwk.publicSize = size;
  jwk.algorithms = rsa_algorithms;
  return LeftOut.NONE;
}

function readEc(jwk: Jwk, key: usize, target: usize): LeftOut {
  const curve = member(key, crv_name);
  let algorithm: u32 = 0;
  if (isText(curve, p256_curve)) algorithm = algorithm_es256;
  else if (isText(curve, p384_curve)) algorithm = algorithm_es384;
  else if (isText(curve, p521_curve)) algorithm = algorithm_es512;
  else return LeftOut.TYPE;
  const bytes = <u32>ecdsaNumberBytes(algorithm);
  if (decode(member(key, x_name), target, bytes) != <i32>bytes) return LeftOut.MALFORMED;
  if (decode(member(key, y_name), target + bytes, bytes) != <i32>bytes) return LeftOut.MALFORMED;
  jwk.coordinateBytes = bytes;
  jwk.publicSize = 2 * bytes;
  jwk.algorithms = (<u32>1) << algorithm;
  return LeftOut.NONE;
}

/** RFC 8037 §2. */
function readEd25519(jwk: Jwk, key: usize, target: usize): LeftOut {
  if (!isText(member(key, crv_name), ed25519_curve)) return LeftOut.TYPE;
  if (decode(member(key, x_name), target, 32) != 32) return LeftOut.MALFORMED;
  jwk.publicSize = 32;
  jwk.algorithms = (<u32>1) << algorithm_eddsa;
  return LeftOut.NONE;
}

/** A bundle's keys have an ID (SPIFFE JWT-SVID §6.1); others may have none. */
function readKid(jwk: Jwk, key: usize, use: u32): bool {
  const kid = member(key, kid_name);
  jwk.kidSize = 0;
  if (kid == json.absent) return use != use_jwt_svid;
  if (json.kindOf(kid) != Kind.STRING) return false;
  jwk.kidStart = json.startOf(kid);
  jwk.kidSize = json.sizeOf(kid);
  return jwk.kidSize != 0 && jwk.kidSize <= kid_bytes_max;
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

/**
 * The size of a number without the zero bytes before it (RFC 7518 §2 has none; some servers put one there, as DER does), or -1 as `decode`
 * has it. Four letters are three bytes, whatever comes after them.
 */
function decodeNumber(record: usize, target: usize, most: u32): i32 {
  if (record == json.absent || json.kindOf(record) != Kind.STRING) return -1;
  let start = json.startOf(record);
  let size = json.sizeOf(record);
  for (; size > 4 && load<u32>(start) == four_zeros; size -= 4) start += 4;
  if (size > ((most + 3) * 4 + 2) / 3) return -1;
  const decoded = decodeBase64url(start, size, target);
  let zeros: i32 = 0;
  while (zeros < decoded && load<u8>(target + zeros) == 0) zeros++;
  if (decoded - zeros > <i32>most) return -1;
  if (zeros > 0) memory.copy(target, target + zeros, decoded - zeros);
  return decoded - zeros;
}

/** The size of a base64url member, or -1 where it is none or takes more than `most` bytes. */
function decode(record: usize, target: usize, most: u32): i32 {
  if (record == json.absent || json.kindOf(record) != Kind.STRING) return -1;
  const size = json.sizeOf(record);
  return size > (most * 4 + 2) / 3 ? -1 : decodeBase64url(json.startOf(record), size, target);
}
