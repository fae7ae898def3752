/** Contour with its Envoy, the resources of docs/contour.md, and behind them a service with an Envoy of ours beside it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import { sallyport } from "../cli/program.ts";
import { must } from "../fleet/systems.ts";
import { Kubernetes } from "../istio/kubernetes.ts";
import type { KubernetesPrograms } from "../istio/programs.ts";
import { contourResources } from "../manifest/contour.ts";
import { until } from "../support/until.ts";

/** Where the service is, in the network of the tests. */
export const service_address = "10.0.0.1";
/** Where Contour's Envoy takes TLS. */
export const contour_port = 8443;
const xds_port = 8001;

/** The programs that main.ts has found, and Contour's kinds of resources. */
type Programs = KubernetesPrograms & { contour: string; envoy: string; crds: string };

function programs(): Programs {
  const { CONTOUR_PROGRAMS } = process.env;
  assert.ok(CONTOUR_PROGRAMS, "CONTOUR_PROGRAMS is not set: run this by `npm run test:contour`");
  return JSON.parse(CONTOUR_PROGRAMS);
}

/** A request that reached the service. */
interface Received {
  path: string;
  headers: IncomingHttpHeaders;
}

export class ContourWorld {
  readonly folder: string;
  readonly authority: Authority;
  readonly kubernetes: Kubernetes;
  /** The name that the HTTPProxy has. */
  readonly serverName: string = contourResources().proxy.spec.virtualhost.fqdn;
  /** Oldest first. */
  readonly received: Received[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(folder: string, authority: Authority) {
    this.folder = folder;
    this.authority = authority;
    this.kubernetes = new Kubernetes(folder, programs());
  }

  static async start(policyYaml: string): Promise<ContourWorld> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-contour-"));
    const world = new ContourWorld(folder, await makeAuthority({ trustDomain: "example.org" }));
    try {
      await world.#startService(policyYaml);
      await world.#startContour();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  /** The service, and the Envoy beside it, with what `manifest` writes. */
  async #startService(policyYaml: string): Promise<void> {
    const server = createServer((request, response) => {
      this.received.push({ path: request.url!, headers: request.headers });
      response.end("{}");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#closers.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    await writeFile(join(this.folder, "policy.yaml"), policyYaml);
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.sallyport("build", "policy.yaml", "-o", "sallyport.wasm");
    this.sallyport("manifest", "--for", "envoy", "policy.yaml", "--upstream", upstream, "-o", "beside");
    const beside = join(this.folder, "beside");
    const own = await this.authority.issue({
      spiffeId: "spiffe://example.org/orders",
      dnsNames: [this.serverName],
    });
    await mkdir(join(beside, "certificates/bundles"), { recursive: true });
    await writeFile(join(beside, "certificates/svid.pem"), own.certificatePem);
    await writeFile(join(beside, "certificates/svid-key.pem"), own.privateKeyPem);
    await writeFile(join(beside, "certificates/bundles/example.org.pem"), this.authority.certificatePem);
    await copyFile(join(this.folder, "sallyport.wasm"), join(beside, "sallyport.wasm"));
    for (const name of ["bootstrap.yaml", "ecds.yaml", "lds.yaml"]) {
      const text = await readFile(join(beside, name), "utf8");
      await writeFile(join(beside, name), text.replaceAll("/etc/sallyport", beside));
    }
    const config = parse(await readFile(join(beside, "bootstrap.yaml"), "utf8")) as Bootstrap;
    config.admin.address.socket_address.port_value = 0;
    await this.#keep(startEnvoy({ envoyPath: programs().envoy, config })).then((envoy) => {
      this.adminUrl = `http://127.0.0.1:${envoy.adminPort}`;
    });
  }

  /** The admin interface of the Envoy beside the service. */
  adminUrl = "";

  async #keep(starting: Promise<RunningEnvoy>): Promise<RunningEnvoy> {
    const envoy = await starting;
    this.#closers.push(() => envoy.stop());
    return envoy;
  }

  /** Contour, with the resources of the document, and its Envoy. */
  async #startContour(): Promise<void> {
    const { contour, envoy, crds } = programs();
    const { kubernetes } = this;
    await kubernetes.startApi();
    await kubernetes.kubectl(["apply", "--server-side", "-f", crds]);
    await kubernetes.kubectl(["wait", "--for", "condition=established", "crd", "--all", "--timeout=60s"]);
    const { service, proxy } = contourResources();
    const [port] = service.spec.ports;
    // What Kubernetes makes of a Service and its pods.
    const endpoints = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "orders-1", labels: { "kubernetes.io/service-name": service.metadata.name } },
      addressType: "IPv4",
      endpoints: [{ addresses: [service_address], conditions: { ready: true } }],
      ports: [{ name: port.name, port: port.targetPort, protocol: "TCP" }],
    };
    await kubernetes.kubectl(
      ["apply", "-f", "-"],
      [service, endpoints, proxy].map((one) => stringify(one)).join("---\n"),
    );
    const daemon = kubernetes.run("contour", contour, [
      ...["serve", "--insecure", "--kubeconfig", kubernetes.path("kubeconfig"), "--disable-leader-election"],
      ...["--xds-address", "127.0.0.1", "--xds-port", String(xds_port)],
      ...["--envoy-service-https-address", "127.0.0.1", "--envoy-service-https-port", String(contour_port)],
      ...["--envoy-service-http-address", "127.0.0.1", "--envoy-service-http-port", "8080"],
    ]);
    const status = ["get", "httpproxy", proxy.metadata.name, "-o", "jsonpath={.status.currentStatus}"];
    await until("Contour has taken the HTTPProxy", async () => {
      await daemon.checkAlive();
      return (await kubernetes.kubectl(status)) === "valid";
    });
    const bootstrap = kubernetes.path("contour-envoy.json");
    const xds = ["--xds-address", "127.0.0.1", "--xds-port", String(xds_port)];
    const admin = ["--admin-address", kubernetes.path("admin.sock")];
    await must(contour, ["bootstrap", bootstrap, ...xds, ...admin], this.folder);
    kubernetes.run("envoy", envoy, ["-c", bootstrap, "--service-cluster", "contour", "--service-node", "node"]);
  }

  /** Runs the command line in the folder; what it printed. Fails where it does not end well. */
  sallyport(...args: string[]): string {
    const { code, stdout, stderr } = sallyport(args, { cwd: this.folder });
    assert.equal(code, 0, `sallyport ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close();
    await this.kubernetes.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
