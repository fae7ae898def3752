/** The results of limits as text. */
import { ratioText } from "../tables.ts";
import type { Cell } from "./admitted.ts";
import type { Footprint } from "./manykeys.ts";
import type { Ratio } from "./ratios.ts";

const widths = [7, 9, 9, 6, 10, 9, 11, 13, 11, 9, 10];

function row(...texts: readonly string[]): string {
  return texts.map((text, column) => text.padStart(widths[column]!)).join("");
}

export const cellHeader = row(
  ...["workers", "rate/s", "burst", "cost", "requests", "seconds"],
  ...["admitted", "rate×t+burst", "most", "of that", "of exact"],
);

/** A limit: what it admitted, what it may, and both as shares of that and of what one exact bucket admits of the same requests. */
export function cellLine(cell: Cell): string {
  const text = row(
    ...[cell.workers, cell.perSecond, cell.burst, cell.cost, cell.requests].map(String),
    cell.seconds.toFixed(2),
    ...[cell.admittedTokens, cell.allowedTokens, cell.mostTokens].map((tokens) => tokens.toFixed(0)),
    ...[cell.admittedTokens / cell.mostTokens, cell.ratio].map((share) => share.toFixed(4)),
  );
  return cell.problem === "" ? text : `${text}  ${cell.problem}`;
}

export function ratioLines(ratios: readonly Ratio[]): string[] {
  const lines = ratios.map(({ what, ratio, ratioByMinima }) => {
    return `${ratioText(ratio).padStart(9)}${ratioText(ratioByMinima).padStart(9)}  ${what}`;
  });
  return ["", "ratios, by the medians of rounds, and by minima", ...lines];
}

export function keysLine({ keys, admitted, values, valueBytes, memoryBytes }: Footprint): string {
  const [count, passed, bytes] = [keys, admitted, valueBytes].map((number) => number.toLocaleString("en"));
  return `${count} keys, ${passed} admitted: ${values} shared values, ${bytes} bytes; modules ${memoryBytes / 1024} KiB`;
}
