/** What a test asks of the host, and what it is told. */
import type { HostCall, LogLine, PropertyValue, StreamContext } from "./context.ts";
import type { Flow } from "./flow.ts";
import type { Pair } from "./pairs.ts";
import type { LocalResponse } from "./reply.ts";

/** A request as the filter meets it. */
export interface HostRequest {
  /** Pseudo-headers among them, names in lower case, values with one character a byte. */
  headers: readonly Pair[];
  /** Attributes by dotted path, such as `connection.uri_san_peer_certificate`. */
  properties?: Readonly<Record<string, PropertyValue>>;
  /** Whether a body follows. Default: none does. */
  hasBody?: boolean;
  /** Leaves the stream open when it was decided; `deleteContext` ends it. Default: it ends then. */
  keepOpen?: boolean;
}

/** What became of a request; for one that the module holds back, what has become of it so far. */
export interface Outcome {
  /** The stream's context id. */
  context: number;
  /** `continue`: the request goes on to the upstream. */
  action: "continue" | "pause";
  /** The module holds the request back and has not answered it: this object changes when it does either. */
  paused: boolean;
  /** What the client is answered with in place of the upstream's response. */
  localResponse?: LocalResponse;
  /** The request's headers as the upstream would get them. */
  headers: readonly Pair[];
  /** What has gone on to the upstream of the request's body. */
  readonly upstream: Pick<Flow, "goneBody" | "goneTrailers" | "isGone">;
  /** What has gone on to the client of the upstream's answer. */
  readonly response: {
    /** Undefined until they have gone on. */
    headers: readonly Pair[] | undefined;
    readonly flow: Pick<Flow, "goneBody" | "goneTrailers" | "isGone">;
  };
  /** Details of a stream that was reset, since it had to be answered when the upstream's answer had begun. */
  reset?: string;
  /** Properties the module set. */
  filterState: ReadonlyMap<string, string>;
  /** Host calls from the stream's creation to its end, in order, with those made for it by callbacks of its root context. */
  calls: readonly HostCall[];
  /** The call into the module ended in a trap; the VM is failed from here on. */
  trapped: boolean;
  error?: Error;
}

/** What became of a configuration. */
export interface StartOutcome {
  /** False: the proxy refuses the configuration. */
  ok: boolean;
  rootContext: number;
  calls: readonly HostCall[];
  /** Lines logged meanwhile. */
  logs: readonly LogLine[];
  trapped: boolean;
  error?: Error;
}

/** What a callback of root contexts came to. */
export interface Turn {
  /** All host calls, those made for streams among them. */
  calls: readonly HostCall[];
  /** Lines logged meanwhile. */
  logs: readonly LogLine[];
  trapped: boolean;
  error?: Error;
}

/** A request that has not ended. */
export interface OpenStream {
  readonly context: StreamContext;
  readonly outcome: Outcome & { calls: HostCall[] };
  readonly keepOpen: boolean;
  /** The headers of an answer of somebody's own, as the module has left them. */
  replyHeaders?: readonly Pair[];
}
