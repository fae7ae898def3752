/** What a filter of ours is configured with, out of `envoy.extensions.wasm.v3.PluginConfig`, as the filter reads it (assembly/configuration.ts). */

const known_types = ["StringValue", "BytesValue", "Struct"].map(
  (name) => `type.googleapis.com/google.protobuf.${name}`,
);

/**
 * The members of a plugin's configuration: JSON in a string or in bytes, or a structure. None where there is no configuration.
 * @param configuration a `google.protobuf.Any`, as JSON
 * @returns undefined: it has none of these forms, and the filter refuses it
 */
export function readPluginConfiguration(configuration: unknown): Record<string, unknown> | undefined {
  if (configuration === undefined || configuration === null) return {};
  const { "@type": type, value = "" } = configuration as { "@type"?: unknown; value?: unknown };
  if (type !== undefined && !known_types.includes(String(type))) return undefined;
  if (typeof value !== "string") return objectOf(value);
  const text = type === known_types[1] ? Buffer.from(value, "base64").toString("utf8") : value;
  if (text === "") return {};
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
