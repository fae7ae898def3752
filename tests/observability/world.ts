/**
 * Two Envoys of one fleet with a Prometheus that scrapes them: `shop`, whose filter comes by ECDS, so that its policy changes while it runs, and
 * `admin`, whose policy is in shadow mode. Between them they have all that is measured: tokens, fetched keys, limits, a fleet whose service does not
 * answer, quarantines, rules in shadow mode.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { imageChecksum } from "../../scripts/policy/image/image.ts";
import { freePort } from "../lifecycle/world.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { ExtensionFile } from "../support/extensionfile.ts";
import {
  type JwksServer,
  makeKey,
  type ProviderKey,
  providerAudience,
  providerIssuer,
  startJwksServer,
} from "../support/jwks-server.ts";
import { until } from "../support/until.ts";
import { findPrometheus, Prometheus } from "./systems.ts";

export const web = "spiffe://example.org/web";
export const prober = "spiffe://example.org/prober";
/** Envoy's workers. */
export const workers = 2;

/** The policy of the shop, which admits one more path. */
const shopPolicy = (path: string): string => `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    issuer: ${providerIssuer}
    audiences: [${providerAudience}]
    algorithms: [ES256]
    keys: { url: "https://idp.example.org/jwks.json", cluster: idp, refresh: 1s }
fleet: { replicas: 2, cluster: rls }
limits:
  few: { rate: 5/h, per: [caller] }
  tried: { rate: 1/h, per: [caller], mode: shadow }
  together: { rate: 1000/h, per: [caller], scope: fleet, onError: allow }
quarantine:
  - { name: probing, when: [no_rule], denials: 3, within: 1m, for: 1h }
  - { name: watched, when: [no_rule], denials: 3, within: 1m, for: 1h, mode: shadow }
rules:
  - { name: orders, callers: [${web}], allow: [GET /orders], token: idp }
  - { name: few, callers: [${web}], allow: [GET /few], limit: few }
  - { name: tried, callers: [${web}], allow: [GET /tried], limit: tried }
  - { name: together, callers: [${web}], allow: [GET /together], limit: together }
  - { name: stricter, callers: [${web}], deny: [GET /orders], mode: shadow }
  - { name: more, callers: [${web}], allow: [GET ${path}] }
`;

const adminPolicy = `version: 1
name: admin
mode: shadow
trust: { domains: [example.org] }
rules:
  - { name: reads, callers: [${web}], allow: ["GET /**"] }
`;

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

export class ObservedWorld {
  readonly #folder = mkdtempSync(join(tmpdir(), "sallyport-observed-"));
  readonly #extension = new ExtensionFile(join(this.#folder, "ecds.json"));
  shop!: TestEnvoy;
  admin!: TestEnvoy;
  prometheus!: Prometheus;
  #keys!: JwksServer;
  key!: ProviderKey;
  /** The checksum of the image that was pushed last. */
  image = "";

  static async start(): Promise<ObservedWorld> {
    const world = new ObservedWorld();
    try {
      await world.#start();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  async #start(): Promise<void> {
    await findPrometheus();
    this.#keys = await startJwksServer();
    this.key = await makeKey("one");
    this.#keys.publish(this.key);
    const tls = { expect: { type: "DNS", value: "localhost" }, authorityPem: this.#keys.authorityPem } as const;
    this.shop = await startTestEnvoy({
      policyYaml: shopPolicy("/more"),
      concurrency: workers,
      keyClusters: {
        idp: { host: "127.0.0.1", port: this.#keys.port, tls },
        // Nobody is there.
        rls: { host: "127.0.0.1", port: await freePort(), tls: false },
      },
      adjust: (bootstrap) => this.#takeFilter(bootstrap),
    });
    this.admin = await startTestEnvoy({
      policyYaml: adminPolicy,
      concurrency: workers,
      adjust: (bootstrap) => this.#hearOfListeners(bootstrap),
    });
    const rules = resolve("observability/rules.yaml");
    this.prometheus = await Prometheus.start(this.#folder, rules, [
      this.addressOf(this.shop),
      this.addressOf(this.admin),
    ]);
    // The first value of a counter is no growth.
    await until(
      "both are scraped",
      async () => (await this.prometheus.now("sum by (instance) (sallyport_requests)")).length === 2,
    );
  }

  /** What Prometheus calls an Envoy: the address of its admin interface. */
  addressOf({ local }: TestEnvoy): string {
    return `127.0.0.1:${local.envoy.adminPort}`;
  }

  /** Has the filter come by ECDS. */
  #takeFilter(bootstrap: Bootstrap): void {
    this.#extension.take(managerOf(bootstrap).http_filters[0]);
    this.push(shopPolicy("/more"));
  }

  /** Has listeners come by LDS beside those that are there: none for now. */
  #hearOfListeners(bootstrap: Bootstrap): void {
    this.#listeners([]);
    const path_config_source = { path: join(this.#folder, "lds.json") };
    bootstrap.dynamic_resources = { lds_config: { path_config_source, resource_api_version: "V3" } };
  }

  /** Envoy looks at a file when another is moved into its place. */
  #listeners(resources: Json[]): void {
    const path = join(this.#folder, "lds.json");
    writeFileSync(`${path}.new`, JSON.stringify({ resources }));
    renameSync(`${path}.new`, path);
  }

  /** Has a listener come to the admin's Envoy that no Envoy takes. */
  sendBadListener(): void {
    this.#listeners([{ "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", name: "bad" }]);
  }

  /** Has the shop's Envoy take another policy, which admits this path. */
  change(path: string): void {
    this.push(shopPolicy(path));
  }

  /** Has it take an image that is damaged. */
  damage(): void {
    this.#write("AAAA");
  }

  push(policyYaml: string): void {
    const file = join(this.#folder, "policy.yaml");
    writeFileSync(file, policyYaml);
    const { image } = compilePolicyFile(file);
    this.image = imageChecksum(image);
    this.#write(Buffer.from(image).toString("base64"));
  }

  #write(policy: string): void {
    this.#extension.publish(JSON.stringify({ policy }));
  }

  /** Requests of every kind: admitted, denied, without room, by a caller in quarantine, and what is only tried. A key comes that does not count. */
  async sendTraffic(): Promise<void> {
    this.#keys.publish(this.key, { ...this.key.jwk, kid: "for-encryption", use: "enc" });
    const token = await this.key.token();
    const ask = (path: string, caller = web, more: { token?: string } = {}) =>
      this.shop.request({ method: "GET", path, caller, ...more });
    for (let times = 0; times < 8; times++) {
      await ask("/orders", web, { token });
      await ask("/few");
      await ask("/tried");
      await ask("/together");
      await ask("/nothing", prober);
      await this.admin.request({ method: "GET", path: "/a", caller: web });
      await this.admin.request({ method: "POST", path: "/a", caller: web });
    }
  }

  async stop(): Promise<void> {
    await this.prometheus?.stop();
    await this.shop?.stop();
    await this.admin?.stop();
    await this.#keys?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
