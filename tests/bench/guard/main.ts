/**
 * `npm run bench:guard`: what the guard's detectors find of a labelled corpus, beside presidio-analyzer for personal data and gitleaks
 * for secrets, and how many bytes of clean JSON they look through in a second of a core. Peers are taken from ~/.cache/sallyport, and
 * installed there where they are missing: presidio from PyPI, gitleaks with Go. `SEED=n` makes another corpus, `-- --each n` its size.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { compileScan, Scanner } from "../../guard/scanner.ts";
import { cleanJson, type Line, makeCorpus } from "./corpus.ts";
import { secrets } from "./secrets.ts";

const cache = join(homedir(), ".cache/sallyport");
const python = join(cache, "presidio/bin/python");
const gitleaks = join(cache, "bin/gitleaks");
const presidio_version = "2.2.366";
const gitleaks_version = "v8.30.1";
const seed = Number(process.env.SEED ?? 20261130);
const each = Number(process.argv[process.argv.indexOf("--each") + 1] || 300);

/** What is found in a line: a detector by our name, and the text. */
type Finding = [detector: string, text: string];

const entities: Readonly<Record<string, string>> = {
  CREDIT_CARD: "card",
  IBAN_CODE: "iban",
  EMAIL_ADDRESS: "email",
  PHONE_NUMBER: "phone",
  US_SSN: "us_ssn",
  UK_NHS: "uk_nhs",
  ES_NIF: "es_dni",
  ES_NIE: "es_nie",
  IT_FISCAL_CODE: "it_codice_fiscale",
  PL_PESEL: "pl_pesel",
  FI_PERSONAL_IDENTITY_CODE: "fi_hetu",
  IN_AADHAAR: "in_aadhaar",
};

function install(): void {
  mkdirSync(join(cache, "bin"), { recursive: true });
  const quiet = { stdio: "inherit" } as const;
  if (!existsSync(python)) {
    execFileSync("python3", ["-m", "venv", join(cache, "presidio")], quiet);
    execFileSync(python, ["-m", "pip", "install", "-q", `presidio-analyzer==${presidio_version}`], quiet);
  }
  if (!existsSync(gitleaks)) {
    const env = { ...process.env, GOBIN: join(cache, "bin") };
    execFileSync("go", ["install", `github.com/zricethezav/gitleaks/v8@${gitleaks_version}`], { ...quiet, env });
  }
}

function ours(scanner: Scanner, lines: readonly Line[]): Finding[][] {
  return lines.map(({ text }) => {
    const bytes = Buffer.from(text);
    return scanner
      .find(bytes)
      .map(({ detector, offset, size }): Finding => [detector, bytes.subarray(offset, offset + size).toString()]);
  });
}

function byPresidio(lines: readonly Line[]): Finding[][] {
  const input = lines.map(({ text }) => text).join("\n");
  const options = { input, encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const output = execFileSync(python, ["tests/bench/guard/presidio.py"], options);
  return output
    .trim()
    .split("\n")
    .map((line) =>
      (JSON.parse(line) as Finding[]).map(([entity, text]): Finding => [entities[entity] ?? entity, text]),
    );
}

/** Whatever rule finds it: rules are many to a service, and a token may be found by a general one. */
function byGitleaks(lines: readonly Line[]): Finding[][] {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-guard-"));
  try {
    writeFileSync(join(folder, "corpus.txt"), lines.map(({ text }) => text).join("\n"));
    const report = join(folder, "report.json");
    const flags = ["--exit-code", "0", "--no-banner", "--log-level", "error", "--report-format", "json"];
    execFileSync(gitleaks, ["dir", join(folder, "corpus.txt"), ...flags, "--report-path", report]);
    const found: Finding[][] = lines.map(() => []);
    for (const one of JSON.parse(readFileSync(report, "utf8"))) found[one.StartLine - 1]?.push(["any", one.Secret]);
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Score {
  right: number;
  missed: number;
  wrong: number;
}

const isMet = (one: string, other: string): boolean => one.includes(other) || other.includes(one);

/** By detector: values that were found, those that were not, and findings where nothing of their kind is. */
function scores(lines: readonly Line[], found: readonly Finding[][]): Map<string, Score> {
  const all = new Map<string, Score>();
  const of = (detector: string): Score => {
    if (!all.has(detector)) all.set(detector, { right: 0, missed: 0, wrong: 0 });
    return all.get(detector)!;
  };
  for (const [index, { label }] of lines.entries()) {
    const isOf = ([detector, text]: Finding): boolean =>
      label !== undefined && (detector === label.detector || detector === "any") && isMet(text, label.value);
    const findings = found[index] ?? [];
    if (label) of(label.detector)[findings.some(isOf) ? "right" : "missed"]++;
    for (const finding of findings) if (!isOf(finding)) of(finding[0]).wrong++;
  }
  return all;
}

const share = (part: number, rest: number): string => (part + rest === 0 ? "—" : (part / (part + rest)).toFixed(4));

function show(title: string, names: readonly string[], own: Map<string, Score>, peer: Map<string, Score>): void {
  console.log(`\n| detector | recall | precision | ${title}: recall | precision |\n|---|---|---|---|---|`);
  for (const name of names) {
    const { right = 0, missed = 0, wrong = 0 } = own.get(name) ?? {};
    const other = peer.get(name);
    const theirs =
      other && other.right > 0 ? [share(other.right, other.missed), share(other.right, other.wrong)] : ["—", "—"];
    console.log(`| \`${name}\` | ${share(right, missed)} | ${share(right, wrong)} | ${theirs.join(" | ")} |`);
  }
}

/** Megabytes a second of this process's own time, the best of several runs. */
function throughput(scanner: Scanner): number {
  const json = cleanJson(seed, 2_000_000);
  const run = scanner.count(json);
  let best = 0;
  for (let round = 0; round < 15; round++) {
    const before = process.cpuUsage();
    for (let times = 0; times < 20; times++) run();
    const { user, system } = process.cpuUsage(before);
    best = Math.max(best, (json.length * 20) / (user + system));
  }
  return best;
}

install();
const { module } = await compileScan();
const scanner = new Scanner(module);
const lines = makeCorpus(seed, each);
console.log(`SEED=${seed}: ${lines.length} lines, ${lines.filter(({ label }) => label).length} with something to find`);
const own = scores(lines, ours(scanner, lines));
const secretNames = [...Object.keys(secrets), "private_key"];
const personal = [...own.keys()].filter((name) => !secretNames.includes(name));
show("presidio", personal, own, scores(lines, byPresidio(lines)));
const leaks = scores(lines, byGitleaks(lines));
show("gitleaks", secretNames, own, leaks);
const leaked = [...leaks.values()].reduce((sum, { right }) => sum + right, 0);
console.log(`\ngitleaks, all rules: precision ${share(leaked, leaks.get("any")?.wrong ?? 0)}`);
console.log(`clean JSON: ${throughput(scanner).toFixed(0)} MB/s of a core`);
