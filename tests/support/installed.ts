/** What `manifest --for envoy` and `rollout` write, in a folder of its own in place of /etc/sallyport, with certificates beside it. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Authority } from "../../scripts/envoy/certificates.ts";

/** A file as it is for a folder other than /etc/sallyport, on free ports of 127.0.0.1. */
export function placed(text: string, folder: string): string {
  return text
    .replaceAll("/etc/sallyport", folder)
    .replaceAll("/etc/ssl/certs/ca-certificates.crt", join(folder, "authorities.pem"))
    .replace("address: 0.0.0.0\n        port_value: 15006", "address: 127.0.0.1\n        port_value: 0")
    .replace("address: 0.0.0.0\n        port_value: 15021", "address: 127.0.0.1\n        port_value: 0")
    .replace("port_value: 9901", "port_value: 0");
}

/** What is installed. */
export interface Installation {
  files: readonly { name: string; text: string }[];
  /** The modules, by their files. */
  modules: Readonly<Record<string, Uint8Array>>;
  /** Whose workload it is: its SVID is of this ID. */
  spiffeId: string;
  authority: Authority;
  /** Who vouches for key servers. Default: the authority. */
  keysCa?: string | undefined;
}

/** Writes all of it into a temporary folder, which it returns. */
export async function install(installation: Installation): Promise<string> {
  const { files, modules, spiffeId, authority, keysCa = authority.certificatePem } = installation;
  const folder = await mkdtemp(join(tmpdir(), "sallyport-manifest-"));
  const own = await authority.issue({ spiffeId, dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] });
  await mkdir(join(folder, "certificates/bundles"), { recursive: true });
  const contents: Record<string, string | Uint8Array> = {
    "certificates/svid.pem": own.certificatePem,
    "certificates/svid-key.pem": own.privateKeyPem,
    "certificates/bundles/example.org.pem": authority.certificatePem,
    "authorities.pem": keysCa,
    ...modules,
    ...Object.fromEntries(files.map(({ name, text }) => [name, placed(text, folder)])),
  };
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content);
  return folder;
}
