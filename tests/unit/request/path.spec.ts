/** Paths: segments, percent-encoding, and what is refused. */
import { resetArena } from "../../../assembly/host/arena";
import { Reason, reasonName } from "../../../assembly/reason";
import { readPath } from "../../../assembly/request/path";
import { clearRequest, request, segmentCount, segmentSize, segmentStart } from "../../../assembly/request/request";
import { bytesOf, textOf } from "../support";

/** The decoded segments of a path, each in brackets, or the reason it was refused for. */
function segments(path: string): string {
  resetArena();
  clearRequest();
  const bytes = bytesOf(path);
  request.pathStart = bytes.start;
  request.pathSize = bytes.size;
  const reason = readPath();
  if (reason != Reason.ALLOWED) return reasonName(reason);
  let text = "";
  for (let index: u32 = 0; index < segmentCount(); index++) {
    text += "[" + textOf(segmentStart(index), segmentSize(index)) + "]";
  }
  return text;
}

describe("paths with one reading", () => {
  test("segments, without the query", () => {
    expect(segments("/")).toBe("");
    expect(segments("/orders")).toBe("[orders]");
    expect(segments("/orders/7/items")).toBe("[orders][7][items]");
    expect(segments("/orders?a=/../%2F;x")).toBe("[orders]");
    expect(segments("/?x")).toBe("");
    expect(segments("/...")).toBe("[...]");
    expect(segments("/.well-known/x.json")).toBe("[.well-known][x.json]");
    expect(segments("/a:b@c!$&'()*+,=~_-")).toBe("[a:b@c!$&'()*+,=~_-]");
  });

  test("are decoded", () => {
    expect(segments("/%61dmin")).toBe("[admin]");
    expect(segments("/%6F%72ders")).toBe("[orders]");
    expect(segments("/a%20b")).toBe("[a b]");
    expect(segments("/caf%C3%A9")).toBe("[café]");
    expect(segments("/%E2%82%AC")).toBe("[€]");
    expect(segments("/100%25")).toBe("[100%]");
    expect(segments("/%25zz")).toBe("[%zz]");
    expect(segments("/a%3Fb")).toBe("[a?b]");
    expect(segments("/report%2Epdf")).toBe("[report.pdf]");
    expect(segments("/%2Ewell-known/v1%2e%2Ev2")).toBe("[.well-known][v1..v2]");
    expect(segments("/%2e%2E%2e")).toBe("[...]");
  });
});

describe("paths with two readings", () => {
  test("are refused", () => {
    const cases = [
      "//",
      "//admin",
      "/a//b",
      "/a/",
      "/.",
      "/..",
      "/a/./b",
      "/a/../b",
      "/a/..",
      "/a\\b",
      "/a;b",
      "/a;v=1/b",
      "/a%3Bb",
      "/a%3bb",
      "/a%2Fb",
      "/a%2fb",
      "/a%5Cb",
      "/a%5c..%5cb",
      "/%2e",
      "/%2E%2E/a",
      "/.%2e/a",
      "/%2E",
      "/a/%2e.",
      "/a/.%2E/b",
      "/a%00",
      "/%252e",
      "/a%252Fb",
      "/a%25%32%66",
      "/%",
      "/%2",
      "/%zz",
      "/%2g",
      "/%FF",
      "/%C3",
      "/%C3%28",
      "/%C0%AF",
      "/%ED%A0%80",
      "/caf\u00e9",
      "/a b",
      "/a\tb",
      "/a#b",
      "/a\u007f",
    ];
    for (let index = 0; index < cases.length; index++) {
      expect(segments(cases[index])).toBe("path_ambiguous", cases[index]);
    }
  });

  test("double encoding is one however it is written, and only before two hexadecimal digits", () => {
    expect(segments("/a%25%32%66")).toBe("path_ambiguous");
    expect(segments("/a%252%66")).toBe("path_ambiguous");
    expect(segments("/a%25%7a%66")).toBe("[a%zf]");
  });

  test("a character may not be split over two segments", () => {
    expect(segments("/%C3/%A9")).toBe("path_ambiguous");
  });
});

describe("requests without a path", () => {
  test("are malformed", () => {
    expect(segments("")).toBe("request_malformed");
    expect(segments("*")).toBe("request_malformed");
    expect(segments("orders")).toBe("request_malformed");
    expect(segments("?a")).toBe("request_malformed");
    expect(segments("http://example.org/a")).toBe("request_malformed");
  });

  test("so are those past the bounds", () => {
    expect(segments("/" + "a".repeat(8191))).toBe("[" + "a".repeat(8191) + "]");
    expect(segments("/" + "a".repeat(8192))).toBe("request_malformed");
    expect(segments("/a".repeat(129))).toBe("request_malformed");
    expect(segments("/a?" + "b".repeat(9000))).toBe("[a]");
  });
});
