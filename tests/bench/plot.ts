/**
 * Draws charts as static SVG for docs/*.md: bars with whiskers and budgets, and lines. The charts bring a light background of
 * their own, since GitHub shows images on light and on dark pages alike, and hold no script and no font. The same input
 * gives the same bytes, so that a chart changes in git only when its numbers do.
 */
import { figures, linearScale, logScale, tickText } from "./plot-scale.ts";
import {
  alarm,
  colours,
  type Drawing,
  element,
  frame,
  grid,
  ink,
  label,
  line,
  margin,
  muted,
  note,
  pixels,
  width,
  widthOf,
  wrap,
} from "./plot-svg.ts";

/** One bar: what was measured, in the chart's unit, and the range it lies in, by default the least and the most seen. */
export interface Bar {
  label: string;
  /** Bars of one group stand together, under its name and in its colour. */
  group?: string;
  value: number;
  low: number;
  high: number;
  /** The most the value should be. */
  budget?: number;
}

export interface BarChart {
  title: string;
  subtitle?: string;
  unit: string;
  bars: readonly Bar[];
  /** A logarithmic axis, for values that lie far apart; takes no value of 0. */
  log?: boolean;
  /** What `low` and `high` are. Default "least and most seen". */
  range?: string;
}

/** An axis of a line chart; the label names the unit. */
export interface Axis {
  label: string;
  /** Logarithmic; takes no value of 0. */
  log?: boolean;
}

export interface Series {
  name: string;
  /** Joined in the order given. */
  points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  title: string;
  subtitle?: string;
  x: Axis;
  /** `fromZero`: the axis begins at 0, so that heights can be compared; without meaning on a logarithmic axis. */
  y: Axis & { fromZero?: boolean };
  series: readonly Series[];
}

/** The widest a bar's label gets before it is broken, in pixels. */
const label_width_max = 300;
/** Half of what a number below an axis takes, such as 1,000,000, in pixels. */
const half_tick_width_max = 34;
/** A line with more points than these needs no marks at them. */
const marked_points_max = 40;
/** Lines differ in more than colour. */
const dashes = [undefined, "7 3", "2 3", "9 3 2 3"];

/** Throws where a value cannot be drawn. */
function check(value: number, what: string, chart: string, log: boolean): void {
  if (Number.isFinite(value) && (!log || value > 0)) return;
  const wanted = log ? "a logarithmic axis takes finite numbers above 0 only" : "a finite number is needed";
  throw new Error(`chart "${chart}": ${what} is ${value}: ${wanted}`);
}

function checkBar(bar: Bar, chart: string, log: boolean): void {
  const { value, low, high, budget } = bar;
  for (const [name, number] of Object.entries({ value, low, high, budget: budget ?? value })) {
    check(number, `${name} of bar "${bar.label}"`, chart, log);
  }
  if (low >= 0 && low <= value && value <= high && (budget ?? 0) >= 0) return;
  const numbers = `low ${low}, value ${value}, high ${high}${budget === undefined ? "" : `, budget ${budget}`}`;
  throw new Error(
    `chart "${chart}": bar "${bar.label}" has ${numbers}: 0 ≤ low ≤ value ≤ high and 0 ≤ budget are needed`,
  );
}

/**
 * Horizontal bars, each with its value in figures, a whisker from `low` to `high`, and a mark at its budget.
 * Throws where there is no bar, or a bar's numbers are not such that 0 ≤ low ≤ value ≤ high.
 */
