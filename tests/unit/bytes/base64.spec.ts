import { decodeBase64, decodeBase64url, malformed } from "../../../assembly/bytes/base64";
import { bytesOf, hexOf, textOf } from "../support";

const output: usize = memory.data(256);

function url(text: string): string {
  const input = bytesOf(text);
  const size = decodeBase64url(input.start, input.size, output);
  return size == malformed ? "malformed" : textOf(output, size);
}

function standard(text: string): string {
  const input = bytesOf(text);
  const size = decodeBase64(input.start, input.size, output);
  return size == malformed ? "malformed" : textOf(output, size);
}

describe("base64url without padding", () => {
  test("RFC 4648 §10 vectors", () => {
    expect(url("")).toBe("");
    expect(url("Zg")).toBe("f");
    expect(url("Zm8")).toBe("fo");
    expect(url("Zm9v")).toBe("foo");
    expect(url("Zm9vYg")).toBe("foob");
    expect(url("Zm9vYmE")).toBe("fooba");
    expect(url("Zm9vYmFy")).toBe("foobar");
  });

  test("both signs of the alphabet, and no others", () => {
    const input = bytesOf("-_-_");
    expect(decodeBase64url(input.start, input.size, output)).toBe(3);
    expect(hexOf(output, 3)).toBe("fbffbf");
    expect(url("+/+/")).toBe("malformed");
  });

  test("padding, white space and foreign bytes are refused", () => {
    expect(url("Zg==")).toBe("malformed");
    expect(url("Zg=")).toBe("malformed");
    expect(url("Zm 9v")).toBe("malformed");
    expect(url("Zm9v\n")).toBe("malformed");
    expect(url("Zm9v.")).toBe("malformed");
    expect(url("Zm9é")).toBe("malformed");
    expect(url("@m9v")).toBe("malformed");
    expect(url("[m9v")).toBe("malformed");
    expect(url("`m9v")).toBe("malformed");
    expect(url("{m9v")).toBe("malformed");
  });

  test("a length no encoder makes is refused", () => {
    expect(url("Z")).toBe("malformed");
    expect(url("Zm9vY")).toBe("malformed");
  });

  test("bits left over must be zero", () => {
    expect(url("Zh")).toBe("malformed");
    expect(url("Zm9")).toBe("malformed");
    expect(url("Zm8")).toBe("fo");
  });

  test("decodes in place", () => {
    const input = bytesOf("Zm9vYmFy");
    expect(decodeBase64url(input.start, input.size, input.start)).toBe(6);
    expect(textOf(input.start, 6)).toBe("foobar");
  });
});

describe("base64 with padding", () => {
  test("RFC 4648 §10 vectors", () => {
    expect(standard("")).toBe("");
    expect(standard("Zg==")).toBe("f");
    expect(standard("Zm8=")).toBe("fo");
    expect(standard("Zm9vYmFy")).toBe("foobar");
  });

  test("missing, surplus or misplaced padding is refused", () => {
    expect(standard("Zg")).toBe("malformed");
    expect(standard("Zg=")).toBe("malformed");
    expect(standard("Zg==Zg==")).toBe("malformed");
    expect(standard("====")).toBe("malformed");
    expect(standard("Z===")).toBe("malformed");
    expect(standard("-_-_")).toBe("malformed");
  });
});
