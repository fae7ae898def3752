/** What a local Envoy is told of where keys come from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyFetches } from "../../scripts/envoy/keyfetches.ts";
import type { Issuer } from "../../scripts/policy/language/model.ts";

/** An issuer of which only the source of its keys matters. */
function issuerOf(url?: string, cluster = "idp"): Issuer {
  const source = url === undefined ? undefined : { url, authority: "", path: "", cluster, refreshSeconds: 300 };
  return { keySet: { use: "sig", keys: [], source } } as unknown as Issuer;
}

test("every URL once, those of JWT-SVIDs among them", () => {
  const issuers = [issuerOf("https://a.example/1"), issuerOf(), issuerOf("https://a.example/1")];
  const { fetches, problems } = keyFetches({ issuers, svids: [issuerOf("https://b.example/2", "spire")] });
  assert.deepEqual(fetches, [
    { url: "https://a.example/1", cluster: "idp", refreshSeconds: 300 },
    { url: "https://b.example/2", cluster: "spire", refreshSeconds: 300 },
  ]);
  assert.deepEqual(problems, []);
});

test("the hosts that a discovery document may lead to", () => {
  const issuer = issuerOf("https://a.example/.well-known/openid-configuration");
  const hosts = [
    { authority: "a.example", cluster: "idp" },
    { authority: "certs.example:8443", cluster: "certs" },
  ];
  issuer.keySet.source!.discovery = { issuer: "https://a.example", secondPath: "/x", hosts };
  assert.deepEqual(
    keyFetches({ issuers: [issuer], svids: [] }).fetches.map(({ url, cluster }) => `${cluster} ${url}`),
    ["idp https://a.example/.well-known/openid-configuration", "certs https://certs.example:8443/"],
  );
});

test("one cluster leads to one server, whatever port and paths the URLs have", () => {
  const urls = ["https://a.example/1", "https://a.example:443/2", "https://b.example/3"];
  const { problems } = keyFetches({ issuers: urls.map((url) => issuerOf(url)), svids: [] });
  assert.equal(problems.length, 1);
  assert.match(
    problems[0]!,
    /^cluster idp leads to https:\/\/a\.example here, so the keys of https:\/\/b\.example\/3 /,
  );
});
