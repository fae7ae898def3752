/** Signatures from the form of JWS to DER. */
import {
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_rs256,
} from "../../../assembly/crypto/algorithms";
import { der_bytes, encodeSignature } from "../../../assembly/token/der";
import { hexBytes, hexOf } from "../support";

const target: usize = memory.data(160);

function der(algorithm: u32, hex: string): string {
  const bytes = hexBytes(hex);
  const size = encodeSignature(algorithm, bytes.start, bytes.size, target);
  return size == 0 ? "refused" : hexOf(target, size);
}

const zero32 = "00".repeat(32);
const one32 = "00".repeat(31) + "01";
const n256 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const belowN256 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
const aboveN256 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552";
const n384 = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const n521 =
  "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";

describe("ECDSA signatures as DER", () => {
  test("numbers are as short as can be, and never negative", () => {
    expect(der(algorithm_es256, one32 + one32)).toBe("3006020101020101");
    expect(der(algorithm_es256, "00".repeat(31) + "7f" + "00".repeat(31) + "80")).toBe("300702017f02020080");
    expect(der(algorithm_es256, "7f".repeat(32) + "80".repeat(32))).toBe(
      "3045" + "0220" + "7f".repeat(32) + "022100" + "80".repeat(32),
    );
  });

  test("a long signature has a long length", () => {
    const number = "01" + "80".repeat(65);
    expect(der(algorithm_es512, number + number)).toBe("308188" + "0242" + number + "0242" + number);
    expect(<u32>3 + 0x88 <= der_bytes).toBeTruthy();
  });

  test("zero and what is not below the order is refused", () => {
    expect(der(algorithm_es256, zero32 + one32)).toBe("refused");
    expect(der(algorithm_es256, one32 + zero32)).toBe("refused");
    expect(der(algorithm_es256, zero32 + zero32)).toBe("refused");
    expect(der(algorithm_es256, n256 + one32)).toBe("refused");
    expect(der(algorithm_es256, one32 + n256)).toBe("refused");
    expect(der(algorithm_es256, aboveN256 + one32)).toBe("refused");
    expect(der(algorithm_es256, "ff".repeat(32) + one32)).toBe("refused");
    expect(der(algorithm_es256, belowN256 + one32)).toBe("3026022100" + belowN256 + "020101");
    expect(der(algorithm_es384, n384 + "00".repeat(47) + "01")).toBe("refused");
    expect(der(algorithm_es512, n521 + "00".repeat(65) + "01")).toBe("refused");
  });

  test("the size must be that of the curve", () => {
    expect(der(algorithm_es256, "")).toBe("refused");
    expect(der(algorithm_es256, one32)).toBe("refused");
    expect(der(algorithm_es256, one32 + one32 + "00")).toBe("refused");
    expect(der(algorithm_es384, one32 + one32)).toBe("refused");
    expect(der(algorithm_rs256, one32 + one32)).toBe("refused");
  });
});
