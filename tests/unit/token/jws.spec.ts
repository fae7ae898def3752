/** Parsing tokens: the compact form, the header, its limits. */
import * as json from "../../../assembly/bytes/tape";
import { detailName } from "../../../assembly/detail";
import { detailOf, Finding, isGood, reasonOf } from "../../../assembly/finding";
import { resetArena } from "../../../assembly/host/arena";
import { reasonName } from "../../../assembly/reason";
import { issuerClaim, subjectClaim } from "../../../assembly/token/claims";
import { parseJws } from "../../../assembly/token/jws";
import { clearTokens, tokenSlot } from "../../../assembly/token/slot";
import { bytesOf, textOf, url } from "../support";

const jws = tokenSlot(0);
/** What the token taken apart last came to. */
let found: Finding = 0;

function parse(token: string): string {
  resetArena();
  const bytes = bytesOf(token);
  clearTokens(1);
  jws.start = bytes.start;
  jws.size = bytes.size;
  found = parseJws(jws);
  return reasonName(reasonOf(found));
}

function header(text: string): string {
  return parse(url(text) + "." + url("{}") + ".AAAA");
}

describe("compact JWS", () => {
  test("RFC 7515 §A.2.1: header, payload, signing input", () => {
    const token =
      "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.AQID";
    expect(parse(token)).toBe("allowed");
    expect(jws.algorithm).toBe(0);
    expect(jws.kidSize).toBe(0);
    expect(textOf(jws.start, jws.inputSize)).toBe(token.substring(0, token.length - 5));
    expect(textOf(jws.payloadStart, jws.payloadSize)).toBe(
      '{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}',
    );
    expect(jws.signatureSize).toBe(3);
  });

  test("three parts, none but the signature empty", () => {
    expect(parse("")).toBe("token_malformed");
    expect(parse("a")).toBe("token_malformed");
    expect(parse("e30.e30")).toBe("token_malformed");
    expect(parse(".e30.AAAA")).toBe("token_malformed");
    expect(parse("e30..AAAA")).toBe("token_malformed");
    expect(parse("..")).toBe("token_malformed");
    expect(parse(url('{"alg":"RS256"}') + ".e30.AAAA.AAAA")).toBe("token_malformed");
    expect(parse(url('{"alg":"RS256"}') + ".e30.AAAA.AAAA.AAAA")).toBe("token_malformed");
    expect(parse(url('{"alg":"RS256"}') + ".e30.")).toBe("allowed");
  });

  test("strict base64url in every part", () => {
    const head = url('{"alg":"RS256"}');
    expect(parse(head + "=.e30.AAAA")).toBe("token_malformed");
    expect(parse(head + ".e30=.AAAA")).toBe("token_malformed");
    expect(parse(head + ".e30.AA==")).toBe("token_malformed");
    expect(parse(head + ".e30.AB")).toBe("token_malformed");
    expect(parse(" " + head + ".e30.AAAA")).toBe("token_malformed");
    expect(parse(head + ".e30.AAAA ")).toBe("token_malformed");
    expect(parse(head + ".e30.AAAA,x")).toBe("token_malformed");
  });
});

