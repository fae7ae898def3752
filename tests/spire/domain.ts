/** A trust domain: SPIRE's server and agent with the configuration of docs/spire.md, and what workloads get of the agent. */
import { chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { must } from "../fleet/systems.ts";
import { freePort } from "../lifecycle/world.ts";
import { until } from "../support/until.ts";
import { block, replaced } from "./steps.ts";
import { asUser, Background, type Programs } from "./systems.ts";

/** What is changed of the page's configuration of the server. */
export interface DomainOptions {
  /** The server's configuration, changed once more. */
  adjust?: (configuration: string) => string;
}

/** What a workload has by its X.509-SVID. */
export interface Svid extends Identity {
  /** The authorities of its own trust domain, PEM. */
  bundlePem: string;
}

/** What `localauthority … show` has. */
export interface Authorities {
  active: string;
  prepared: string | undefined;
}

/** Seconds that SVIDs live. */
export const svid_seconds = 60;

export class TrustDomain {
  readonly name: string;
  readonly folder: string;
  readonly bundlePort: number;
  readonly socket: string;
  readonly #programs: Programs;
  readonly #serverPort: number;
  #server!: Background;
  #agent!: Background;
  #started = 0;

  private constructor(name: string, folder: string, programs: Programs, ports: [number, number]) {
    this.name = name;
    this.folder = folder;
    this.socket = join(folder, "agent.sock");
    this.#programs = programs;
    [this.#serverPort, this.bundlePort] = ports;
  }

  /** Starts both, and waits until they serve. @param root a folder that every user may read */
  static async start(
    name: string,
    root: string,
    programs: Programs,
    { adjust = (text) => text }: DomainOptions = {},
  ): Promise<TrustDomain> {
    const folder = join(root, name);
    const domain = new TrustDomain(name, folder, programs, [await freePort(), await freePort()]);
    await mkdir(join(folder, "bin"), { recursive: true });
    for (const part of ["server", "agent"]) await mkdir(join(folder, part));
    await domain.#writePrograms();
    await writeFile(join(folder, "server.conf"), adjust(domain.#serverConfiguration()));
    await writeFile(join(folder, "agent.conf"), domain.#agentConfiguration());
    try {
      domain.#server = domain.#daemon("spire-server", "server.conf");
      await domain.#healthy("spire-server", () => domain.#server);
      await domain.step("the agent's start");
      await domain.startAgent();
    } catch (error) {
      await domain.stop();
      throw error;
    }
    return domain;
  }

  #serverConfiguration(): string {
    const own = replaced(block("server.conf"), {
      "0.0.0.0": "127.0.0.1",
      "8081": String(this.#serverPort),
      "8443": String(this.bundlePort),
      "/tmp/spire-server/private/api.sock": join(this.folder, "server.sock"),
      "/opt/spire": this.folder,
      'refresh_hint = "5m"': 'refresh_hint = "10s"',
    });
    return own
      .replaceAll('"example.org"', `"${this.name}"`)
      .replace("server {", `server {\n  default_x509_svid_ttl = "${svid_seconds}s"\n  ca_ttl = "1h"`);
  }

  #agentConfiguration(): string {
    const own = replaced(block("agent.conf"), {
      "8081": String(this.#serverPort),
      "/tmp/spire-agent/public/api.sock": this.socket,
      "/opt/spire": this.folder,
    });
    return own
      .replaceAll('"example.org"', `"${this.name}"`)
      .replace("agent {", 'agent {\n  experimental { sync_interval = "1s" }');
  }

  /** Programs by the names that the page calls them by, told which sockets are theirs. */
  async #writePrograms(): Promise<void> {
    const write = (name: string, command: string): Promise<void> =>
      writeFile(join(this.folder, "bin", name), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
    await write("spire-server", `exec ${this.#programs["spire-server"]} "$@" -socketPath ${this.folder}/server.sock`);
    const program = join(import.meta.dirname, "../../dist/sallyport.mjs");
    // `npx sallyport …`
    await write("npx", `shift\nexec ${process.execPath} ${program} "$@"`);
    await write("spire-agent", `exec ${this.#programs["spire-agent"]} "$@" -socketPath ${this.socket}`);
  }

  #daemon(program: "spire-server" | "spire-agent", configuration: string, ...args: string[]): Background {
    const command = [this.#programs[program], "run", "-config", join(this.folder, configuration), ...args];
    return new Background(`${program} of ${this.name}`, command, this.folder);
  }

  async #healthy(program: "spire-server" | "spire-agent", daemon: () => Background): Promise<void> {
    await until(`${program} of ${this.name} serves`, async () => {
      daemon().check();
      return this.run([program, "healthcheck"]).then(
        () => true,
        () => false,
      );
    });
  }

  /** Starts the agent; again, where it was killed: then with what it keeps on disk. */
  async startAgent(): Promise<void> {
    const { value } = JSON.parse(await readFile(join(this.folder, "token.json"), "utf8"));
    const token = this.#started++ === 0 ? ["-joinToken", value] : [];
    this.#agent = this.#daemon("spire-agent", "agent.conf", ...token);
    await this.#healthy("spire-agent", () => this.#agent);
  }

  killAgent(): Promise<void> {
    return this.#agent.kill();
  }

  async stop(): Promise<void> {
    await this.#agent?.kill();
    await this.#server?.kill();
  }

  /** Runs a command with this domain's programs on PATH, as root or as a user; what it wrote. */
  async run(command: readonly string[], uid = 0, cwd = this.folder): Promise<string> {
    const [program, ...args] = [...(uid === 0 ? [] : asUser(uid)), ...command];
    return must(program!, args, cwd, { PATH: `${this.folder}/bin:${process.env.PATH}` });
  }

  /** Takes a step of docs/spire.md. @param by what is exchanged in it */
  async step(name: string, by: Readonly<Record<string, string>> = {}, uid = 0): Promise<string> {
    const own = block(name)
      .replaceAll("/opt/spire", this.folder)
      .replaceAll("spiffe://example.org/", `spiffe://${this.name}/`);
    const text = replaced(own, by);
    return this.run(["sh", "-euc", text], uid, uid === 0 ? this.folder : await this.homeOf(uid));
  }

  /** A folder where a user may write. */
  async homeOf(uid: number): Promise<string> {
    const home = join(this.folder, `home-${uid}`);
    await mkdir(home, { recursive: true });
    await chown(home, uid, uid);
    return home;
  }

  /** Registers a workload by its user. */
  async register(path: string, uid: number, ...more: string[]): Promise<void> {
    const names = ["-parentID", `spiffe://${this.name}/node`, "-spiffeID", `spiffe://${this.name}${path}`];
    await this.run(["spire-server", "entry", "create", ...names, "-selector", `unix:uid:${uid}`, ...more]);
  }

  /** Waits until the agent knows a workload. */
  async known(uid: number): Promise<void> {
    await until(`the agent knows user ${uid}`, () =>
      this.svid(uid).then(
        () => true,
        () => false,
      ),
    );
  }

  /** The SVID that the agent hands out to a user at this moment. */
  async svid(uid: number): Promise<Svid> {
    const home = await this.homeOf(uid);
    await this.run(["spire-agent", "api", "fetch", "x509", "-write", home], uid);
    const read = (name: string): Promise<string> => readFile(join(home, name), "utf8");
    return {
      certificatePem: await read("svid.0.pem"),
      privateKeyPem: await read("svid.0.key"),
      bundlePem: await read("bundle.0.pem"),
    };
  }

  /** A JWT-SVID that the agent hands out to a user. */
  async token(uid: number, audience = "order-api"): Promise<string> {
    const text = await this.run(["spire-agent", "api", "fetch", "jwt", "-audience", audience, "-output", "json"], uid);
    return JSON.parse(text)[0].svids[0].svid;
  }

  /** The authorities that sign, or are going to. */
  async authorities(kind: "x509" | "jwt"): Promise<Authorities> {
    const text = await this.run(["spire-server", "localauthority", kind, "show", "-output", "json"]);
    const { active, prepared } = JSON.parse(text);
    return { active: active.authority_id, prepared: prepared?.authority_id || undefined };
  }
}
