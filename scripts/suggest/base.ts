/**
 * What a suggestion takes over of an existing policy: whom it trusts, whose tokens it believes, what it says of everybody, and its deny
 * rules, which speak of more than a log can show.
 */
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { type Document, isMap, isScalar, isSeq, type Node, parseDocument } from "yaml";
import type { Policy, Rule } from "../policy/language/model.ts";
import { readPolicyTexts } from "./read.ts";

/** Keys of the policy as a whole that a suggestion has as they are. `paths` is not one: it opens forms that the log does not tell apart. */
const whole_keys = ["service", "tokenBytes", "minimumVersion", "trust", "forward", "fleet", "quarantine"] as const;

/** A node, to be put under its name, and what is written above it. */
export interface NamedNode {
  name: string;
  node: Node;
  comment: string | null;
}

/** An existing policy, with the nodes of its files. */
export class BasePolicy {
  readonly policy: Policy;
  readonly #documents: { folder: string; document: Document }[];
  readonly #folder: string;

  /**
   * @param path the policy's file
   * @param folder where the suggestion is to be: files that the policy names are named from there
   * @throws PolicyError
   */
  constructor(path: string, folder: string) {
    const { policy, sources } = readPolicyTexts(path);
    this.policy = policy;
    this.#folder = resolve(folder);
    this.#documents = sources.map(({ file, text }) => ({ folder: dirname(file), document: parseDocument(text) }));
  }

  /** The name of the issuer that a log calls so: by its name, or by its `iss`. */
  issuerName(seen: string): string | undefined {
    const { issuers } = this.policy;
    return (issuers.find(({ name }) => name === seen) ?? issuers.find(({ issuer }) => issuer === seen))?.name;
  }

  /** Keys of the policy as a whole, as they are written. */
  wholeKeys(): NamedNode[] {
    const isFleet = this.policy.quarantines.some(({ scope }) => scope === "fleet");
    return whole_keys.filter((key) => key !== "fleet" || isFleet).flatMap((key) => this.#named(key, [key]));
  }

  issuers(names: readonly string[]): NamedNode[] {
    return names.flatMap((name) => this.#named(name, ["issuers", name]));
  }

  callerSets(names: Iterable<string>): NamedNode[] {
    return [...names].flatMap((name) => this.#named(name, ["callers", name]));
  }

  lists(names: Iterable<string>): NamedNode[] {
    return [...names].flatMap((name) => this.#named(name, ["lists", name]));
  }

  /** The deny rules with what is written of them, in the order of the files. */
  denyRules(): { rule: Rule; node: Node }[] {
    const byName = new Map(
      this.policy.rules.filter(({ action }) => action === "deny").map((rule) => [rule.name, rule]),
    );
    return this.#documents.flatMap(({ folder, document }) => {
      const rules = document.get("rules");
      const items = isSeq(rules) ? rules.items : [];
      return items.flatMap((item) => {
        const rule = isMap(item) ? byName.get(String(item.get("name"))) : undefined;
        return rule === undefined ? [] : [{ rule, node: this.#copy(item as Node, folder) }];
      });
    });
  }

  #named(name: string, path: readonly string[]): NamedNode[] {
    for (const { folder, document } of this.#documents) {
      const around = document.getIn(path.slice(0, -1), true);
      const place = isMap(around) ? around.items.findIndex(({ key }) => isScalar(key) && key.value === name) : -1;
      if (!isMap(around) || place < 0) continue;
      const { key, value } = around.items[place]!;
      // What stands above the first key of a mapping is the mapping's.
      const above = (key as Node).commentBefore ?? (place === 0 && path.length > 1 ? around.commentBefore : undefined);
      return [{ name, node: this.#copy(value as Node, folder), comment: above ?? null }];
    }
    return [];
  }

  /** A copy with the comments in it, and files named from the suggestion's folder. */
  #copy(node: Node, folder: string): Node {
    const copy = node.clone() as Node;
    this.#rebase(copy, folder);
    return copy;
  }

  #rebase(node: unknown, folder: string): void {
    if (isSeq(node)) for (const item of node.items) this.#rebase(item, folder);
    if (!isMap(node)) return;
    for (const { key, value } of node.items) {
      const isFile = isScalar(key) && key.value === "file" && isScalar(value) && typeof value.value === "string";
      if (isFile && !isAbsolute(value.value as string))
        value.value = relative(this.#folder, resolve(folder, value.value as string))
          .split(sep)
          .join("/");
      else this.#rebase(value, folder);
    }
  }
}
