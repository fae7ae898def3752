/** Tokens and keys in the forms that their services document; none of them opens anything. */
import { crc32 } from "node:zlib";
import type { Faker } from "@faker-js/faker";
import { makeKeyPair } from "../../../scripts/common/keypair.ts";

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function characters(faker: Faker, count: number, alphabet = base62): string {
  return faker.string.fromCharacters(alphabet, count);
}

/** Thirty characters and their CRC-32 in base 62, as GitHub's tokens have it. */
function checked(faker: Faker): string {
  const text = characters(faker, 30);
  let sum = crc32(text);
  let check = "";
  for (let index = 0; index < 6; index++) {
    check = base62[sum % 62] + check;
    sum = Math.floor(sum / 62);
  }
  return text + check;
}

const url = `${base62}-_`;
const hex = "0123456789abcdef";

function jwt(faker: Faker): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256", typ: "JWT", kid: characters(faker, 8) })}.${part({ sub: faker.string.uuid(), exp: 2000000000 })}.${characters(faker, 86, url)}`;
}

/** A key in PEM, as a JSON string has it. */
export function privateKey(): string {
  const { privateKey } = makeKeyPair("ec", { namedCurve: "P-256" });
  const text = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  return JSON.stringify(text.trim()).slice(1, -1);
}

/** One of each, by the name of its detector; with the names that it may stand behind. */
export const secrets: Readonly<Record<string, { make: (faker: Faker) => string; names?: readonly string[] }>> = {
  jwt: { make: jwt },
  github: { make: (faker) => `${faker.helpers.arrayElement(["ghp_", "gho_", "ghs_"])}${checked(faker)}` },
  gitlab: { make: (faker) => `glpat-${characters(faker, 20)}` },
  npm: { make: (faker) => `npm_${checked(faker)}` },
  slack: { make: (faker) => `xoxb-${faker.string.numeric(12)}-${faker.string.numeric(12)}-${characters(faker, 24)}` },
  stripe: { make: (faker) => `${faker.helpers.arrayElement(["sk", "rk"])}_live_${characters(faker, 24)}` },
  aws: { make: (faker) => `AKIA${characters(faker, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}` },
  google: { make: (faker) => `AIza${characters(faker, 35, url)}` },
  sendgrid: { make: (faker) => `SG.${characters(faker, 22, url)}.${characters(faker, 43, url)}` },
  twilio: { make: (faker) => `SK${characters(faker, 32, hex)}` },
  anthropic: { make: (faker) => `sk-ant-api03-${characters(faker, 93, url)}AA` },
  openai: { make: (faker) => `sk-proj-${characters(faker, 74, url)}T3BlbkFJ${characters(faker, 74, url)}` },
  pypi: { make: (faker) => `pypi-AgEIcHlwaS5vcmc${characters(faker, 130, url)}` },
  digitalocean: { make: (faker) => `dop_v1_${characters(faker, 64, hex)}` },
  vault: { make: (faker) => `hvs.${characters(faker, 96, url)}` },
  secret: {
    make: (faker) => characters(faker, faker.number.int({ min: 20, max: 40 })),
    names: ["clientSecret", "api_key", "accessToken", "auth_token", "secret_key"],
  },
};
