/**
 * Policies that change under load, by extension configuration (ECDS) from a file and over gRPC: no request is lost, each is decided by
 * the old policy or the new one, never by both or by none, and a policy that is refused changes nothing.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { type LocalEnvoy, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { readEnvoyMemory } from "../soak/envoymemory.ts";
import { Http2Client } from "../storm/client.ts";
import { managerOf, moduleFor } from "../support/envoy.ts";
import { ExtensionFile } from "../support/extensionfile.ts";
import { ExtensionServer } from "../support/extensionserver.ts";
import { until } from "../support/until.ts";

const pushes = 200;
const workers = 2;
/** Connections that ask all the time; the kernel spreads them over the workers. */
const clients = 6;
/** Requests that each connection sends while nothing changes. */
const still_requests = 3;
/** What the module's memory may grow by, once it has seen a few policies. */
const grown_bytes = 256 * 1024;
const wasm_filter = "envoy.filters.http.wasm";
const update_prefix = `extension_config_discovery.http_filter.${wasm_filter}`;

/** Two policies of one name of which each opens one path. */
const paths = ["/old", "/new"] as const;
type Path = (typeof paths)[number];
const policyOf = (path: Path): string => `version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: only, callers: [spiffe://example.org/web], allow: [GET ${path}] }
`;

/** An image as the filter's configuration carries it. */
function imageOf(path: Path, folder: string): string {
  const file = join(folder, "policy.yaml");
  writeFileSync(file, policyOf(path));
  return Buffer.from(compilePolicyFile(file).image).toString("base64");
}

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Filter = any;

/** Where Envoy has the filter's configuration from. */
interface ControlPlane {
  /** Has the filter of a bootstrap come from here, with the module's own policy first. */
  take(filter: Filter, bootstrap: Bootstrap): void;
  /** Hands over a configuration of the plugin. */
  push(configuration: string): Promise<void>;
  /** Why Envoy refuses what was pushed last; undefined where it took it. A file hears no answer. */
  answered?(): Promise<string | undefined>;
  stop(): void;
}

function fromFile(folder: string): ControlPlane {
  const file = new ExtensionFile(join(folder, "ecds.json"));
  return {
    take: (filter) => file.take(filter),
    push: async (configuration) => file.publish(configuration),
    stop: () => {},
  };
}

