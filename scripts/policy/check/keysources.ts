/** Where keys come from: a JWKS file that is embedded, a URL that is fetched from while Envoy runs, or both. */
import { dirname, isAbsolute, join } from "node:path";
import {
  cluster_name_bytes_max,
  key_set_keys_max,
  refresh_seconds_max,
  refresh_seconds_min,
} from "../../../assembly/limits.ts";
import type { DraftKeys, KeySet, KeySource, KeyUse, PolicyKey } from "../language/model.ts";
import { forms } from "../language/values.ts";
import { PolicyError, Reporter } from "../source/diagnostic.ts";
import { readSource } from "../source/read.ts";
import { positionOf } from "../source/source.ts";
import type { Located } from "../source/yaml.ts";
import { checkDiscovery, isDiscoveryUrl } from "./discovery.ts";
import type { ExampleKeyCheck } from "./example.ts";
import { parseKeySet } from "./jwks.ts";
import { checkKeyHeader } from "./keyheader.ts";
import { checkDuration } from "./texts.ts";
import { parseUrl } from "./url.ts";

/** How often keys are fetched where the policy does not say. */
const default_refresh_seconds = 300;

/** A URL as some issuer has it. */
interface Taken {
  /** What it is to be fetched with and kept like, by the keys of the language. */
  terms: Readonly<Record<string, string>>;
  at: number;
}

/** The key sets of a policy. Each file is read once, and what one URL gives is kept in one way. */
export class KeySources {
  private readonly reporter: Reporter;
  private readonly examples: ExampleKeyCheck;
  private readonly files = new Map<string, PolicyKey[] | undefined>();
  private readonly taken = new Map<string, Taken>();
  /** The authority that each cluster leads to, as the first URL has it. */
  private readonly clusters = new Map<string, string>();

  /** @param reporter the main file's */
  constructor(reporter: Reporter, examples: ExampleKeyCheck) {
    this.reporter = reporter;
    this.examples = examples;
  }

  /**
   * Checks where keys come from and reads those of the file; undefined, and reported, where something is wrong.
   * @param issuer whose keys they are; undefined for a bundle's
   */
  check(draft: DraftKeys, use: KeyUse, issuer?: Located<string>): KeySet | undefined {
    const { reporter } = this;
    const { file, url, cluster, refresh, header, clusters, discovery, at } = draft;
    const from = url ?? (discovery?.value === true ? discovery : undefined);
    if (clusters !== undefined && (discovery?.value !== true || url !== undefined)) {
      const message = "`clusters` is for the hosts that `discovery` may find keys on; remove it";
      reporter.error("key_source", clusters[0]?.name.at ?? at, message);
    }
    if (from === undefined) {
      for (const [name, found] of Object.entries({ cluster, refresh, header })) {
        if (found === undefined) continue;
        const message = `\`${name}\` says how keys are fetched from a \`url\`, or by \`discovery\`; add one, or remove it`;
        reporter.error("key_source", found.at, message);
      }
      if (file === undefined) {
        const message =
          "keys are in a file, `keys: { file: keys/corp.jwks.json }`, behind a URL, `{ url: https://idp.example.org/jwks.json, cluster: idp }`, found by `{ discovery: true, cluster: idp }`, or in a file and fetched";
        reporter.error("key_source", at, message);
        return undefined;
      }
    }
    const keys = file === undefined ? [] : this.readFile(file, use);
    const source = from === undefined ? undefined : this.checkSource(draft, from.at, issuer);
    if (keys === undefined || (from !== undefined && source === undefined)) return undefined;
    if (source !== undefined) this.take(source, file, from!.at, use);
    return { use, keys, source };
  }

  /** @param at where the draft says that keys are fetched */
  private checkSource(draft: DraftKeys, at: number, issuer: Located<string> | undefined): KeySource | undefined {
    const { reporter } = this;
    const { url, cluster, refresh, file } = draft;
    const refreshSeconds = checkDuration(reporter, refresh, refresh_seconds_max, refresh_seconds_min);
    const header = checkKeyHeader(reporter, draft.header);
    const parsed = url && this.checkUrl(draft, url);
    if (file === undefined) {
      const message =
        "until the keys have been fetched no token is accepted; embed those of today with `file`, and they serve until then";
      reporter.warn("keys_not_embedded", at, message);
    }
    if (cluster === undefined) {
      const message =
        url === undefined
          ? "`discovery` needs `cluster`, the Envoy cluster that leads to the issuer's host, as in `{ discovery: true, cluster: idp }`"
          : "`url` needs `cluster`, the Envoy cluster that leads to its host, as in `{ url: https://idp.example.org/jwks.json, cluster: idp }`";
      reporter.error("missing_key", at, message);
      return undefined;
    }
    for (const { value } of draft.clusters ?? []) if (value !== undefined) checkCluster(this.reporter, value);
    if (!checkCluster(this.reporter, cluster)) return undefined;
    const found = url === undefined ? checkDiscovery(reporter, draft, issuer, cluster.value) : parsed;
    if (found === undefined) return undefined;
    this.warnOfTwoHosts(cluster, found.authority);
    return {
      ...found,
      cluster: cluster.value,
      refreshSeconds: refreshSeconds ?? default_refresh_seconds,
      ...(header !== undefined && { header }),
    };
  }

