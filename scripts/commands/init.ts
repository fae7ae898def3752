/** `sallyport init`: a policy, its tests and an Envoy configuration to start from. Nothing that exists is written over. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { findPackaged } from "../common/files.ts";
import { makeKeyPair } from "../common/keypair.ts";
import { readExample } from "../envoy/bootstrap.ts";
import { example_member, privateKeyPath } from "../policy/check/example.ts";
import { reasonOf } from "../policy/source/read.ts";
import { mcp_policy_text, mcp_tests_text } from "./initmcp.ts";
import { formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";

interface NewFile {
  path: string;
  text: string;
  /** What it is, in a few words. */
  about: string;
  mode: number;
}

const key_id = "example-1";

const policy_text = `# yaml-language-server: $schema=node_modules/sallyport/policy.schema.json
# Who may call what. Check it with: sallyport check policy.yaml (--allow-example-keys until it has your issuer's keys)
version: 1
name: shop
mode: enforce            # or shadow: decide and record, but let everything through

trust:
  domains: [example.org] # SPIFFE trust domains whose members rules may name

issuers:
  corp:
    issuer: https://issuer.example.org    # compared exactly with the token's \`iss\`
    audiences: [order-api]                # any one of them in \`aud\`
    algorithms: [ES256]
    keys: { file: keys/corp.jwks.json }   # an example key; replace it with your issuer's public keys before you build
    leeway: 30s
    maxLifetime: 1h

callers:
  storefront: [spiffe://example.org/web, "spiffe://example.org/mobile/*"]

limits:
  order-writes: { rate: 100/s, burst: 200, per: [caller, claims.sub], absent: deny }

# What no rule allows is denied. A deny rule wins over every allow rule.
rules:
  - name: place-orders
    callers: [spiffe://example.org/checkout-service]
    allow: [POST /orders, "GET /orders/{id}"]
    token: corp
    scopes: [orders:write]
    limit: order-writes
  - name: read-catalog
    callers: [storefront]
    allow: [GET /catalog/**]
  - name: no-deletes
    callers: [any]
    deny: ["DELETE /**"]
`;

const tests_text = `# What the policy must do. Run them with: sallyport test policy.test.yaml
policy: policy.yaml
now: 2026-11-21T10:00:00Z
defaults: { caller: spiffe://example.org/checkout-service }
tests:
  - name: checkout may place an order
    token: { issuer: corp, claims: { sub: alice, scope: "orders:write" } }   # signed by the test runner
    request: POST /orders
    expect: { allow: place-orders }
  - name: not without a token
    request: POST /orders
    expect: { deny: token_missing }
  - name: not with a token for something else
    token: { issuer: corp, claims: { sub: alice, scope: "orders:read" } }
    request: POST /orders
    expect: { deny: scope_missing }
  - name: another service may not
    caller: spiffe://example.org/billing
    request: POST /orders
    expect: { deny: no_rule }
  - name: the app reads the catalog
    caller: spiffe://example.org/mobile/android
    request: GET /catalog/shoes/7
    expect: { allow: read-catalog }
  - name: nobody deletes
    request: DELETE /orders/7
    expect: { deny: rule_denied }
  - name: nobody comes in without a certificate
    caller: null
    request: GET /catalog/shoes/7
    expect: { status: 403 }
`;

const secret_note = `Private keys that go with example keys of the policy: ISSUER.private.jwk.json for the issuer of that name.

"sallyport run policy.yaml" signs tokens with them, one for each issuer, and prints them as "export TOKEN_ISSUER=…", so
that the curl commands it prints work as pasted. The tokens have the scopes that the policy's rules ask for.

They are for trying things out on this machine only: the .gitignore beside this file keeps them out of git, and "check",
"build" and "image" refuse a policy that has one of the example keys, unless told --allow-example-keys. Delete this
folder once the policy has your issuer's keys; then put tokens of your issuer into the variables.
`;

