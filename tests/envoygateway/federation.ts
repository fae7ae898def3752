/** Two trust domains before Envoy Gateway: what its one set of authorities lets a partner do, and what of docs/envoy-gateway.md closes it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { tlsRefusal } from "../../scripts/envoy/client.ts";
import { until } from "../support/until.ts";
import { bundleOf, gateway, route } from "./user.ts";
import { shop_policy, World, web } from "./world.ts";

const partner_domain = "partner.example.net";
const courier = `spiffe://${partner_domain}/courier`;
const partner_port = 9443;

let world: World;
let partner: Authority;
before(async () => {
  world = await World.make();
  partner = await makeAuthority({ trustDomain: partner_domain });
  await world.install(world.build());
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
});
after(() => world?.stop());

/** A certificate of the partner's authority, for whomever. */
const ofPartner = (spiffeId: string) => partner.issue({ spiffeId });

test("a partner's authority is none of ours", async () => {
  const refusal = await tlsRefusal(await world.target(await ofPartner(web)));
  assert.match(refusal ?? "not refused", /UNKNOWN_CA/u);
});

test("with both authorities in one bundle, the partner's signs for callers of ours: what nobody must do", async () => {
  world.put(bundleOf(world.authority.certificatePem + partner.certificatePem));
  await world.apply();
  const forged = await ofPartner(web);
  await world.untilStatus(200, forged);
});

test("Envoy's SPIFFE validator, by the EnvoyPatchPolicy of the document, has an authority sign for its own domain alone", async () => {
  const document = readFileSync("docs/envoy-gateway.md", "utf8");
  const [, text] = /```yaml\n(apiVersion: [^`]*kind: EnvoyPatchPolicy[^`]*)```/u.exec(document)!;
  const patch = parse(text!);
  const bundles: Record<string, string> = {
    "example.org": world.authority.certificatePem,
    [partner_domain]: partner.certificatePem,
  };
  const { trust_domains } = patch.spec.jsonPatches[1].operation.value.custom_validator_config.typed_config;
  for (const domain of trust_domains) domain.trust_bundle.inline_string = bundles[domain.name];
  assert.equal(trust_domains.length, 2);
  world.put(patch);
  await world.apply();
  const forged = await ofPartner(web);
  await until("the forged certificate is refused", async () => (await world.status(forged)) === 0);
  assert.equal(await world.status(web), 200);
  // The partner's callers get in, and the policy is not for them.
  assert.equal(await world.status(await ofPartner(courier)), 403);
  world.remove("EnvoyPatchPolicy", patch.metadata.name);
  world.put(bundleOf(world.authority.certificatePem));
});

test("a Gateway for each trust domain: neither takes the partner's certificate for a caller of ours", async () => {
  const policy = shop_policy
    .replace("name: shop", "name: partner")
    .replaceAll("example.org/web", `${partner_domain}/courier`);
  await world.write("partner.yaml", policy.replace("[example.org]", `[${partner_domain}]`));
  world.put(gateway("partner", partner_port), route("partner-orders", "/", "partner"));
  world.put(bundleOf(partner.certificatePem, partner_domain));
  await world.install(world.build("partner.yaml", "partner.wasm"), "partner.yaml", "partner");
  await world.apply();
  await world.untilStatus(200, await ofPartner(courier), {}, partner_port);
  const forged = await ofPartner(web);
  assert.equal(await world.status(forged, {}, partner_port), 403);
  assert.equal(await world.status(web, {}, partner_port), 0);
  await until("our Gateway does not know the partner any more", async () => (await world.status(forged)) === 0);
  assert.equal(await world.status(web), 200);
});
