/**
 * The foreign function `verify_signature` as Envoy has it (source/extensions/common/wasm/foreign.cc and
 * source/common/crypto/crypto_impl.cc), over node:crypto: RSA PKCS #1 v1.5 and ECDSA with a DER signature.
 */
import { createPublicKey, createVerify, type KeyObject } from "node:crypto";
import { WasmResult } from "./abi.ts";
import { decodeMessage, encodeMessage } from "./protobuf.ts";

/** A function `proxy_call_foreign_function` can name: its result's bytes, or undefined for none, beside the status. */
export type ForeignFunction = (argument: Uint8Array) => { status: WasmResult; result?: Uint8Array };

const hashes = new Set(["sha1", "sha224", "sha256", "sha384", "sha512"]);

const bytesField = (value: Uint8Array | bigint | undefined): Uint8Array =>
  value instanceof Uint8Array ? value : new Uint8Array();

/** Argument {1 hash name, 2 SPKI key in DER, 3 signature, 4 text}, result {1 valid, 2 error}: Ok even where it is not valid. */
export const verifySignature: ForeignFunction = (argument) => {
  const fields = decodeMessage(argument);
  if (fields === undefined) return { status: WasmResult.BadArgument };
  const hash = Buffer.from(bytesField(fields.get(1))).toString("latin1");
  const key = publicKey(bytesField(fields.get(2)));
  if (key === undefined) return { status: WasmResult.BadArgument };
  if (!hashes.has(hash)) return answer(false, `${hash} is not supported.`);
  try {
    const verifier = createVerify(hash).update(bytesField(fields.get(4)));
    const valid = verifier.verify({ key, dsaEncoding: "der" }, bytesField(fields.get(3)));
    return valid ? answer(true, "") : answer(false, "Failed to verify digital signature. Error code: 0");
  } catch (error) {
    return answer(false, `Failed to initialize digest verify. ${(error as Error).message}`);
  }
};

/** Keys by their bytes: parsing one takes longer than verifying with it. */
const keys = new Map<string, KeyObject>();
const keys_max = 256;

function publicKey(spki: Uint8Array): KeyObject | undefined {
  const name = Buffer.from(spki).toString("latin1");
  const known = keys.get(name);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    if (keys.size === keys_max) keys.clear();
    keys.set(name, key);
    return key;
  } catch {
    return undefined;
  }
}

function answer(valid: boolean, error: string): { status: WasmResult; result: Uint8Array } {
  return {
    status: WasmResult.Ok,
    result: encodeMessage([
      [1, valid],
      [2, Buffer.from(error)],
    ]),
  };
}
