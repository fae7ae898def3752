/** The workloads of this suite: the service behind an Envoy of its own, its callers, and traffic of theirs. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Run, sallyportBeside } from "../cli/program.ts";
import { freePort } from "../lifecycle/world.ts";
import { until } from "../support/until.ts";
import { type DomainOptions, TrustDomain } from "./domain.ts";
import { SpireEnvoy, type SpireEnvoyOptions } from "./envoy.ts";
import { block, replaced } from "./steps.ts";
import { asUser, Background, findPrograms, openToAll, type Programs } from "./systems.ts";

/** The users that workloads run as. Those of `orders` and `web` are what docs/spire.md registers. */
export const users = { orders: 2001, web: 2002, billing: 2003, steady: 2004, shop: 2005, unknown: 2009 } as const;

/** What traffic of the load program came to. */
export interface Traffic {
  answers: Record<string, number>;
  svids: number;
  max_ms: number;
}

export class SpireWorld {
  readonly root: string;
  readonly programs: Programs;
  /** example.org, which the service is of. */
  readonly home: TrustDomain;
  servicePort = 0;
  #service: Background | undefined;
  readonly #domains: TrustDomain[] = [];
  readonly #envoys: SpireEnvoy[] = [];
  readonly #traffic: Background[] = [];

  private constructor(root: string, programs: Programs, home: TrustDomain) {
    this.root = root;
    this.programs = programs;
    this.home = home;
    this.#domains.push(home);
  }

  /** Starts the trust domain of the service, with nobody registered. */
  static async start(): Promise<SpireWorld> {
    const found = await findPrograms();
    const root = await mkdtemp(join(tmpdir(), "sallyport-spire-"));
    try {
      await chmod(root, 0o755);
      const programs = await openToAll(found, root);
      return new SpireWorld(root, programs, await TrustDomain.start("example.org", root, programs));
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts another trust domain. */
  async addDomain(name: string, options: DomainOptions = {}): Promise<TrustDomain> {
    const domain = await TrustDomain.start(name, this.root, this.programs, options);
    this.#domains.push(domain);
    return domain;
  }

  /** Registers the workloads as the page does, and starts the service. @param federation what is added to the entry of Envoy */
  async startService(federation = ""): Promise<void> {
    const dns = "-dns orders.example.org";
    await this.home.step("entries", { [dns]: `${dns} ${federation}` });
    await this.home.known(users.orders);
    this.servicePort = await freePort();
    const address = `127.0.0.1:${this.servicePort}`;
    const args = ["-socket", this.home.socket, "-address", address, "-peer", "spiffe://example.org/orders"];
    this.#service = new Background("the service", [...asUser(users.orders), this.programs.serve, ...args], this.root);
  }

  async startEnvoy(
    name: string,
    options: Partial<Omit<SpireEnvoyOptions, "folder" | "programs">> = {},
  ): Promise<SpireEnvoy> {
    const { home: domain, programs, servicePort } = this;
    const folder = join(this.root, `envoy-${name}`);
    const envoy = await SpireEnvoy.start({ folder, programs, domain, servicePort, uid: users.orders, ...options });
    this.#envoys.push(envoy);
    return envoy;
  }

  /** Begins traffic of a user's workload to an Envoy; `finish` ends it. */
  startTraffic(envoy: SpireEnvoy, mode: "h1" | "h2" | "fresh", path: string, rate: number, uid: number): Background {
    const url = `https://127.0.0.1:${envoy.port}${path}`;
    const args = ["-socket", this.home.socket, "-url", url, "-peer", "spiffe://example.org/orders"];
    const command = [...asUser(uid), this.programs.load, ...args, "-rate", String(rate), "-mode", mode];
    const traffic = new Background(`traffic over ${mode}`, command, this.root);
    this.#traffic.push(traffic);
    return traffic;
  }

  async stop(): Promise<void> {
    // A test that failed has not ended its own.
    for (const traffic of this.#traffic) await traffic.kill();
    for (const envoy of this.#envoys) await envoy.stop();
    await this.#service?.kill();
    for (const domain of this.#domains) await domain.stop();
    await rm(this.root, { recursive: true, force: true });
  }
}

/** What traffic came to, once it is ended. */
export async function finish(traffic: Background): Promise<Traffic> {
  return JSON.parse(await traffic.finish()) as Traffic;
}

/** The authorities in a PEM text. */
export const countCertificates = (pem: string): number => pem.split("-----BEGIN CERTIFICATE-----").length - 1;

/** The bundles that an Envoy has at this moment, by the names of their secrets: the certificates of each, whichever domain they are of. */
export async function bundlesOf(envoy: SpireEnvoy): Promise<Map<string, number>> {
  const dump = JSON.parse(await envoy.envoy.admin("/config_dump?resource=dynamic_active_secrets"));
  const found = new Map<string, number>();
  for (const { name, secret } of dump.configs ?? []) {
    const context = secret?.validation_context;
    const bundles = context?.custom_validator_config?.typed_config?.trust_domains?.map(
      (domain: { trust_bundle: { inline_bytes: string } }) => domain.trust_bundle.inline_bytes,
    ) ?? [context?.trusted_ca?.inline_bytes];
    const pem = bundles.map((bytes: string | undefined) => Buffer.from(bytes ?? "", "base64").toString()).join("");
    if (context !== undefined) found.set(name, countCertificates(pem));
  }
  return found;
}

/** Waits until an Envoy has a bundle of so many authorities. */
export async function untilBundle(envoy: SpireEnvoy, name: string, authorities: number): Promise<void> {
  await until(`${name} has ${authorities} authorities`, async () => (await bundlesOf(envoy)).get(name) === authorities);
}

/** What `sallyport status` says of an Envoy, asked for as docs/spire.md has it. */
export async function statusOf({ folder, admin }: SpireEnvoy): Promise<Run> {
  const [command, verb, ...args] = replaced(block("what is in force"), { "http://127.0.0.1:9901": admin })
    .trim()
    .split(" ");
  assert.deepEqual([command, verb], ["npx", "sallyport"]);
  return sallyportBeside(args, folder);
}

/** Holds that `status` finds nothing wrong with an Envoy. */
export async function assertSound(envoy: SpireEnvoy): Promise<void> {
  const { code, stdout, stderr } = await statusOf(envoy);
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.match(stdout, /policy shop, image [0-9a-f]{8} of the module, enforced/u);
}
