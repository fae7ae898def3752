/**
 * A grid of which only what is in view is in the page, so that 200,000 cells are as quick as 200. It has the focus, and says which cell is
 * active.
 */
import type { Cell } from "../data.ts";
import { element, shown } from "./dom.ts";
import type { Matrix, View } from "./view.ts";
import type { Words } from "./words.ts";

/** Pixels, as the style sheet has them. */
const row_height = 26;
const column_width = 26;
const widest_names = 320;
const head_height = 196;
const band_height = 22;
/** Rows and columns beyond what is in view, so that scrolling shows no holes. */
const margin = 4;

/** A cell's sign, by its level. */
export const symbols = { free: "●", conditional: "◐", denied: "✕" } as const;

/** Draws the cells of a view, moves among them, and tells of the active one beside it. */
export class Grid {
  readonly root: HTMLElement;
  readonly #matrix: Matrix;
  readonly #words: Words;
  readonly #sheet = element("div", { class: "sheet", role: "presentation" });
  readonly #tip = element("div", { class: "tip", role: "tooltip", id: "tip", hidden: true });
  readonly #empty = element("p", { class: "empty", hidden: true }, "Nothing is like that.");
  readonly #grid: HTMLElement;
  #view: View = { rows: [], columns: [], isShown: new Uint8Array(), count: 0 };
  #isBanded = true;
  /** The active cell, by its place among the rows and columns that are shown. */
  #active: { row: number; column: number } | undefined;
  #drawn = "";
  /** How wide the names of endpoints are: less on a small screen. */
  #names = widest_names;
  #isAsked = false;

  constructor(matrix: Matrix, words: Words) {
    this.#matrix = matrix;
    this.#words = words;
    this.#grid = element(
      "div",
      { class: "grid", role: "grid", tabindex: 0, "aria-label": "Callers and endpoints", "aria-readonly": "true" },
      this.#sheet,
    );
    this.root = element("div", { class: "matrix screen" }, this.#grid, this.#empty, this.#tip);
    this.#grid.addEventListener("scroll", () => this.#ask());
    addEventListener("resize", () => {
      if (this.#namesWidth() === this.#names) this.#ask();
      else this.show(this.#view, this.#isBanded);
    });
    this.#grid.addEventListener("keydown", (event) => this.#move(event));
    this.#grid.addEventListener("focus", () => this.#focused());
    this.#grid.addEventListener("blur", () => this.#hideTip());
    this.#grid.addEventListener("pointermove", (event) => this.#pointed(event.target));
    this.#grid.addEventListener("pointerdown", (event) => this.#taken(event.target));
    this.root.addEventListener("pointerleave", () => this.#hideTip());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#hideTip();
    });
  }

  /** Shows a view from its first cell. @param isBanded whether names of groups stand over the columns */
  show(view: View, isBanded: boolean): void {
    this.#view = view;
    this.#isBanded = isBanded;
    this.#active = undefined;
    this.#hideTip();
    const { style } = this.#sheet;
    this.#names = this.#namesWidth();
    style.setProperty("--names", `${this.#names}px`);
    style.width = `${this.#names + view.columns.length * column_width}px`;
    style.height = `${this.#headHeight + view.rows.length * row_height}px`;
    // As high as it needs to be, and no higher than the style sheet says; the last pixels are for a scroll bar.
    this.#grid.style.height = `${this.#headHeight + view.rows.length * row_height + 18}px`;
    this.#grid.setAttribute("aria-rowcount", String(view.rows.length + 1));
    this.#grid.setAttribute("aria-colcount", String(view.columns.length + 1));
    this.#grid.hidden = view.rows.length === 0;
    this.#empty.hidden = view.rows.length > 0;
    this.#grid.scrollTo(0, 0);
    this.#drawn = "";
    this.#draw();
  }

  #namesWidth(): number {
    return Math.min(widest_names, Math.round(this.root.clientWidth * 0.5));
  }

