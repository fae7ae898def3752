/** What the page says of callers, endpoints and grants. */
import type { Cell, ReportData } from "../data.ts";
import { counted } from "./dom.ts";

/** Words for one report. */
export class Words {
  readonly #data: ReportData;
  readonly #prefix: string;

  constructor(data: ReportData) {
    this.#data = data;
    const domains = new Set(data.callers.slice(1).map(({ id }) => /^spiffe:\/\/[^/]*/u.exec(id)?.[0]));
    const [only] = domains;
    this.#prefix = domains.size === 1 && only !== undefined ? `${only}/` : "spiffe://";
  }

  /** Short: without what all callers have in common. */
  caller(place: number): string {
    const { id, kind } = this.#data.callers[place]!;
    if (kind === "anonymous") return "anybody";
    const [, domain] = /^spiffe:\/\/([^/]+)\/\*\*$/u.exec(id) ?? [];
    if (domain !== undefined) return `others in ${domain}`;
    return id.startsWith(this.#prefix) ? id.slice(this.#prefix.length) : id;
  }

  /** Without the trust domain that all callers have in common. */
  namespace(namespace: string): string {
    const domain = this.#prefix.slice("spiffe://".length, -1);
    return domain !== "" && namespace.startsWith(`${domain} `) ? namespace.slice(domain.length + 1) : namespace;
  }

  /** Whole. */
  callerId(place: number): string {
    const { id, kind } = this.#data.callers[place]!;
    if (kind === "anonymous") return "anybody, also without a trusted identity";
    return kind === "pattern" ? `${id} (those that no narrower column has)` : id;
  }

  endpoint(place: number): string {
    const { method, path } = this.#data.endpoints[place]!;
    return `${method} ${path}`;
  }

  /** With its host and its policy. */
  endpointAt(place: number): string {
    const { host, policy } = this.#data.endpoints[place]!;
    return `${this.endpoint(place)}${host === "*" ? "" : ` on ${host}`}, policy ${this.#data.policies[policy]!.name}`;
  }

  ways(ways: readonly number[]): string {
    return ways.map((way) => this.#data.ways[way]!.text).join("; or ");
  }

  /** What a thief needs beside the identity, with what tokens are bound to. */
  needs(ways: readonly number[], policy: number): string {
    if (ways.length === 0) return "nothing more";
    const each = ways.map((way) => {
      const { text, words } = this.#data.ways[way]!;
      const bound = this.#data.policies[policy]!.tokens.filter(
        ({ name, bind }) => bind !== "none" && words.token?.includes(name),
      );
      const says = bound.map(({ name, bind }) => `tokens of ${name} are bound to the ${bind}`).join(", ");
      return says === "" ? text : `${text} (${says})`;
    });
    return each.join("; or ").replaceAll("without conditions", "nothing more");
  }

  /** A cell's state in a few words. */
  state([, , grant]: Cell): string {
    const { level, extent } = this.#data.grants[grant]!;
    if (level === "denied") return "denied";
    const how = level === "free" ? "admitted by identity alone" : "admitted on conditions";
    return extent === "whole" ? how : `${how}, in part`;
  }

  /** Everything about a cell, a line each. */
  cell(cell: Cell): string[] {
    const [caller, endpoint, grant, admitted, denied] = cell;
    const { ways, rules, denies, parts, except } = this.#data.grants[grant]!;
    const lines = [
      this.callerId(caller),
      `${this.endpointAt(endpoint)}${this.#data.endpoints[endpoint]!.sensitive ? ", sensitive" : ""}`,
      this.state(cell),
    ];
    if (ways.length > 0) lines.push(this.ways(ways));
    if (parts.length > 0) lines.push(`only ${parts.join(", ")}`);
    if (except.length > 0) lines.push(`but for what is denied: ${except.join(", ")}`);
    if (rules.length > 0) lines.push(`allowed by ${rules.join(", ")}`);
    if (denies.length > 0) lines.push(`deny rules: ${denies.join(", ")}`);
    if (admitted !== undefined) {
      const used =
        admitted === null
          ? "whether it was used is not in the logs"
          : admitted === 0
            ? "never used"
            : `used by ${counted(admitted, "request")}`;
      lines.push(`${used}${denied ? `, ${counted(denied, "request")} denied` : ""}`);
    }
    const { seen } = this.#data.callers[caller]!;
    if (seen !== undefined && seen.length > 0) lines.push(`seen: ${seen.join(", ")}`);
    return lines;
  }
}
