/**
 * The second lock of the example configurations: a native filter right after ours that refuses every request, and that only
 * those get around which carry our mark. Envoy leaves a Wasm filter out on a worker where it failed to start
 * (envoyproxy/envoy#43751), and a route can switch it off; then nothing is marked.
 */
import { isDeepStrictEqual } from "node:util";

const typeOf = (message: string): string => `type.googleapis.com/envoy.extensions.${message}`;

/** What the second lock does to requests that it meets. */
const refuseAll = {
  "@type": typeOf("filters.http.rbac.v3.RBAC"),
  rules: {
    action: "DENY",
    policies: { "not-judged": { permissions: [{ any: true }], principals: [{ any: true }] } },
  },
};

/** Which requests get around it. */
const skipMarked = {
  matcher_tree: {
    input: {
      name: "mark",
      typed_config: { "@type": typeOf("matching.common_inputs.network.v3.FilterStateInput"), key: "wasm.verdict" },
    },
    exact_match_map: {
      map: {
        allow: {
          action: {
            name: "skip",
            typed_config: { "@type": typeOf("filters.common.matcher.action.v3.SkipFilter") },
          },
        },
      },
    },
  },
};

/** What is looked at in a filter's configuration. */
interface LockConfig {
  extension_config?: { typed_config?: unknown };
  xds_matcher?: unknown;
}

/** Whether a filter refuses every request, but for those with the mark of our filter, which get around it. Nothing may switch it off. */
export function isSecondLock(filter: { name?: unknown; typed_config?: LockConfig } = {}): boolean {
  if (Object.keys(filter).some((key) => key !== "name" && key !== "typed_config")) return false;
  const { extension_config, xds_matcher, ...more }: LockConfig = filter.typed_config ?? {};
  return (
    isDeepStrictEqual(more, { "@type": typeOf("common.matching.v3.ExtensionWithMatcher") }) &&
    isDeepStrictEqual(extension_config?.typed_config, refuseAll) &&
    isDeepStrictEqual(xds_matcher, skipMarked)
  );
}
