/** Building the page: elements with text, never with markup. Everything shown is data from policies and logs. */
import { printable } from "../../common/screen.ts";

type Child = Node | string | undefined | false;
type Attributes = Record<string, string | number | boolean | undefined>;

/** Text without what could turn it around or hide in it. */
export const shown = (text: string): string => printable(text);

/** An element with attributes and children; `undefined` and `false` are left out. Texts are shown harmless. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function drawn<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Name] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill<Made extends Element>(made: Made, attributes: Attributes, children: readonly Child[]): Made {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : shown(String(value)));
  }
  for (const child of children) {
    if (child !== undefined && child !== false) made.append(typeof child === "string" ? shown(child) : child);
  }
  return made;
}

/** A heading of a section, and what is in it. */
export function section(id: string, title: string, ...children: Child[]): HTMLElement {
  return element(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title),
    ...children,
  );
}

/** A row of a table: texts, or what is drawn in a cell. */
export type Row = readonly (Node | string)[];

/** Rows that are there at once; the rest comes when it is asked for. */
const first_rows = 100;

/** A table that scrolls by itself where it is wide. Long ones begin with their first rows; in print they are whole. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly Row[],
  numbers: readonly number[] = [],
): HTMLElement {
  const body = element("tbody");
  const put = (some: readonly Row[]): void => {
    for (const row of some) {
      const cells = row.map((cell, column) =>
        element(
          column === 0 ? "th" : "td",
          { scope: column === 0 && "row", class: numbers.includes(column) && "number" },
          cell,
        ),
      );
      body.append(element("tr", {}, ...cells));
    }
  };
  put(rows.slice(0, first_rows));
  const head = element(
    "tr",
    {},
    ...heads.map((text, column) => element("th", { scope: "col", class: numbers.includes(column) && "number" }, text)),
  );
  const made = element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, head), body),
  );
  if (rows.length <= first_rows) return made;
  const more = element("button", { type: "button", class: "more" }, `Show all ${rows.length} rows`);
  const whole = (): void => {
    if (more.isConnected) put(rows.slice(first_rows));
    more.remove();
  };
  more.addEventListener("click", whole);
  addEventListener("beforeprint", whole);
  return element("div", {}, made, more);
}

/** A form's label and its control. */
export function labelled(text: string, control: HTMLElement): HTMLElement {
  return element("label", {}, element("span", {}, text), control);
}

/** A choice among values. */
export function choice<Value extends string>(options: Readonly<Record<Value, string>>): HTMLSelectElement {
  const made = Object.entries<string>(options).map(([value, text]) => element("option", { value }, text));
  return element("select", {}, ...made);
}

/** "1 rule", "2 rules". */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}
