/** Chromium with a report in it, watched: what it asks for, and what it complains of. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const path = "/usr/bin/chromium";

/** Starts Debian's Chromium, and installs it where it is missing and one may. */
export async function startChromium(): Promise<Browser> {
  if (!existsSync(path)) {
    console.log("installing chromium from Debian");
    for (const args of [
      ["update", "-q"],
      ["install", "-y", "-q", "chromium"],
    ])
      spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], timeout: 600_000 });
  }
  const quiet =
    "--no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-quic";
  return chromium.launch({
    executablePath: path,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", ...quiet.split(" ")],
  });
}

/** A page with a report that has drawn itself. */
export interface OpenReport {
  page: Page;
  /** What it asked for beside itself, and what it wrote on the console; both empty, if all is well. */
  requests: string[];
  complaints: string[];
  /** Milliseconds until it was drawn. */
  openMilliseconds: number;
}

/** Opens a report's file. @param options of the page */
export async function openReport(
  browser: Browser,
  file: string,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<OpenReport> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  const url = pathToFileURL(file).href;
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (request.url() !== url) requests.push(request.url());
  });
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  const started = performance.now();
  await page.goto(url);
  await page.waitForSelector("html[data-ready=true]");
  return { page, requests, complaints, openMilliseconds: performance.now() - started };
}