export function barChart(chart: BarChart): string {
  const { title, unit, bars, log = false, range = "least and most seen" } = chart;
  if (bars.length === 0) throw new Error(`chart "${title}": there are no bars to draw`);
  for (const bar of bars) checkBar(bar, title, log);

  const all = bars.flatMap(({ low, value, high, budget }) => [low, value, high, budget ?? value]);
  const digits = figures(all);
  const isOver = ({ value, budget }: Bar): boolean => budget !== undefined && value > budget;
  const figure = (bar: Bar): string => `${digits(bar.value)} ${unit}${isOver(bar) ? ", over budget" : ""}`;
  const describe = (bar: Bar): string => {
    const name = bar.group === undefined ? bar.label : `${bar.group}, ${bar.label}`;
    const budget = bar.budget === undefined ? "" : `, budget ${digits(bar.budget)}`;
    return `${name}: ${figure(bar)} (${digits(bar.low)} to ${digits(bar.high)}${budget})`;
  };

  const labels = new Map(bars.map((bar) => [bar, wrap(bar.label, label_width_max)]));
  const left = margin + 12 + Math.max(...[...labels.values()].flat().map((text) => widthOf(text)));
  const unitText = log ? `${unit}, logarithmic` : unit;
  // Beyond the axis there has to be room for a bar's figures, and for the unit behind the last mark.
  const beyond = Math.max(half_tick_width_max + 8 + widthOf(unitText, 12), ...bars.map((bar) => widthOf(figure(bar))));
  const right = width - margin - 12 - beyond;
  // Bars begin at 0. A logarithmic axis has none: there they begin where something is left of the smallest.
  const scale = log
    ? logScale([Math.min(...all) * 0.7, ...all], left, right)
    : linearScale([0, ...all], left, right, 6);

  const groups = [...new Set(bars.map(({ group }) => group))];
  return frame(chart, `${bars.map(describe).join("; ")}.`, (top) => {
    let y = top;
    let rows = "";
    for (const [index, group] of groups.entries()) {
      if (group !== undefined) {
        rows += label(margin, y + 17, group, { weight: "600" });
        y += 26;
      }
      for (const bar of bars.filter((bar) => bar.group === group)) {
        const lines = labels.get(bar)!;
        const height = Math.max(28, lines.length * 16 + 10);
        const middle = y + height / 2;
        const first = middle + 4.5 - (lines.length - 1) * 8;
        for (const [row, text] of lines.entries()) rows += label(left - 12, first + row * 16, text, { anchor: "end" });
        rows += drawBar(bar, colours[index % colours.length]!, middle);
        y += height;
      }
      y += 6;
    }
    let axis = "";
    for (const tick of scale.ticks) {
      axis += line(scale.at(tick), top, scale.at(tick), y, grid);
      axis += note(scale.at(tick), y + 18, tickText(tick), "middle");
    }
    const last = scale.ticks.at(-1)!;
    const unitAt = scale.at(last) + widthOf(tickText(last), 12) / 2 + 8;
    axis += note(unitAt, y + 18, unitText);
    const { content: keys, bottom } = drawKeys(y + 42);
    return { content: axis + rows + keys, bottom };
  });

  function drawBar(bar: Bar, fill: string, middle: number): string {
    const { value, low, high, budget } = bar;
    const text = figure(bar);
    let drawn = element("rect", { x: left, y: middle - 8, width: scale.at(value) - left, height: 16, fill });
    if (low < high) drawn += drawWhisker(scale.at(low), scale.at(high), middle);
    let end = scale.at(high) + 8;
    if (budget !== undefined) {
      const at = scale.at(budget);
      drawn += line(at, middle - 12, at, middle + 12, alarm, 2.5);
      // The figures give way to the mark.
      if (at > end - 8 && at < end + widthOf(text) + 4) end = at + 8;
    }
    return drawn + label(end, middle + 4.5, text, isOver(bar) ? { fill: alarm, weight: "600" } : {});
  }

  /** What whiskers and budget marks mean, where there are any. */
  function drawKeys(y: number): Drawing {
    let content = "";
    let x = left;
    if (bars.some(({ low, high }) => low < high)) {
      content += drawWhisker(x, x + 26, y) + note(x + 34, y + 4.5, range);
      x += 34 + widthOf(range, 12) + 20;
    }
    if (bars.some(({ budget }) => budget !== undefined)) {
      content += line(x, y - 8, x, y + 8, alarm, 2.5) + note(x + 8, y + 4.5, "budget");
    }
    return { content, bottom: content === "" ? y - 20 : y + 8 };
  }
}

/** Dark with a white edge, so that it shows on a bar and beside it. */
function drawWhisker(from: number, to: number, middle: number): string {
  const d = `M${pixels(from)} ${pixels(middle - 5)}v10m0 -5H${pixels(to)}m0 -5v10`;
  const edge = element("path", { d, stroke: "#ffffff", "stroke-width": 3.5, fill: "none" });
  return edge + element("path", { d, stroke: ink, "stroke-width": 1.5, fill: "none" });
}

