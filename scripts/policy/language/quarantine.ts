/** The shape of `quarantine`: who is shut out for a while, and after what. */
import { quarantine_denials_max } from "../../../assembly/limits.ts";
import { isCountable, Reason, reasonName } from "../../../assembly/reason.ts";
import { integer, list, mapping, optional, required, text, word } from "./shape.ts";
import { forms } from "./values.ts";

const countable = Array.from({ length: Reason.COUNT }, (_, reason) => reason).filter(isCountable);

/** The numbers of the reasons that a quarantine may be for, by their names: some have one in common. */
export const countable_reasons: ReadonlyMap<string, readonly number[]> = new Map(
  countable.map((one) => [reasonName(one), countable.filter((other) => reasonName(other) === reasonName(one))]),
);

const duration = text({ pattern: forms.duration, like: "5m" });

/** What a key may be made of, for messages. */
export const quarantine_ways = "`caller`, `caller.trust_domain`, `source.ip` or `source.ip/24`";

/** One entry of the list. */
export const quarantine_entry_shape = mapping({
  name: required(text({ pattern: forms.name }), "Unique among quarantines; labels metrics and audit records.", {
    examples: ["probing"],
    asIn: "name: probing",
  }),
  per: optional(
    list(
      text({ pattern: /^(?:caller(?:\.id|\.trust_domain)?|source\.ip(?:\/[0-9]{1,3})?)$/u, ways: quarantine_ways }),
      {
        empty: ", so that one caller would shut all others out; leave it out for `[caller]`",
      },
    ),
    "Who is shut out: `caller`, `caller.trust_domain`, `source.ip` or its network, `source.ip/24`; of several, all together. A caller that is not known is its address.",
    { default: ["caller"], examples: [["caller"], ["source.ip/24"]] },
  ),
  when: required(
    list(text({ words: [...countable_reasons.keys()] }), { empty: ", so that nothing is counted; name a reason" }),
    "The reasons whose denials count.",
    { examples: [["no_rule", "token_signature"]], asIn: "when: [no_rule, token_signature]" },
  ),
  denials: required(integer(1, quarantine_denials_max), "So many such denials shut it out.", {
    examples: [20],
    asIn: "denials: 20",
  }),
  within: required(duration, "Within so long, at most `1h`.", { examples: ["1m"], asIn: "within: 1m" }),
  for: required(duration, "For so long; each time that it happens again for twice as long as before.", {
    examples: ["5m"],
    asIn: "for: 5m",
  }),
  max: optional(
    duration,
    "But never for longer than this, at most `24h`. Once it has been let in for as long, it begins anew. Without it, `for`.",
    { examples: ["1h"] },
  ),
  mode: optional(
    word(["enforce", "shadow"]),
    "`shadow`: nobody is shut out; record, metrics and log say who would be.",
    {
      default: "enforce",
    },
  ),
  release: optional(
    list(text(), { empty: "; leave it out" }),
    "SPIFFE IDs, trust domains or addresses that are let in again, and not counted for as long as they stand here.",
    { examples: [["spiffe://example.org/web"]] },
  ),
  scope: optional(
    word(["proxy", "fleet"]),
    "Where it is shut out. `proxy`: by all workers of one Envoy. `fleet`: by all Envoys, which tell each other through the rate limit service of `fleet`; then `for` is at least `within` and `20s`, and `max` at most 32 times `for`.",
    { default: "proxy" },
  ),
});

export const quarantine_shape = list(quarantine_entry_shape, {
  item: "a quarantine",
  empty: "; leave it out where nobody is to be shut out",
});
