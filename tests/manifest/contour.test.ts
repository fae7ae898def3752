/** The resources for Contour in docs/contour.md: taken by its CRDs, and passing TLS on unopened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contourResources } from "./contour.ts";
import { loadSchemas, problemsOf } from "./crds.ts";

test("Contour takes the HTTPProxy, and would not take one with another word in it", async () => {
  const schemas = await loadSchemas();
  const { proxy } = contourResources();
  assert.deepEqual(problemsOf(schemas, proxy), []);
  const wrong = structuredClone(proxy);
  wrong.spec.virtualhost.tls.passThrough = true;
  assert.match(problemsOf(schemas, wrong).join("\n"), /additional properties.*passThrough/u);
});

test("TLS is passed on as it is, to the port that the Service names", () => {
  const { proxy, service } = contourResources();
  assert.deepEqual(proxy.spec.virtualhost.tls, { passthrough: true });
  const [to] = proxy.spec.tcpproxy.services;
  assert.deepEqual([to.name, to.port], [service.metadata.name, service.spec.ports[0].port]);
  assert.equal(proxy.spec.routes, undefined);
});
