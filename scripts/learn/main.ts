/** `npm run demo:learn`: tells the story of a shop whose policies are learnt from its traffic, and leaves all files for a look. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { painter } from "../common/screen.ts";
import { learn } from "./story.ts";

const root = new URL("../../", import.meta.url);
const folder = fileURLToPath(new URL("build/learn", root));
const paint = painter(process.stdout);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const { day, attacks } = await learn({
  folder,
  sallyport: [process.execPath, fileURLToPath(new URL("dist/sallyport.mjs", root))],
  requests: 2_400,
  seed: 17,
  print,
  paint,
});
const refused = day.filter((status) => status >= 400).length;
const admitted = attacks.filter((status) => status < 400).length;
const isGood = refused === 0 && admitted === 0;
print(
  `\n${paint(isGood ? "green" : "red", `Of ${day.length} requests of the day ${refused} were refused; of ${attacks.length} attacks ${admitted} got through.`)}`,
);
print(`Policies, logs and report.html are in ${relative(process.cwd(), folder)}`);
process.exitCode = isGood ? 0 : 1;
