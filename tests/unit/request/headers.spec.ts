/** Headers: the walk over the pairs, duplicates, the host. */
import { absent, ambiguous, spanSize, spanStart } from "../../../assembly/bytes/span";
import { findHeader, readHost, readPairs } from "../../../assembly/request/headers";
import { clearRequest, request } from "../../../assembly/request/request";
import { bytesOf, textOf } from "../support";

const block: usize = memory.data(4096, 8);

/** Serializes pairs as the ABI does; names and values alternate. */
function pairs(texts: string[]): u32 {
  const count = texts.length / 2;
  store<u32>(block, count);
  let cursor = block + 4 + ((<usize>texts.length) << 2);
  for (let index = 0; index < texts.length; index++) {
    const bytes = bytesOf(texts[index]);
    store<u32>(block + 4 + ((<usize>index) << 2), bytes.size);
    memory.copy(cursor, bytes.start, bytes.size);
    store<u8>(cursor + bytes.size, 0);
    cursor += bytes.size + 1;
  }
  return <u32>(cursor - block);
}

/** The host as policies name it, or "refused". */
function host(authority: string): string {
  clearRequest();
  const bytes = bytesOf(authority);
  request.hostStart = bytes.start;
  request.hostSize = bytes.size;
  return readHost() ? textOf(request.hostStart, request.hostSize) : "refused";
}

describe("header pairs", () => {
  test("are read by name, and found where they stand once", () => {
    clearRequest();
    const size = pairs([
      ":method",
      "POST",
      ":path",
      "/orders",
      ":authority",
      "Shop.example:443",
      "content-type",
      "application/grpc+proto",
      "authorization",
      "Bearer a",
      "x-other",
      "",
      "authorization",
      "Bearer b",
    ]);
    expect(readPairs(block, size)).toBeTruthy();
    expect(textOf(request.methodStart, request.methodSize)).toBe("POST");
    expect(textOf(request.pathStart, request.pathSize)).toBe("/orders");
    expect(request.isGrpc).toBeTruthy();
    const name = bytesOf("authorization");
    expect(findHeader(name.start, name.size)).toBe(ambiguous);
    const other = bytesOf("x-other");
    expect(spanSize(findHeader(other.start, other.size))).toBe(0);
    const type = bytesOf("content-type");
    const value = findHeader(type.start, type.size);
    expect(textOf(spanStart(value), spanSize(value))).toBe("application/grpc+proto");
    const none = bytesOf("x-none");
    expect(findHeader(none.start, none.size)).toBe(absent);
    clearRequest();
    expect(findHeader(other.start, other.size)).toBe(absent);
  });

  test("gRPC is told apart as Envoy does it", () => {
    const types = [
      "application/grpc",
      "application/grpc+json",
      "application/grpc-web",
      "application/grpcx",
      "text/plain",
    ];
    const expected = [true, true, false, false, false];
    for (let index = 0; index < types.length; index++) {
      clearRequest();
      expect(readPairs(block, pairs(["content-type", types[index]]))).toBeTruthy();
      expect(request.isGrpc).toBe(expected[index], types[index]);
    }
  });

  test("sizes that do not fit the buffer are refused", () => {
    clearRequest();
    const size = pairs([":method", "GET", ":path", "/"]);
    for (let cut: u32 = 0; cut < size; cut++) expect(readPairs(block, cut)).toBeFalsy();
    store<u32>(block + 4, 0xffffffff);
    expect(readPairs(block, size)).toBeFalsy();
    store<u32>(block, 0x20000001);
    expect(readPairs(block, size)).toBeFalsy();
  });
});

describe("hosts", () => {
  test("come without port, case and trailing dot", () => {
    expect(host("example.org")).toBe("example.org");
    expect(host("Users.Example.ORG:8443")).toBe("users.example.org");
    expect(host("example.org.")).toBe("example.org");
    expect(host("example.org.:80")).toBe("example.org");
    expect(host("localhost")).toBe("localhost");
    expect(host("127.0.0.1:80")).toBe("127.0.0.1");
    expect(host("[::1]:80")).toBe("[::1]");
    expect(host("[fe80::1]")).toBe("[fe80::1]");
    expect(host("under_score.example")).toBe("under_score.example");
  });

  test("with two readings are refused", () => {
    const cases = [
      "",
      "user@example.org",
      "a,b",
      "a b",
      "a:b",
      "a:80:80",
      "a:8x",
      "::1",
      "[::1",
      "::1]",
      "[::1]x",
      "[::1]]",
      "a/b",
      "a\\b",
      "é",
      ":80",
      "[]x:1",
    ];
    for (let index = 0; index < cases.length; index++) expect(host(cases[index])).toBe("refused", cases[index]);
    expect(host("a".repeat(255))).toBe("a".repeat(255));
    expect(host("a".repeat(256))).toBe("refused");
  });
});