/** Adds the verb to the program. */
export function registerInit(program: Command): void {
  program
    .command("init")
    .argument("[dir]", "the folder to write into", ".")
    .description(
      "write a policy, its tests, an example key and an Envoy configuration to start from; no file is overwritten",
    )
    .option("--mcp", "a policy for a server of tools (Model Context Protocol) in place of one for an API")
    .addOption(formatOption())
    .action(async (folder: string, { format, mcp = false }: { format: OutputFormat; mcp?: boolean }) => {
      const files = await newFiles(folder, mcp);
      writeFiles(folder, files);
      if (format === "json") {
        printJson({ directory: folder, files: files.map(({ path }) => path) });
        return;
      }
      const width = Math.max(...files.map(({ path }) => path.length));
      for (const { path, about } of files)
        process.stdout.write(`${join(folder, path).padEnd(width + folder.length + 2)} ${about}\n`);
      process.stdout.write(`\nNext: npx sallyport test ${join(folder, "policy.test.yaml")}\n`);
      // What Envoy has to be set to where bodies are read is not in the example.
      if (mcp)
        process.stdout.write(
          `      npx sallyport manifest --for envoy ${join(folder, "policy.yaml")} -o ${join(folder, "envoy")}\n`,
        );
      process.stdout.write(
        `      npx sallyport run ${join(folder, "policy.yaml")}   # prints tokens and curl commands to try\n`,
      );
    });
}

/** Where the schema is for a policy in a folder with the package installed, as the first line of the policy says. */
const installed_schema = "node_modules/sallyport/policy.schema.json";
const schema_name = "policy.schema.json";

async function newFiles(folder: string, isMcp: boolean): Promise<NewFile[]> {
  const [policy, tests] = isMcp ? [mcp_policy_text, mcp_tests_text] : [policy_text, tests_text];
  const { publicKey, privateKey } = makeKeyPair("ec", { namedCurve: "P-256" });
  const shared = { kid: key_id, use: "sig", alg: "ES256" };
  const publicSet = { keys: [{ ...publicKey.export({ format: "jwk" }), ...shared, [example_member]: true }] };
  const secret = { ...privateKey.export({ format: "jwk" }), ...shared };
  const file = (path: string, text: string, about: string, mode = 0o644): NewFile => ({ path, text, about, mode });
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  // Editors look from the policy's folder: where the package is installed elsewhere, a copy beside the policy is found.
  const packaged = existsSync(join(folder, installed_schema)) ? undefined : findPackaged(schema_name);
  const policyText = packaged === undefined ? policy : policy.replace(installed_schema, `./${schema_name}`);
  return [
    file("policy.yaml", policyText, "the policy"),
    file("policy.test.yaml", tests, "what it must do"),
    file("keys/corp.jwks.json", json(publicSet), "an example issuer's public key"),
    file(".sallyport/.gitignore", "*\n", "keeps the next two out of git"),
    file(".sallyport/README", secret_note, "what this folder is"),
    file(privateKeyPath("corp"), json(secret), "the example key's private half; `run` signs tokens with it", 0o600),
    ...(packaged === undefined
      ? []
      : [file(schema_name, readFileSync(packaged, "utf8"), "the policy language, for editors")]),
    ...(isMcp ? [] : [file("envoy.yaml", await readExample("inbound"), "Envoy with the filter in front of a service")]),
  ];
}

/** Writes all files, or none when one is in the way. */
function writeFiles(folder: string, files: NewFile[]): void {
  const taken = files.filter(({ path }) => existsSync(join(folder, path)));
  if (taken.length > 0) {
    const names = taken.map(({ path }) => join(folder, path)).join(", ");
    throw new UsageError(
      `nothing was written, since there is already ${names}; choose another folder: sallyport init DIR`,
    );
  }
  try {
    for (const { path, text, mode } of files) {
      const target = join(folder, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text, { flag: "wx", mode });
    }
  } catch (error) {
    throw new UsageError(`cannot write into ${folder}: ${reasonOf(error)}`);
  }
}
