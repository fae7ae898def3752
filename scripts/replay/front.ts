/**
 * What comes before any rule in a request's way: who the caller is, and whether its path can be read in one way only. Where two policies
 * differ in that, a caller of the log may be another one to the new policy.
 */
import type { Policy } from "../policy/language/model.ts";
import { openedBy } from "../policy/language/pathoptions.ts";
import type { RecordedRequest } from "../traffic/usage.ts";
import { exactText } from "./guard.ts";

export class Front {
  /** Requests that are refused before any rule is looked at are so by both policies. */
  readonly #isSame: boolean;
  /** Neither policy takes a path that can be read in several ways. */
  readonly #isStrict: boolean;
  /** Callers are told by other means, so that nobody of the log is known. */
  readonly #isOther: boolean;
  /** Gateways whose word counts now. */
  readonly #newForwarders: ReadonlySet<string>;
  /** Trust domains whose members may have had another name. */
  readonly #renamed: ReadonlySet<string>;

  constructor(before: Policy, after: Policy) {
    const [was, is] = [before, after].map(({ identity, filterState, svids }) =>
      exactText([identity, filterState, svids.map(({ forwardToken: _, ...svid }) => svid)]),
    );
    const removed = before.forwarders.filter((id) => !after.forwarders.includes(id));
    this.#isOther = was !== is || removed.length > 0;
    this.#newForwarders = new Set(after.forwarders.filter((id) => !before.forwarders.includes(id)));
    const sameAliases = exactText([...before.aliases].sort()) === exactText([...after.aliases].sort());
    this.#renamed = new Set(sameAliases ? [] : before.aliases.values());
    const [formsBefore, formsAfter] = [before, after].map((policy) => formsOf(policy).join());
    this.#isStrict = formsBefore === "" && formsAfter === "";
    this.#isSame = !this.#isOther && this.#newForwarders.size === 0 && sameAliases && formsBefore === formsAfter;
  }

  /** Whether a request that was refused before any rule was looked at, for this reason, is so by both policies. */
  refusesAlike(reason: string): boolean {
    // How much room its headers take hangs on what rules read of them. Where some rule takes such paths, none may have been for this one.
    return this.#isSame && reason !== "headers_too_large" && (reason !== "path_ambiguous" || this.#isStrict);
  }

  /** What of the caller is not known to the new policy, in words; undefined: it is whom the log names. */
  unknownOf({ caller }: RecordedRequest): string | undefined {
    if (this.#isOther) return "what tells of the caller now";
    if (this.#newForwarders.has(caller)) return "whom the gateway names";
    if (this.#renamed.size === 0) return undefined;
    const domain = caller.slice("spiffe://".length).split("/", 1)[0]!;
    return this.#renamed.has(domain) ? "the ID that the caller presented" : undefined;
  }
}

/** The forms of paths that some rule takes. */
function formsOf({ paths, rules }: Policy): string[] {
  return [...new Set([paths, ...rules.map((rule) => rule.paths)].flatMap(openedBy))].sort();
}
