/**
 * The three functions of the Reflect metadata proposal that tsyringe, the container inside `@peculiar/x509`, asks for
 * when it is loaded. Import this before that library; it does nothing where a full polyfill is already present.
 */

type MetadataReflect = typeof Reflect & {
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
};

const reflect = Reflect as MetadataReflect;

if (reflect.getMetadata === undefined) {
  const metadata = new WeakMap<object, Map<unknown, unknown>>();
  const getOwn = (key: unknown, target: object): unknown => metadata.get(target)?.get(key);
  reflect.getOwnMetadata = getOwn;
  reflect.getMetadata = (key, target) => {
    // Metadata is inherited along the prototype chain, as the proposal has it.
    for (let owner: object | null = target; owner !== null; owner = Object.getPrototypeOf(owner)) {
      const value = getOwn(key, owner);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  reflect.defineMetadata = (key, value, target) => {
    const entries = metadata.get(target) ?? new Map<unknown, unknown>();
    entries.set(key, value);
    metadata.set(target, entries);
  };
}
