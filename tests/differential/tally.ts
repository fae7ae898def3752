/** What a run has met, so that a generator that stops meeting something is seen. */
import type { Answer } from "./reference/evaluate.ts";

/** Counts by name, as they travel between processes. */
export interface Counts {
  decisions: number;
  /** Policies that passed a bound of the compiler. */
  refused: number;
  reasons: Record<string, number>;
  /** By kind of condition, and by what came of conditions of that kind. */
  kinds: Record<string, Record<string, number>>;
  /** What admitted requests had to them. */
  traits: Record<string, number>;
  shadows: number;
}

export class Tally {
  readonly counts: Counts = { decisions: 0, refused: 0, reasons: {}, kinds: {}, traits: {}, shadows: 0 };

  addAnswer({ reason, shadow }: Answer): void {
    this.counts.decisions++;
    this.counts.reasons[reason] = (this.counts.reasons[reason] ?? 0) + 1;
    this.counts.shadows += shadow.length;
  }

  addRefused(): void {
    this.counts.refused++;
  }

  addTrait(trait: string, count = 1): void {
    this.counts.traits[trait] = (this.counts.traits[trait] ?? 0) + count;
  }

  addCondition(kinds: readonly string[], outcome: true | false | "error"): void {
    for (const kind of kinds) this.#addKind(kind, String(outcome), 1);
  }

  /** Adds what another process counted. */
  add(other: Counts): void {
    this.counts.decisions += other.decisions;
    this.counts.refused += other.refused;
    this.counts.shadows += other.shadows;
    for (const [reason, count] of Object.entries(other.reasons)) {
      this.counts.reasons[reason] = (this.counts.reasons[reason] ?? 0) + count;
    }
    for (const [trait, count] of Object.entries(other.traits)) this.addTrait(trait, count);
    for (const [kind, outcomes] of Object.entries(other.kinds)) {
      for (const [outcome, count] of Object.entries(outcomes)) this.#addKind(kind, outcome, count);
    }
  }

  #addKind(kind: string, outcome: string, count: number): void {
    this.counts.kinds[kind] ??= { true: 0, false: 0, error: 0 };
    const outcomes = this.counts.kinds[kind]!;
    outcomes[outcome] = outcomes[outcome]! + count;
  }

  /** Tables for people. */
  toString(): string {
    const { decisions, refused, shadows, reasons, kinds, traits } = this.counts;
    const byCount = Object.entries(reasons).sort(([, a], [, b]) => b - a);
    return [
      `${decisions} decisions, ${shadows} verdicts of rules in shadow mode, ${refused} policies too costly`,
      ...byCount.map(([reason, count]) => `${reason.padEnd(22)}${String(count).padStart(9)}`),
      ...Object.entries(traits).map(([trait, count]) => `${trait.padEnd(30)} ${String(count).padStart(9)}`),
      `${"conditions".padEnd(22)}     true    false    error`,
      ...Object.entries(kinds).map(([kind, outcomes]) =>
        [kind.padEnd(22), ...["true", "false", "error"].map((name) => String(outcomes[name]).padStart(9))].join(""),
      ),
    ].join("\n");
  }
}
