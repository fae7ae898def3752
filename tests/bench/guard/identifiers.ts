/** Identifiers with good check digits, made from random digits, by their own arithmetic: not that of the detectors. */
import type { Faker } from "@faker-js/faker";

const sum = (digits: string, weights: readonly number[]): number =>
  weights.reduce((total, weight, index) => total + weight * Number(digits[index]), 0);

/** Appends the digit with which a test holds; another attempt where none does. */
function withDigit(faker: Faker, count: number, holds: (digits: string) => boolean, first = "123456789"): string {
  for (;;) {
    const head =
      faker.helpers.arrayElement([...first]) + faker.string.numeric({ length: count - 2, allowLeadingZeros: true });
    for (const digit of "0123456789") if (holds(head + digit)) return head + digit;
  }
}

/** Luhn (ISO/IEC 7812-1). */
export function isLuhn(digits: string): boolean {
  const values = [...digits].reverse().map((digit, index) => (index % 2 === 1 ? Number(digit) * 2 : Number(digit)));
  return values.reduce((total, value) => total + (value > 9 ? value - 9 : value), 0) % 10 === 0;
}

function card(faker: Faker): string {
  const [prefixes, length] = faker.helpers.arrayElement<[readonly string[], number]>([
    [["4"], 16],
    [["51", "55", "2221", "2720", "2500"], 16],
    [["34", "37"], 15],
    [["6011", "644", "65"], 16],
    [["3528", "3589"], 16],
    [["62"], 16],
    [["36", "38"], 14],
    [["6304", "6759"], 16],
  ]);
  const prefix = faker.helpers.arrayElement(prefixes);
  const head = prefix + faker.string.numeric({ length: length - 1 - prefix.length, allowLeadingZeros: true });
  return head + [..."0123456789"].find((digit) => isLuhn(head + digit));
}

/** With blanks or hyphens as they are printed, or with none. */
function printed(faker: Faker, digits: string): string {
  const sign = faker.helpers.arrayElement(["", " ", "-"]);
  const groups =
    digits.length === 15
      ? /^(.{4})(.{6})(.{5})$/
      : digits.length === 14
        ? /^(.{4})(.{6})(.{4})$/
        : /^(.{4})(.{4})(.{4})(.{4})$/;
  return digits.replace(groups, (_, ...parts) => parts.slice(0, digits.length === 16 ? 4 : 3).join(sign));
}

function date(faker: Faker): { day: string; month: string; year: string } {
  const two = (value: number): string => String(value).padStart(2, "0");
  const born = faker.date.birthdate();
  return { day: two(born.getUTCDate()), month: two(born.getUTCMonth() + 1), year: two(born.getUTCFullYear() % 100) };
}

function verhoeff(digits: string): boolean {
  const table = (a: number, b: number): number =>
    b < 5 ? (a < 5 ? (a + b) % 5 : 5 + ((a - 5 - b + 5) % 5)) : a < 5 ? 5 + ((b - 5 + a) % 5) : (a - b + 5) % 5;
  const places = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit) => [digit]);
  const once = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
  for (const place of places) while (place.length < 8) place.push(once[place.at(-1)!]!);
  return (
    [...digits].reverse().reduce((check, digit, index) => table(check, places[Number(digit)]![index % 8]!), 0) === 0
  );
}

/** `MOD 11,10` of ISO 7064 over digits of which exactly one is there twice. */
function steuerId(faker: Faker): string {
  for (;;) {
    const kinds = faker.helpers.shuffle([..."0123456789"]).slice(0, 9);
    const head = faker.helpers.shuffle([...kinds, kinds[0]!]).join("");
    if (head[0] === "0") continue;
    let product = 10;
    for (const digit of head) {
      const rest = (Number(digit) + product) % 10 || 10;
      product = (rest * 2) % 11;
    }
    return head + ((11 - product) % 10);
  }
}

