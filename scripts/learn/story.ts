/**
 * What is learnt from the shop's traffic, step by step: a day of requests passes through policies that only look; from the access log come
 * an inventory, a policy for each service, the proof that it fits, what nobody uses, what a change would break, and a report. Each step
 * is a command, as a person would give it.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Painter } from "../common/screen.ts";
import { type LocalIssuer, makeIssuer } from "../envoy/issuer.ts";
import { compilePolicyFile } from "../policy/build.ts";
import {
  addUnusedRule,
  audience,
  issuer_url,
  learningPolicy,
  markSensitive,
  withoutNightlyReport,
} from "./policies.ts";
import { attacks, drawDay, drawPath, randomFrom, type Service, services } from "./shop.ts";
import { type Shop, type ShopRequest, sendAll, startShop } from "./world.ts";

/** How the story is told. */
export interface LearnOptions {
  /** Where policies, logs and the report are left. Emptied first. */
  folder: string;
  /** The command line: a program and its first arguments. */
  sallyport: readonly [string, ...string[]];
  /** How many requests a day has. */
  requests: number;
  seed: number;
  /** Takes each line as it comes. */
  print: (text: string) => void;
  paint: Painter;
}

/** What the story came to. */
export interface LearnOutcome {
  /** Statuses of the day under the suggested policies: all were admitted where none is 400 or more. */
  day: number[];
  /** What the attacker was answered, attack by attack. */
  attacks: number[];
  /** What each command printed, by its verb and its purpose. */
  outputs: Map<string, string>;
}

/** So many lines of an output are shown. */
const shown_lines = 24;

/** Tells the whole story. Throws where a command fails that should not. */
export async function learn(options: LearnOptions): Promise<LearnOutcome> {
  const story = new Story(options);
  await story.prepare();
  await story.watchADay();
  await story.takeInventory();
  await story.suggest();
  await story.prove();
  await story.tighten();
  await story.replay();
  await story.report();
  return story.outcome;
}

class Story {
  readonly outcome: LearnOutcome = { day: [], attacks: [], outputs: new Map() };
  readonly #options: LearnOptions;
  readonly #requests: ShopRequest[];
  readonly #attacks: ShopRequest[];
  #issuer!: LocalIssuer;

  constructor(options: LearnOptions) {
    this.#options = options;
    const random = randomFrom(options.seed);
    const drawn = <Kind extends ShopRequest>(kinds: readonly Kind[]): ShopRequest[] =>
      kinds.map((kind) => ({ ...kind, path: drawPath(kind.path, random) }));
    this.#requests = drawn(drawDay(options.requests, random));
    this.#attacks = drawn(attacks);
  }

