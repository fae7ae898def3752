/** What tests use of npm's `oidc-provider`, which has no types of its own. */
declare module "oidc-provider" {
  import type { X509Certificate } from "node:crypto";
  import type { IncomingMessage, ServerResponse } from "node:http";

  export default class Provider {
    constructor(issuer: string, configuration: object);
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
  }

  /** The context of a request, as far as a certificate goes. */
  export interface KoaContext {
    socket: { getPeerX509Certificate?: () => X509Certificate | undefined };
  }
}
