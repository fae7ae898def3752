/**
 * `npm run test:report`: reports in a real Chromium. It prints how long a report of 1,000 rules and 200 callers takes to open and to
 * filter. FIGURES=docs/figures writes the pictures of docs/report.md.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { buildReport } from "../../scripts/report/build.ts";
import { reportPage } from "../../scripts/report/html.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { usage as usageOf } from "../discover/usages.ts";
import { check } from "../support/policy.ts";
import { openReport, startChromium } from "./browser.ts";
import { now } from "./made.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "sallyport-report-"));
let browser: Browser;
before(async () => {
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const text = readFileSync(join(import.meta.dirname, "../../docs/report.md"), "utf8");
const example = [...text.matchAll(/^```yaml (\S+)\n(.*?)^```$/gmsu)].map(([, name, yaml]) => ({
  name: name!,
  yaml: yaml!,
}));

function writePage(
  name: string,
  policies: readonly { name: string; yaml: string }[],
  usages?: Usage[],
  isCompared = false,
): string {
  const reported = policies.map(({ name: path, yaml }) => {
    const { policy, errors, warnings } = check(yaml);
    assert.deepEqual(errors, [], path);
    const older = isCompared
      ? { path: `older-${path}`, policy: { ...policy!, rules: policy!.rules.slice(1) } }
      : undefined;
    return { path, policy: policy!, warnings: warnings.map((one) => ({ ...one, file: path })), against: older };
  });
  const path = join(folder, `${name}.html`);
  writeFileSync(path, reportPage(buildReport(reported, { at: now, usages, openFootholds: false })));
  return path;
}

const usage = (
  policy: string,
  rule: string,
  caller: string,
  method: string,
  path: string,
  count: number,
  more: Partial<Usage> = {},
): Usage =>
  // Hostile methods and paths have blanks.
  usageOf("GET /", {
    method,
    path,
    day: "2026-11-29",
    host: "",
    caller,
    policy,
    rule,
    decision: "allow",
    reason: "allowed",
    count,
    ...more,
  });
const shop = "spiffe://shop.example/ns";
const used = [
  usage("web", "browse", `${shop}/edge/sa/gateway`, "GET", "/catalog/shoes", 4120),
  usage("web", "cart", `${shop}/mobile/ios`, "POST", "/cart", 311),
  usage("web", "health", "", "GET", "/healthz", 1440),
  usage("orders", "place", `${shop}/shop/sa/web`, "POST", "/orders", 97),
  usage("orders", "read", `${shop}/ops/sa/lead`, "GET", "/orders/{number}", 12),
  usage("orders", "", `${shop}/ops/sa/intern`, "POST", "/orders/{number}", 3, {
    decision: "deny",
    reason: "deny_rule",
    admitted: false,
  }),
  usage("pay", "charge", `${shop}/shop/sa/orders`, "POST", "/charges", 95),
];

/** 1,000 rules, 200 callers, conditions and wildcards among them. */
function large(): { name: string; yaml: string } {
  const caller = (at: number): string => `spiffe://example.org/ns/team-${at % 20}/sa/service-${at}`;
  const rules = Array.from({ length: 1000 }, (_, at) => {
    const callers = Array.from({ length: 1 + (at % 7) }, (_, place) => `"${caller((at * 13 + place * 37) % 200)}"`);
    const token = at % 3 === 0 ? ", token: corp, scopes: [read]" : "";
    const host = `hosts: [h${at % 25}.example.org]`;
    return `  - { name: rule-${at}, callers: [${callers.join(", ")}], ${host}, allow: ["GET /v1/resource-${at}/{id}", "POST /v1/resource-${at}"]${token}${at % 100 === 0 ? ", sensitive: true" : ""} }`;
  });
  const yaml = `version: 1
name: large
service: spiffe://example.org/ns/team-0/sa/service-0
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://corp.example", audiences: [a], algorithms: [RS256], keys: { file: keys/corp.jwks.json } }
rules:
  - { name: health, callers: [anonymous], allow: [GET /healthz] }
  - { name: metrics, callers: ["spiffe://example.org/ns/team-1/*"], allow: ["GET /**"], when: source.port > 1024 }
${rules.join("\n")}
`;
  return { name: "large.yaml", yaml };
}

