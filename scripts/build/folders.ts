/**
 * The architecture as data: every folder of sources, what it is for, and which others it may import. The order is that of the
 * table in docs/architecture.md, which is made from this one (`npm run docs`); a folder imports only what stands before it.
 */

/** A folder, or files that lie beside folders. */
export interface Folder {
  /** Its path; several files of one kind are `assembly/{limits,reason}.ts`. */
  path: string;
  /** What other rows call it; by default its path. */
  name?: string;
  /** What goes in and what comes out. */
  purpose: string;
  /** Paths of this table that its files may import, besides their own. */
  imports: readonly string[];
}

const contract = "assembly/{limits,reason,failure,detail,finding,types.d}.ts";
const counters = "assembly/audit/{counts,metrics,numbers}.ts";
const inspection = "assembly/inspect.ts";
const engine_base = [contract, "assembly/bytes/", "assembly/host/"];
const request_stage = [...engine_base, "assembly/policy/", "assembly/request/"];

/** What the engine is made of: AssemblyScript, compiled into one module. */
export const engineFolders: readonly Folder[] = [
  {
    path: contract,
    name: "contract",
    purpose:
      "bounds, reasons of decisions, causes of failures, what can be wrong with a token: numbers that both compilers read",
    imports: [],
  },
  {
    path: "assembly/bytes/",
    purpose: "base64, JSON, UTF-8, hashing, writing: bytes in, bytes out, no host",
    imports: [contract],
  },
  {
    path: "assembly/graphql/",
    purpose: "documents of GraphQL: bytes in, out what the selected operation selects; no host",
    imports: [contract, "assembly/bytes/"],
  },
  {
    path: "assembly/crypto/",
    purpose: "the one table of algorithms; SHA-2, RSA, ECDSA and Ed25519 on public data",
    imports: ["assembly/bytes/"],
  },
  {
    path: "assembly/guard/",
    purpose: "the egress guard's detectors: chunks of a stream in, what is sensitive in it out",
    imports: [contract, "assembly/bytes/"],
  },
  {
    path: "assembly/host/",
    purpose: "the proxy-wasm ABI: raw imports, typed calls, memory",
    imports: [contract, "assembly/bytes/"],
  },
  {
    path: inspection,
    purpose: "what the evaluator saw, as lines of the host's log, for `explain`",
    imports: engine_base,
  },
  {
    path: "assembly/policy/",
    purpose: "the policy image: its layout, its validation, and reading it in place",
    imports: [...engine_base, "assembly/crypto/"],
  },
  {
    path: "assembly/request/",
    purpose: "the request's slot; its headers, path and query",
    imports: [...engine_base, "assembly/policy/"],
  },
  {
    path: "assembly/streams/",
    purpose: "what streams under way have to their account, until they end",
    imports: [contract, "assembly/bytes/"],
  },
  {
    path: "assembly/body/",
    purpose:
      "what a request has inside: its body as JSON, and the calls of a protocol in it; requests that are held for it",
    imports: [...request_stage, "assembly/crypto/", "assembly/graphql/", "assembly/streams/"],
  },
  {
    path: "assembly/trust/",
    purpose: "signed policies: whose signature an image has, and whether a newer one was in force",
    imports: [...engine_base, "assembly/policy/", "assembly/crypto/"],
  },
  {
    path: counters,
    purpose: "the counters, gathered here and handed over to the host by a tick",
    imports: [...request_stage, "assembly/trust/"],
  },
  {
    path: "assembly/keys/",
    purpose: "key sets: finding a key, fetching, sharing; requests that wait for one, or for their fleet",
    imports: [...request_stage, "assembly/crypto/", counters],
  },
  {
    path: "assembly/token/",
    purpose: "tokens: where they are, parsing, signature, claims, bindings, the cache",
    imports: [...request_stage, inspection, "assembly/crypto/", "assembly/keys/"],
  },
  {
    path: "assembly/audit/",
    purpose: "the record of a request, which is the mark for the enforcement check too",
    imports: [...request_stage, "assembly/body/", "assembly/token/"],
  },
  {
    path: "assembly/identity/",
    purpose: "the caller: from the certificate, a trusted proxy, or a JWT-SVID, to a SPIFFE ID",
    imports: [...request_stage, "assembly/token/"],
  },
  {
    path: "assembly/condition/",
    purpose: "the rule's `when`: bytecode on a stack of values",
    imports: [...request_stage, inspection, "assembly/body/", "assembly/identity/"],
  },
  {
    path: "assembly/fleet/",
    purpose: "what the rate limit service of a fleet is asked, and what it answers",
    imports: [...request_stage, "assembly/crypto/", counters, "assembly/keys/"],
  },
  {
    path: "assembly/limit/",
    purpose: "token buckets in shared data, and what a worker reserves of them; limits of a fleet",
    imports: [
      ...request_stage,
      counters,
      "assembly/fleet/",
      "assembly/keys/",
      "assembly/condition/",
      "assembly/streams/",
      "assembly/body/",
    ],
  },
  {
    path: "assembly/quarantine/",
    purpose: "who is shut out for a while: denials counted by key in shared data, and by the fleet",
    imports: [...request_stage, counters, "assembly/identity/", "assembly/condition/", "assembly/fleet/"],
  },
  {
    path: "assembly/decision/",
    purpose: "the rules that can match, and what they decide",
    imports: [
      ...request_stage,
      inspection,
      "assembly/token/",
      "assembly/identity/",
      "assembly/condition/",
      "assembly/limit/",
      "assembly/body/",
      "assembly/keys/",
    ],
  },
  {
    path: "assembly/upstream/",
    purpose: "what the upstream sees: tokens taken away, headers set",
    imports: [...request_stage, "assembly/token/", "assembly/identity/", "assembly/condition/"],
  },
  {
    path: "assembly/response/",
    purpose: "the answer to a request that is denied: problem details, an error of JSON-RPC, or a gRPC status",
    imports: [...request_stage, "assembly/body/"],
  },
  {
    path: "assembly/shortage/",
    purpose: "configurations that found no memory: what is kept of them, and what others give up for them",
    imports: [...engine_base, "assembly/policy/", "assembly/crypto/", "assembly/keys/"],
  },
  {
    path: "assembly/{announce,chosen,configuration,configure,ending,requirements,unserved,filter,index,bodies,answers}.ts",
    purpose: "configuring, and a request's way from top to bottom (`assembly/filter.ts`)",
    imports: [
      ...request_stage,
      inspection,
      counters,
      "assembly/keys/",
      "assembly/token/",
      "assembly/audit/",
      "assembly/identity/",
      "assembly/fleet/",
      "assembly/limit/",
      "assembly/quarantine/",
      "assembly/streams/",
      "assembly/decision/",
      "assembly/upstream/",
      "assembly/response/",
      "assembly/shortage/",
      "assembly/trust/",
      "assembly/body/",
    ],
  },
];