/** Lines through points in the order given. Throws where there is no series, or one without a point. */
export function lineChart(chart: LineChart): string {
  const { title, x, y, series } = chart;
  if (series.length === 0) throw new Error(`chart "${title}": there are no series to draw`);
  for (const { name, points } of series) {
    if (points.length === 0) throw new Error(`chart "${title}": series "${name}" has no points`);
    for (const [index, point] of points.entries()) {
      check(point[0], `x of point ${index + 1} of series "${name}"`, title, x.log === true);
      check(point[1], `y of point ${index + 1} of series "${name}"`, title, y.log === true);
    }
  }
  const marked = series.every(({ points }) => points.length <= marked_points_max);
  const across = series.flatMap(({ points }) => points.map((point) => point[0]));
  const up = series.flatMap(({ points }) => points.map((point) => point[1]));
  const acrossDigits = figures(across);
  const upDigits = figures(up);
  const describe = ({ name, points }: Series): string => {
    const heights = points.map((point) => point[1]);
    const [first, last] = [points[0]!, points.at(-1)!];
    const ends = `from ${upDigits(first[1])} at ${acrossDigits(first[0])} to ${upDigits(last[1])} at ${acrossDigits(last[0])}`;
    return `${name}: ${ends}, least ${upDigits(Math.min(...heights))}, most ${upDigits(Math.max(...heights))}`;
  };

  return frame(chart, `${y.label} over ${x.label}. ${series.map(describe).join("; ")}.`, (top) => {
    const { content: keys, bottom } = drawKeys(top + 6);
    const ceiling = bottom + 48;
    const floor = ceiling + 300;
    const vertical = y.log
      ? logScale(up, floor, ceiling)
      : linearScale(y.fromZero ? [0, ...up] : up, floor, ceiling, 5);
    const left = margin + 8 + Math.max(...vertical.ticks.map((tick) => widthOf(tickText(tick), 12)));
    const right = width - margin - 12;
    const horizontal = x.log ? logScale(across, left, right) : linearScale(across, left, right, 8);
    let content = keys + note(margin, ceiling - 16, y.log ? `${y.label}, logarithmic` : y.label);
    for (const tick of vertical.ticks) {
      const at = vertical.at(tick);
      content += line(left, at, right, at, grid) + note(left - 8, at + 4, tickText(tick), "end");
    }
    for (const tick of horizontal.ticks) {
      const at = horizontal.at(tick);
      content += line(at, floor, at, floor + 5, muted) + note(at, floor + 20, tickText(tick), "middle");
    }
    content += line(left, floor, right, floor, muted);
    content += note((left + right) / 2, floor + 42, x.log ? `${x.label}, logarithmic` : x.label, "middle");
    for (const [index, { points }] of series.entries()) {
      const places = points.map((point) => [horizontal.at(point[0]), vertical.at(point[1])] as const);
      content += drawSeries(places, index);
    }
    return { content, bottom: floor + 46 };
  });

  /** One line, in the chart or in its key; places in pixels. */
  function drawSeries(places: readonly (readonly [x: number, y: number])[], index: number): string {
    const stroke = colours[index % colours.length]!;
    const d = `M${places.map((place) => `${pixels(place[0])} ${pixels(place[1])}`).join("L")}`;
    const look = { fill: "none", stroke, "stroke-width": 2, "stroke-linejoin": "round" };
    const path = element("path", { d, ...look, "stroke-dasharray": dashes[index % dashes.length] });
    // A line through one point is none: the point has to show.
    if (!marked && places.length > 1) return path;
    return path + places.map(([cx, cy]) => element("circle", { cx, cy, r: 3, fill: stroke })).join("");
  }

  /** Names of the series beside a piece of their line, in as many rows as they take. */
  function drawKeys(top: number): Drawing {
    let content = "";
    let at = margin + 3;
    let bottom = top;
    for (const [index, { name }] of series.entries()) {
      const taken = 38 + widthOf(name) + 24;
      if (at > margin + 3 && at + taken > width - margin) {
        at = margin + 3;
        bottom += 22;
      }
      const piece = [
        [at, bottom],
        [at + 15, bottom],
        [at + 30, bottom],
      ] as const;
      content += drawSeries(piece, index) + label(at + 40, bottom + 4.5, name);
      at += taken;
    }
    return { content, bottom };
  }
}