async function overGrpc(): Promise<ControlPlane> {
  const server = await ExtensionServer.start(wasm_filter);
  let typedConfig: Filter;
  return {
    take: (filter, bootstrap) => {
      typedConfig = filter.typed_config;
      delete filter.typed_config;
      filter.config_discovery = { config_source: server.source, type_urls: [typedConfig["@type"]] };
      bootstrap.static_resources.clusters.push(server.cluster);
    },
    push: async (value) => {
      const configuration = { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
      server.push({ ...typedConfig, config: { ...typedConfig.config, configuration } });
    },
    answered: () => server.answered(),
    stop: () => server.stop(),
  };
}

/** Asks over many connections, one request after another on each, until it is told to stop. */
class Load {
  /** What came back, by status; 0 where nothing did. */
  readonly statuses = new Map<number, number>();
  readonly #clients: Http2Client[];

  private constructor(opened: Http2Client[]) {
    this.#clients = opened;
  }

  static async open(local: LocalEnvoy): Promise<Load> {
    const target = await local.target("spiffe://example.org/web");
    return new Load(await Promise.all(Array.from({ length: clients }, () => Http2Client.open(target))));
  }

  async #ask(client: Http2Client, path: Path): Promise<number> {
    const { status } = await client.send({ path }).ended;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    return status;
  }

  /** Asks until a push is done, whichever policy decides. */
  async whileChanging(done: Promise<void>): Promise<void> {
    let isDone = false;
    const change = done.then(() => {
      isDone = true;
    });
    const ask = async (client: Http2Client): Promise<void> => {
      for (let count = 0; !isDone; count++) await this.#ask(client, paths[count % 2]!);
    };
    await Promise.all([change, ...this.#clients.map(ask)]);
  }

  /** What each connection gets for both paths, over and over; nothing changes meanwhile. */
  async still(): Promise<Set<string>> {
    const answers = new Set<string>();
    const ask = async (client: Http2Client): Promise<void> => {
      for (let count = 0; count < still_requests; count++) {
        const both = [await this.#ask(client, "/old"), await this.#ask(client, "/new")];
        answers.add(both.join(" "));
      }
    };
    await Promise.all(this.#clients.map(ask));
    return answers;
  }

  /** Waits until every connection's worker has the policy that opens this path: the main thread tells them one by one. */
  async untilAll(path: Path): Promise<void> {
    const expected = path === "/old" ? "200 403" : "403 200";
    await until(`every worker opens ${path}`, async () => {
      const answers = await this.still();
      return answers.size === 1 && answers.has(expected);
    });
  }

  close(): void {
    for (const client of this.#clients) client.destroy();
  }
}

async function within(plane: ControlPlane, run: (local: LocalEnvoy, load: Load) => Promise<void>): Promise<void> {
  let local: LocalEnvoy | undefined;
  let first: Promise<void> | undefined;
  try {
    local = await startLocalEnvoy({
      wasm: await moduleFor({ policyYaml: policyOf("/old") }),
      concurrency: workers,
      adjust: (bootstrap) => {
        const filter = managerOf(bootstrap).http_filters.find(({ name }: Filter) => name === wasm_filter);
        plane.take(filter, bootstrap);
        first = plane.push("{}");
      },
    });
    await first;
    const load = await Load.open(local);
    await run(local, load);
    load.close();
  } finally {
    await local?.stop();
    plane.stop();
  }
}

/** The value of a statistic of the filter's configuration. */
async function counted(local: LocalEnvoy, name: string): Promise<number> {
  return (await local.envoy.stats()).get(`${update_prefix}.${name}`) ?? 0;
}

/** How many requests came back from the upstream. */
async function completed(local: LocalEnvoy): Promise<number> {
  const stats = [...(await local.envoy.stats())].filter(([name]) => /^cluster\..*\.upstream_rq_completed$/u.test(name));
  return Math.max(...stats.map(([, count]) => count));
}

describe("policies are pushed under load", { concurrency: true }, () => {
  for (const source of ["a file", "gRPC"] as const) {
    test(`${pushes} by ${source}: each request is decided by the old one or the new one`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "sallyport-pushes-"));
      const images = { "/old": imageOf("/old", folder), "/new": imageOf("/new", folder) };
      const configuration = (path: Path): string => JSON.stringify({ policy: images[path] });
      const plane = source === "gRPC" ? await overGrpc() : fromFile(folder);
      try {
        await within(plane, async (local, load) => {
          await load.untilAll("/old");
          let early = 0;
          for (let push = 1; push <= pushes; push++) {
            const path = paths[push % 2]!;
            await plane.push(configuration(path));
            await load.whileChanging(load.untilAll(path));
            assert.equal((await load.still()).size, 1, `after push ${push} a request was decided by another policy`);
            if (push === pushes / 4) early = (await readEnvoyMemory(local.envoy)).moduleBytes[0]!;
          }
          const late = (await readEnvoyMemory(local.envoy)).moduleBytes[0]!;
          assert.ok(late - early <= grown_bytes, `${late - early} bytes more after ${pushes} pushes`);
          assert.equal(await counted(local, "config_reload"), pushes + 1);

          // The upstream has got what was admitted and nothing else, and nobody was left without an answer.
          assert.deepEqual([...load.statuses.keys()].sort(), [200, 403]);
          assert.equal(await completed(local), load.statuses.get(200));
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    test(`by ${source}: what is refused changes nothing, is logged and counted, and the next good one is taken`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "sallyport-pushes-"));
      const image = imageOf("/new", folder);
      const plane = source === "gRPC" ? await overGrpc() : fromFile(folder);
      try {
        await within(plane, async (local, load) => {
          await load.untilAll("/old");
          const broken = `${image.slice(0, 200)}AAAA${image.slice(204)}`;
          await plane.push(JSON.stringify({ policy: broken }));
          const refused = async (): Promise<boolean> => (await counted(local, "config_fail")) > 0;
          await load.whileChanging(until("Envoy has counted the refusal", refused));
          assert.deepEqual(await load.still(), new Set(["200 403"]));
          assert.match(local.envoy.log(), /configuration refused: .*checksum/u);
          if (plane.answered !== undefined) assert.match((await plane.answered())!, /Wasm/u);
          await plane.push(JSON.stringify({ policy: image }));
          await load.whileChanging(load.untilAll("/new"));
          assert.equal(await plane.answered?.(), undefined);
          assert.deepEqual([...load.statuses.keys()].sort(), [200, 403]);
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});