  get #headHeight(): number {
    return head_height + (this.#isBanded ? band_height : 0);
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.#draw();
    });
  }

  /** The rows and columns that are in view, with a margin. */
  #span(): { top: number; bottom: number; left: number; right: number } {
    const { scrollTop, scrollLeft, clientHeight, clientWidth } = this.#grid;
    const { rows, columns } = this.#view;
    const first = (at: number, size: number): number => Math.max(0, Math.floor(at / size) - margin);
    const last = (at: number, size: number, count: number): number => Math.min(count, Math.ceil(at / size) + margin);
    return {
      top: first(scrollTop, row_height),
      bottom: last(scrollTop + clientHeight - this.#headHeight, row_height, rows.length),
      left: first(scrollLeft, column_width),
      right: last(scrollLeft + clientWidth - this.#names, column_width, columns.length),
    };
  }

  #draw(): void {
    const { top, bottom, left, right } = this.#span();
    const key = `${top} ${bottom} ${left} ${right}`;
    if (key !== this.#drawn) {
      this.#drawn = key;
      const rows = [this.#head(left, right)];
      for (let row = top; row < bottom; row++) rows.push(this.#row(row, left, right));
      this.#sheet.replaceChildren(...rows);
    }
    this.#mark();
  }

  #head(left: number, right: number): HTMLElement {
    const { columns } = this.#view;
    const corner = element("div", { role: "columnheader", class: "corner", "aria-colindex": 1 }, "Endpoint");
    const head = element("div", { role: "row", class: "head", "aria-rowindex": 1 }, corner);
    head.style.height = `${this.#headHeight}px`;
    for (let column = left; column < right; column++) {
      const caller = columns[column]!;
      const name = element("span", {}, this.#words.caller(caller));
      const { guards } = this.#matrix.data.callers[caller]!;
      const made = element(
        "div",
        {
          role: "columnheader",
          class: guards.length > 0 ? "caller service" : "caller",
          "aria-colindex": column + 2,
          title: this.#words.callerId(caller),
        },
        name,
      );
      made.style.left = `${this.#names + column * column_width}px`;
      head.append(made);
    }
    if (this.#isBanded) for (const band of this.#bands(left, right)) head.append(band);
    return head;
  }

  /** Names of the groups of columns, over them. */
  #bands(left: number, right: number): HTMLElement[] {
    const { columns } = this.#view;
    const { callers } = this.#matrix.data;
    const name = (column: number): string => this.#words.namespace(callers[columns[column]!]!.namespace);
    const bands: HTMLElement[] = [];
    let start = left;
    while (start > 0 && name(start - 1) === name(start)) start--;
    for (let column = start; column < right; ) {
      let end = column + 1;
      while (end < columns.length && name(end) === name(column)) end++;
      const band = element(
        "div",
        { class: "band", "aria-hidden": "true", title: name(column) },
        element("span", {}, name(column)),
      );
      band.style.left = `${this.#names + column * column_width}px`;
      band.style.width = `${(end - column) * column_width - 2}px`;
      bands.push(band);
      column = end;
    }
    return bands;
  }

  #row(row: number, left: number, right: number): HTMLElement {
    const { rows, columns, isShown } = this.#view;
    const one = rows[row]!;
    const made = element("div", { role: "row", "aria-rowindex": row + 2, class: "row" });
    made.style.top = `${this.#headHeight + row * row_height}px`;
    if ("title" in one) {
      made.classList.add("title");
      made.append(
        element(
          "div",
          { role: "rowheader", class: "name", "aria-colindex": 1, title: one.title },
          element("span", {}, one.title),
        ),
      );
      return made;
    }
    const { sensitive } = this.#matrix.data.endpoints[one.endpoint]!;
    const name = element(
      "div",
      { role: "rowheader", class: "name", "aria-colindex": 1, title: this.#words.endpointAt(one.endpoint) },
      sensitive && element("span", { class: "diamond", role: "img", "aria-label": "sensitive" }, "◆"),
      element("span", {}, this.#words.endpoint(one.endpoint)),
    );
    made.append(name);
    for (let column = left; column < right; column++) {
      const place = this.#matrix.at(columns[column]!, one.endpoint);
      if (place === undefined || isShown[place] === 0) continue;
      made.append(this.#cell(this.#matrix.data.cells[place]!, row, column));
    }
    return made;
  }

  #cell(cell: Cell, row: number, column: number): HTMLElement {
    const [, , grant, admitted, denied] = cell;
    const { level, extent } = this.#matrix.data.grants[grant]!;
    const classes = ["cell", level];
    if (extent === "part") classes.push("part");
    if (level !== "denied" && admitted !== undefined && admitted !== null)
      classes.push(admitted > 0 ? "used" : "unused");
    if ((denied ?? 0) > 0) classes.push("refused");
    const made = element(
      "div",
      {
        role: "gridcell",
        id: cellId(row, column),
        class: classes.join(" "),
        "aria-colindex": column + 2,
        "data-column": column,
        "data-row": row,
      },
      symbols[level],
    );
    made.setAttribute("aria-label", shown(this.#words.cell(cell).join("; ")));
    made.style.left = `${this.#names + column * column_width}px`;
    return made;
  }

  #cellAt(row: number, column: number): Cell | undefined {
    const one = this.#view.rows[row];
    const caller = this.#view.columns[column];
    if (one === undefined || !("endpoint" in one) || caller === undefined) return undefined;
    const place = this.#matrix.at(caller, one.endpoint);
    return place === undefined || this.#view.isShown[place] === 0 ? undefined : this.#matrix.data.cells[place];
  }

  #focused(): void {
    if (this.#active === undefined) {
      const row = this.#view.rows.findIndex((one) => "endpoint" in one);
      if (row < 0) return;
      const column = this.#view.columns.findIndex((_, at) => this.#cellAt(row, at) !== undefined);
      this.#active = { row, column: Math.max(0, column) };
    }
    this.#reveal();
  }

  #move(event: KeyboardEvent): void {
    const { rows, columns } = this.#view;
    if (this.#active === undefined || event.altKey || event.metaKey) return;
    let { row, column } = this.#active;
    const page = Math.max(1, Math.floor((this.#grid.clientHeight - this.#headHeight) / row_height) - 1);
    const steps: Record<string, () => void> = {
      ArrowUp: () => row--,
      ArrowDown: () => row++,
      ArrowLeft: () => column--,
      ArrowRight: () => column++,
      PageUp: () => {
        row -= page;
      },
      PageDown: () => {
        row += page;
      },
      Home: () => {
        column = 0;
        if (event.ctrlKey) row = 0;
      },
      End: () => {
        column = columns.length - 1;
        if (event.ctrlKey) row = rows.length - 1;
      },
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    step();
    row = Math.min(Math.max(row, 0), rows.length - 1);
    column = Math.min(Math.max(column, 0), columns.length - 1);
    // Titles are passed over.
    const way = row < this.#active.row ? -1 : 1;
    while (rows[row] !== undefined && "title" in rows[row]!) row += way;
    if (rows[row] === undefined) return;
    this.#active = { row, column };
    this.#reveal();
  }

  /** Scrolls to the active cell and tells of it. */
  #reveal(): void {
    const { row, column } = this.#active!;
    const { scrollTop, scrollLeft, clientHeight, clientWidth } = this.#grid;
    const [y, x] = [row * row_height, column * column_width];
    const [height, width] = [clientHeight - this.#headHeight, clientWidth - this.#names];
    const top = y < scrollTop ? y : y + row_height > scrollTop + height ? y + row_height - height : scrollTop;
    const left = x < scrollLeft ? x : x + column_width > scrollLeft + width ? x + column_width - width : scrollLeft;
    this.#grid.scrollTo(left, top);
    this.#draw();
    this.#tell(row, column);
  }

  /** Shows which cell is active, also where nothing is granted. */
  #mark(): void {
    this.#sheet.querySelector(".active")?.classList.remove("active");
    this.#sheet.querySelector(".void")?.remove();
    this.#grid.removeAttribute("aria-activedescendant");
    if (this.#active === undefined) return;
    const { row, column } = this.#active;
    let made = document.getElementById(cellId(row, column));
    if (made === null) {
      const around = [...this.#sheet.children].find((one) => one.getAttribute("aria-rowindex") === String(row + 2));
      if (around === undefined) return;
      made = element("div", {
        role: "gridcell",
        id: cellId(row, column),
        class: "cell void",
        "aria-colindex": column + 2,
        "aria-label": this.#nothing(row, column).join("; "),
      });
      made.style.left = `${this.#names + column * column_width}px`;
      around.append(made);
    }
    made.classList.add("active");
    this.#grid.setAttribute("aria-activedescendant", made.id);
  }

  #nothing(row: number, column: number): string[] {
    const one = this.#view.rows[row]!;
    if (!("endpoint" in one)) return [];
    return [
      this.#words.callerId(this.#view.columns[column]!),
      this.#words.endpointAt(one.endpoint),
      "not admitted, or not in the filter",
    ];
  }

  #tell(row: number, column: number): void {
    const cell = this.#cellAt(row, column);
    const lines = cell === undefined ? this.#nothing(row, column) : this.#words.cell(cell);
    this.#tip.replaceChildren(...lines.map((line) => element("div", {}, line)));
    this.#tip.hidden = false;
    const grid = this.#grid;
    const x = this.#names + (column + 1) * column_width - grid.scrollLeft;
    const y = this.#headHeight + (row + 1) * row_height - grid.scrollTop;
    const isLeft = x + this.#tip.offsetWidth > grid.clientWidth;
    const isUp = y + this.#tip.offsetHeight > grid.clientHeight;
    this.#tip.style.left = `${Math.max(0, isLeft ? x - column_width - this.#tip.offsetWidth : x)}px`;
    this.#tip.style.top = `${isUp ? Math.max(0, y - row_height - this.#tip.offsetHeight) : y}px`;
  }

  #hideTip(): void {
    this.#tip.hidden = true;
  }

  #pointed(target: EventTarget | null): void {
    const place = placeOf(target);
    if (place !== undefined) this.#tell(place.row, place.column);
    else if (document.activeElement !== this.#grid) this.#hideTip();
  }

  #taken(target: EventTarget | null): void {
    const place = placeOf(target);
    if (place === undefined) return;
    this.#active = place;
    this.#mark();
    this.#tell(place.row, place.column);
  }
}

function placeOf(target: EventTarget | null): { row: number; column: number } | undefined {
  const cell = target instanceof HTMLElement ? target.closest<HTMLElement>("[data-column]") : null;
  if (cell === null) return undefined;
  return { row: Number(cell.dataset.row), column: Number(cell.dataset.column) };
}

const cellId = (row: number, column: number): string => `cell-${row}-${column}`;