/** What axe-core finds that is serious. */
async function faults(page: Page): Promise<string[]> {
  // The page's own policy keeps scripts out; the browser's debugger is not bound by it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
      }
    ).axe.run(),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html }) => html)
          .slice(0, 3)
          .join(" ")}`,
    );
}

const sizes = {
  phone: { width: 390, height: 844 },
  laptop: { width: 1280, height: 900 },
  desk: { width: 1920, height: 1200 },
};

describe("the example of docs/report.md", () => {
  let path: string;
  before(() => {
    path = writePage("shop", example, used, true);
  });

  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"] as const) {
      test(`${size}, ${colorScheme}: nothing leaves it, nothing is wrong, axe-core finds nothing serious`, async () => {
        const { page, requests, complaints } = await openReport(browser, path, { viewport, colorScheme });
        await page.locator("#blast").scrollIntoViewIfNeeded();
        await page.waitForSelector(".graph svg");
        assert.deepEqual(await faults(page), []);
        const widths = await page.evaluate(
          "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
        );
        const [whole, seen] = widths as [number, number];
        assert.equal(whole, seen, "the page scrolls sideways");
        const picture = await page.screenshot({ fullPage: true, path: join(folder, `${size}-${colorScheme}.png`) });
        assert.equal(picture.length > 20_000, true, "the picture is empty");
        assert.deepEqual([requests, complaints], [[], []]);
        await page.close();
      });
    }
  }

  test("with the keyboard alone", async () => {
    const { page } = await openReport(browser, path);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.textContent"), "To the report");
    await page.locator("#choose-sort").focus();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.getAttribute('role')"), "grid");
    const active = async (): Promise<string> => {
      const id = await page.locator(".grid").getAttribute("aria-activedescendant");
      return (await page.locator(`[id="${id}"]`).getAttribute("aria-label")) ?? "";
    };
    const tip = page.locator("#tip");
    assert.match(await active(), /ns\/mobile\/\*.*POST \/cart|ns\/edge/u);
    assert.equal(await tip.isVisible(), true);
    await page.keyboard.press("Control+End");
    assert.match(await active(), /\/ns\/shop\/sa\/web.*POST \/refunds.*not admitted/u);
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("PageDown");
    await page.keyboard.press("Escape");
    assert.equal(await tip.isVisible(), false);
    await page.keyboard.press("ArrowUp");
    assert.equal(await tip.isVisible(), true);
    await page.locator("#choose-identity").focus();
    await page.locator("#choose-identity").selectOption({ label: `${shop}/edge/sa/gateway` });
    assert.match((await page.locator(".details").textContent()) ?? "", /as a gateway, in anybody's name/u);
    await page.locator(".node[tabindex]").first().focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate("document.activeElement.id"), "choose-identity");
    await page.close();
  });

  test("what holds is shown by pointing at a cell", async () => {
    const { page } = await openReport(browser, path);
    await page.locator("#find-rule").fill("no-deletes");
    await page.locator("#find-caller").fill("lead");
    await page.locator('[role=gridcell][aria-label*="* /orders"]').first().hover();
    const tip = (await page.locator("#tip").textContent()) ?? "";
    assert.match(tip, /ops\/sa\/lead/u);
    assert.match(tip, /but for what is denied: DELETE \/\*\*|unless/u);
    assert.match(tip, /never used/u);
    await page.close();
  });

  test("filters, groups and orders", async () => {
    const { page } = await openReport(browser, path);
    const count = async (): Promise<string> => (await page.locator(".count").textContent()) ?? "";
    const all = await count();
    await page.locator("#choose-state").selectOption("unused");
    const unused = await count();
    assert.notEqual(unused, all);
    await page.locator("#find-endpoint").fill("refunds");
    assert.match(await count(), /^1 cell: 1 endpoint, 1 caller$/u);
    await page.locator("#find-endpoint").fill("no such thing");
    assert.equal(await page.locator(".empty").isVisible(), true);
    await page.locator("#find-endpoint").fill("");
    await page.locator("#choose-state").selectOption("all");
    assert.equal(await count(), all);
    await page.locator("#choose-group").selectOption("none");
    assert.equal(await page.locator(".row.title").count(), 0);
    await page.locator("#choose-sort").selectOption("most");
    assert.match((await page.locator(".row .name").first().textContent()) ?? "", /healthz/u);
    await page.close();
  });

  test("it prints what is filtered, as a list", async () => {
    const { page } = await openReport(browser, path);
    await page.locator("#find-endpoint").fill("refunds");
    const pdf = await page.pdf();
    assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    assert.match((await page.locator(".printed").textContent()) ?? "", /POST \/refunds, policy pay/u);
    await page.close();
  });

  const figures = process.env.FIGURES;
  if (figures !== undefined)
    test("the pictures of the document", async () => {
      mkdirSync(figures, { recursive: true });
      const { page } = await openReport(browser, path, {
        viewport: { width: 1000, height: 900 },
        deviceScaleFactor: 1,
      });
      await page.locator(".grid").focus();
      for (const key of [...Array<string>(6).fill("ArrowDown"), ...Array<string>(3).fill("ArrowRight")])
        await page.keyboard.press(key);
      await page.locator(".matrix").screenshot({ path: join(figures, "report-matrix.png") });
      await page.locator("#blast").scrollIntoViewIfNeeded();
      await page.waitForSelector(".graph svg");
      await page.locator(".picture").screenshot({ path: join(figures, "report-blast.png") });
      await page.close();
    });
});

test("hostile names are text", async () => {
  const hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe";
  const path = writePage("hostile", example, [
    usage("web", "", hostile, hostile, `/${hostile}`, 5, {
      host: hostile,
      reason: hostile,
      admitted: false,
      decision: "deny",
    }),
    usage("web", "browse", `${shop}/mobile/${hostile}`, "GET", "/catalog/x", 5),
  ]);
  const { page, requests, complaints } = await openReport(browser, path);
  const said = (await page.locator("#usage").textContent()) ?? "";
  assert.ok(said.includes("<img src=x onerror=alert(2)>\\u202egnp.exe"), "the name is not shown as it is");
  assert.equal(await page.locator("img").count(), 0);
  assert.deepEqual([requests, complaints], [[], []]);
  const outcome = await page.evaluate(
    "(() => { try { document.body.innerHTML = '<p>'; return 'taken'; } catch (error) { return error.name; } })()",
  );
  assert.equal(outcome, "TypeError", "markup from text is not refused");
  await page.close();
});

test("1,000 rules and 200 callers", async () => {
  const path = writePage("large", [large()]);
  const { page, openMilliseconds, complaints } = await openReport(browser, path);
  const filter = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await act();
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => resolve()))");
    console.log(`${what}: ${(performance.now() - started).toFixed(0)} ms`);
  };
  console.log(`open, ${(readFileSync(path).length / 1e6).toFixed(1)} MB: ${openMilliseconds.toFixed(0)} ms`);
  await filter("filter by a caller", () => page.locator("#find-caller").fill("service-17"));
  assert.match((await page.locator(".count").textContent()) ?? "", /callers?$/u);
  await filter("filter no more", () => page.locator("#find-caller").fill(""));
  await filter("sort", () => page.locator("#choose-sort").selectOption("most"));
  await filter("scroll to the end", () => page.locator(".grid").evaluate("(grid) => grid.scrollTo(1e6, 1e6)"));
  const { cells, rows } = (await page.evaluate(
    "({ cells: document.querySelectorAll('[role=gridcell]').length, rows: document.querySelectorAll('.row').length })",
  )) as { cells: number; rows: number };
  assert.equal(rows > 5 && rows < 100 && cells < 5000, true, `${rows} rows and ${cells} cells are in the page`);
  assert.deepEqual(await faults(page), []);
  assert.deepEqual(complaints, []);
  await page.close();
});
