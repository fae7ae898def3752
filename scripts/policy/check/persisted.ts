/**
 * Files of persisted GraphQL documents: a map from IDs to documents, or Apollo's manifest of persisted queries
 * (https://www.apollographql.com/docs/graphos/platform/security/persisted-queries, "Manifest format").
 */
import { createHash } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import { sorted } from "../language/byteorder.ts";
import {
  type PersistedDocument,
  persisted_document_bytes_max,
  persisted_documents_max,
  persisted_id_bytes_max,
} from "../language/protocols.ts";
import { PolicyError, Reporter } from "../source/diagnostic.ts";
import { readSource } from "../source/read.ts";
import { type Field, type Located, parseYaml, Reader } from "../source/yaml.ts";

/** Faults of one file that are shown; a file of another kind has one in each entry. */
const shown_faults = 10;

const manifest_format = "apollo-persisted-query-manifest";
const forms = `\`{"ID": "query …"}\`, or \`{"format": "${manifest_format}", "version": 1, "operations": […]}\``;

/**
 * Reads a file of persisted documents, found from where the policy file is.
 * @returns in the order of their IDs' bytes; undefined, and reported, where it cannot be read or has what is wrong
 */
export function readPersisted(reporter: Reporter, file: Located<string>): PersistedDocument[] | undefined {
  const path = isAbsolute(file.value) ? file.value : join(dirname(reporter.source.file), file.value);
  let own: Reporter;
  try {
    own = new Reporter(readSource(path), reporter.findings);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    reporter.error("file", file.at, `\`${path}\`: ${error.diagnostics[0]!.message}`);
    return undefined;
  }
  const errors = own.findings.errors.length;
  const documents = parsePersisted(own);
  if (documents === undefined || own.findings.errors.length > errors) return undefined;
  if (documents.size === 0) {
    own.error("persisted", 0, `the file has no documents; it is ${forms}`);
    return undefined;
  }
  if (documents.size > persisted_documents_max) {
    const message = `\`${path}\` has ${documents.size} documents, of ${persisted_documents_max} at most`;
    reporter.error("bound", file.at, message);
    return undefined;
  }
  return sorted(documents.keys()).map((id) => ({ id, document: documents.get(id)! }));
}

function parsePersisted(reporter: Reporter): Map<string, string> | undefined {
  const { text } = reporter.source;
  try {
    JSON.parse(text);
  } catch (error) {
    const place = /at position (\d+)/u.exec((error as Error).message);
    const at = place === null ? text.length : Number(place[1]);
    reporter.error("persisted", at, `a file of persisted documents is JSON: ${(error as Error).message}`);
    return undefined;
  }
  // JSON is YAML, so the same reader gives places.
  const reader = new Reader(reporter);
  const root = parseYaml(reporter, text);
  const fields = root && reader.entries({ at: 0, node: root }, "a file of persisted documents");
  if (fields === undefined) return undefined;
  const documents = new Documents(reporter);
  const operations = fields.find(({ name }) => name === "operations");
  if (operations !== undefined && !reader.isText(operations)) readManifest(reader, fields, operations, documents);
  else for (const field of fields) documents.add({ value: field.name, at: field.at }, reader.text(field, "a document"));
  return documents.all;
}

function readManifest(reader: Reader, fields: readonly Field[], operations: Field, documents: Documents): void {
  const { reporter } = reader;
  const format = fields.find(({ name }) => name === "format");
  const version = fields.find(({ name }) => name === "version");
  if (format !== undefined && reader.text(format, "`format`")?.value !== manifest_format)
    reporter.error("persisted", format.at, `the format of a manifest is \`${manifest_format}\``);
  if (version !== undefined) reader.integer(version, "`version`", 1, 1);
  for (const slot of reader.items(operations, "`operations`") ?? []) {
    const members = reader.entries(slot, "an operation");
    const member = (name: string): Field | undefined => members?.find((one) => one.name === name);
    const [id, body] = [member("id"), member("body")];
    if (members !== undefined && (id === undefined || body === undefined))
      reporter.error("persisted", slot.at, "an operation of a manifest has an `id` and a `body`");
    const name = id && reader.text(id, "`id`");
    if (name !== undefined && body !== undefined) documents.add(name, reader.text(body, "`body`"));
  }
}

/** Documents of one file, each ID once. */
class Documents {
  readonly all = new Map<string, string>();
  readonly #reporter: Reporter;
  #faults = 0;
  #isWarned = false;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  add(id: Located<string>, document: Located<string> | undefined): void {
    if (document === undefined) return;
    const fault = idFault(id.value) ?? documentFault(document.value);
    if (fault === undefined && this.all.has(id.value)) this.#error("duplicate", id.at, `\`${id.value}\` stands twice`);
    else if (fault !== undefined) this.#error(fault.code, fault.isOfDocument ? document.at : id.at, fault.message);
    else {
      this.all.set(id.value, document.value);
      this.#warnOfHash(id, document.value);
    }
  }

  /** Clients send the hash of what they would have sent: under another's hash the wrong document would answer. */
  #warnOfHash({ value, at }: Located<string>, document: string): void {
    if (this.#isWarned || !/^[0-9a-f]{64}$/u.test(value)) return;
    if (createHash("sha256").update(document).digest("hex") === value) return;
    this.#isWarned = true;
    const message = `\`${value}\` looks like a SHA-256 and is not that of its document; a client that hashes what it would send never names it`;
    this.#reporter.warn("persisted_hash", at, message);
  }

  #error(code: "duplicate" | "persisted" | "bound", at: number, message: string): void {
    if (++this.#faults <= shown_faults) this.#reporter.error(code, at, message);
  }
}

interface Fault {
  code: "persisted" | "bound";
  message: string;
  isOfDocument?: true;
}

function idFault(id: string): Fault | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (id === "" || /[\u0000-\u001f\u007f-\u009f\p{Cs}]/u.test(id))
    return { code: "persisted", message: "an ID is a text without control characters, and not empty" };
  if (Buffer.byteLength(id) > persisted_id_bytes_max)
    return { code: "bound", message: `an ID has at most ${persisted_id_bytes_max} bytes` };
  if (/^[0-9A-Fa-f]{64}$/u.test(id) && id !== id.toLowerCase())
    return { code: "persisted", message: "a SHA-256 is in lower case, as clients send it; IDs are compared exactly" };
  return undefined;
}

function documentFault(document: string): Fault | undefined {
  const isOfDocument = true;
  if (document.trim() === "") return { code: "persisted", message: "a document is not empty", isOfDocument };
  if (Buffer.byteLength(document) > persisted_document_bytes_max)
    return { code: "bound", message: `a document has at most ${persisted_document_bytes_max} bytes`, isOfDocument };
  return undefined;
}