  async prepare(): Promise<void> {
    await rm(this.#options.folder, { recursive: true, force: true });
    for (const name of ["learning", "policies", "day1", "day2"])
      await mkdir(join(this.#options.folder, name), { recursive: true });
    this.#issuer = await makeIssuer({ issuer: issuer_url, audience, keyIdPrefix: "login" });
    await this.#write("learning/login.jwks.json", JSON.stringify(this.#issuer.jwks));
    for (const service of services) await this.#write(`learning/${service}.yaml`, learningPolicy(service));
  }

  async watchADay(): Promise<void> {
    this.#chapter("A day of the shop, in which the filter only looks");
    const shop = await this.#start("learning");
    try {
      const statuses = await sendAll(shop, this.#requests);
      await this.#keepLog(shop, "day1", "2026-11-29");
      this.#say(
        `${statuses.length} requests to ${services.length} services passed. Each service's Envoy has an access log: day1/`,
      );
    } finally {
      await shop.stop();
    }
  }

  async takeInventory(): Promise<void> {
    this.#chapter("Who calls what?");
    await this.#run("inventory", ["discover", "day1"]);
    await this.#run("openapi", ["discover", "day1/orders.log", "--openapi", "orders.openapi.yaml"], 3);
  }

  async suggest(): Promise<void> {
    this.#chapter("A policy for each service that admits this, and nothing else");
    for (const service of services) {
      const args = ["discover", `day1/${service}.log`, "--policy", `learning/${service}.yaml`];
      await this.#run(`suggest ${service}`, [...args, "--suggest", `policies/${service}.yaml`], 0);
    }
    this.#say("policies/orders.yaml:");
    this.#show(await this.#read("policies/orders.yaml"), 60);
  }

  async prove(): Promise<void> {
    this.#chapter("The same day again, with these policies in force; then an attacker who has the cart's certificate");
    const shop = await this.#start("policies");
    try {
      this.outcome.day = await sendAll(shop, this.#requests);
      const refused = this.outcome.day.filter((status) => status >= 400).length;
      this.#verdict(refused === 0, `${this.#requests.length} requests of the day: ${refused} refused`);
      for (const attack of this.#attacks) {
        const status = await shop.send(attack);
        this.outcome.attacks.push(status);
        const what = `${attack.caller} → ${attack.service}: ${attack.method} ${attack.path}`;
        this.#verdict(
          status >= 400,
          `${status} ${what}${attack.scopes === undefined ? "" : `, token with ${attack.scopes.join(" ")}`}`,
        );
      }
      await this.#keepLog(shop, "day2", "2026-11-30");
    } finally {
      await shop.stop();
    }
    await this.#run("drift", ["discover", "day2", "--compare", "day1"]);
  }

  async tighten(): Promise<void> {
    this.#chapter("What did nobody use?");
    const grown = "policies/orders-grown.yaml";
    await this.#write(grown, addUnusedRule(await this.#read("policies/orders.yaml")));
    await this.#run("tighten", ["discover", "day1/orders.log", "--tighten", grown, "--days", "1"]);
    await rm(join(this.#options.folder, grown));
  }

  async replay(): Promise<void> {
    this.#chapter("What would a change break?");
    await this.#write("policies/orders-next.yaml", withoutNightlyReport(await this.#read("policies/orders.yaml")));
    await this.#run("replay", [
      "replay",
      "policies/orders.yaml",
      "policies/orders-next.yaml",
      "--log",
      "day2/orders.log",
    ]);
    await rm(join(this.#options.folder, "policies/orders-next.yaml"));
  }

  async report(): Promise<void> {
    this.#chapter("A page for the security review");
    await this.#write("policies/payments.yaml", markSensitive(await this.#read("policies/payments.yaml")));
    const policies = services.map((service) => `policies/${service}.yaml`);
    await this.#run("report", ["report", ...policies, "--log", "day2", "-o", "report.html"]);
  }

  async #start(folder: string): Promise<Shop> {
    const images = services.map((service) => [service, this.#image(`${folder}/${service}.yaml`)]);
    return startShop(Object.fromEntries(images) as Record<Service, Uint8Array>, this.#issuer);
  }

  #image(path: string): Uint8Array {
    return compilePolicyFile(join(this.#options.folder, path)).image;
  }

  /** Keeps the log of each service, as one of this day. */
  async #keepLog(shop: Shop, folder: string, day: string): Promise<void> {
    const lines = await shop.log();
    const noon = Date.parse(`${day}T12:00:00Z`);
    const first = Math.min(...lines.map(({ time }) => Date.parse(String(time))));
    for (const service of services) {
      const own = lines.flatMap(({ record, ...members }) => {
        if ((record as { policy?: string } | undefined)?.policy !== service) return [];
        const time = new Date(noon + Date.parse(String(members.time)) - first).toISOString();
        return [`${JSON.stringify({ ...members, time, record: JSON.stringify(record) })}\n`];
      });
      await this.#write(`${folder}/${service}.log`, own.join(""));
    }
  }

  /** Runs a command, shows it and the first lines of what it says. */
  async #run(name: string, args: readonly string[], shown = shown_lines): Promise<void> {
    const { folder, sallyport, paint } = this.#options;
    const [program, ...before] = sallyport;
    this.#say(paint("bold", `$ sallyport ${args.join(" ")}`));
    const output = await new Promise<string>((resolve, reject) => {
      execFile(program, [...before, ...args], { cwd: folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`sallyport ${args.join(" ")} ended with ${error.code}:\n${stdout}${stderr}`));
      });
    });
    this.outcome.outputs.set(name, output);
    this.#show(output, shown);
  }

  #chapter(title: string): void {
    this.#options.print(`\n${this.#options.paint("bold", title)}\n`);
  }

  #say(text: string): void {
    this.#options.print(`  ${text}`);
  }

  #show(text: string, most: number): void {
    const lines = text.trimEnd().split("\n");
    for (const line of lines.slice(0, most)) this.#say(`  ${line}`);
    if (lines.length > most && most > 0) this.#say(this.#options.paint("dim", `  … ${lines.length - most} more lines`));
  }

  #verdict(isExpected: boolean, text: string): void {
    this.#say(this.#options.paint(isExpected ? "green" : "red", `${isExpected ? "✓" : "✗"} ${text}`));
  }

  #read(path: string): Promise<string> {
    return readFile(join(this.#options.folder, path), "utf8");
  }

  async #write(path: string, text: string): Promise<void> {
    await writeFile(join(this.#options.folder, path), text);
  }
}