const image_contract = [contract, "assembly/policy/"];
const before_checks = ["scripts/policy/source/", "scripts/policy/language/"];
const host_parts = "scripts/host/{abi,context,flow,memory,metrics,pairs,protobuf,reply,shared,signature,wasm.d}.ts";
const compiler = [...before_checks, "scripts/policy/"];

/** What runs in Node: the compiler, the host that stands for Envoy, the command line. */
export const toolFolders: readonly Folder[] = [
  { path: "scripts/common/", purpose: "paths of the package, key pairs, text on a terminal", imports: [] },
  {
    path: "scripts/policy/source/",
    purpose: "files → YAML with positions: includes, diagnostics, suggestions",
    imports: ["scripts/common/"],
  },
  {
    path: "scripts/policy/language/",
    purpose:
      "YAML → a draft → the model: every key and its shape, values, endpoints, SPIFFE IDs; the JSON Schemas come from here",
    imports: [...image_contract, "assembly/crypto/", "scripts/policy/source/"],
  },
  {
    path: "scripts/policy/guard/",
    purpose: "literals and bounded patterns that a guard looks for → the automaton that the engine runs",
    imports: [contract, "assembly/guard/"],
  },
  {
    path: "scripts/policy/condition/",
    purpose: "the text of `when` → types checked → instructions, and what they may cost",
    imports: [...image_contract, ...before_checks],
  },
  {
    path: "scripts/policy/meaning/",
    purpose:
      "two rules or policies → what the one admits and the other does not: `diff`, and warnings about rules that others cover",
    imports: [contract, "scripts/policy/language/", "scripts/policy/condition/"],
  },
  {
    path: "scripts/policy/check/",
    purpose: "a draft → a policy, with errors and warnings: one file for each part of the language",
    imports: [contract, "assembly/crypto/", ...before_checks, "scripts/policy/condition/", "scripts/policy/meaning/"],
  },
  {
    path: "scripts/policy/index/",
    purpose: "a policy → groups, hosts and tries, and the bounds of what a request can visit",
    imports: [...image_contract, "scripts/policy/language/"],
  },
  {
    path: "scripts/policy/image/",
    purpose: "policy and index → the bytes of the image, record by record",
    imports: [...image_contract, "scripts/policy/language/", "scripts/policy/index/"],
  },
  {
    path: "scripts/policy/module/",
    purpose: "image and engine → the module that Envoy loads",
    imports: image_contract,
  },
  {
    path: "scripts/policy/signed/",
    purpose: "image and key → a signed image; keys, and what a signed image says of itself",
    imports: [...image_contract, "scripts/common/"],
  },
  {
    path: "scripts/policy/",
    purpose: "the compiler as one function: a file in, an image or a module out",
    imports: [
      "scripts/common/",
      ...before_checks,
      "scripts/policy/check/",
      "scripts/policy/index/",
      "scripts/policy/image/",
      "scripts/policy/module/",
    ],
  },
  {
    path: host_parts,
    purpose: "the parts of a proxy-wasm host: contexts, memory, metrics, shared data, the encodings of the ABI",
    imports: [],
  },
  {
    path: "scripts/host/calls/",
    purpose: "the functions that a module imports, by what they work on",
    imports: [host_parts],
  },
  {
    path: "scripts/host/",
    purpose: "a proxy-wasm host in Node that behaves as Envoy's does, with faults on demand",
    imports: [host_parts, "scripts/host/calls/"],
  },
  {
    path: "scripts/evaluate/",
    purpose: "a request → the engine's decision, explained",
    imports: [
      ...image_contract,
      "scripts/common/",
      host_parts,
      "scripts/host/",
      "scripts/policy/language/",
      "scripts/policy/module/",
    ],
  },
  {
    path: "scripts/policytest/",
    purpose: "policy test files and their runner",
    imports: ["assembly/crypto/", "scripts/common/", ...compiler, "scripts/evaluate/"],
  },
  {
    path: "scripts/envoy/",
    purpose: "finding and starting Envoy, certificates, the local Envoy and its upstream",
    imports: [
      contract,
      "scripts/common/",
      ...before_checks,
      "scripts/policy/check/",
      "scripts/policy/image/",
      "scripts/policy/module/",
      "scripts/policy/signed/",
      host_parts,
      "scripts/evaluate/",
      "scripts/policytest/",
    ],
  },
  {
    path: "scripts/demo/",
    purpose: "what `sallyport demo` and `npm start` show",
    imports: ["scripts/common/", "scripts/policy/", "scripts/evaluate/", "scripts/envoy/"],
  },
  {
    path: "scripts/oci/",
    purpose: "a module → an OCI image with its bill of materials and provenance, as a folder or in a registry",
    imports: ["scripts/common/"],
  },
  {
    path: "scripts/manifest/",
    purpose: "a policy and its place → the files that Envoy, Istio or Envoy Gateway is given",
    imports: [
      ...image_contract,
      "scripts/policy/language/",
      "scripts/policy/image/",
      "scripts/policy/module/",
      "scripts/policy/",
      "scripts/envoy/",
    ],
  },
  {
    path: "scripts/rollout/",
    purpose:
      "an old and a new policy → the files of each step between them, and what both have decided by an access log",
    imports: [
      "scripts/policy/language/",
      "scripts/policy/image/",
      "scripts/policy/",
      "scripts/evaluate/",
      "scripts/manifest/",
    ],
  },
  {
    path: "scripts/traffic/",
    purpose: "access logs in any of their formats → requests in groups",
    imports: ["scripts/common/"],
  },
  {
    path: "scripts/discover/",
    purpose: "requests in groups → endpoints by template, and who calls them; what of it is new, unknown or unused",
    imports: [contract, "scripts/common/", ...before_checks, "scripts/policy/meaning/", "scripts/traffic/"],
  },
  {
    path: "scripts/suggest/",
    purpose:
      "requests in groups → the policy that admits what was admitted and nothing else; an existing policy → the same without what nobody used",
    imports: [
      contract,
      ...before_checks,
      "scripts/policy/meaning/",
      "scripts/policy/check/",
      "scripts/policy/",
      "scripts/traffic/",
      "scripts/discover/",
    ],
  },
  {
    path: "scripts/replay/",
    purpose:
      "recorded requests and two policies → what the engine decides of each under both, as far as a log can tell",
    imports: [
      ...image_contract,
      "assembly/crypto/",
      "scripts/policy/language/",
      "scripts/policy/image/",
      host_parts,
      "scripts/host/",
      "scripts/evaluate/",
      "scripts/policytest/",
      "scripts/traffic/",
    ],
  },
  {
    path: "scripts/report/",
    purpose: "policies, and what logs say of their use → what a security review is told: data, and the page around it",
    imports: [
      "scripts/common/",
      "scripts/policy/source/",
      "scripts/policy/language/",
      "scripts/policy/meaning/",
      "scripts/traffic/",
      "scripts/discover/",
    ],
  },
  {
    path: "scripts/report/page/",
    purpose: "the page's own program, in the browser: it draws the data beside it",
    imports: ["scripts/common/", "scripts/report/"],
  },
  {
    path: "scripts/status/",
    purpose: "what an Envoy's admin interface answers → which policy is in force, and what is wrong around it",
    imports: [
      ...image_contract,
      "scripts/policy/language/",
      "scripts/policy/image/",
      "scripts/policy/module/",
      "scripts/policy/signed/",
      "scripts/envoy/",
    ],
  },
  {
    path: "scripts/commands/",
    purpose: "one file for each verb of the command line",
    imports: [
      "scripts/common/",
      ...compiler,
      "scripts/policy/meaning/",
      "scripts/policy/check/",
      "scripts/policy/image/",
      "scripts/policy/module/",
      "scripts/policy/signed/",
      "scripts/evaluate/",
      "scripts/policytest/",
      "scripts/envoy/",
      "scripts/demo/",
      "scripts/oci/",
      "scripts/manifest/",
      "scripts/rollout/",
      "scripts/traffic/",
      "scripts/discover/",
      "scripts/replay/",
      "scripts/report/",
      "scripts/suggest/",
      "scripts/status/",
    ],
  },
  {
    path: "scripts/cli.ts",
    purpose: "the command line's entry: which verb, which exit status",
    imports: ["scripts/policy/source/", "scripts/commands/"],
  },
  {
    path: "scripts/learn/",
    purpose: "what `npm run demo:learn` shows: a shop of eight services, and what is learnt from its traffic",
    imports: ["scripts/common/", "scripts/policy/", "scripts/evaluate/", "scripts/envoy/"],
  },
  {
    path: "scripts/observability/",
    purpose: "what the Grafana dashboard asks, and the file that Grafana reads",
    imports: [],
  },
  {
    path: "scripts/build/",
    purpose: "building, the gates, the test runner, the documents' tables, and this one",
    imports: [
      "scripts/policy/source/",
      "scripts/policy/language/",
      "scripts/policy/condition/",
      "scripts/policy/module/",
      "scripts/evaluate/",
      "scripts/status/",
      "scripts/commands/",
    ],
  },
];

/** The row that a file belongs to: files named in braces first, then the folder that it lies in. */
export function folderOf(folders: readonly Folder[], file: string): Folder | undefined {
  const slash = file.lastIndexOf("/");
  const parent = file.slice(0, slash + 1);
  const name = file.slice(slash + 1).replace(/\.ts$/, "");
  const named = folders.find(({ path }) => {
    const [, folder, names] = /^(.*\/)\{?([\w.,-]+?)\}?\.ts$/.exec(path) ?? [];
    return folder === parent && names!.split(",").includes(name);
  });
  return named ?? folders.find(({ path }) => path === parent);
}
