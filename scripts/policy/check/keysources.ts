/** Where keys come from: a JWKS file that is embedded, a URL that is fetched from while Envoy runs, or both. */
import { dirname, isAbsolute, join } from "node:path";
import {
  cluster_name_bytes_max,
  key_set_keys_max,
  key_url_bytes_max,
  refresh_seconds_max,
  refresh_seconds_min,
} from "../../../assembly/limits.ts";
import type { DraftKeys, KeySet, KeySource, KeyUse, PolicyKey } from "../language/model.ts";
import { forms } from "../language/values.ts";
import { PolicyError, Reporter } from "../source/diagnostic.ts";
import { readSource } from "../source/read.ts";
import { positionOf } from "../source/source.ts";
import type { Located } from "../source/yaml.ts";
import type { ExampleKeyCheck } from "./example.ts";
import { parseKeySet } from "./jwks.ts";
import { checkDuration } from "./texts.ts";

/** How often keys are fetched where the policy does not say. */
const default_refresh_seconds = 300;

/** A URL as some issuer has it. */
interface Taken {
  file: string | undefined;
  refreshSeconds: number;
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

  /** Checks where keys come from and reads those of the file; undefined, and reported, where something is wrong. */
  check(draft: DraftKeys, use: KeyUse): KeySet | undefined {
    const { reporter } = this;
    const { file, url, cluster, refresh, at } = draft;
    if (url === undefined) {
      for (const [name, found] of Object.entries({ cluster, refresh })) {
        if (found === undefined) continue;
        const message = `\`${name}\` says how keys are fetched from a \`url\`; add one, or remove it`;
        reporter.error("key_source", found.at, message);
      }
      if (file === undefined) {
        const message =
          "keys are in a file, `keys: { file: keys/corp.jwks.json }`, behind a URL, `{ url: https://idp.example.org/jwks.json, cluster: idp }`, or both";
        reporter.error("key_source", at, message);
        return undefined;
      }
    }
    const keys = file === undefined ? [] : this.readFile(file, use);
    const source = url === undefined ? undefined : this.checkSource(draft, url);
    if (keys === undefined || (url !== undefined && source === undefined)) return undefined;
    if (source !== undefined) this.take(source, file, url!.at, use);
    return { use, keys, source };
  }

  private checkSource(draft: DraftKeys, url: Located<string>): KeySource | undefined {
    const { reporter } = this;
    const { cluster, refresh, file } = draft;
    const parsed = parseUrl(url.value);
    const refreshSeconds = checkDuration(reporter, refresh, refresh_seconds_max, refresh_seconds_min);
    if (typeof parsed === "string") reporter.error("invalid_url", url.at, parsed);
    else if (parsed.scheme === "http") {
      const message =
        "with `http`, whoever is on the way can send keys of its own, and then tokens of its own; use `https`";
      reporter.warn("insecure_url", url.at, message);
    }
    if (file === undefined) {
      const message =
        "until the keys have been fetched no token is accepted; embed those of today with `file`, and they serve until then";
      reporter.warn("keys_not_embedded", url.at, message);
    }
    if (cluster === undefined) {
      const message =
        "`url` needs `cluster`, the Envoy cluster that leads to its host, as in `{ url: https://idp.example.org/jwks.json, cluster: idp }`";
      reporter.error("missing_key", url.at, message);
      return undefined;
    }
    if (!forms.cluster.test(cluster.value)) {
      const message = `the name of a cluster has 1 to ${cluster_name_bytes_max} visible ASCII characters and no blanks`;
      reporter.error("invalid_cluster", cluster.at, message);
      return undefined;
    }
    if (typeof parsed === "string") return undefined;
    const { authority, path } = parsed;
    this.warnOfTwoHosts(cluster, authority);
    return {
      url: url.value,
      authority,
      path,
      cluster: cluster.value,
      refreshSeconds: refreshSeconds ?? default_refresh_seconds,
    };
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
    const key = `${use} ${source.cluster} ${source.url}`;
    const path = file && this.pathOf(file);
    const first = this.taken.get(key);
    if (first === undefined) {
      this.taken.set(key, { file: path, refreshSeconds: source.refreshSeconds, at });
      return;
    }
    const differs = [
      ...(first.refreshSeconds === source.refreshSeconds ? [] : ["`refresh`"]),
      ...(first.file === path ? [] : ["`file`"]),
    ];
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

/** Takes a URL apart; in words what is wrong otherwise. */
function parseUrl(text: string): { scheme: string; authority: string; path: string } | string {
  if (Buffer.byteLength(text) > key_url_bytes_max) return `a URL has at most ${key_url_bytes_max} bytes`;
  const [, scheme, host, port, path = "/", query = ""] = forms.url.exec(text) ?? [];
  if (scheme !== undefined && host !== undefined) {
    if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return "a port is from 1 to 65535";
    const authority = host.toLowerCase() + (port === undefined ? "" : `:${port}`);
    return { scheme, authority, path: path + query };
  }
  if (text.includes("#")) return "what stands after `#` is never sent; remove it";
  if (/^[^/]*\/\/[^/?]*@/u.test(text)) return "a URL of keys has no user and no password: policies hold no secrets";
  if (!/^https?:\/\//u.test(text))
    return "a URL of keys begins with `https://`, as in `https://idp.example.org/jwks.json`";
  return "a URL has a host, an optional port, a path and a query in ASCII: `https://idp.example.org/jwks.json`; encode other characters with `%`";
}
