/** `sallyport rollout`: a new policy in steps, each of which can be looked at before the next, and taken back. */
import { createReadStream } from "node:fs";
import { type Command, Option } from "commander";
import { boundedLines } from "../common/lines.ts";
import { headingOf, ManifestError, type System, systems } from "../manifest/files.ts";
import { kustomization_name } from "../manifest/kustomization.ts";
import type { GivenOptions } from "../manifest/options.ts";
import { type CompiledPolicy, compilePolicyFile } from "../policy/build.ts";
import { imageChecksum } from "../policy/image/image.ts";
import { comparePolicies } from "../policy/meaning/difference.ts";
import { reasonOf } from "../policy/source/read.ts";
import { type ChangedGroup, type Comparison, compareLog, type Policies } from "../rollout/compare.ts";
import { queriesOf } from "../rollout/queries.ts";
import { shadowName } from "../rollout/shadowcopy.ts";
import { moduleFile, planRollout, type Rollout, type Side, type Step, trialFile } from "../rollout/steps.ts";
import { writeFolder } from "./folder.ts";
import { formatOption, type OutputFormat, printJson, showFindings, UsageError } from "./output.ts";
import { addPlaceOptions } from "./place.ts";
import { readSigned, type SignedImage } from "./signed.ts";
import { printable } from "./terminal.ts";
import { readTrustKeys, type TrustOptions, trustKeyOption } from "./trust.ts";

interface RolloutOptions extends Omit<GivenOptions, "helm" | "trustKey">, TrustOptions {
  for?: System;
  output?: string;
  oldImage?: string;
  oldUrl?: string;
  oldSha256?: string;
  signed?: string;
  oldSigned?: string;
  log?: string;
  format: OutputFormat;
}

/** A line of Envoy's has a request's headers at most, which are far less. */
const log_line_bytes_max = 1 << 20;

/** The signed images of the third step and of the way back. */
interface Signed {
  next: SignedImage;
  back: SignedImage;
}

/** Groups of changed requests that a person is shown; JSON has up to a thousand. */
const shown_groups = 20;

/** Adds the verb to the program. Exit 1: by the log, requests that are admitted now would be denied, or none was judged by both. */
export function registerRollout(program: Command): void {
  const command = program
    .command("rollout")
    .argument("<old>", "the policy in force")
    .argument("<new>", "the policy that is to take its place; both have one name")
    .description(
      "write the steps from one policy to another: try it in shadow mode, compare, enforce, and the way back",
    )
    .addOption(new Option("--for <system>", "the system that runs the filter").choices([...systems]))
    .option("-o, --output <folder>", "where to write the steps, a folder for each")
    .option(
      "--log <file>",
      "compare instead: read Envoy's access log, `-` for standard input, of the time in which the new policy is tried",
    )
    .option("--image <reference>", "istio, envoy-gateway: the OCI image of the new policy")
    .option("--url <url>", "istio, envoy-gateway: where the new module is, in place of --image")
    .option("--sha256 <hex>", "the digest of the new image's manifest, or of the new module")
    .option("--old-image <reference>", "istio, envoy-gateway: the OCI image in force")
    .option("--old-url <url>", "istio, envoy-gateway: where the module in force is, in place of --old-image")
    .option("--old-sha256 <hex>", "the digest of the image in force, or of the module in force")
    .option("--signed <file>", "envoy: the new policy as `image --sign` writes it, where signed images are in force")
    .option("--old-signed <file>", "envoy: the policy in force, signed anew with a version above that of --signed");
  addPlaceOptions(command)
    .addOption(trustKeyOption())
    .addOption(formatOption())
    .action((old: string, next: string, options: RolloutOptions) =>
      run(old, next, options).catch((error: unknown) => {
        throw error instanceof ManifestError ? new UsageError(error.message) : error;
      }),
    );
}

