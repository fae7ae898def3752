/** What is known of a policy and its place in a system of Kubernetes, whichever it is. */
import type { Holding } from "../envoy/holding.ts";
import type { OpenForms } from "./manager.ts";
import type { ModuleSource } from "./options.ts";
import type { Server } from "./servers.ts";
import type { ShadowFilter } from "./shadow.ts";

export interface MeshPlace {
  servers: readonly Server[];
  forms: OpenForms;
  /** How many proxies in front append to `x-forwarded-for`. */
  hops: number;
  module: ModuleSource;
  shadow: ShadowFilter<ModuleSource> | undefined;
  namespace: string;
  /** Where the policy reads bodies. */
  holds: Holding | undefined;
}
