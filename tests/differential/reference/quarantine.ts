/** Who is shut out for a while, as docs/policy-language.md says it: by lists of times, which nothing bounds. */
import { networkOf } from "./address.ts";
import type { Quarantine } from "./policy.ts";
import { readSource } from "./request.ts";

/** What is known of a request before its rules are. */
export interface Someone {
  /** The caller's ID, if it counts. */
  caller: string | null;
  /** Whether a gateway stands at the other end of the connection. */
  isBehind: boolean;
  source: string;
  takesForwardedAddress: boolean;
}

interface Entry {
  denials: number[];
  end: number;
  times: number;
}

export class Quarantines {
  readonly #entries = new Map<string, Entry>();
  readonly #quarantines: readonly Quarantine[];
  readonly #gateways: readonly string[];

  constructor(quarantines: readonly Quarantine[], gateways: readonly string[]) {
    this.#quarantines = quarantines;
    this.#gateways = gateways;
  }

  /** Whether one that is in force shuts a request out. */
  shutOut(who: Someone, nowMilliseconds: number): boolean {
    return this.#quarantines.some((one) => one.mode === "enforce" && this.#isShut(one, who, nowMilliseconds));
  }

  /** Takes note of a denial. */
  count(reason: string, who: Someone, nowMilliseconds: number): void {
    for (const quarantine of this.#quarantines) {
      const key = this.#keyOf(quarantine, who);
      if (key === undefined || !quarantine.when.includes(reason)) continue;
      if (this.#isShut(quarantine, who, nowMilliseconds) || isReleased(quarantine, who)) continue;
      const entry = this.#entries.get(key) ?? { denials: [], end: -Infinity, times: 0 };
      this.#entries.set(key, entry);
      entry.denials = entry.denials.filter((time) => nowMilliseconds - time < quarantine.withinMilliseconds);
      entry.denials.push(nowMilliseconds);
      if (entry.denials.length < quarantine.denials) continue;
      if (nowMilliseconds >= entry.end + quarantine.maxMilliseconds) entry.times = 0;
      const milliseconds = Math.min(quarantine.forMilliseconds * 2 ** entry.times, quarantine.maxMilliseconds);
      this.#entries.set(key, { denials: [], end: nowMilliseconds + milliseconds, times: entry.times + 1 });
    }
  }

  #isShut(quarantine: Quarantine, who: Someone, nowMilliseconds: number): boolean {
    const key = this.#keyOf(quarantine, who);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    return entry !== undefined && nowMilliseconds < entry.end;
  }

  #keyOf({ name, per }: Quarantine, { caller, isBehind, source, takesForwardedAddress }: Someone): string | undefined {
    const parts = per.map((what) => {
      if (!what.startsWith("source.ip") && caller !== null) {
        if (this.#gateways.includes(caller)) return undefined;
        return what === "caller.trust_domain" ? `domain ${caller.split("/")[2]}` : caller;
      }
      const { ip, port } = readSource(source);
      if (port === 0 ? !takesForwardedAddress : isBehind) return undefined;
      const [, bits] = what.split("/");
      return networkOf(ip, bits === undefined || !what.startsWith("source.ip") ? undefined : Number(bits));
    });
    return parts.includes(undefined) ? undefined : [name, ...parts].join("\n");
  }
}

/** Of what the policies of these tests let out: whole IDs, and whole addresses. */
function isReleased({ per, release }: Quarantine, { caller, source }: Someone): boolean {
  if (release.length === 0) return false;
  const isAddressKept = caller === null || per.some((what) => what === "source.ip");
  return (
    (caller !== null && per.includes("caller") && release.includes(caller)) ||
    (isAddressKept &&
      release.some(
        (one) => !one.includes("://") && networkOf(one, undefined) === networkOf(readSource(source).ip, undefined),
      ))
  );
}