  private checkUrl(
    { discovery, cluster, header }: DraftKeys,
    url: Located<string>,
  ): Pick<KeySource, "url" | "authority" | "path"> | undefined {
    const { reporter } = this;
    if (discovery?.value === true) {
      reporter.error("key_source", url.at, "`discovery` finds the URL of the keys; remove `url`, or `discovery`");
      return undefined;
    }
    const parsed = parseUrl(url.value);
    if (typeof parsed === "string") {
      reporter.error("invalid_url", url.at, parsed);
      return undefined;
    }
    const { scheme, authority, path } = parsed;
    if (isDiscoveryUrl(path)) {
      const message = `that is a discovery document, which says where the keys are, and no key set (JWKS); in place of \`url\` write \`discovery: true\`, as in \`keys: { discovery: true, cluster: ${cluster?.value ?? "idp"} }\`, or the URL that is its \`jwks_uri\``;
      reporter.error("discovery", url.at, message);
      return undefined;
    }
    if (scheme === "http") {
      const message =
        "with `http`, whoever is on the way can send keys of its own, and then tokens of its own; use `https`";
      const secret = header === undefined ? "" : ". It also reads the credential of `header`";
      reporter.warn("insecure_url", url.at, message + secret);
    }
    return { url: url.value, authority, path };
  }

  /** A cluster leads to one server, with the one name that its certificate must have. */
  private warnOfTwoHosts(cluster: Located<string>, authority: string): void {
    const first = this.clusters.get(cluster.value) ?? authority;
    this.clusters.set(cluster.value, first);
    if (first === authority) return;
    const message = `the cluster \`${cluster.value}\` leads to \`${first}\` already, so keys of \`${authority}\` would be asked for there; name a cluster of its own`;
    this.reporter.warn("cluster_shared", cluster.at, message);
  }

  /** One URL is fetched once, so whoever names it must want the same of it. */
  private take(source: KeySource, file: Located<string> | undefined, at: number, use: KeyUse): void {
    const { url, cluster, discovery, header, refreshSeconds } = source;
    const key = JSON.stringify([use, cluster, url, discovery?.issuer]);
    const terms = {
      refresh: String(refreshSeconds),
      file: (file && this.pathOf(file)) ?? "",
      header: JSON.stringify(header ?? null),
      clusters: JSON.stringify(discovery?.hosts ?? null),
    };
    const first = this.taken.get(key);
    if (first === undefined) {
      this.taken.set(key, { terms, at });
      return;
    }
    const differs = Object.entries(terms).flatMap(([name, text]) =>
      text === first.terms[name] ? [] : [`\`${name}\``],
    );
    if (differs.length === 0) return;
    const { line } = positionOf(this.reporter.source, first.at);
    const message = `line ${line} has the same \`url\` with another ${differs.join(" and another ")}; the keys are fetched and kept once, so make the two equal`;
    this.reporter.error("key_source", at, message);
  }

  private pathOf({ value }: Located<string>): string {
    return isAbsolute(value) ? value : join(dirname(this.reporter.source.file), value);
  }

  /** Keys of a JWKS file, which is found from where the policy file is. */
  private readFile(file: Located<string>, use: KeyUse): PolicyKey[] | undefined {
    const { reporter } = this;
    const path = this.pathOf(file);
    const known = `${use} ${path}`;
    if (this.files.has(known)) return this.files.get(known);
    let keys: PolicyKey[] | undefined;
    try {
      keys = parseKeySet(new Reporter(readSource(path), reporter.findings), use, this.examples);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      reporter.error("file", file.at, `key set \`${path}\`: ${error.diagnostics[0]!.message}`);
    }
    if (keys !== undefined && keys.length > key_set_keys_max)
      reporter.error(
        "bound",
        file.at,
        `a key set has at most ${key_set_keys_max} keys; \`${path}\` has ${keys.length}`,
      );
    this.files.set(known, keys);
    return keys;
  }
}

/** Whether a text can be the name of a cluster of Envoy; it is reported where it cannot. */
export function checkCluster(reporter: Reporter, cluster: Located<string>): boolean {
  if (forms.cluster.test(cluster.value)) return true;
  const message = `the name of a cluster has 1 to ${cluster_name_bytes_max} visible ASCII characters and no blanks`;
  reporter.error("invalid_cluster", cluster.at, message);
  return false;
}
