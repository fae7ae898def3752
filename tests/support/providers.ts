/**
 * Key sets and tokens of the forms that large providers have, with keys of our own: what differs from one to the next is which members a
 * key has, and which claims say whom a token is for and what it may do.
 */
import { type KeyObject, randomUUID } from "node:crypto";
import { exportJWK, type JWK, SignJWT } from "jose";
import { makeKeyPair } from "../../scripts/common/keypair.ts";

type Claims = Record<string, unknown>;

/** A provider in the form of a well-known one. */
export interface Provider {
  issuer: string;
  jwks: { keys: JWK[] };
  /** An access token as it issues them, but for these claims; `undefined` leaves one out. */
  token(claims?: Claims, header?: Claims): Promise<string>;
}

/** A certificate is not looked at where a key has its numbers. */
const x5c = [Buffer.from("a certificate of the key's").toString("base64")];

async function makeKeys(
  count: number,
  membersOf: (number: number) => Claims,
): Promise<{ jwks: JWK[]; privateKeys: KeyObject[] }> {
  const pairs = Array.from({ length: count }, () => makeKeyPair("rsa", { modulusLength: 2048 }));
  const jwks = await Promise.all(
    pairs.map(async ({ publicKey }, number) => ({ ...(await exportJWK(publicKey)), ...membersOf(number) })),
  );
  return { jwks, privateKeys: pairs.map(({ privateKey }) => privateKey) };
}

function sign(key: KeyObject, header: Claims, claims: Claims): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const all = Object.entries({ iat: now, exp: now + 3600, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(all)).setProtectedHeader({ alg: "RS256", ...header }).sign(key);
}

export const cognitoClient = "4bfkq9example7client";

/** Amazon Cognito: access tokens without `aud`, for a `client_id`; scopes are of resource servers; no `typ`. */
export async function makeCognito(): Promise<Provider> {
  const kids = ["WQ4ExampleIdTokens+Y=", "Zk9ExampleAccess/x0="];
  const { jwks, privateKeys } = await makeKeys(2, (number) => ({ alg: "RS256", use: "sig", kid: kids[number] }));
  const issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123";
  return {
    issuer,
    jwks: { keys: jwks },
    token: (claims = {}, header = {}) =>
      sign(
        privateKeys[1]!,
        { kid: kids[1], ...header },
        {
          sub: randomUUID(),
          "cognito:groups": ["buyers", "eu"],
          iss: issuer,
          version: 2,
          client_id: cognitoClient,
          origin_jti: randomUUID(),
          event_id: randomUUID(),
          token_use: "access",
          scope: "orders/read orders/write",
          auth_time: Math.floor(Date.now() / 1000),
          jti: randomUUID(),
          username: "alice",
          ...claims,
        },
      ),
  };
}

export const entraTenant = "72f988bf-0000-41af-91ab-2d7cd011db47";
export const entraAudience = "6e74172b-0000-4843-9ff4-e66a39bb12e3";

/** Microsoft Entra ID, v2.0: keys without `alg`, many of them; delegated scopes in `scp`, those of applications in `roles`; many groups. */
export async function makeEntra(): Promise<Provider> {
  const { jwks, privateKeys } = await makeKeys(5, (number) => ({
    use: "sig",
    kid: `entra-${number}`,
    x5t: `entra-${number}`,
    x5c,
    issuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
    cloud_instance_name: "microsoftonline.com",
  }));
  const issuer = `https://login.microsoftonline.com/${entraTenant}/v2.0`;
  return {
    issuer,
    jwks: { keys: jwks },
    token: (claims = {}, header = {}) =>
      sign(
        privateKeys[3]!,
        { typ: "JWT", kid: "entra-3", ...header },
        {
          aud: entraAudience,
          iss: issuer,
          nbf: Math.floor(Date.now() / 1000),
          aio: "AWQAm/8XAAAA",
          azp: randomUUID(),
          azpacr: "1",
          groups: Array.from({ length: 40 }, () => randomUUID()),
          name: "Alice Example",
          oid: randomUUID(),
          preferred_username: "alice@example.com",
          rh: "0.AXoA",
          scp: "Orders.Read Orders.Write",
          sub: "hrl5Example_subject",
          tid: entraTenant,
          uti: "d9Example",
          ver: "2.0",
          ...claims,
        },
      ),
  };
}

/** Keycloak: a key for signatures and one for encryption; several audiences; roles of the realm and of clients; `typ` as a claim. */
export async function makeKeycloak(): Promise<Provider> {
  const { jwks, privateKeys } = await makeKeys(2, (number) => ({
    kid: number === 0 ? "kc-enc" : "kc-sig",
    alg: number === 0 ? "RSA-OAEP" : "RS256",
    use: number === 0 ? "enc" : "sig",
    x5c,
    x5t: "thumb",
    "x5t#S256": "thumb256",
  }));
  const issuer = "https://keycloak.example.com/realms/shop";
  return {
    issuer,
    jwks: { keys: jwks },
    token: (claims = {}, header = {}) =>
      sign(
        privateKeys[1]!,
        { typ: "JWT", kid: "kc-sig", ...header },
        {
          jti: randomUUID(),
          iss: issuer,
          aud: ["order-api", "account"],
          sub: randomUUID(),
          typ: "Bearer",
          azp: "storefront",
          session_state: randomUUID(),
          acr: "1",
          "allowed-origins": ["https://shop.example.com"],
          realm_access: { roles: ["orders-writer", "offline_access", "uma_authorization"] },
          resource_access: { "order-api": { roles: ["buyer"] }, account: { roles: ["view-profile"] } },
          scope: "openid profile email",
          email_verified: true,
          preferred_username: "alice",
          ...claims,
        },
      ),
  };
}
