/** Protocols in an image: where they are spoken, and the documents that clients name by an ID. */
import * as layout from "../../../assembly/policy/layout.ts";
import { compare } from "../language/byteorder.ts";
import type { Policy } from "../language/model.ts";
import type { PersistedDocument, Protocol } from "../language/protocols.ts";
import type { Reads } from "../language/reads.ts";
import { TokenSections } from "./issuers.ts";
import type { Pair } from "./records.ts";

const protocol_kinds: Record<Protocol["name"], number> = {
  mcp: layout.protocol_mcp,
  jsonrpc: layout.protocol_jsonrpc,
  a2a: layout.protocol_a2a,
  graphql: layout.protocol_graphql,
};

/** What a writer of images is made of, with protocols. */
export class ProtocolSections extends TokenSections {
  /** Writes the paths on which protocols are spoken. */
  protected writeProtocols({ protocols: spoken = [] }: Policy): void {
    const text = ({ segments }: Protocol): string => `/${segments.join("/")}`;
    const protocols = [...spoken].sort((a, b) => compare(text(a), text(b)));
    for (const protocol of protocols) {
      const { name, calls, graphql } = protocol;
      this.add("protocol", {
        kind: protocol_kinds[name],
        path: this.text(text(protocol)),
        calls,
        depth: graphql?.depth ?? 0,
        aliases: graphql?.aliases ?? 0,
        introspection: graphql?.introspection === "allow" ? 1 : 0,
        persisted: this.persistedRun(graphql?.persisted ?? []),
      });
    }
  }

  /** Documents of one file; those of several paths are written once. */
  private persistedRun(documents: readonly PersistedDocument[]): Pair {
    if (documents.length === 0) return [0, 0];
    const records = documents.map(({ id, document }) => ({ id: this.text(id), document: this.text(document) }));
    const write = (): void => {
      for (const record of records) this.add("persisted", record);
    };
    const key = `p${records.map(({ id, document }) => [...id, ...document].join()).join(";")}`;
    return [this.run(layout.section_persisted, key, write), records.length];
  }
}

/** What of a body a rule reads, as bits. */
export function readBits({ body, call, endpoint }: Reads): number {
  return (body ? layout.reads_body : 0) | (call ? layout.reads_call : 0) | (endpoint ? layout.reads_endpoint : 0);
}
