/** Where protocols are spoken whose calls share one path, and what they may be like. */
import { path_segments_max } from "../../../assembly/limits.ts";
import { parseEndpoint } from "../language/endpoint.ts";
import type { DraftPolicy } from "../language/model.ts";
import {
  type DraftGraphql,
  type DraftPaths,
  type GraphqlBounds,
  type Protocol,
  type ProtocolName,
  protocol_paths_max,
  protocolPath,
  usual_aliases,
  usual_calls,
  usual_depth,
  usual_operations,
} from "../language/protocols.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { positionOf } from "../source/source.ts";
import { readPersisted } from "./persisted.ts";

/** Segments that a call has beside those of its path: its method and its name. */
const call_segments = 2;

/** Checks the keys of protocols; by name, those that the policy has. */
export function checkProtocols(
  reporter: Reporter,
  { mcp, a2a, jsonrpc, graphql }: DraftPolicy,
): Map<ProtocolName, Protocol[]> {
  const taken = new Map<string, number>();
  const protocols = new Map<ProtocolName, Protocol[]>();
  const add = (name: ProtocolName, paths: DraftPaths | undefined, rest: Omit<Protocol, "name" | "segments">): void => {
    const own = (paths?.value ?? []).flatMap(({ value, at }) => {
      const segments = checkPath(reporter, value, at);
      if (segments === undefined) return [];
      const path = protocolPath({ segments });
      const first = taken.get(path);
      if (first === undefined) taken.set(path, at);
      else {
        const { line } = positionOf(reporter.source, first);
        const message = `\`${path}\` stands already in line ${line}; one protocol is spoken on a path, by one key`;
        reporter.error("duplicate", at, message);
      }
      return [{ name, segments, ...rest }];
    });
    const before = taken.size - own.length;
    if (taken.size > protocol_paths_max && before <= protocol_paths_max)
      reporter.error(
        "bound",
        paths!.at,
        `protocols are spoken on at most ${protocol_paths_max} paths, all of them together`,
      );
    protocols.set(name, own);
  };
  for (const [name, draft] of Object.entries({ mcp, a2a, jsonrpc }))
    if (draft !== undefined) add(name as ProtocolName, draft.paths, { calls: draft.batch?.value ?? usual_calls });
  if (graphql !== undefined) {
    const calls = graphql.batch?.value ?? usual_operations;
    add("graphql", graphql.paths, { calls, graphql: graphqlBounds(reporter, graphql) });
  }
  return protocols;
}

function graphqlBounds(reporter: Reporter, draft: DraftGraphql): GraphqlBounds {
  const file = draft.persisted?.file;
  return {
    depth: draft.depth?.value ?? usual_depth,
    aliases: draft.aliases?.value ?? usual_aliases,
    introspection: draft.introspection?.value ?? "deny",
    persisted: (file && readPersisted(reporter, file)) ?? [],
  };
}

/** The segments of a path without variables; undefined where it is none, which is reported. */
function checkPath(reporter: Reporter, path: string, at: number): string[] | undefined {
  const endpoint = parseEndpoint(`POST ${path}`);
  if ("message" in endpoint) {
    reporter.error(endpoint.code, at, endpoint.message);
    return undefined;
  }
  const literals = endpoint.segments.flatMap((segment) => (typeof segment === "string" ? [segment] : []));
  if (endpoint.tail || literals.length < endpoint.segments.length) {
    const message =
      "a path of a protocol is written out, without variables and stars; name each, as in `[/mcp, /v2/mcp]`";
    reporter.error("value", at, message);
    return undefined;
  }
  if (literals.length + call_segments > path_segments_max) {
    reporter.error("bound", at, `a path of a protocol has at most ${path_segments_max - call_segments} segments`);
    return undefined;
  }
  return literals;
}
