/** SPIFFE IDs: which are valid, and their trust domain. */
import { trustDomainBytes } from "../../../assembly/request/spiffe";
import { bytesOf } from "../support";

function domainBytes(id: string): u32 {
  const bytes = bytesOf(id);
  return trustDomainBytes(bytes.start, bytes.size);
}

describe("SPIFFE IDs", () => {
  test("of workloads", () => {
    expect(domainBytes("spiffe://example.org/checkout-service")).toBe(11);
    expect(domainBytes("spiffe://example.org/ns/prod/sa/Web_1.2")).toBe(11);
    expect(domainBytes("spiffe://a/b")).toBe(1);
    expect(domainBytes("spiffe://1.2.3.4/x")).toBe(7);
    expect(domainBytes("spiffe://under_score.example/...")).toBe(19);
    expect(domainBytes("spiffe://example.org/a/.hidden/..x")).toBe(11);
  });

  test("what is refused", () => {
    const cases = [
      "",
      "spiffe://",
      "spiffe:///path",
      "spiffe://example.org",
      "spiffe://example.org/",
      "spiffe://example.org/a/",
      "spiffe://example.org//a",
      "spiffe://example.org/a//b",
      "spiffe://example.org/.",
      "spiffe://example.org/..",
      "spiffe://example.org/a/../b",
      "spiffe://Example.org/a",
      "spiffe://example.org:8443/a",
      "spiffe://user@example.org/a",
      "spiffe://[::1]/a",
      "spiffe://exämple.org/a",
      "spiffe://example.org/a?b",
      "spiffe://example.org/a#b",
      "spiffe://example.org/a%20b",
      "spiffe://example.org/a b",
      "spiffe://example.org/ä",
      "spiffe://example.org?x=/a",
      "SPIFFE://example.org/a",
      "Spiffe://example.org/a",
      "https://example.org/a",
      " spiffe://example.org/a",
      "spiffe://example.org/a,spiffe://example.org/b",
    ];
    for (let index = 0; index < cases.length; index++) expect(domainBytes(cases[index])).toBe(0, cases[index]);
  });

  test("lengths", () => {
    expect(domainBytes("spiffe://" + "a".repeat(255) + "/b")).toBe(255);
    expect(domainBytes("spiffe://" + "a".repeat(256) + "/b")).toBe(0);
    expect(domainBytes("spiffe://a/" + "b".repeat(2037))).toBe(1);
    expect(domainBytes("spiffe://a/" + "b".repeat(2038))).toBe(0);
  });
});