describe("headers", () => {
  test("the algorithms of the table, exactly spelled", () => {
    const names = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"];
    for (let index = 0; index < names.length; index++) {
      expect(header('{"alg":"' + names[index] + '"}')).toBe("allowed");
      expect(jws.algorithm).toBe(index);
    }
    expect(header('{"alg":"Ed25519"}')).toBe("allowed");
    expect(jws.algorithm).toBe(9);
  });

  test("no other algorithm exists", () => {
    const names = [
      "none",
      "None",
      "NONE",
      "",
      "HS256",
      "HS512",
      "PS128",
      "ed25519",
      "Ed448",
      "eddsa",
      "rs256",
      "RS256 ",
      "RS1",
    ];
    for (let index = 0; index < names.length; index++) {
      expect(header('{"alg":"' + names[index] + '"}')).toBe("token_algorithm", names[index]);
    }
  });

  test("what is malformed", () => {
    expect(header("[]")).toBe("token_malformed");
    expect(header("{}")).toBe("token_malformed");
    expect(header('{"alg":null}')).toBe("token_malformed");
    expect(header('{"alg":256}')).toBe("token_malformed");
    expect(header('{"alg":["RS256"]}')).toBe("token_malformed");
    expect(header('{"alg":"none","alg":"RS256"}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","\\u0061lg":"none"}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","crit":["exp"]}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","crit":[]}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","b64":false}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","kid":1}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","kid":""}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","kid":null}')).toBe("token_malformed");
    expect(header('{"alg":"RS256","kid":"' + "k".repeat(257) + '"}')).toBe("token_malformed");
  });

  test("each detail has its name", () => {
    const rs256 = url('{"alg":"RS256"}');
    const headers = [
      '{"alg":"none"}',
      "alg_none",
      '{"alg":"nOnE"}',
      "alg_none",
      '{"alg":"HS256"}',
      "alg_secret",
      '{"alg":"XS256"}',
      "alg_unknown",
      '{"alg":1}',
      "alg",
      '{"alg":"RS256","crit":[]}',
      "crit",
      '{"alg":"RS256","b64":true}',
      "b64",
      '{"alg":"RS256","kid":7}',
      "kid",
      '{"alg":"RS256","alg":"RS256"}',
      "duplicate_member",
      '{"alg":"RS256"',
      "header_json",
      '{"alg":"RS\u0000256"}',
      "text",
      '{"alg":"RS256","n":01}',
      "number",
    ];
    for (let index = 0; index < headers.length; index += 2) {
      header(headers[index]);
      expect(detailName(detailOf(found))).toBe(headers[index + 1], headers[index]);
    }
    const tokens = [
      rs256 + ".e30.AAAA.AAAA.AAAA",
      "encrypted",
      rs256 + ".e30.AAAA.AAAA",
      "parts",
      rs256 + ".e30=.AAAA",
      "base64",
      rs256 + "." + url("[1]") + ".AAAA",
      "claims_json",
      rs256 + "." + url("{" + '"a":['.repeat(1) + "[".repeat(4200) + "]".repeat(4201) + "}") + ".AAAA",
      "nesting",
      rs256 + "." + url('{"a":1,"a":2}') + ".AAAA",
      "duplicate_member",
    ];
    for (let index = 0; index < tokens.length; index += 2) {
      parse(tokens[index]);
      expect(detailName(detailOf(found))).toBe(tokens[index + 1], tokens[index]);
    }
  });

  test("a kid is kept, keys the token brings are not looked at", () => {
    expect(header('{"alg":"ES256","kid":"k\\u0031","jwk":{"kty":"EC"},"jku":"https://x","x5u":"y","x5c":[]}')).toBe(
      "allowed",
    );
    expect(textOf(jws.kidStart, jws.kidSize)).toBe("k1");
  });
});

describe("claims of several tokens", () => {
  test("are read in turns, whichever was parsed last", () => {
    resetArena();
    clearTokens(2);
    const subjects = ["alice", "bob"];
    for (let place = 0; place < 2; place++) {
      const head = url('{"alg":"ES256"}');
      const text = bytesOf(head + "." + url('{"pad":[1,2],"sub":"' + subjects[place] + '"}') + ".AAAA");
      const token = tokenSlot(place);
      token.start = text.start;
      token.size = text.size;
      expect(isGood(parseJws(token))).toBeTruthy();
    }
    for (let turn = 0; turn < 4; turn++) {
      const token = tokenSlot(turn & 1);
      const subject = subjectClaim(token);
      expect(textOf(json.startOf(subject), json.sizeOf(subject))).toBe(subjects[turn & 1]);
      expect(issuerClaim(token)).toBe(json.absent);
    }
  });
});
