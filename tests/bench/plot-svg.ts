/**
 * What the charts of plot.ts are drawn with: elements, text, and the frame around a chart.
 *
 * Text is laid out by an estimate of its width that is rather too wide, since only the reader's machine knows its fonts.
 */
import { escapeXml } from "../../scripts/policytest/junit.ts";

/** In pixels. */
export const width = 880;
export const margin = 28;

export const ink = "#1f2328";
export const muted = "#59636e";
export const grid = "#e1e5ea";
export const alarm = "#c4161c";
/** Told apart by people who see few colours (after Okabe and Ito), and dark enough on the background. */
export const colours = ["#0072b2", "#00866a", "#c26800", "#8c5a9e", "#55606b", "#7a5c00"];

/** A number as SVG writes it: a tenth of a pixel is plenty. */
export const pixels = (value: number): string => String(Number(value.toFixed(1)));

/** An element; attributes that are undefined are left out. `content` is XML already. */
export function element(name: string, attributes: Record<string, string | number | undefined>, content = ""): string {
  const texts = Object.entries(attributes).map(([key, value]) => {
    if (value === undefined) return "";
    return ` ${key}="${typeof value === "number" ? pixels(value) : escapeXml(value)}"`;
  });
  return `<${name}${texts.join("")}${content === "" ? "/>" : `>${content}</${name}>`}\n`;
}

interface TextStyle {
  size?: number;
  fill?: string;
  anchor?: "middle" | "end";
  weight?: "600";
}

/** One line of text, with its baseline at `y`. */
export function label(x: number, y: number, text: string, style: TextStyle = {}): string {
  const { size = 13, fill = ink, anchor, weight } = style;
  const look = { "font-size": size, fill, "text-anchor": anchor, "font-weight": weight };
  return element("text", { x, y, ...look }, escapeXml(text));
}

/** What stands at an axis and explains it: smaller, and not as black as what was measured. */
export const note = (x: number, y: number, text: string, anchor?: "middle" | "end"): string =>
  label(x, y, text, { size: 12, fill: muted, anchor });

export function line(x1: number, y1: number, x2: number, y2: number, stroke: string, thickness = 1): string {
  return element("line", { x1, y1, x2, y2, stroke, "stroke-width": thickness });
}

/** The width of a text in pixels, estimated. */
export const widthOf = (text: string, size = 13): number => text.length * size * 0.62;

/** Breaks a text between words into lines of at most a width in pixels; a longer word stays whole. */
export function wrap(text: string, most: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(`${last} ${word}`) <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** What is drawn below the title, and where it ends, in pixels from the top. */
export interface Drawing {
  content: string;
  bottom: number;
}

/**
 * A whole chart: background, title, subtitle, what a screen reader says of it, and the drawing.
 *
 * @param draw is given where the drawing may begin
 */
export function frame(
  { title, subtitle }: { title: string; subtitle?: string },
  description: string,
  draw: (top: number) => Drawing,
): string {
  let top = 42;
  let head = label(margin, top, title, { size: 18, weight: "600" });
  for (const text of subtitle === undefined ? [] : wrap(subtitle, width - 2 * margin)) {
    top += 20;
    head += label(margin, top, text, { fill: muted });
  }
  const { content, bottom } = draw(top + 18);
  const height = Math.ceil(bottom + 20);
  const sheet = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, fill: "#ffffff", stroke: "#d1d9e0" };
  const root = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "aria-labelledby": "title desc",
    "font-family": "-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif",
  };
  const spoken =
    element("title", { id: "title" }, escapeXml(title)) + element("desc", { id: "desc" }, escapeXml(description));
  return element("svg", root, `\n${spoken}${element("rect", sheet)}${head}${content}`);
}
