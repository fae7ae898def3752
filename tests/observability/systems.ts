/**
 * The systems that this suite observes with, as they are: Prometheus, from the distribution, and the OpenTelemetry collector, built with Go
 * from its own modules and kept in a cache folder by its version. What is missing is installed; what cannot be is an error.
 */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { Daemon, findOnPath, must } from "../fleet/systems.ts";
import { freePort } from "../lifecycle/world.ts";
import { until } from "../support/until.ts";

/** The release of the collector, and that of the program which puts its parts together. */
const collector_version = "v0.165.0";
const collector_module = "go.opentelemetry.io/collector";

/** Has Prometheus and promtool on the path. */
export async function findPrometheus(): Promise<void> {
  await findOnPath("prometheus", ["prometheus"]);
}

/** Where the collector is. Building it takes some minutes, once. */
export async function findCollector(): Promise<string> {
  const folder = join(cacheFolder(), `otelcol-${collector_version}`);
  const program = join(folder, "otelcol");
  if (await allThere([program], constants.X_OK)) return program;
  console.log(`building the OpenTelemetry collector ${collector_version} into ${folder}, once: some minutes`);
  await buildInto(folder, [program], async (into) => {
    const builder = `${collector_module}/cmd/builder@${collector_version}`;
    await must("go", ["install", builder], into, { GOBIN: into });
    const manifest = {
      dist: { name: "otelcol", output_path: join(into, "sources") },
      receivers: [{ gomod: `${collector_module}/receiver/otlpreceiver ${collector_version}` }],
      exporters: [{ gomod: `${collector_module}/exporter/otlphttpexporter ${collector_version}` }],
    };
    await writeFile(join(into, "manifest.yaml"), stringify(manifest));
    await must(join(into, "builder"), ["--config", "manifest.yaml", "--skip-compilation"], into);
    const build = ["build", "-trimpath", "-ldflags", "-s -w", "-o", join(into, "otelcol"), "."];
    await must("nice", ["-n", "10", "go", ...build], join(into, "sources"));
  });
  return program;
}

/** A series with its labels, and values by seconds since 1970. */
export interface Series {
  metric: Record<string, string>;
  values: [seconds: number, value: string][];
}

/** An alert that waits for its time, or fires. */
export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: "pending" | "firing";
}

/** A running Prometheus. */
export class Prometheus {
  readonly #daemon: Daemon;

  private constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  /** Starts one in a folder that scrapes these admin interfaces every second. @param rules the path of a file of rules */
  static async start(folder: string, rules: string, targets: readonly string[]): Promise<Prometheus> {
    const configuration = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rules],
      scrape_configs: [{ job_name: "edge", metrics_path: "/stats/prometheus", static_configs: [{ targets }] }],
    };
    const file = join(folder, "prometheus.yaml");
    await writeFile(file, stringify(configuration));
    const daemon = new Daemon(await freePort(), () =>
      spawn(
        "prometheus",
        [
          ...[`--config.file=${file}`, `--storage.tsdb.path=${join(folder, "prometheus")}`, "--log.level=error"],
          `--web.listen-address=127.0.0.1:${daemon.port}`,
        ],
        { stdio: ["ignore", "ignore", "inherit"] },
      ),
    );
    await daemon.start();
    const prometheus = new Prometheus(daemon);
    await until("Prometheus is ready", async () => (await fetch(prometheus.#url("/-/ready"))).ok);
    return prometheus;
  }

  stop(): Promise<void> {
    return this.#daemon.kill();
  }

  #url(path: string, query: Record<string, string> = {}): string {
    return `http://127.0.0.1:${this.#daemon.port}${path}?${new URLSearchParams(query)}`;
  }

  /** What the API answers. @throws where it has anything against the question */
  async #ask<T>(path: string, query: Record<string, string> = {}): Promise<T> {
    const answer = (await (await fetch(this.#url(path, query))).json()) as { status: string; data: T; error?: string };
    if (answer.status !== "success") throw new Error(`${query.query ?? path}: ${answer.error}`);
    return answer.data;
  }

  /** What a query says now: the labels of each series, with its value. */
  async now(query: string): Promise<{ metric: Record<string, string>; value: number }[]> {
    const { result } = await this.#ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(
      "/api/v1/query",
      { query },
    );
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** What a query said in the last so many seconds, second by second. */
  async lately(query: string, seconds: number): Promise<Series[]> {
    const end = Date.now() / 1000;
    const range = { start: String(end - seconds), end: String(end), step: "1" };
    return (await this.#ask<{ result: Series[] }>("/api/v1/query_range", { query, ...range })).result;
  }

  /** The values of a label of a metric. */
  labelValues(label: string, metric: string): Promise<string[]> {
    return this.#ask(`/api/v1/label/${label}/values`, { "match[]": metric });
  }

  async alerts(): Promise<Alert[]> {
    return (await this.#ask<{ alerts: Alert[] }>("/api/v1/alerts")).alerts;
  }

  /** Rules whose last evaluation failed, with what was wrong. */
  async failedRules(): Promise<string[]> {
    type Rule = { name: string; health: string; lastError?: string };
    const { groups } = await this.#ask<{ groups: { rules: Rule[] }[] }>("/api/v1/rules");
    const failed = groups.flatMap(({ rules }) => rules).filter(({ health }) => health !== "ok");
    return failed.map(({ name, health, lastError }) => `${name}: ${health} ${lastError ?? ""}`);
  }
}