async function run(old: string, next: string, options: RolloutOptions): Promise<void> {
  const [before, after] = [compilePolicyFile(old), compilePolicyFile(next)];
  const { name } = before.policy;
  if (shadowName(name) === name)
    throw new UsageError(
      `the new policy is tried under the name \`${name}\`, which is the policy's own: give it a shorter one`,
    );
  if (name !== after.policy.name) {
    throw new UsageError(
      `${old} is policy \`${name}\`, and ${next} is policy \`${after.policy.name}\`: give both one name, since the enforcement check knows the policy by it`,
    );
  }
  if (options.log !== undefined) return compare(options.log, { inForce: name, tried: shadowName(name) }, options);
  const {
    for: system,
    output,
    oldImage,
    oldUrl,
    oldSha256,
    log: _,
    format,
    trustKey,
    signed,
    oldSigned,
    ...given
  } = options;
  const keys = readTrustKeys({ trustKey });
  const hasTrustKeys = keys.length > 0;
  if (system === undefined || output === undefined) {
    throw new UsageError(
      "say which system runs the filter, and where to write the steps: --for envoy -o rollout. Or compare what both policies have decided: --log access.log",
    );
  }
  const { image, url, sha256, ...place } = given;
  const images = signedOf([signed, next, after], [oldSigned, old, before], keys);
  const sides: [Side, Side] = [
    {
      path: old,
      compiled: before,
      configuration: images?.back.configuration,
      given: defined({ ...place, image: oldImage, url: oldUrl, sha256: oldSha256 }),
    },
    {
      path: next,
      compiled: after,
      configuration: images?.next.configuration,
      given: defined({ ...place, image, url, sha256 }),
    },
  ];
  const plan = await planRollout(system, ...sides, hasTrustKeys);
  const files = [plan.shadow, plan.enforce, plan.back].flatMap((step) => step.files);
  writeFolder(output, files, headingOf(system));
  if (format === "json") {
    const folders = [plan.shadow, plan.enforce, plan.back].map((step) => ({
      folder: `${output}/${step.folder}`,
      files: step.files.map(({ name: path, about }) => ({ name: path, about })),
      changed: step.changed.map(({ name: path }) => path),
    }));
    const queries = queriesOf({ inForce: name, tried: plan.triedName });
    printJson({
      policy: name,
      tried: plan.triedName,
      left_out: plan.leftOut,
      steps: folders,
      queries,
      warnings: after.warnings,
    });
    return;
  }
  showFindings(after.warnings, "warning");
  process.stdout.write(describe(system, output, sides, plan, { trustKey, images }));
}

type Given = [file: string | undefined, policy: string, compiled: CompiledPolicy];

/** The signed images that are rolled out; undefined where the modules' own policies are. */
function signedOf(next: Given, back: Given, keys: readonly Uint8Array[]): Signed | undefined {
  const [nextFile, ...nextOf] = next;
  const [backFile, ...backOf] = back;
  if (nextFile === undefined && backFile === undefined) return undefined;
  if (nextFile === undefined || backFile === undefined)
    throw new UsageError(
      "give both --signed and --old-signed: an Envoy that has had a signed image goes neither on nor back without one",
    );
  if (keys.length === 0)
    throw new UsageError("--signed is for modules with trust keys: give the keys with --trust-key");
  const images = { next: readSigned(nextFile, ...nextOf, keys), back: readSigned(backFile, ...backOf, keys) };
  if (images.back.version <= images.next.version)
    throw new UsageError(
      `--old-signed has version ${images.back.version}, and no Envoy goes back to it from ${images.next.version}, that of --signed: sign ${back[1]} with a higher version`,
    );
  return images;
}

