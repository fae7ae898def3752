/** The shape of a limit. */
import { limit_burst_tokens_max, limit_hops_max, limit_slots_max } from "../../../assembly/limits.ts";
import type { Located } from "../source/yaml.ts";
import { integer, list, mapping, named, optional, orMapping, required, type Shape, text, word } from "./shape.ts";
import { forms } from "./values.ts";

/** What a tier gives: a rate, or a mapping that says more. */
interface TierSaid extends Located<string> {
  burst?: Located<number> | undefined;
}
const tier_rate: Shape<TierSaid> = text({ pattern: forms.rate, like: "100/s" });
const burst = integer(1, limit_burst_tokens_max);
const tier = orMapping(
  tier_rate,
  mapping({
    rate: required(tier_rate, "Requests a second, minute, hour or day.", {
      examples: ["1000/s"],
      asIn: "rate: 1000/s",
    }),
    burst: optional(burst, "How many may come at once after silence.", { examples: [2000] }),
  }),
  ({ rate, burst }) => rate && { ...rate, burst },
);

/** What a rule takes from. */
export const limit = mapping({
  rate: optional(
    text({ pattern: forms.rate, like: "100/s" }),
    "Requests a second, minute, hour or day. A limit has one of `rate`, `concurrency` and `hops`.",
    { examples: ["100/s", "60/m", "1000/h", "10000/d"] },
  ),
  concurrency: optional(
    integer(1, limit_slots_max),
    "In place of a rate: how many requests may be open at a time, over all workers of one Envoy.",
    { examples: [20] },
  ),
  hops: optional(
    text({ pattern: forms.header }),
    "In place of a rate, against loops of calls: a header that counts the hops of a request. Callers of trusted domains are believed what they have there; it is set to one more on admitted requests.",
    { examples: ["x-request-hops"] },
  ),
  most: optional(integer(1, limit_hops_max), "With `hops`: how many hops a request may have made.", { examples: [8] }),
  burst: optional(
    burst,
    "How many requests may come at once after silence. Without it, as many as one unit of the rate.",
    { examples: [200] },
  ),
  per: optional(
    list(text({ pattern: forms.selector })),
    'What each bucket is kept for: `caller`, `caller.trust_domain`, `caller.NAME` (a named segment of its ID), claims of the token such as `claims.sub`, `path.NAME`, `request.headers["NAME"]`, `source.ip`, or its network: `source.ip/24`, `request.host`, `request.method`, `rule`. Without it, all requests share one bucket.',
    { examples: [["caller"], ["caller", "claims.sub"]] },
  ),
  tier: optional(
    text({ pattern: forms.selector }),
    "What chooses one of `tiers`: a text that `per` may name, such as a claim or a header.",
    { examples: ["claims.plan"] },
  ),
  tiers: optional(
    named("tier", tier, /^[\s\S]+$/u),
    "Other rates, by the text that chooses each. Who has none of them has `rate` and `burst`.",
    { examples: [{ gold: "1000/s", free: { rate: "10/s", burst: 20 } }] },
  ),
  absent: optional(
    word(["share", "deny"]),
    "What becomes of requests that lack something named in `per`. `share`: all of them share one bucket; `deny`: they are denied.",
    { default: "share" },
  ),
  mode: optional(
    word(["enforce", "shadow"]),
    "`shadow`: the limit counts and denies nothing; the record says which requests it would have denied.",
    { default: "enforce" },
  ),
  scope: optional(
    word(["proxy", "fleet"]),
    "Who shares the limit. `proxy`: all workers of one Envoy; `fleet`: all Envoys that ask the rate limit service of `fleet`.",
    { default: "proxy" },
  ),
  fleet: optional(
    word(["exact", "leased"]),
    "With `scope: fleet`, how the service is asked. `exact`: one call a request, before it goes on; `leased`: for blocks, in the background, so that most requests need not wait.",
    { default: "exact" },
  ),
  headers: optional(
    word(["denied", "always"]),
    "Which answers have `RateLimit` and `RateLimit-Policy`. `denied`: those to requests that the limit has no room for; `always`: those to admitted requests too.",
    { default: "denied" },
  ),
  onError: optional(
    word(["local", "deny", "allow"]),
    "With `scope: fleet`, what holds while the service does not answer. `local`: this Envoy's share, rate and burst divided by `replicas`, but with room for the most that one request may cost; `deny`: 503; `allow`: no limit.",
    { default: "local" },
  ),
});
