/** The corpus: one JSON object a line, each with at most one thing that is to be found, and lines with what only looks like one. */
import { allFakers, type Faker } from "@faker-js/faker";
import { identifiers, isLuhn } from "./identifiers.ts";
import { privateKey, secrets } from "./secrets.ts";

/** A line, and what is to be found in it: the detector and the value; nothing where it holds none. */
export interface Line {
  text: string;
  label?: { detector: string; value: string };
}

const locales = ["en", "de", "fr", "es", "it", "nl", "pl", "sv", "fi", "pt_BR", "ja", "ru"] as const;

/** The same digits with a wrong last one. */
function spoiled(text: string): string {
  const at = text.search(/\d[^\d]*$/);
  return text.slice(0, at) + ((Number(text[at]) + 1) % 10) + text.slice(at + 1);
}

/** Values that no detector is to find. */
const decoys: readonly ((faker: Faker) => string)[] = [
  (faker) => faker.string.uuid(),
  (faker) => faker.date.recent().toISOString(),
  (faker) => String(faker.date.recent().getTime()),
  (faker) => faker.finance.amount({ min: 1, max: 1e6 }),
  (faker) => faker.string.hexadecimal({ length: 40, casing: "lower", prefix: "" }),
  (faker) => faker.git.commitSha(),
  (faker) => faker.internet.ipv4(),
  (faker) => faker.internet.mac(),
  (faker) => faker.commerce.isbn(),
  (faker) => spoiled(identifiers.card!.make(faker)),
  (faker) => spoiled(identifiers.iban!.make(faker)),
  (faker) => spoiled(identifiers.de_steuer_id!.make(faker)),
  (faker) => spoiled(identifiers.fr_nir!.make(faker)),
  (faker) => spoiled(identifiers.se_personnummer!.make(faker)),
  (faker) => `${faker.string.numeric(4)}${identifiers.card!.make(faker).replace(/\D/g, "")}${faker.string.numeric(4)}`,
  (faker) => `0.${identifiers.card!.make(faker).replace(/\D/g, "")}`,
  (faker) => `${faker.system.fileName()}@2x.png`,
  (faker) => `ghp_${"x".repeat(36)}`.replace("x", faker.string.alpha()),
  (faker) => `@${faker.internet.username()}`,
  (faker) => faker.system.semver(),
];

/** Makes so many lines of each kind. The same seed makes the same lines. */
export function makeCorpus(seed: number, each: number): Line[] {
  const fakers = locales.map((locale) => allFakers[locale]);
  for (const [index, faker] of fakers.entries()) faker.seed(seed + index);
  const lines: Line[] = [];
  const add = (faker: Faker, name: string, value: string, detector?: string): void => {
    const shape = lines.length % 3;
    const around = faker.lorem.sentence();
    const text =
      shape === 0
        ? `{"id":${lines.length},"${name}":"${value}","note":"${around}"}`
        : shape === 1
          ? `{"text":"${around}\\n${name}: ${value}, ${faker.lorem.word()}"}`
          : `{"name":"${faker.person.fullName().replaceAll('"', "")}", "${name}" : "${value}", "active":true}`;
    lines.push({ text, ...(detector && { label: { detector, value } }) });
  };
  for (let index = 0; index < each; index++) {
    const faker = fakers[index % fakers.length]!;
    for (const [detector, { make, name }] of Object.entries(identifiers)) {
      let value = make(faker);
      // A national number that is a card's by chance would have two labels.
      while (detector !== "card" && /^[3-6]\d{11,}$/.test(value) && isLuhn(value)) value = make(faker);
      add(faker, name ?? faker.helpers.arrayElement(["value", "data", "reference"]), value, detector);
    }
    for (const [detector, { make, names }] of Object.entries(secrets)) {
      add(faker, faker.helpers.arrayElement(names ?? ["value", "data", "config"]), make(faker), detector);
    }
    if (index % 10 === 0) add(faker, "value", privateKey(), "private_key");
    for (const make of decoys) add(faker, faker.helpers.arrayElement(["value", "number", "reference"]), make(faker));
  }
  return lines;
}

/** Clean JSON of about so many bytes: what an API of a shop answers. */
export function cleanJson(seed: number, bytes: number): Buffer {
  const faker = allFakers.en;
  faker.seed(seed);
  const rows: string[] = [];
  for (let size = 0; size < bytes; size += rows.at(-1)!.length + 1) {
    rows.push(
      JSON.stringify({
        id: faker.number.int(1e6),
        key: faker.string.uuid(),
        createdAt: faker.date.past().toISOString(),
        product: faker.commerce.productName(),
        price: Number(faker.commerce.price()),
        description: faker.commerce.productDescription(),
        tags: [faker.commerce.productAdjective(), faker.commerce.productMaterial()],
        inStock: faker.datatype.boolean(),
      }),
    );
  }
  return Buffer.from(`[${rows.join(",")}]`);
}
