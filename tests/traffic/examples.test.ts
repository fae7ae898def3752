/** What the examples have Envoy write is what is read: each member of their access logs has a place, or is known to have none. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { everyObject } from "../../scripts/envoy/plain.ts";
import { entriesOf } from "../../scripts/traffic/formats.ts";
import { line_members } from "../../scripts/traffic/query.ts";

/** Members of which nothing is made. */
const unread = new Set(["request_id", "protocol", "flags", "details"]);
const read = new Set<string>(line_members.map(([member]) => member));
const documentOf = (file: string): object => parse(readFileSync(file, "utf8")) as object;

for (const example of ["inbound", "gateway", "sds-spire"]) {
  test(`envoy/${example}.yaml`, () => {
    const formats = [...everyObject(documentOf(`envoy/${example}.yaml`))].flatMap(({ json_format }) =>
      json_format?.record === undefined ? [] : [Object.keys(json_format)],
    );
    assert.equal(formats.length > 0, true);
    for (const members of formats) {
      assert.deepEqual(
        members.filter((member) => !read.has(member) && !unread.has(member)),
        [],
      );
      for (const member of ["duration_ms", "bytes_received", "bytes_sent"])
        assert.equal(members.includes(member), true, member);
    }
  });
}

test("observability/opentelemetry.yaml", () => {
  const keys = [...everyObject(documentOf("observability/opentelemetry.yaml"))].flatMap(({ key, value }) =>
    typeof key === "string" && value?.string_value !== undefined ? [key] : [],
  );
  const values: Record<string, string> = { "http.request.method": "GET", "url.path": "/a" };
  const attributes = keys.map((key, at) => ({ key, value: { stringValue: values[key] ?? String(at) } }));
  const message = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: "1", attributes }] }] }] };
  const [entry] = entriesOf(JSON.stringify(message))!;
  const written = (key: string): string => String(keys.indexOf(key));
  assert.equal(entry!.duration_ms, written("envoy.duration_ms"));
  assert.equal(entry!.bytes_received, written("envoy.bytes_received"));
  assert.equal(entry!.bytes_sent, written("envoy.bytes_sent"));
  assert.equal(entry!.status, written("http.response.status_code"));
  assert.equal(entry!.source, written("client.address"));
});
