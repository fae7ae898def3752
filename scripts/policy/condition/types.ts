/** Types as CEL's checker knows them (cel-spec, langdef.md "Gradual Type Checking"): what is not known statically is `dyn`. */

/** A static type. The only maps are the claims and what is in them. */
export type Type =
  | "null_type"
  | "bool"
  | "int"
  | "double"
  | "string"
  | "timestamp"
  | "duration"
  | "map"
  | "dyn"
  | ListType;

/** A list whose elements have one type. */
export interface ListType {
  element: Type;
}

/** The type as messages show it. */
export function typeName(type: Type): string {
  if (typeof type === "object") return `list(${typeName(type.element)})`;
  return type === "map" ? "map(string, dyn)" : type;
}

/** The type with its article, for messages. */
export function aType(type: Type): string {
  const name = typeName(type);
  return `${/^[aeiou]/u.test(name) ? "an" : "a"} ${name}`;
}

/** Whether a value of one type may be one of the other. */
export function isCompatible(a: Type, b: Type): boolean {
  if (a === "dyn" || b === "dyn") return true;
  if (typeof a === "object" && typeof b === "object") return isCompatible(a.element, b.element);
  return a === b;
}

/** The type of what may be a value of either; `dyn` where they differ. */
export function join(a: Type, b: Type): Type {
  if (typeof a === "object" && typeof b === "object") return { element: join(a.element, b.element) };
  return a === b ? a : "dyn";
}
