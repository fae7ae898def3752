/** The charts in docs/ are sound SVG, and show what they were given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bar, type BarChart, barChart, type LineChart, lineChart } from "../bench/plot.ts";
import { figures, linearScale, logScale, tickText } from "../bench/plot-scale.ts";

/** An element of the chart; `text` is the text right inside of it. */
interface Node {
  name: string;
  attributes: Record<string, string>;
  children: Node[];
  text: string;
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  assert.doesNotMatch(text, /[<>"]|&(?!(amp|lt|gt|quot|apos);)/, "text that was not escaped");
  return text.replace(/&(\w+);/g, (_, name: string) => entities[name]!);
}

/** Reads XML of the kind the charts are: elements, attributes in double quotes, text. Fails on anything else. */
function parse(xml: string): Node {
  const root: Node = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const token = /<\/(\w+)>|<(\w+)((?: [\w-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
  let at = 0;
  for (let match = token.exec(xml); match !== null; match = token.exec(xml)) {
    const [whole, closing, name, attributes, empty, text] = match;
    at += whole.length;
    const parent = open.at(-1)!;
    if (closing !== undefined) {
      assert.equal(open.pop()?.name, closing, `</${closing}>`);
    } else if (name !== undefined) {
      const pairs = [...attributes!.matchAll(/ ([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [
        key,
        unescapeXml(value!),
      ]);
      assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, `an attribute twice: ${whole}`);
      const node = { name, attributes: Object.fromEntries(pairs), children: [], text: "" };
      parent.children.push(node);
      if (empty === "") open.push(node);
    } else {
      parent.text += unescapeXml(text!);
    }
  }
  assert.equal(at, xml.length, `not XML from here on: ${xml.slice(at, at + 80)}`);
  assert.equal(open.length, 1, `<${open.at(-1)!.name}> is not closed`);
  assert.equal(root.children.length, 1);
  return root.children[0]!;
}

const all = (svg: Node, name: string): Node[] => svg.children.filter((child) => child.name === name);
const texts = (svg: Node): string[] => all(svg, "text").map(({ text }) => text);
const number = (node: Node, name: string): number => Number(node.attributes[name]);
/** The bars: all rectangles but the background. */
const rectangles = (svg: Node): Node[] => all(svg, "rect").slice(1);
/** Marks of budgets are the thick lines, the first so many of them: the last one explains them. */
const thick = (svg: Node): Node[] => all(svg, "line").filter((line) => line.attributes["stroke-width"] === "2.5");

const bar = (label: string, value: number, more: Partial<Bar> = {}): Bar => ({
  label,
  value,
  low: value,
  high: value,
  ...more,
});
const bars = (list: Bar[], more: Partial<BarChart> = {}): BarChart => ({
  title: "cost",
  unit: "µs",
  bars: list,
  ...more,
});
const lines = (points: [number, number][], more: Partial<LineChart> = {}): LineChart => ({
  title: "memory",
  x: { label: "requests" },
  y: { label: "MiB" },
  series: [{ name: "resident", points }],
  ...more,
});

test("a chart is an image with a title, a description and a background of its own, and nothing that runs or loads", () => {
  const charts = [
    barChart(bars([bar("a", 3, { low: 2, high: 4, budget: 5 })])),
    lineChart(
      lines([
        [0, 1],
        [9, 2],
      ]),
    ),
  ];
  for (const chart of charts) {
    const svg = parse(chart);
    assert.equal(svg.name, "svg");
    assert.equal(svg.attributes.role, "img");
    const ids = svg.children.map(({ attributes }) => attributes.id).filter(Boolean);
    assert.deepEqual(ids, svg.attributes["aria-labelledby"]!.split(" "));
    const [background] = all(svg, "rect");
    assert.equal(background!.attributes.fill, "#ffffff");
    assert.equal(number(background!, "width"), number(svg, "width") - 1);
    assert.doesNotMatch(chart, /<script|<style|href|url\(|NaN|Infinity|undefined/);
  }
  assert.equal(all(parse(charts[0]!), "desc")[0]!.text, "a: 3 µs (2 to 4, budget 5).");
  assert.match(all(parse(charts[1]!), "desc")[0]!.text, /resident: from 1 at 0 to 2 at 9, least 1, most 2/);
});

test("the same numbers give the same bytes", () => {
  const chart = bars([bar("a", 1.5), bar("b", 2, { group: "g" })]);
  assert.equal(barChart(chart), barChart(structuredClone(chart)));
});

test("text is escaped, and what XML cannot carry is replaced", () => {
  const evil = `</text><script>alert("1 & 'one'")</script>\u0000]]>`;
  const shown = evil.replace("\u0000", "\ufffd");
  const svg = parse(barChart(bars([bar(evil, 1, { group: evil })], { title: evil, unit: evil, subtitle: evil })));
  assert.equal(all(svg, "title")[0]!.text, shown);
  assert.equal(texts(svg)[0], shown);
  assert.ok(all(svg, "desc")[0]!.text.includes(shown));
  const series = [{ name: evil, points: [[1, 1]] as [number, number][] }];
  const line = parse(lineChart({ title: evil, subtitle: evil, x: { label: evil }, y: { label: evil }, series }));
  assert.equal(texts(line).filter((text) => text === shown).length, 5);
});

test("bars begin at 0 and are as long as their values", () => {
  const svg = parse(barChart(bars([bar("one", 10), bar("two", 20), bar("none", 0)])));
  const [one, two, none] = rectangles(svg).map((rectangle) => number(rectangle, "width"));
  assert.ok(Math.abs(two! - 2 * one!) < 0.3, `${one} ${two}`);
  assert.equal(none, 0);
  assert.ok(["10 µs", "20 µs", "0 µs"].every((text) => texts(svg).includes(text)));
});

test("on a logarithmic axis, equal ratios are equal lengths", () => {
  const svg = parse(barChart(bars([bar("a", 1), bar("b", 10), bar("c", 100)], { log: true })));
  const [a, b, c] = rectangles(svg).map((rectangle) => number(rectangle, "width"));
  assert.ok(a! > 0 && Math.abs(c! - b! - (b! - a!)) < 0.3, `${a} ${b} ${c}`);
  assert.ok(texts(svg).includes("µs, logarithmic"));
});

test("whiskers reach from the least to the most, budgets stand where they are", () => {
  const chart = bars([bar("a", 30, { low: 20, high: 40, budget: 25 }), bar("b", 50)]);
  const svg = parse(barChart(chart));
  const [a, b] = rectangles(svg);
  const perUnit = number(b!, "width") / 50;
  const position = (value: number): number => number(a!, "x") + value * perUnit;
  const [, from, to] = /^M([\d.]+) .*H([\d.]+)m/.exec(all(svg, "path")[0]!.attributes.d!)!;
  assert.ok(Math.abs(Number(from) - position(20)) < 0.3 && Math.abs(Number(to) - position(40)) < 0.3, `${from} ${to}`);
  const [budget, key, ...more] = thick(svg);
  assert.ok(Math.abs(number(budget!, "x1") - position(25)) < 0.3);
  assert.ok(key !== undefined && more.length === 0);
  assert.ok(texts(svg).includes("30 µs, over budget"));
  assert.ok(["least and most seen", "budget"].every((text) => texts(svg).includes(text)));

  const plain = parse(barChart(bars([bar("a", 30)])));
  assert.deepEqual([all(plain, "path").length, thick(plain).length], [0, 0]);
  assert.ok(!texts(plain).some((text) => /seen|budget/.test(text)));
});

test("figures do not stand on the mark of a budget, and nothing leaves the picture", () => {
  const chart = bars([bar("a", 100, { budget: 101 }), bar("b", 3, { high: 100 })]);
  const svg = parse(barChart(chart));
  const figure = all(svg, "text").find(({ text }) => text === "100 µs")!;
  assert.ok(number(figure, "x") > number(thick(svg)[0]!, "x1"));
  for (const text of all(svg, "text")) {
    if (text.attributes["text-anchor"] !== undefined) continue;
    assert.ok(number(text, "x") + text.text.length * 7.5 < number(svg, "width"), text.text);
  }
});

test("bars of a group stand together, in the order in which groups come first", () => {
  const list = [bar("n1", 1, { group: "native" }), bar("o1", 2, { group: "ours" }), bar("n2", 3, { group: "native" })];
  const svg = parse(barChart(bars(list)));
  const names = texts(svg).filter((text) => /^(native|ours|[no]\d)$/.test(text));
  assert.deepEqual(names, ["native", "n1", "n2", "ours", "o1"]);
  const [n1, n2, o1] = rectangles(svg).map(({ attributes }) => attributes.fill);
  assert.ok(n1 === n2 && n1 !== o1);
});

test("long labels and subtitles are broken into lines", () => {
  const long = "a name that is rather too long to stand on one line before a bar";
  const svg = parse(barChart(bars([bar(long, 1)], { subtitle: `${long}, ${long}, ${long}` })));
  assert.ok(!texts(svg).includes(long));
  assert.ok(texts(svg).join(" ").includes(long));
  assert.ok(all(svg, "text").every((text) => number(text, "x") >= 0));
});

test("lines go through their points", () => {
  const svg = parse(
    lineChart(
      lines([
        [0, 0],
        [50, 10],
        [100, 20],
      ]),
    ),
  );
  const drawn = all(svg, "path").at(-1)!.attributes.d!;
  const [first, middle, last] = [...drawn.matchAll(/([\d.]+) ([\d.]+)/g)].map(
    ([, x, y]) => [Number(x), Number(y)] as const,
  );
  assert.ok(Math.abs(middle![0] - (first![0] + last![0]) / 2) < 0.2);
  assert.ok(Math.abs(middle![1] - (first![1] + last![1]) / 2) < 0.2);
  assert.ok(first![1] > last![1], "more is further up");
});

test("a line chart begins at 0 where that is asked for, and may be logarithmic", () => {
  const points: [number, number][] = [
    [1, 60],
    [10, 61],
    [100, 62],
  ];
  const from = (more: Partial<LineChart>): string[] => texts(parse(lineChart(lines(points, more))));
  assert.ok(!from({ x: { label: "n", log: true } }).includes("0"));
  assert.ok(from({ x: { label: "n", log: true }, y: { label: "MiB", fromZero: true } }).includes("0"));
  const svg = parse(lineChart(lines(points, { x: { label: "n", log: true } })));
  const places = all(svg, "circle")
    .slice(-3)
    .map((circle) => number(circle, "cx"));
  assert.ok(Math.abs(places[2]! - 2 * places[1]! + places[0]!) < 0.3, String(places));
});

test("series differ in colour and dash, and each is named", () => {
  const series = ["a", "b", "c"].map((name) => ({
    name,
    points: [
      [0, 1],
      [1, 2],
    ] as [number, number][],
  }));
  const svg = parse(lineChart(lines([], { series })));
  const looks = all(svg, "path")
    .slice(3)
    .map(({ attributes }) => [attributes.stroke, attributes["stroke-dasharray"]]);
  assert.equal(new Set(looks.map(([stroke]) => stroke)).size, 3);
  assert.equal(new Set(looks.map(([, dash]) => dash)).size, 3);
  assert.ok(series.every(({ name }) => texts(svg).includes(name)));
});

test("one point alone, and values that are all alike, can be drawn", () => {
  for (const points of [
    [[5, 7]],
    [
      [1, 0],
      [2, 0],
    ],
    [
      [1, -3],
      [2, -3],
    ],
  ] as [number, number][][]) {
    const chart = lineChart(lines(points));
    assert.doesNotMatch(chart, /NaN|Infinity/);
    assert.ok(all(parse(chart), "circle").length > 0);
  }
});

test("what cannot be drawn is refused by name", () => {
  assert.throws(() => barChart(bars([])), /chart "cost": there are no bars to draw/);
  assert.throws(() => barChart(bars([bar("a", Number.NaN)])), /chart "cost": value of bar "a" is NaN/);
  assert.throws(() => barChart(bars([bar("a", 1, { low: 2 })])), /bar "a" has low 2, value 1, high 1: 0 ≤ low ≤ value/);
  assert.throws(() => barChart(bars([bar("a", -1)])), /bar "a" has low -1/);
  assert.throws(() => barChart(bars([bar("a", 0)], { log: true })), /value of bar "a" is 0: a logarithmic axis/);
  assert.throws(() => barChart(bars([bar("a", 1, { budget: Infinity })])), /budget of bar "a" is Infinity/);
  assert.throws(() => lineChart(lines([], { series: [] })), /chart "memory": there are no series to draw/);
  assert.throws(() => lineChart(lines([])), /series "resident" has no points/);
  assert.throws(() => lineChart(lines([[1, Number.NaN]])), /y of point 1 of series "resident" is NaN/);
  const log = { x: { label: "n", log: true } };
  assert.throws(
    () =>
      lineChart(
        lines(
          [
            [1, 1],
            [0, 1],
          ],
          log,
        ),
      ),
    /x of point 2 of series "resident" is 0: a logarithmic/,
  );
});

test("axes are marked at round numbers around the values", () => {
  const linear = (...values: number[]): readonly number[] => linearScale(values, 0, 100, 5).ticks;
  assert.deepEqual(linear(0, 9), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(linear(0, 0.3), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(linear(-1, 1), [-1, -0.5, 0, 0.5, 1]);
  assert.deepEqual(logScale([3, 40], 0, 100).ticks, [2, 5, 10, 20, 50]);
  assert.deepEqual(logScale([10, 100_000], 0, 100).ticks, [10, 100, 1000, 10_000, 100_000]);
  assert.deepEqual(logScale([0.001, 0.001], 0, 100).ticks, [0.001, 0.002]);
  const { at, ticks } = linearScale([0, 9], 50, 150, 5);
  assert.deepEqual([at(ticks[0]!), at(5), at(ticks.at(-1)!)], [50, 100, 150]);
  assert.deepEqual([0, 0.05, 1000, 2_500_000].map(tickText), ["0", "0.05", "1,000", "2.5M"]);
});

test("figures have the digits that count", () => {
  assert.deepEqual([1, 12_345].map(figures([1, 12_345])), ["1", "12,345"]);
  assert.deepEqual([0.0123, 1.5, 26, 412.4, 12_345.6].map(figures([1.5])), ["0.0123", "1.50", "26.0", "412", "12,346"]);
});
