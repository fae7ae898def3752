/**
 * The second opinion: what a document selects by the tree that `graphql` (npm) makes of it. Written from the specification, without a
 * thought of speed.
 */
import {
  buildSchema,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getOperationAST,
  KnownFragmentNamesRule,
  LoneAnonymousOperationRule,
  NoFragmentCyclesRule,
  type OperationDefinitionNode,
  type SelectionSetNode,
  UniqueFragmentNamesRule,
  UniqueOperationNamesRule,
  validate,
} from "graphql";
import { graphql_root_fields_max } from "../../assembly/limits.ts";
import type { Asked, Fault, Selected } from "./parser.ts";

const count_max = 0xffffffffn;
const schema = buildSchema("type Query { a: Int } type Mutation { a: Int } type Subscription { a: Int }");
const fragmentRules = [UniqueFragmentNamesRule, KnownFragmentNamesRule, NoFragmentCyclesRule];
const operationRules = [UniqueOperationNamesRule, LoneAnonymousOperationRule];

/** A document's fragments, and what they have through others. */
class Fragments {
  readonly #nodes = new Map<string, FragmentDefinitionNode>();
  readonly #known = new Map<string, unknown>();

  constructor(document: DocumentNode) {
    for (const node of document.definitions)
      if (node.kind === "FragmentDefinition") this.#nodes.set(node.name.value, node);
  }

  set(name: string): SelectionSetNode {
    return this.#nodes.get(name)!.selectionSet;
  }

  /** Works something out for each fragment once. */
  once<Found>(what: string, name: string, find: (set: SelectionSetNode) => Found): Found {
    const key = `${what} ${name}`;
    if (!this.#known.has(key)) this.#known.set(key, find(this.set(name)));
    return this.#known.get(key) as Found;
  }

  depth(set: SelectionSetNode): number {
    return Math.max(
      ...set.selections.map((one) => {
        if (one.kind === "FragmentSpread") return this.once("depth", one.name.value, (set) => this.depth(set));
        if (one.kind === "InlineFragment") return this.depth(one.selectionSet);
        return 1 + (one.selectionSet === undefined ? 0 : this.depth(one.selectionSet));
      }),
    );
  }

  aliases(set: SelectionSetNode): bigint {
    return set.selections.reduce((sum, one) => {
      if (one.kind === "FragmentSpread") return sum + this.once("aliases", one.name.value, (set) => this.aliases(set));
      const own = one.kind === "Field" && one.alias !== undefined ? 1n : 0n;
      return sum + own + (one.selectionSet === undefined ? 0n : this.aliases(one.selectionSet));
    }, 0n);
  }

  isIntrospecting(set: SelectionSetNode): boolean {
    return set.selections.some((one) => {
      if (one.kind === "FragmentSpread")
        return this.once("introspecting", one.name.value, (set) => this.isIntrospecting(set));
      if (one.kind === "Field" && isIntrospection(one)) return true;
      return one.selectionSet !== undefined && this.isIntrospecting(one.selectionSet);
    });
  }

  /** The fields at the root with how often each is selected. */
  root(set: SelectionSetNode): Map<FieldNode, bigint> {
    const fields = new Map<FieldNode, bigint>();
    for (const one of set.selections) {
      if (one.kind === "Field") fields.set(one, 1n);
      else {
        const inner =
          one.kind === "InlineFragment"
            ? this.root(one.selectionSet)
            : this.once("root", one.name.value, (set) => this.root(set));
        for (const [field, times] of inner) fields.set(field, (fields.get(field) ?? 0n) + times);
      }
    }
    return fields;
  }
}

const isIntrospection = ({ name }: FieldNode): boolean => name.value === "__schema" || name.value === "__type";

const bounded = (count: bigint): number => Number(count < count_max ? count : count_max);

/** What a parser is to say of a document that `graphql` parses, and that has nothing but operations and fragments. */
export function judge(document: DocumentNode, asked: Asked): { fault: Fault; selected?: Selected } {
  if (validate(schema, document, fragmentRules).length > 0) return { fault: "FRAGMENT" };
  const operation = chooseOperation(document, asked.operationName);
  if (operation === undefined) return { fault: "OPERATION_NAME" };
  const fragments = new Fragments(document);
  const set = operation.selectionSet;
  const root = [...fragments.root(set)].sort(([left], [right]) => left.loc!.start - right.loc!.start);
  const names = new Map<string, bigint>();
  for (const [{ name }, times] of root) names.set(name.value, (names.get(name.value) ?? 0n) + times);
  const typenames = names.get("__typename") ?? 0n;
  names.delete("__typename");
  const selected = {
    type: operation.operation,
    fields: [...names].map(([name, times]): [string, number] => [name, bounded(times)]),
    selections: bounded([...names.values()].reduce((sum, times) => sum + times, 0n)),
    typenames: bounded(typenames),
    depth: fragments.depth(set),
    aliases: bounded(fragments.aliases(set)),
    isIntrospecting: fragments.isIntrospecting(set),
  };
  const keys = new Set(root.map(([{ alias, name }]) => (alias ?? name).value));
  const isSingle = keys.size === 1 && root.every(([field]) => !field.name.value.startsWith("__"));
  if (selected.depth > asked.depth_max) return { fault: "DEPTH" };
  if (selected.aliases > asked.aliases_max) return { fault: "ALIASES" };
  if (selected.selections > Math.min(asked.rootFields_max, graphql_root_fields_max)) return { fault: "FIELDS" };
  if (selected.type === "subscription" && !isSingle) return { fault: "SUBSCRIPTION_FIELDS" };
  return { fault: "NONE", selected };
}

function chooseOperation(document: DocumentNode, name: string | undefined): OperationDefinitionNode | undefined {
  if (validate(schema, document, operationRules).length > 0) return undefined;
  const chosen = getOperationAST(document, name) ?? undefined;
  // No name is empty (§2.1.9), whatever readers make of one.
  return name === "" ? undefined : chosen;
}
