/** Our own chain: the module with a policy in it, as the command line makes it, and the enforcement check behind it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { readExample } from "../../scripts/envoy/bootstrap.ts";
import { nameEnforcementChecks } from "../../scripts/envoy/enforcement.ts";
import { buildModule } from "../../scripts/policy/build.ts";
import type { Json } from "./native.ts";
import { audience, caller, issuer, neighbour, tenant, type World } from "./world.ts";

/** How the policy differs from the plain one: a caller, a method and a path, a token, a limit for each caller. */
export interface OursOptions {
  /** How many rules it has, one a resource. */
  rules: number;
  /** Whether a rule also asks for a scope. */
  scopes?: boolean;
  /** Whether a rule also has a condition, over a claim and a path variable. */
  condition?: boolean;
  /** Default true. */
  limit?: boolean;
  /** Of the limit that is never reached. Default 1,000,000, of which workers take tokens ahead, as of none below 1,000. */
  burst?: number;
  /** Whether the native filter that wants the module's mark stands behind it. Default true, as in the example. */
  enforcementCheck?: boolean;
  /** The path of another build of the engine. Default the one that `npm run build` made. */
  engine?: string;
}

/** The text of the policy. */
export function policyText(options: OursOptions): string {
  const rule = (number: number, path: string, limit: string, callers = caller): string[] => [
    `  - name: rule-${String(number).padStart(6, "0")}`,
    `    callers: [${callers}]`,
    `    allow: ["GET ${path}"]`,
    "    token: corp",
    ...(options.scopes ? ["    scopes: [orders:read]"] : []),
    ...(options.condition ? [`    when: 'claims.tenant == "${tenant}" && path.id.startsWith("order-")'`] : []),
    ...(options.limit === false ? [] : [`    limit: ${limit}`]),
  ];
  return [
    "version: 1",
    "name: bench",
    "trust: { domains: [example.org] }",
    "issuers:",
    `  corp: { issuer: "${issuer}", audiences: [${audience}], algorithms: [RS256, ES256], keys: { file: corp.jwks.json } }`,
    ...(options.limit === false
      ? []
      : [
          "limits:",
          `  ample: { rate: 1000000/s, burst: ${options.burst ?? 1_000_000}, per: [caller] }`,
          "  scarce: { rate: 1/h, burst: 1, per: [caller] }",
        ]),
    "rules:",
    ...Array.from({ length: options.rules }, (_, number) => rule(number, `/resource-${number}/{id}`, "ample")).flat(),
    ...rule(options.rules, "/limited/{id}", "scarce", `${caller}, ${neighbour}`),
    "",
  ].join("\n");
}

/** The filters, in front of the router: those of the example bootstrap that operators start from. */
export async function oursFilters(world: World, name: string, options: OursOptions): Promise<Json[]> {
  return filtersOf(world, name, policyText(options), options);
}

/** The same with a policy of that text. */
export async function filtersOf(
  world: World,
  name: string,
  policy: string,
  options: Pick<OursOptions, "engine" | "enforcementCheck"> = {},
): Promise<Json[]> {
  const folder = join(world.directory, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "corp.jwks.json"), JSON.stringify(world.jwks));
  const policyPath = join(folder, "policy.yaml");
  await writeFile(policyPath, policy);
  const modulePath = join(folder, "sallyport.wasm");
  const engine = options.engine === undefined ? undefined : new Uint8Array(await readFile(options.engine));
  await writeFile(modulePath, await buildModule(policyPath, engine));

  const filters = exampleFilters(parse(await readExample("inbound")));
  const vm = filters[0].typed_config.config.vm_config;
  vm.code = { local: { filename: modulePath } };
  // Its own name keeps its buckets apart from those of the other chains.
  vm.vm_id = name;
  nameEnforcementChecks(filters);
  return options.enforcementCheck === false ? filters.slice(0, 1) : filters;
}

/** The connection manager of the example bootstrap, which all chains share. */
export function exampleManager(bootstrap: Json): Json {
  return bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
}

function exampleFilters(bootstrap: Json): Json[] {
  return exampleManager(bootstrap).http_filters.slice(0, -1);
}
