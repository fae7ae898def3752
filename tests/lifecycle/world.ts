/**
 * What the lifecycle measurements have in common: certificates, an issuer, policies, and Envoy configurations made from the
 * example's bootstrap. Requests that are admitted are answered by Envoy itself, so that nothing but Envoy and the module is
 * measured.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bootstrap, bootstrapFrom, type Certificates, readExampleFor } from "../../scripts/envoy/bootstrap.ts";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import type { Target } from "../../scripts/envoy/client.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { type LocalIssuer, makeIssuer } from "../../scripts/envoy/issuer.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { answerDirectly, no_upstream } from "../soak/envoy.ts";
import { managerOf } from "../support/envoy.ts";
import type { ExtensionFile } from "../support/extensionfile.ts";

export const caller = "spiffe://example.org/web";
/** The listener of the example. */
export const listener = "inbound";

const wasm_filter = "envoy.filters.http.wasm";
const check_filter = "enforcement-check";
const lifetime_ms = 6 * 3_600_000;

export interface World {
  directory: string;
  envoyPath: string;
  /** A good token of the issuer that the policies name `corp`. */
  token: string;
  /** So many more of them, each another. */
  tokens(count: number): Promise<string[]>;
  /** How a caller connects to this port. */
  target(port: number, spiffeId?: string): Promise<Target>;
  /** The image of a policy, with the issuer's keys beside it. Throws PolicyError. */
  image(policyYaml: string): Promise<Uint8Array>;
  /** Writes a file into the world's folder; its path. */
  file(name: string, bytes: Uint8Array | string): Promise<string>;
  /** An Envoy configuration. */
  bootstrap(options: ConfigurationOptions): Promise<Bootstrap>;
  remove(): Promise<void>;
}

/** What an Envoy shall have in it. */
export interface ConfigurationOptions {
  /** The path of the module; `undefined` for an Envoy without filters, to compare with. */
  wasmPath: string | undefined;
  /** The port to listen on; by default one the system chooses. */
  port?: number;
  /** Has the filter's configuration come from this file, over ECDS, in place of the bootstrap. */
  extension?: ExtensionFile;
}

export async function makeWorld(): Promise<World> {
  const envoyPath = await findEnvoy();
  const directory = await mkdtemp(join(tmpdir(), "sallyport-lifecycle-"));
  const authority = await makeAuthority({ trustDomain: "example.org" });
  const corp = await makeIssuer({ issuer: "https://issuer.example.org", audience: "order-api", keyIdPrefix: "corp" });
  const certificates = await writeCertificates(directory, authority);
  const example = await readExampleFor("inbound", envoyPath);
  const file: World["file"] = async (name, bytes) => {
    const path = join(directory, name);
    await writeFile(path, bytes);
    return path;
  };
  const identities = new Map<string, ReturnType<Authority["issue"]>>();
  const identity = (spiffeId: string): ReturnType<Authority["issue"]> => {
    const made =
      identities.get(spiffeId) ?? authority.issue({ spiffeId, notAfter: new Date(Date.now() + lifetime_ms) });
    identities.set(spiffeId, made);
    return made;
  };
  const newToken = (number: number): Promise<string> =>
    corp.token({
      claims: { sub: `user-${number}`, scope: "orders:read orders:write" },
      expiresInSeconds: lifetime_ms / 1000,
      algorithm: "ES256",
    });
  let policies = 0;
  return {
    directory,
    envoyPath,
    token: await newToken(0),
    tokens: (count) => Promise.all(Array.from({ length: count }, (_, number) => newToken(number + 1))),
    target: async (port, spiffeId = caller) => ({
      port,
      authorityPem: authority.certificatePem,
      identity: await identity(spiffeId),
    }),
    image: async (policyYaml) => compileIn(join(directory, `policy-${policies++}`), policyYaml, corp),
    file,
    bootstrap: async ({ wasmPath, port, extension }) =>
      bootstrapFrom(example, {
        wasm: wasmPath ?? "/nonexistent",
        certificates,
        upstream: no_upstream,
        accessLogPath: "/dev/null",
        ...(port === undefined ? {} : { listenerPort: port }),
        adjust: (bootstrap) => {
          answerDirectly(bootstrap);
          const manager = managerOf(bootstrap);
          if (wasmPath === undefined) {
            const filters = manager.http_filters as { name: string }[];
            manager.http_filters = filters.filter(({ name }) => name !== wasm_filter && name !== check_filter);
          } else if (extension !== undefined) {
            extension.take(manager.http_filters.find(({ name }: { name: string }) => name === wasm_filter));
          }
        },
      }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function compileIn(folder: string, policyYaml: string, corp: LocalIssuer): Promise<Uint8Array> {
  await mkdir(folder);
  await writeFile(join(folder, "corp.jwks.json"), JSON.stringify(corp.jwks));
  await writeFile(join(folder, "policy.yaml"), policyYaml);
  return compilePolicyFile(join(folder, "policy.yaml")).image;
}

async function writeCertificates(directory: string, authority: Authority): Promise<Certificates> {
  const server = await authority.issue({ dnsNames: ["localhost"], notAfter: new Date(Date.now() + lifetime_ms) });
  const paths = {
    certificate: join(directory, "svid.pem"),
    privateKey: join(directory, "svid-key.pem"),
    bundles: { [authority.trustDomain]: authority.certificatePem },
  };
  await writeFile(paths.certificate, server.certificatePem);
  await writeFile(paths.privateKey, server.privateKeyPem, { mode: 0o600 });
  return paths;
}

/** A port that nobody listened on just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
