/** What an operator says beside the policy: where the module is, whom it guards, and where its servers are. */
import { createHash } from "node:crypto";
import type { ServerAddress } from "../envoy/cluster.ts";
import { ManifestError } from "./files.ts";
import { parseAddress } from "./servers.ts";

/** The options as they are given; each is undefined where it is not. */
export interface GivenOptions {
  image?: string;
  url?: string;
  sha256?: string;
  pullSecret?: string;
  namespace?: string;
  selector?: string;
  gateway?: string;
  /** The Gateway's listener, for policies that read bodies. */
  gatewayListener?: string;
  upstream?: string;
  upstreamId?: string;
  ratelimit?: string;
  trustedHops?: string;
  helm?: boolean;
  /** Of the module, where its checksum is not given. */
  trustKey?: readonly Uint8Array[];
}

/** Where a mesh gets the module from. */
export interface ModuleSource {
  kind: "image" | "url";
  /** Of an image without `oci://`. */
  location: string;
  /** In hex: of an image its manifest's digest, of a file the file's. */
  sha256: string;
  /** Of an image: the name of the Secret with the registry's credentials, in the namespace of the resources. */
  pullSecret: string | undefined;
}

const digest = /^[0-9a-f]{64}$/u;
/** RFC 1123, as Kubernetes has it for names of Secrets. */
const subdomain = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/u;
/** The same of namespaces and Services. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u;
const label_value = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/u;
const label_key = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/u;

/**
 * Where the module is, always with its checksum.
 * @param built SHA-256 of the module that `build` makes of the policy
 * @throws ManifestError
 */
export function moduleSource({ image, url, sha256, pullSecret }: GivenOptions, built: () => string): ModuleSource {
  if ((image === undefined) === (url === undefined)) {
    throw new ManifestError(
      "say where the module is, by one of --image REGISTRY/NAME:TAG (an OCI image) and --url https://…/sallyport.wasm (the file that `sallyport build` writes)",
    );
  }
  if (sha256 !== undefined && !digest.test(sha256))
    throw new ManifestError(`--sha256 is 64 digits 0-9 and a-f, not \`${sha256}\``);
  if (url !== undefined) {
    if (!/^https?:\/\/[^\s/]+\/\S*$/u.test(url))
      throw new ManifestError(
        `--url is where the module is fetched from, such as https://example.org/sallyport.wasm, not \`${url}\``,
      );
    if (pullSecret !== undefined)
      throw new ManifestError("--pull-secret is for an image: no system sends a credential for --url, so leave it out");
    return { kind: "url", location: url, sha256: sha256 ?? built(), pullSecret };
  }
  if (pullSecret !== undefined && !subdomain.test(pullSecret))
    throw new ManifestError(`--pull-secret is the name of a Secret (a-z, 0-9, -, .), not \`${pullSecret}\``);
  const [, location, pinned] = /^(?:oci:\/\/)?([^\s@]+?)(?:@sha256:([0-9a-f]{64}))?$/u.exec(image!) ?? [];
  if (location === undefined || !location.includes("/"))
    throw new ManifestError(
      `--image is a registry, a name and a tag, such as registry.example.org/sallyport/shop:1, not \`${image}\``,
    );
  if (pinned !== undefined && sha256 !== undefined && pinned !== sha256)
    throw new ManifestError("--image and --sha256 have different digests: leave one out");
  const known = sha256 ?? pinned;
  if (known === undefined) {
    throw new ManifestError(
      "a tag can be moved to another image: give the digest that `sallyport oci` prints with --sha256, or as NAME:TAG@sha256:…",
    );
  }
  return { kind: "image", location, sha256: known, pullSecret };
}

const resource_characters_max = 52;

/**
 * The name that resources of a policy have in Kubernetes. Where it cannot have the policy's in it as it is, it ends with what tells that
 * from others: the resources of `a_b` must not come to replace those of `a-b`, and leave its workload without a check.
 */
export function resourceName(policy: string): string {
  const words = policy.toLowerCase().replaceAll(/[^a-z0-9]+/gu, "-");
  const whole = `sallyport-${words}`;
  if (words === policy && whole.length <= resource_characters_max && !words.endsWith("-")) return whole;
  return shortened(whole, policy, resource_characters_max);
}

/** A name of at most so many characters that ends with what tells `text` from other texts. */
export function shortened(name: string, text: string, characters: number): string {
  const told = `-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
  return `${name.slice(0, characters - told.length).replace(/[-.]+$/u, "")}${told}`;
}

/** A namespace or another name of Kubernetes. Throws ManifestError where it is none. */
export function kubernetesName(option: string, text: string): string {
  if (!label.test(text)) throw new ManifestError(`${option} is a name of Kubernetes (a-z, 0-9, -), not \`${text}\``);
  return text;
}

/** Labels as in `kubectl -l`: `app=orders,tier=api`. Throws ManifestError where there are none. */
export function parseSelector(text: string | undefined): Record<string, string> {
  if (text === undefined) {
    throw new ManifestError(
      "say whom the policy guards: --selector app=orders, the labels of the workload's pods. Without labels it would be the whole namespace",
    );
  }
  const pairs = text.split(",").map((pair) => pair.split("="));
  for (const [key = "", value, more] of pairs) {
    if (!label_key.test(key) || value === undefined || !label_value.test(value) || more !== undefined)
      throw new ManifestError(`--selector has labels such as app=orders,tier=api, not \`${text}\``);
  }
  return Object.fromEntries(pairs);
}

/** `--ratelimit`. Throws ManifestError where it is no address. */
export function rateLimitAddress(text: string | undefined): ServerAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text);
  if (address === undefined)
    throw new ManifestError(`--ratelimit is a host and a port, such as ratelimit.example.org:8081, not \`${text}\``);
  return address;
}

/** `--trusted-hops`: how many proxies of yours append to x-forwarded-for. Throws ManifestError where the policy trusts none. */
export function trustedHops(text: string | undefined, sourceAddress: "connection" | "forwarded"): number {
  if (sourceAddress === "connection") {
    if (text === undefined) return 0;
    throw new ManifestError("--trusted-hops is for policies with `trust.sourceAddress: forwarded`: leave it out");
  }
  if (text === undefined) return 1;
  if (!/^[1-9]\d?$/u.test(text)) throw new ManifestError(`--trusted-hops is a number from 1 to 99, not \`${text}\``);
  return Number(text);
}

/** Refuses options that a system has no use for: one that is not heeded would be a surprise. */
export function refuseOthers(system: string, given: GivenOptions, taken: readonly (keyof GivenOptions)[]): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || taken.includes(name as keyof GivenOptions)) continue;
    const option = name.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`);
    throw new ManifestError(`--${option} is not for ${system}: leave it out`);
  }
}
