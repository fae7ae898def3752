/** The options that say where a policy's filter stands, of the verbs that write manifests (manifest/options.ts). */
import type { Command } from "commander";

/** Adds them to a verb. */
export function addPlaceOptions(command: Command): Command {
  return command
    .option("--pull-secret <name>", "istio, envoy-gateway: the Secret with the credentials for the image's registry")
    .option("--namespace <name>", "istio, envoy-gateway: the namespace (default: default)")
    .option("--selector <labels>", "istio: labels of the pods that the policy guards, such as app=orders")
    .option("--gateway <name>", "envoy-gateway: the Gateway that the policy guards")
    .option("--gateway-listener <name>", "envoy-gateway: its listener, for policies that read bodies (default: https)")
    .option("--upstream <url>", "envoy: where admitted requests go (default: http://127.0.0.1:8080)")
    .option("--upstream-id <id>", "envoy: the SPIFFE ID of an upstream with https")
    .option("--ratelimit <address>", "host:port of the rate limit service, for policies with `scope: fleet`")
    .option(
      "--trusted-hops <number>",
      "with `trust.sourceAddress: forwarded`: how many proxies append to x-forwarded-for; 1 if left out",
    );
}
