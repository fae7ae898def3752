/** The filter's configuration as a file that Envoy watches: what a control plane would send over ECDS. */
import { renameSync, writeFileSync } from "node:fs";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

export class ExtensionFile {
  readonly #path: string;
  #filter: Json;
  #version = 0;

  /** @param path of the file, which is made by the first `publish` */
  constructor(path: string) {
    this.#path = path;
  }

  /** The name of the filter, and of its resource. */
  get name(): string {
    return this.#filter.name;
  }

  /** Takes the configuration out of a filter of a bootstrap, and has it come from the file. */
  take(filter: Json): void {
    this.#filter = { name: filter.name, typed_config: filter.typed_config };
    delete filter.typed_config;
    filter.config_discovery = {
      config_source: { path_config_source: { path: this.#path }, resource_api_version: "V3" },
      type_urls: [this.#filter.typed_config["@type"]],
    };
  }

  /**
   * Publishes the filter. Envoy looks at the file only when one is moved into its place.
   * @param configuration the text of the plugin configuration
   * @param wasmPath another module than the bootstrap has
   */
  publish(configuration: string, wasmPath?: string): void {
    const { name, typed_config } = structuredClone(this.#filter);
    if (wasmPath !== undefined) typed_config.config.vm_config.code.local = { filename: wasmPath };
    typed_config.config.configuration = {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: configuration,
    };
    const resource = { "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", name, typed_config };
    writeFileSync(
      `${this.#path}.new`,
      JSON.stringify({ version_info: String(++this.#version), resources: [resource] }),
    );
    renameSync(`${this.#path}.new`, this.#path);
  }
}
