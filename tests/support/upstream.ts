/** An upstream that does to a request what a test wants, without TLS. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { UpstreamAddress } from "../../scripts/envoy/bootstrap.ts";

interface PlainUpstream {
  address: UpstreamAddress;
  stop(): void;
}

export async function startPlainUpstream(listener: RequestListener): Promise<PlainUpstream> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port, tls: false },
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
