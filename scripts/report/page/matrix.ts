/** The matrix of callers and endpoints: what is asked for above, the grid, its legend, and the list that is printed. */
import type { ReportData } from "../data.ts";
import { choice, counted, element, labelled, section } from "./dom.ts";
import { Grid, symbols } from "./grid.ts";
import { type Asked, Matrix, states, type View } from "./view.ts";
import type { Words } from "./words.ts";

/** Draws the matrix. */
export function matrixSection(data: ReportData, words: Words): HTMLElement {
  const matrix = new Matrix(data);
  const asked: Asked = {
    caller: "",
    endpoint: "",
    rule: "",
    state: "all",
    group: data.policies.length > 1 ? "policy" : "host",
    columns: "namespace",
    sort: "name",
  };
  const count = element("p", { role: "status", class: "count" });
  const grid = new Grid(matrix, words);
  const update = (): void => {
    const view = matrix.view(asked);
    const endpoints = view.rows.filter((row) => "endpoint" in row).length;
    count.textContent = `${counted(view.count, "cell")}: ${counted(endpoints, "endpoint")}, ${counted(view.columns.length, "caller")}`;
    grid.show(view, asked.columns === "namespace");
  };
  const text = (name: "caller" | "endpoint" | "rule", label: string): HTMLElement => {
    const input = element("input", { type: "search", id: `find-${name}`, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", () => {
      asked[name] = input.value;
      update();
    });
    return labelled(label, input);
  };
  const select = <Name extends "state" | "group" | "columns" | "sort">(
    name: Name,
    label: string,
    options: Readonly<Record<Asked[Name], string>>,
  ): HTMLElement => {
    const control = choice(options);
    control.id = `choose-${name}`;
    control.value = asked[name];
    control.addEventListener("change", () => {
      asked[name] = control.value as Asked[Name];
      update();
    });
    return labelled(label, control);
  };
  const { unused, unclear, used, refused, ...rest } = states;
  const offered = data.usage === undefined ? rest : { ...rest, unused, unclear, used, refused };
  const controls = element(
    "form",
    { class: "controls", role: "search", "aria-label": "What the matrix shows" },
    text("caller", "Callers"),
    text("endpoint", "Endpoints"),
    text("rule", "Rules and conditions"),
    select("state", "Show", offered as typeof states),
    select("group", "Endpoints by", { host: "host", policy: "policy", none: "path alone" }),
    select("columns", "Callers by", { namespace: "namespace", none: "ID alone" }),
    select("sort", "Order", { name: "name", most: "most admitted first", unused: "most unused first" }),
  );
  controls.addEventListener("submit", (event) => event.preventDefault());
  const printed = element("div", { class: "printed" });
  addEventListener("beforeprint", () => printed.replaceChildren(printedTable(matrix, matrix.view(asked), words)));
  addEventListener("afterprint", () => printed.replaceChildren());
  const made = section(
    "matrix",
    "Who may call what",
    legend(data),
    controls,
    count,
    element(
      "p",
      { class: "hint screen" },
      "Arrow keys move from cell to cell, Home and End along a row, Page Up and Page Down by a page; what is known of a cell stands beside it, and Escape puts it away.",
    ),
    grid.root,
    printed,
  );
  // Sizes are known once it is in the page.
  queueMicrotask(update);
  return made;
}

function legend(data: ReportData): HTMLElement {
  const entry = (className: string, symbol: string, text: string): HTMLElement =>
    element("li", {}, element("span", { class: `cell ${className}`, "aria-hidden": "true" }, symbol), text);
  const used = data.usage !== undefined;
  return element(
    "ul",
    { class: "legend", "aria-label": "Signs of the matrix" },
    entry(used ? "used" : "", symbols.free, "identity alone suffices"),
    entry(used ? "used" : "", symbols.conditional, "on conditions"),
    entry("part", symbols.conditional, "in part"),
    entry("denied", symbols.denied, "denied"),
    used && entry("unused", symbols.free, "granted and unused"),
    used && entry("refused", symbols.conditional, "denied attempts in the logs"),
    element("li", {}, element("span", { class: "diamond", "aria-hidden": "true" }, "◆"), "sensitive"),
  );
}

/** Lines on paper; more than these are a matter for the screen. */
const printed_max = 2000;

function printedTable(matrix: Matrix, view: View, words: Words): HTMLElement {
  const { cells } = matrix.data;
  const body = element("tbody");
  let left = printed_max;
  for (const row of view.rows) {
    if (!("endpoint" in row)) continue;
    for (const caller of view.columns) {
      const place = matrix.at(caller, row.endpoint);
      if (place === undefined || view.isShown[place] === 0 || left-- <= 0) continue;
      const [, , ...details] = words.cell(cells[place]!);
      body.append(
        element(
          "tr",
          {},
          element("td", {}, words.endpointAt(row.endpoint)),
          element("td", {}, words.caller(caller)),
          element("td", {}, details.join("; ")),
        ),
      );
    }
  }
  const head = ["Endpoint", "Caller", "What holds"].map((text) => element("th", { scope: "col" }, text));
  const note = left < 0 ? ` The first ${printed_max} of ${view.count}: filter to print others.` : "";
  return element(
    "table",
    {},
    element("caption", {}, `Who may call what, as filtered.${note}`),
    element("thead", {}, element("tr", {}, ...head)),
    body,
  );
}
