/**
 * Credentials for registries, from where `docker login` puts them: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, or a program
 * that it names (https://docs.docker.com/reference/cli/docker/login/#credential-stores).
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { printable } from "../common/screen.ts";

/** What to show a registry, or the server that gives tokens for it. */
export type Credentials =
  | { kind: "password"; username: string; password: string }
  /** A refresh token of OAuth 2. */
  | { kind: "identity"; token: string };

/** What was found for a registry. */
export interface Found {
  /** Undefined: none. */
  credentials: Credentials | undefined;
  /** Where was looked, for messages. */
  source: string;
}

/** As far as it has what Docker writes. */
interface DockerConfig {
  auths?: Record<string, Entry | null>;
  credsStore?: unknown;
  credHelpers?: Record<string, unknown> | null;
}
type Entry = Partial<Record<"auth" | "username" | "password" | "identitytoken", unknown>>;

/** What Docker keeps the credentials of Docker Hub by. */
const hub_key = "https://index.docker.io/v1/";
const hub_hosts = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const helper_timeout_ms = 30_000;

/**
 * Looks up a registry's credentials.
 * @param registry host and port as the reference has them
 * @throws Error where the file or the program does not work; no message holds a secret
 */
export function findCredentials(registry: string, environment: NodeJS.ProcessEnv = process.env): Found {
  const path = join(environment.DOCKER_CONFIG || join(environment.HOME || homedir(), ".docker"), "config.json");
  const config = readConfig(path);
  if (config === undefined) return { credentials: undefined, source: `${path}, which is not there` };
  const isHub = hub_hosts.includes(registry);
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  if (isText(helper)) {
    const source = `docker-credential-${helper}, which ${path} names`;
    const credentials = askHelper(helper, isHub ? hub_key : registry, environment);
    if (credentials !== undefined) return { credentials, source };
  }
  for (const [key, entry] of Object.entries(config.auths ?? {})) {
    const host = key.replace(/^https?:\/\//u, "").split("/")[0]!;
    if (host !== registry && !(isHub && hub_hosts.includes(host))) continue;
    const credentials = credentialsOf(entry ?? {}, `${path}: the entry of ${key}`);
    if (credentials !== undefined) return { credentials, source: path };
  }
  return { credentials: undefined, source: path };
}

function readConfig(path: string): DockerConfig | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`cannot read ${path}: ${(error as Error).message}`);
  }
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === "object" && config !== null) return config;
  } catch {
    // The parser's message may quote what is secret.
  }
  throw new Error(`${path} is no JSON object: mend it, or log in again with \`docker login\``);
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

function credentialsOf(entry: Entry, where: string): Credentials | undefined {
  if (isText(entry.identitytoken)) return { kind: "identity", token: entry.identitytoken };
  if (isText(entry.username) && isText(entry.password))
    return { kind: "password", username: entry.username, password: entry.password };
  if (!isText(entry.auth)) return undefined;
  const text = Buffer.from(entry.auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1)
    throw new Error(`${where} has an \`auth\` that is no USER:PASSWORD in base64: log in again with \`docker login\``);
  return { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/u, "") };
}

/** Asks a credential helper (https://github.com/docker/docker-credential-helpers); undefined where it knows none. */
function askHelper(helper: string, server: string, environment: NodeJS.ProcessEnv): Credentials | undefined {
  if (!/^[\w.-]+$/u.test(helper)) throw new Error(`\`${helper}\` is no name of a credential helper`);
  const program = `docker-credential-${helper}`;
  const { status, stdout, error } = spawnSync(program, ["get"], {
    input: server,
    encoding: "utf8",
    env: environment,
    timeout: helper_timeout_ms,
    killSignal: "SIGKILL",
  });
  // One that does not read what it is asked for has still answered.
  if (error !== undefined && status === null) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new Error(
      missing
        ? `${program} is not on PATH: install it, or take it out of Docker's config.json`
        : `${program}: ${error.message}`,
    );
  }
  if (status !== 0) {
    if (/credentials not found/iu.test(stdout)) return undefined;
    // One that answered before it failed has said a secret.
    const [said = ""] = stdout.includes("{") ? [] : stdout.trim().split("\n");
    throw new Error(`${program} has no credentials for ${server}: ${printable(said) || `exit ${status}`}`);
  }
  try {
    const { Username, Secret } = JSON.parse(stdout) as { Username?: unknown; Secret?: unknown };
    if (!isText(Username) || !isText(Secret)) return undefined;
    if (Username === "<token>") return { kind: "identity", token: Secret };
    return { kind: "password", username: Username, password: Secret };
  } catch {
    throw new Error(`${program} answered with no JSON for ${server}`);
  }
}
