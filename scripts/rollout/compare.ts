/** What two policies decided about the same requests, as Envoy's access log has it: the record of the one in force, and that of the one that is tried. */
import type { AuditRecord } from "../evaluate/record.ts";
import { shadow_record } from "./shadowcopy.ts";

/** So many kinds of requests are told apart; what comes after them is counted only. */
const groups_max = 1_000;

/** Requests of one caller to one path that change in the same way. */
export interface ChangedGroup {
  caller: string;
  method: string;
  path: string;
  /** What decides: of the policy that denies. */
  reason: string;
  /** The rule of that policy that came closest; undefined where there is none. */
  rule: string | undefined;
  count: number;
}

/** What a log says. */
export interface Comparison {
  /** Requests that both policies have judged. */
  compared: number;
  /** Those of them that both decide alike. */
  same: number;
  /** Admitted by the policy in force, denied by the new one; most frequent first. */
  denied: ChangedGroup[];
  /** The other way round. */
  admitted: ChangedGroup[];
  /** All of both kinds, also those past the groups. */
  deniedCount: number;
  admittedCount: number;
  /** Requests that only one of them has judged: from before the step, or from an Envoy that lacks it. */
  alone: number;
  /** Requests of which nobody knows what the new policy or the old one decides: most ended while they waited. */
  undecided: number;
  /** Lines that are no JSON object, or longer than any that Envoy writes. */
  unreadable: number;
}

/** Reads lines of an access log, as the examples and manifests write it. @param lines undefined: one that is too long to be read */
export async function compareLog(lines: AsyncIterable<string | undefined>, policies: Policies): Promise<Comparison> {
  const tally = new Tally(policies);
  for await (const line of lines) if (line?.trim() !== "") tally.take(line);
  return tally.comparison();
}

/** The names in the records of the policy in force, and of the one that is tried. */
export interface Policies {
  inForce: string;
  tried: string;
}

class Tally {
  readonly #policies: Policies;
  readonly #groups = { denied: new Map<string, ChangedGroup>(), admitted: new Map<string, ChangedGroup>() };
  readonly #counts = { compared: 0, same: 0, deniedCount: 0, admittedCount: 0, alone: 0, undecided: 0, unreadable: 0 };

  constructor(policies: Policies) {
    this.#policies = policies;
  }

  take(line: string | undefined): void {
    const members = line === undefined ? undefined : parseObject(line);
    if (members === undefined) {
      this.#counts.unreadable++;
      return;
    }
    const old = recordIn(members.record, this.#policies.inForce);
    const tried = recordIn(members[shadow_record], this.#policies.tried);
    if (old === undefined && tried === undefined) return;
    if (old === undefined || tried === undefined) this.#counts.alone++;
    else if (!isDecided(old) || !isDecided(tried)) this.#counts.undecided++;
    else this.#compare(old, tried);
  }

  #compare(old: AuditRecord, tried: AuditRecord): void {
    this.#counts.compared++;
    if (old.decision === tried.decision) {
      this.#counts.same++;
    } else if (tried.decision === "deny") {
      this.#counts.deniedCount++;
      note(this.#groups.denied, tried);
    } else {
      this.#counts.admittedCount++;
      note(this.#groups.admitted, old);
    }
  }

  comparison(): Comparison {
    const sorted = (groups: Map<string, ChangedGroup>): ChangedGroup[] =>
      [...groups.values()].sort((one, other) => other.count - one.count);
    return { ...this.#counts, denied: sorted(this.#groups.denied), admitted: sorted(this.#groups.admitted) };
  }
}

/** Neither one that ended while it waited, nor a record of another make. */
const isDecided = ({ decision }: AuditRecord): boolean => decision === "allow" || decision === "deny";

function note(groups: Map<string, ChangedGroup>, denial: AuditRecord): void {
  // A log is what others have written.
  const textOf = (name: keyof AuditRecord): string | undefined => {
    const value = denial[name];
    return typeof value === "string" ? value : undefined;
  };
  const [caller = "", method = "", path = "", reason = ""] = (["caller", "method", "path", "reason"] as const).map(
    textOf,
  );
  const rule = textOf("rule");
  const key = JSON.stringify([caller, method, path, reason, rule]);
  const group = groups.get(key);
  if (group !== undefined) group.count++;
  else if (groups.size < groups_max) groups.set(key, { caller, method, path, reason, rule, count: 1 });
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The record in a member of a line: a string with JSON in it. Undefined where it is none of this policy. */
function recordIn(member: unknown, policy: string): AuditRecord | undefined {
  const record = typeof member === "string" ? parseObject(member) : undefined;
  return record?.policy === policy ? (record as unknown as AuditRecord) : undefined;
}
