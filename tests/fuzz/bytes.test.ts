/**
 * Every byte at every kind of place where the engine asks what byte it is, against the grammar of the place. The sets are
 * written from the standards here, and where the engine means to take less or more, that stands beside it.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { HostRequest } from "../../scripts/host/plugin.ts";
import { recordOf, TestPlugin } from "../support/plugin.ts";

const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
const range = (first: string, last: string): string[] => every.slice(first.charCodeAt(0), last.charCodeAt(0) + 1);
const lower = range("a", "z");
const upper = range("A", "Z");
const digits = range("0", "9");
const hexDigits = [...digits, ...range("a", "f"), ...range("A", "F")];
/** RFC 3986 §2.3, §2.2. */
const unreserved = [...lower, ...upper, ...digits, ..."-._~"];
const subDelims = [..."!$&'()*+,;="];

/** Asserts which bytes are taken at a place of a text; `@@` marks it. */
function taken(template: string, allowed: readonly string[], isTaken: (text: string) => boolean): void {
  const wanted = new Set(allowed);
  for (const byte of every) {
    const text = template.replace("@@", () => byte);
    assert.equal(isTaken(text), wanted.has(byte), `byte 0x${byte.charCodeAt(0).toString(16)} in ${template}`);
  }
}

const without = (bytes: readonly string[], ...left: string[]): string[] => bytes.filter((byte) => !left.includes(byte));

describe("the host (RFC 3986 §3.2.2, §3.2.3)", () => {
  const plugin = new TestPlugin("shop");
  const isTaken = (host: string): boolean => recordOf(plugin.order({ host })).reason !== "request_malformed";
  /** Less than `reg-name`: no `~`, no percent-encoding, no sub-delims, none of which is in a name of DNS. */
  const name = [...lower, ...upper, ...digits, ..."-._"];

  test("a name", () => {
    taken("@@rders.example.org", without(name, "."), isTaken);
    taken("ord@@rs.example.org", name, isTaken);
    taken("orders.example.or@@", [...name, ":"], isTaken);
    taken("@@", without(name, "."), isTaken);
    taken("orders.@@.example.org", without(name, "."), isTaken);
  });

  test("a port", () => {
    taken("orders.example.org:@@", digits, isTaken);
    taken("orders.example.org:@@43", digits, isTaken);
    taken("orders.example.org:4@@3", digits, isTaken);
    taken("orders.example.org:44@@", digits, isTaken);
    taken("orders.example.org@@443", [...name, ":"], isTaken);
    taken("[::1]:4@@3", digits, isTaken);
  });

  test("an address in brackets", () => {
    const address = [...hexDigits, ":", "."];
    taken("[@@001:db8::1]", address, isTaken);
    taken("[2001:d@@8::1]", address, isTaken);
    taken("[2001:db8::@@]", address, isTaken);
    taken("@@::1]", ["["], isTaken);
    taken("[::1@@", ["]"], isTaken);
    taken("[::1]@@", [":"], isTaken);
    taken("[::1]@@443", [":"], isTaken);
  });

  test("the same name in any case is one", () => {
    const outcome = plugin.request({
      caller: "spiffe://example.org/web",
      path: "/users/1",
      method: "GET",
      host: "USERS.Example.ORG:443",
    });
    assert.equal(recordOf(outcome).reason, "token_missing");
  });
});

test("a method (RFC 9110 §9.1), without the signs of `token` that no method uses", () => {
  const plugin = new TestPlugin("shop");
  const isTaken = (method: string): boolean => recordOf(plugin.order({ method })).reason !== "request_malformed";
  const allowed = [...lower, ...upper, ...digits, "-", "_"];
  for (const template of ["@@", "@@OST", "PO@@T", "POS@@"]) taken(template, allowed, isTaken);
});

