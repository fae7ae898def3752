/** The page of a report: reads the data beside it, and draws it. */
import type { ReportData } from "../data.ts";
import { blastSection } from "./blast.ts";
import { element } from "./dom.ts";
import { changesSection, findingsSection, forceSection, licences, summarySection, usageSection } from "./lists.ts";
import { matrixSection } from "./matrix.ts";
import { Words } from "./words.ts";

const textOf = (id: string): string => JSON.parse(document.getElementById(id)!.textContent) as string;

function draw(): void {
  const data = JSON.parse(document.getElementById("data")!.textContent) as ReportData;
  const words = new Words(data);
  const sections = [
    summarySection(data),
    matrixSection(data, words),
    usageSection(data),
    blastSection(data, words),
    changesSection(data),
    findingsSection(data),
    forceSection(data),
  ].filter((one) => one !== undefined);
  const links = sections.map((one) => {
    const title = one.querySelector("h2")!.textContent;
    return element("li", {}, element("a", { href: `#${one.id}` }, title));
  });
  const main = document.getElementById("report")!;
  main.replaceChildren(...sections, licences(textOf("licences")));
  document.getElementById("contents")!.replaceChildren(element("ul", {}, ...links));
  document.documentElement.dataset.ready = "true";
}

draw();
