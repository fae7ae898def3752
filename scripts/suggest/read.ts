/** A policy with the texts of its files: what the compiler makes of it, and what a person has written. */
import { checkPolicy } from "../policy/check/policy.ts";
import type { Policy } from "../policy/language/model.ts";
import { parsePolicy } from "../policy/language/parse.ts";
import { part_shape } from "../policy/language/policy.ts";
import { type Diagnostic, Findings, Reporter } from "../policy/source/diagnostic.ts";
import { readSource } from "../policy/source/read.ts";
import { type Source, sourceOf } from "../policy/source/source.ts";
import { parseYaml, Reader } from "../policy/source/yaml.ts";

/** A sound policy and the files that it was read from: the main one first. */
export interface PolicyTexts {
  policy: Policy;
  warnings: Diagnostic[];
  sources: Source[];
}

/**
 * Reads a policy and what it includes.
 * @throws PolicyError with every error found
 */
export function readPolicyTexts(path: string): PolicyTexts {
  return policyOfSource(readSource(path));
}

/** The policy of a text, which is where the path says only for what it includes and names. Throws PolicyError. */
export function policyOfText(path: string, text: string): PolicyTexts {
  return policyOfSource(sourceOf(path, text));
}

/** The policy of files of which some have other texts than on disk, by their paths. Throws PolicyError. */
export function policyOfTexts(main: string, texts: ReadonlyMap<string, string>): PolicyTexts {
  const text = texts.get(main);
  return policyOfSource(text === undefined ? readSource(main) : sourceOf(main, text), texts);
}

function policyOfSource(source: Source, texts: ReadonlyMap<string, string> = new Map()): PolicyTexts {
  const findings = new Findings();
  const reporter = new Reporter(source, findings);
  const draft = parsePolicy(reporter);
  for (const file of draft?.files.slice(1) ?? []) {
    const text = texts.get(file.reporter.source.file);
    if (text === undefined) continue;
    file.reporter = new Reporter(sourceOf(file.reporter.source.file, text), findings);
    const node = parseYaml(file.reporter, text);
    const slot = { at: 0, node: node ?? null };
    file.part = part_shape.read(new Reader(file.reporter), slot, "an included file") ?? file.part;
  }
  const policy = draft === undefined ? undefined : checkPolicy(reporter, draft);
  findings.throwIfErrors();
  return { policy: policy!, warnings: findings.warnings, sources: draft!.files.map((file) => file.reporter.source) };
}
