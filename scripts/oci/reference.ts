/** Where an image goes: `REGISTRY/NAME:TAG`, as the distribution specification has names and tags. */
import { isIP } from "node:net";

/** A reference taken apart. */
export interface Reference {
  /** Host and port as they were written: `registry.example.org`, `localhost:5000`. */
  registry: string;
  /** Where to speak to it: https, host and port. */
  origin: string;
  /** The repository: `team/sallyport`. */
  name: string;
  tag: string;
}

const name_form = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/u;
const tag_form = /^\w[\w.-]{0,127}$/u;
const registry_form = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/u;

/** Reads a reference. Throws Error that says what is wrong with it, and how one looks. */
export function parseReference(text: string): Reference {
  const fail = (what: string): never => {
    throw new Error(`${what}; an image is named like registry.example.org/team/sallyport:v1`);
  };
  if (/^[a-z]+:\/\//u.test(text)) fail(`\`${text}\` begins with a scheme, which is left out`);
  if (text.includes("@")) fail(`\`${text}\` has a digest, which follows from the image: give a tag`);
  const slash = text.indexOf("/");
  const registry = text.slice(0, Math.max(slash, 0));
  if (!registry.includes(".") && !registry.includes(":") && registry !== "localhost")
    fail(`\`${text}\` names no registry (for Docker Hub write docker.io/…)`);
  if (!registry_form.test(registry)) fail(`\`${registry}\` is no host`);
  const rest = text.slice(slash + 1);
  const colon = rest.lastIndexOf(":");
  if (colon < 0) fail(`\`${text}\` has no tag`);
  const [name, tag] = [rest.slice(0, colon), rest.slice(colon + 1)];
  if (!name_form.test(name))
    fail(`\`${name}\` is no name of a repository: lower case letters, digits and . _ - / between them`);
  if (!tag_form.test(tag)) fail(`\`${tag}\` is no tag: up to 128 letters, digits and . _ -`);
  const host = registry === "docker.io" || registry === "index.docker.io" ? "registry-1.docker.io" : registry;
  if (!URL.canParse(`https://${host}`)) fail(`\`${registry}\` is no host`);
  return { registry, origin: new URL(`https://${host}`).origin, name, tag };
}

/** Whether a host, with or without a port, is this machine itself: plain HTTP is for those alone. */
export function isLoopback(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}
