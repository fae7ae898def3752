/**
 * The schemas of Istio's, Envoy Gateway's and Contour's resources, from their own modules as the Go module proxy serves them, kept in a cache
 * folder by version. A resource is held against its schema as an API server does: types, unknown fields, and the rules in CEL.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CelScalar, celEnv, celFunc, celMethod, isCelError, parse as parseCel, plan } from "@bufbuild/cel";
import { Ajv, type ValidateFunction } from "ajv";
import { parseAllDocuments } from "yaml";
import { allThere, buildInto, cacheFolder } from "../bench/building.ts";
import { unzip } from "../support/zip.ts";

/** A module, and where its schemas are in it. */
interface Module {
  path: string;
  version: string;
  /** SHA-256 of its archive. */
  sha256: string;
  files: RegExp;
}

const modules: readonly Module[] = [
  {
    path: "istio.io/api",
    version: "v1.31.1",
    sha256: "161774477eaf22cf661d19213b61e6d420d87a459472b0cbbd4601800f8371db",
    files: /\/kubernetes\/customresourcedefinitions\.gen\.yaml$/u,
  },
  {
    path: "github.com/envoyproxy/gateway",
    version: "v1.9.1",
    sha256: "bf9a96d6a5ff39739ae23add1f199ae34e7af21a82ce80d89fb515705ea65a1e",
    files: /\/charts\/gateway-helm\/charts\/crds\/crds\/generated\/[^/]+\.yaml$/u,
  },
  {
    path: "github.com/projectcontour/contour",
    version: "v1.33.8",
    sha256: "39510ecacc6793aab63db7e1669ae98c3f3ca944af987829ab6a8bc850b34831",
    files: /\/examples\/contour\/01-crds\.yaml$/u,
  },
];

const usual_proxy = "https://proxy.golang.org";

// biome-ignore lint/suspicious/noExplicitAny: a schema is whatever the CRD has.
type Json = any;

/** A resource's schema by `apiVersion/kind`. */
type Schemas = ReadonlyMap<string, { validate: ValidateFunction; schema: Json }>;

/** The paths of all files with schemas; what is not in the cache is fetched. */
export async function crdFiles(): Promise<string[]> {
  return Promise.all(modules.map(crdFile));
}

async function crdFile({ path, version, sha256, files }: Module): Promise<string> {
  const folder = join(cacheFolder(), `crds-${path.replaceAll("/", "-")}-${version}`);
  const file = join(folder, "crds.yaml");
  if (await allThere([file])) return file;
  await buildInto(folder, [file], async (into) => {
    const from =
      (process.env.GOPROXY ?? usual_proxy).split(/[,|]/u).find((one) => one.startsWith("http")) ?? usual_proxy;
    const answer = await fetch(`${from}/${path}/@v/${version}.zip`);
    if (!answer.ok) throw new Error(`${from} has no ${path} ${version}: status ${answer.status}`);
    const archive = Buffer.from(await answer.arrayBuffer());
    const found = createHash("sha256").update(archive).digest("hex");
    if (found !== sha256) throw new Error(`${path} ${version} from ${from} is another archive: SHA-256 ${found}`);
    const texts = [...unzip(archive, (name) => files.test(name)).values()].map(String);
    await writeFile(join(into, "crds.yaml"), texts.join("\n---\n"));
  });
  return file;
}

/** All schemas. */
export async function loadSchemas(): Promise<Schemas> {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const schemas = new Map<string, { validate: ValidateFunction; schema: Json }>();
  for (const file of await crdFiles()) {
    for (const document of parseAllDocuments(await readFile(file, "utf8"))) {
      const crd: Json = document.toJSON();
      for (const { name, schema } of crd?.spec?.versions ?? []) {
        const strict = withoutUnknown(schema.openAPIV3Schema);
        Object.assign(strict.properties, { apiVersion: {}, kind: {}, metadata: {} });
        const key = `${crd.spec.group}/${name}/${crd.spec.names.kind}`;
        schemas.set(key, { schema: strict, validate: ajv.compile(strict) });
      }
    }
  }
  return schemas;
}

/**
 * The schema with unknown fields refused: an API server takes them away, and what they said with them. And as JSON Schema has bounds that
 * are not within: OpenAPI 3.0 says of a bound that it is not.
 */
function withoutUnknown(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(withoutUnknown);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, withoutUnknown(value)]));
  for (const [exclusive, bound] of Object.entries({ exclusiveMaximum: "maximum", exclusiveMinimum: "minimum" })) {
    if (typeof copy[exclusive] !== "boolean") continue;
    if (copy[exclusive]) [copy[exclusive], copy[bound]] = [copy[bound], undefined];
    else delete copy[exclusive];
    if (copy[bound] === undefined) delete copy[bound];
  }
  const isOpen = copy["x-kubernetes-preserve-unknown-fields"] === true || copy.additionalProperties !== undefined;
  if (copy.type === "object" && typeof copy.properties === "object" && !isOpen) copy.additionalProperties = false;
  return copy;
}

/** What is wrong with a resource, in words; nothing where all is well. Throws where nobody has a schema for it. */
export function problemsOf(schemas: Schemas, resource: Json): string[] {
  const key = `${resource.apiVersion}/${resource.kind}`;
  const found = schemas.get(key);
  if (found === undefined) throw new Error(`there is no schema for ${key}`);
  const { validate, schema } = found;
  const errors = validate(resource) ? [] : (validate.errors ?? []);
  return [
    ...errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`),
    ...brokenRules(schema, resource, ""),
  ];
}

/** The rules in CEL (`x-kubernetes-validations`) that a value breaks, and those of its parts. */
function brokenRules(schema: Json, value: Json, path: string): string[] {
  const rules: { rule: string; message?: string }[] = schema["x-kubernetes-validations"] ?? [];
  // A rule on what was there before holds for changes only.
  const own = rules.filter(({ rule }) => !/\boldSelf\b/u.test(rule) && !holds(rule, value));
  const parts: [Json, Json, string][] = [];
  if (Array.isArray(value))
    for (const [index, one] of value.entries()) parts.push([schema.items, one, `${path}/${index}`]);
  else if (typeof value === "object" && value !== null) {
    for (const [key, one] of Object.entries(value)) {
      const part = schema.properties?.[key] ?? schema.additionalProperties;
      parts.push([part, one, `${path}/${key}`]);
    }
  }
  const below = parts.filter(([part]) => typeof part === "object").flatMap((part) => brokenRules(...part));
  return [...own.map(({ message, rule }) => `${path}: ${message ?? rule}`), ...below];
}

/** What Kubernetes adds to CEL, as far as these rules have it: `url` is its text. */
const environment = celEnv({
  funcs: [
    celFunc("isURL", [CelScalar.STRING], CelScalar.BOOL, (text) => URL.canParse(text)),
    celFunc("url", [CelScalar.STRING], CelScalar.STRING, (text) => text),
    celMethod("getScheme", CelScalar.STRING, [], CelScalar.STRING, function () {
      return new URL(String(this)).protocol.slice(0, -1);
    }),
  ],
});

function holds(rule: string, self: Json): boolean {
  const result = plan(environment, parseCel(rule))({ self: typed(self) });
  if (isCelError(result)) throw new Error(`the rule ${rule} was not evaluated: ${result.message}`);
  return result === true;
}

/** Numbers as CEL has them in Kubernetes: whole ones are int. */
function typed(value: Json): Json {
  if (Array.isArray(value)) return value.map(typed);
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typed(one)]));
}