describe("the path (RFC 3986 §3.3)", () => {
  const plugin = new TestPlugin("shop");
  const isTaken = (path: string): boolean => {
    const { reason } = recordOf(plugin.order({ path }));
    return reason !== "path_ambiguous" && reason !== "request_malformed";
  };
  /** What is no `pchar` and yet read alike by everybody. */
  const taken_as_is = [...'"<>[]^`{|}'];
  /** Without `;`, at which some servers end a segment. */
  const segment = without([...unreserved, ...subDelims, ":", "@", ...taken_as_is], ";");

  test("a segment", () => {
    taken("@@", ["/"], isTaken);
    taken("/@@", without([...segment, "?"], "."), isTaken);
    taken("/@@rders", [...segment, "?"], isTaken);
    taken("/or@@ers", [...segment, "?", "/"], isTaken);
    taken("/order@@", [...segment, "?"], isTaken);
    // Sixteen bytes are looked at together.
    taken("/orders/0123456789012345678901234@@uvwxyz0123456789uvwxyz", [...segment, "?", "/"], isTaken);
  });

  test("a percent-encoding: two digits, of no byte that would read otherwise once decoded", () => {
    taken("/%@@1", range("0", "7"), isTaken);
    taken("/%4@@", hexDigits, isTaken);
    taken("/%C@@%A9", without(hexDigits, "0", "1"), isTaken);
    taken("/%c3%@@9", [..."89aAbB"], isTaken);
    taken("/%2@@", without(hexDigits, "e", "E", "f", "F"), isTaken);
    taken("/%25@@1", without([...segment, "?"], ...hexDigits), (path) => !path.includes("%25/") && isTaken(path));
    const encoded = every.map((byte) => `/a%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
    const plain = encoded.filter(isTaken);
    assert.equal(plain.length, 128 - [..."\0/;\\"].length);
    // A dot is one of a name, but never the whole of a segment, where it would lead elsewhere (RFC 3986 §5.2.4).
    for (const dots of ["%2e", "%2E%2e", ".%2E", "%2e."]) {
      for (const path of [`/${dots}`, `/a/${dots}/b`]) assert.equal(isTaken(path), false, path);
      assert.equal(isTaken(`/${dots}.x`), true, dots);
    }
  });
});

test("the query (RFC 3986 §3.4)", () => {
  const plugin = new TestPlugin("conditions");
  const isTaken = (query: string): boolean => {
    const outcome = plugin.request({ caller: "spiffe://example.org/a", method: "GET", path: `/query-there?${query}` });
    return recordOf(outcome).reason !== "condition_error";
  };
  /** Without `;`, a separator to some; with what is no `query` and yet read alike by everybody. */
  const query = without([...unreserved, ...subDelims, ..."/?:@", ...'"<>[\\]^`{|}'], ";");
  taken("@@=v", without(query, "%"), isTaken);
  taken("b@@z=v", without(query, "%"), isTaken);
  taken("a=@@v", without(query, "+", "%"), isTaken);
  taken("a=v@@", without(query, "+", "%"), isTaken);
  taken("b%@@1=v", range("0", "7"), isTaken);
  taken("b%4@@=v", hexDigits, isTaken);
});

describe("a SPIFFE ID (SPIFFE-ID §2.1, §2.2)", () => {
  const plugin = new TestPlugin("shop");
  const isTaken = (id: string): boolean => {
    const more: Partial<HostRequest> = {
      properties: { "connection.uri_san_peer_certificate": Buffer.from(id, "latin1") },
    };
    const { reason } = recordOf(plugin.request({ path: "/orders" }, more));
    return reason !== "identity_malformed";
  };
  const domain = [...lower, ...digits, ..."._-"];
  const segment = [...domain, ...upper];

  test("its scheme", () => {
    for (const [index, byte] of [..."spiffe://"].entries()) {
      const text = "spiffe://example.org/web";
      taken(`${text.slice(0, index)}@@${text.slice(index + 1)}`, [byte], isTaken);
    }
  });

  test("its trust domain", () => {
    taken("spiffe://@@xample.org/web", domain, isTaken);
    taken("spiffe://exa@@ple.org/web", [...domain, "/"], isTaken);
    taken("spiffe://example.or@@/web", domain, isTaken);
    taken("spiffe://example.org@@web", ["/"], isTaken);
  });

  test("its path", () => {
    taken("spiffe://example.org/@@eb", segment, isTaken);
    taken("spiffe://example.org/w@@b", [...segment, "/"], isTaken);
    taken("spiffe://example.org/we@@", segment, isTaken);
    taken("spiffe://example.org/@@", without(segment, "."), isTaken);
    taken("spiffe://example.org/.@@", without(segment, "."), isTaken);
  });
});

describe("x-forwarded-client-cert (Envoy, “HTTP header manipulation”)", () => {
  const plugin = new TestPlugin("gateway");
  const edge = "spiffe://example.org/edge";
  const mobile = "spiffe://example.org/mobile";
  const digest = "a1".repeat(32);
  const callerBehind = (header: string): string => {
    const headers = [["x-forwarded-client-cert", header] as const];
    const properties = {
      "connection.uri_san_peer_certificate": edge,
      "connection.sha256_peer_certificate_digest": digest,
    };
    const { caller, reason } = recordOf(
      plugin.request({ caller: edge, method: "GET", path: "/orders", headers }, { properties }),
    );
    return reason === "allowed" ? String(caller) : String(reason);
  };
  const isRead = (header: string): boolean => callerBehind(header) === mobile;
  const controls = [...every.slice(0, 0x20), "\x7f"];

  test("a key", () => {
    taken(`@@=x;URI=${mobile}`, [...lower, ...upper], isRead);
    taken(`K@@y=x;URI=${mobile}`, [...lower, ...upper, "="], isRead);
    taken(`Ke@@=x;URI=${mobile}`, [...lower, ...upper, "="], isRead);
    for (const [index, letter] of [..."uri"].entries()) {
      const key = `${"uri".slice(0, index)}@@${"uri".slice(index + 1)}`;
      taken(`${key}=${mobile}`, [letter, letter.toUpperCase()], isRead);
    }
  });

  test("a plain value", () => {
    const plain = without(every, ...controls, " ", '"');
    taken(`Subject=@@b;URI=${mobile}`, without(plain, ",", ";"), isRead);
    taken(`Subject=a@@b;URI=${mobile}`, without(plain, ",", ";"), isRead);
    taken(`Subject=ab@@;URI=${mobile}`, without(plain, ",", ";"), isRead);
  });

  test("a value in quotes", () => {
    const quoted = without(every, ...controls, '"', "\\");
    taken(`Subject="@@b";URI=${mobile}`, [...quoted, "\\"], isRead);
    taken(`Subject="a@@";URI=${mobile}`, quoted, isRead);
    taken(`Subject="a\\@@";URI=${mobile}`, without(every, ...controls), isRead);
    taken(`Subject="a\\@@b";URI=${mobile}`, without(every, ...controls), isRead);
  });

  test("the digest that shows an element of our own connection manager, in hexadecimal digits", () => {
    for (const [place, alike] of [
      [0, ["a", "A"]],
      [1, ["1"]],
      [62, ["a", "A"]],
      [63, ["1"]],
    ] as const) {
      const hash = `${digest.slice(0, place)}@@${digest.slice(place + 1)}`;
      // Another digest is an element that somebody else wrote, about the edge.
      taken(`URI=${mobile},Hash=${hash};URI=${edge}`, alike, isRead);
    }
  });
});
