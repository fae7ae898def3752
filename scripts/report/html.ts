/**
 * A report as one HTML file that asks for nothing: style, program and data are in it, and its Content-Security-Policy lets in these by
 * their hashes and nothing else.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { findPackaged } from "../common/files.ts";
import { printable } from "../common/screen.ts";
import type { ReportData } from "./data.ts";

/** What tells such a page from others. */
export const generator = '<meta name="generator" content="sallyport report">';

/**
 * The page of a report.
 * @throws Error that says how to build what is missing
 */
export function reportPage(data: ReportData): string {
  const [script, style, licences] = ["report.js", "report.css", "report.licences.txt"].map(packaged) as [
    string,
    string,
    string,
  ];
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const names = data.policies.map(({ name }) => name);
  const title = `Access report: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${generator}
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<a class="skip" href="#report">To the report</a>
<header>
<h1>${escaped(title)}</h1>
<p>By the policies as they stood at ${escaped(data.at)}. Made by <code>sallyport report</code>.</p>
</header>
<nav id="contents" aria-label="Contents"></nav>
<main id="report" tabindex="-1"><noscript>This report draws itself with a program that is in this file; allow it to run.</noscript></main>
<footer>Everything here was computed from the policies and logs that were given; nothing is loaded from elsewhere.</footer>
<script type="application/json" id="licences">${embedded(licences)}</script>
<script type="application/json" id="data">${embedded(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** A file that the build puts beside the program. */
function packaged(name: string): string {
  const path = findPackaged(name, `dist/${name}`);
  if (path === undefined) throw new Error("the page of reports is not built yet: run `npm run build` first");
  const text = readFileSync(path, "utf8").trim();
  // What is in a file of ours ends no element; a build that broke this must not pass.
  if (/<\/(?:script|style)|<!--/iu.test(text))
    throw new Error(`${path} would end the element that it stands in: build it again`);
  return text;
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** JSON in which nothing ends the element that it stands in. */
function embedded(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/gu,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/gu, (one) => `&#${one.charCodeAt(0)};`);
}