/** An option that is not given is not there: others ask for those that are. */
function defined(given: { [key in keyof GivenOptions]: GivenOptions[key] | undefined }): GivenOptions {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function describe(
  system: System,
  output: string,
  [before, after]: [Side, Side],
  plan: Rollout,
  { trustKey, images }: { trustKey: readonly string[]; images: Signed | undefined },
): string {
  const { policy } = before.compiled;
  const { gained, lost, changed } = comparePolicies(policy, after.compiled.policy);
  const names = { inForce: policy.name, tried: plan.triedName };
  const lines = [
    `policy ${policy.name}: from image ${imageChecksum(before.compiled.image)} to image ${imageChecksum(after.compiled.image)}, ${gained.length} gained, ${lost.length} lost, ${changed.length} changed (\`sallyport diff ${before.path} ${after.path}\`)`,
    "",
    `1. Shadow. The new policy judges every request, under the name ${names.tried}, and the one in force goes on to decide.`,
    ...(system === "envoy" ? trialLines(after, trustKey) : []),
    ...apply(system, output, plan.shadow),
    ...(plan.leftOut.length === 0
      ? []
      : [`   It is tried without these limits, of a fleet or of hops: ${plan.leftOut.join(", ")}.`]),
    "",
    "2. Compare, for as long as it takes until every kind of request has come. Go on when what would be denied is what is meant to be.",
    `   sallyport rollout ${before.path} ${after.path} --log access.log`,
    ...queriesOf(names).flatMap(({ asks, promql }) => [`   ${asks}`, `     ${promql}`]),
    "",
    "3. Enforce. The new policy decides.",
    ...apply(system, output, plan.enforce),
    ...(trustKey.length === 0 ? [] : signedLines(names.inForce, images)),
    ...(system === "istio" ? [`   kubectl delete -f ${output}/${pluginOf(plan.shadow)}`] : []),
    "",
    "Back, from any step: the policy as it was.",
    ...(system === "envoy" ? [buildLine(before, moduleFile(before.compiled), trustKey)] : []),
    ...apply(system, output, plan.back),
    ...(system === "istio" ? [`   kubectl delete --ignore-not-found -f ${output}/${pluginOf(plan.shadow)}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function buildLine({ path }: Side, file: string, trustKey: readonly string[]): string {
  const keys = trustKey.map((key) => `--trust-key ${key} `).join("");
  return `   sallyport build ${path} ${keys}-o ${file}   and put it into /etc/sallyport`;
}

/** The modules that the first step needs, and the third one. */
function trialLines(after: Side, trustKey: readonly string[]): string[] {
  const module = buildLine(after, moduleFile(after.compiled), trustKey);
  if (trustKey.length === 0) {
    const warning =
      "   If the module in force has trust keys, give them here (--trust-key): this one takes unsigned policies.";
    return [module, warning];
  }
  const trial = buildLine(after, trialFile(after, true), []);
  return [
    trial,
    "   for the trial alone: what is tried is not signed, and no key is trusted there. For the third step:",
    module,
  ];
}

/** What holds where the modules have trust keys. */
function signedLines(policy: string, images: Signed | undefined): string[] {
  if (images !== undefined)
    return [
      `   ecds.yaml has the signed image of version ${images.next.version}, that of the way back version ${images.back.version}. An Envoy that has gone back takes versions above that alone.`,
    ];
  return [
    `   Only where no signed image of \`${policy}\` has been in force since Envoy started: after one, a module's own policy is older, and every request would be denied.`,
    "   Else sign both policies, the old one with the higher version, and give them here with --signed and --old-signed.",
  ];
}

function pluginOf({ files }: Step): string {
  return files.find(({ name }) => name.includes("wasm-plugin"))!.name;
}

/** The name of a file that is applied; others are patches, or values of a control plane. */
const is_resource = /\/\d\d-[^/]*$/u;

/** How the files of a step are applied. */
function apply(system: System, output: string, { folder, files, changed: all }: Step): string[] {
  // Kustomize reads it for all files of a folder, and it is nothing to apply.
  const changed = all.filter(({ name }) => !name.endsWith(`/${kustomization_name}`));
  const width = Math.max(...changed.map(({ name }) => name.length));
  const lines = changed.map(({ name, about }) => `   ${output}/${name.padEnd(width)}  ${about}`);
  if (files.length > changed.length) lines.unshift(`   Of the files in ${output}/${folder} these change:`);
  if (system !== "envoy") {
    const [resources, others] = [true, false].map((wanted) =>
      changed.filter(({ name }) => is_resource.test(name) === wanted),
    ) as [Step["changed"], Step["changed"]];
    return [
      ...lines,
      ...others.map(
        ({ name }) => `   ${output}/${name} is no resource, and kubectl apply refuses it: its first lines say how.`,
      ),
      ...(resources.length === 0
        ? []
        : [`   kubectl apply${resources.map(({ name }) => ` -f ${output}/${name}`).join("")}`]),
    ];
  }
  const starts = changed.some(({ name }) => name.endsWith("/bootstrap.yaml"));
  return [
    ...lines,
    "   Move each into /etc/sallyport, lds.yaml last.",
    ...(starts ? ["   The clusters in bootstrap.yaml change: put it in place first, and start Envoy again."] : []),
  ];
}

async function compare(log: string, policies: Policies, { format }: RolloutOptions): Promise<void> {
  const input: AsyncIterable<Uint8Array> = log === "-" ? process.stdin : createReadStream(log);
  const comparison = await compareLog(boundedLines(input, log_line_bytes_max), policies).catch((error: unknown) => {
    throw new UsageError(`cannot read ${log}: ${reasonOf(error)}`);
  });
  if (format === "json") printJson(comparison);
  else process.stdout.write(tell(comparison, policies));
  process.exitCode = comparison.deniedCount > 0 || comparison.compared === 0 ? 1 : 0;
}

function tell(comparison: Comparison, { inForce, tried }: Policies): string {
  const { compared, same, deniedCount, admittedCount, alone, undecided, unreadable } = comparison;
  if (compared === 0) {
    return `no request in this log has the records of both policies, ${inForce} under \`record\` and ${tried} under \`next\`: is the first step applied, and is this the access log of its listener?\n`;
  }
  const lines = [`${compared} requests judged by both, ${same} of them alike`];
  lines.push(...groupLines(`${deniedCount} admitted now, and denied by the new policy`, "-", comparison.denied));
  lines.push(...groupLines(`${admittedCount} denied now, and admitted by the new policy`, "+", comparison.admitted));
  if (alone > 0) lines.push(`${alone} judged by one of them only`);
  if (undecided > 0) lines.push(`${undecided} ended while they waited, or have no decision that is known here`);
  if (unreadable > 0) lines.push(`${unreadable} lines are no JSON, or too long to be lines of Envoy's`);
  return `${lines.join("\n")}\n`;
}

function groupLines(title: string, sign: string, groups: readonly ChangedGroup[]): string[] {
  const lines = groups.slice(0, shown_groups).map(({ caller, method, path, reason, rule, count }) => {
    const where = rule === undefined ? reason : `${reason}, rule ${rule}`;
    return printable(`${sign} ${count} × ${caller || "(no caller)"} ${method} ${path}: ${where}`);
  });
  if (groups.length > shown_groups) lines.push(`  … and ${groups.length - shown_groups} more kinds`);
  return [title, ...lines];
}