/** One of each, by the name of its detector; with the name that it stands behind where it needs one. */
export const identifiers: Readonly<Record<string, { make: (faker: Faker) => string; name?: string }>> = {
  card: { make: (faker) => printed(faker, card(faker)) },
  iban: { make: (faker) => iban(faker) },
  email: { make: (faker) => faker.internet.email() },
  phone: {
    make: (faker) =>
      `+${faker.helpers.arrayElement(["49 30", "44 20", "33 1", "31 20", "46 8", "48 22"])} ${faker.string.numeric({ length: 8, allowLeadingZeros: true })}`,
  },
  us_ssn: {
    make: (faker) =>
      `${faker.number.int({ min: 100, max: 665 })}-${faker.number.int({ min: 10, max: 99 })}-${faker.number.int({ min: 1000, max: 9999 })}`,
    name: "ssn",
  },
  es_dni: {
    make: (faker) => {
      const digits = faker.string.numeric({ length: 8, allowLeadingZeros: true });
      return digits + "TRWAGMYFPDXBNJZSQVHLCKE"[Number(digits) % 23];
    },
  },
  es_nie: {
    make: (faker) => {
      const first = faker.number.int({ max: 2 });
      const digits = faker.string.numeric({ length: 7, allowLeadingZeros: true });
      return "XYZ"[first] + digits + "TRWAGMYFPDXBNJZSQVHLCKE"[Number(first + digits) % 23];
    },
  },
  nl_bsn: {
    make: (faker) => withDigit(faker, 9, (digits) => sum(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0),
    name: "bsn",
  },
  br_cpf: {
    make: (faker) => {
      const check = (digits: string): string => {
        const rest =
          (sum(
            digits,
            Array.from(digits, (_, index) => digits.length + 1 - index),
          ) *
            10) %
          11;
        return String(rest % 10);
      };
      const head = faker.string.numeric({ length: 9, allowLeadingZeros: true });
      const ten = head + check(head);
      const all = ten + check(ten);
      return faker.datatype.boolean() ? all : all.replace(/(...)(...)(...)(..)/, "$1.$2.$3-$4");
    },
    name: "cpf",
  },
  pl_pesel: {
    make: (faker) => {
      const { day, month, year } = date(faker);
      const head = year + month + day + faker.string.numeric({ length: 4, allowLeadingZeros: true });
      return head + ((10 - (sum(head, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10);
    },
    name: "pesel",
  },
  se_personnummer: {
    make: (faker) => {
      const { day, month, year } = date(faker);
      const head = year + month + day + faker.string.numeric({ length: 3, allowLeadingZeros: true });
      const all = head + [..."0123456789"].find((digit) => isLuhn(head + digit));
      return `${all.slice(0, 6)}-${all.slice(6)}`;
    },
  },
  fi_hetu: {
    make: (faker) => {
      const { day, month, year } = date(faker);
      const number = String(faker.number.int({ min: 2, max: 899 })).padStart(3, "0");
      const sign = "0123456789ABCDEFHJKLMNPRSTUVWXY"[Number(day + month + year + number) % 31];
      return `${day}${month}${year}${faker.helpers.arrayElement(["-", "A"])}${number}${sign}`;
    },
  },
  fr_nir: {
    make: (faker) => {
      const head = `${faker.helpers.arrayElement(["1", "2"])}${date(faker).year}${date(faker).month}${faker.number.int({ min: 21, max: 95 })}${faker.string.numeric({ length: 6, allowLeadingZeros: true })}`;
      return head + String(97n - (BigInt(head) % 97n)).padStart(2, "0");
    },
  },
  de_steuer_id: { make: steuerId },
  uk_nhs: {
    make: (faker) => {
      const all = withDigit(faker, 10, (digits) => sum(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0);
      return faker.datatype.boolean() ? all : all.replace(/(...)(...)(....)/, "$1 $2 $3");
    },
    name: "nhsNumber",
  },
  in_aadhaar: {
    make: (faker) =>
      withDigit(faker, 12, verhoeff, "23456789").replace(
        /(....)(....)(....)/,
        faker.datatype.boolean() ? "$1 $2 $3" : "$1$2$3",
      ),
    name: "aadhaar",
  },
};

/** Of a country of SWIFT's registry, which Iran is not of. */
function iban(faker: Faker): string {
  for (;;) {
    const value = faker.finance.iban({ formatted: faker.datatype.boolean() });
    if (!value.startsWith("IR")) return value;
  }
}
