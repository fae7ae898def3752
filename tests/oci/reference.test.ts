/** Where an image goes: what is a reference, which of them are spoken to in plain HTTP, and what is said of those that are none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, parseReference } from "../../scripts/oci/reference.ts";

const good: [text: string, origin: string, name: string, tag: string][] = [
  ["registry.example.org/team/sallyport:v1", "https://registry.example.org", "team/sallyport", "v1"],
  ["registry.example.org:8443/a:1.2.3-rc_1", "https://registry.example.org:8443", "a", "1.2.3-rc_1"],
  ["registry.example.org:443/a:v1", "https://registry.example.org", "a", "v1"],
  ["docker.io/team/a__b:latest", "https://registry-1.docker.io", "team/a__b", "latest"],
  ["localhost:5000/a:v1", "https://localhost:5000", "a", "v1"],
  ["localhost/a:v1", "https://localhost", "a", "v1"],
  ["127.0.0.1:5000/a:v1", "https://127.0.0.1:5000", "a", "v1"],
  ["[::1]:5000/a:v1", "https://[::1]:5000", "a", "v1"],
  ["10.0.0.1:5000/a:v1", "https://10.0.0.1:5000", "a", "v1"],
];

for (const [text, origin, name, tag] of good) {
  test(text, () => {
    const { registry, ...rest } = parseReference(text);
    assert.deepEqual(rest, { origin, name, tag });
    assert.equal(registry, text.slice(0, text.indexOf("/")));
  });
}

const bad: [text: string, said: RegExp][] = [
  ["", /names no registry/u],
  ["sallyport:v1", /names no registry.*docker\.io/u],
  ["team/sallyport:v1", /names no registry/u],
  ["registry.example.org/team/sallyport", /has no tag/u],
  ["registry.example.org:5000/team", /has no tag/u],
  ["registry.example.org/Team:v1", /`Team` is no name of a repository/u],
  ["registry.example.org/team/:v1", /is no name of a repository/u],
  ["registry.example.org/../team:v1", /is no name of a repository/u],
  ["registry.example.org/team:v 1", /`v 1` is no tag/u],
  ["registry.example.org/team:", /is no tag/u],
  ["registry.example.org:99999/team:v1", /is no host/u],
  ["a.b@c/team:v1", /has a digest/u],
  ["registry.example.org/team@sha256:00", /has a digest/u],
  ["oci://registry.example.org/team:v1", /begins with a scheme/u],
  ["registry_example.org/team:v1", /is no host/u],
];

for (const [text, said] of bad) {
  test(`not a reference: ${text || "nothing"}`, () => {
    assert.throws(() => parseReference(text), said);
    assert.throws(() => parseReference(text), /an image is named like registry\.example\.org\/team\/sallyport:v1$/u);
  });
}

test("this machine is what its addresses say, and nothing that begins like one", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:5000", "[::1]:5000"])
    assert.ok(isLoopback(host), host);
  for (const host of [
    "127.0.0.1.example.org",
    "localhost.example.org",
    "10.0.0.1:5000",
    "[::2]",
    "128.0.0.1",
    "not a host",
  ])
    assert.ok(!isLoopback(host), host);
});
