/** What else people have where a JWKS or a token is wanted: each is told by its name, with what to do. */
import { basename } from "node:path";

/** A text that is something else. */
export interface Mistaken {
  message: string;
  /** It is a secret, which nobody should have been given. */
  isSecret?: true;
}

/** Where a JWKS is wanted: what the text is instead; undefined for a JWKS, and for what nobody can name. @param file its name, for commands */
export function mistakenForKeys(text: string, file: string): Mistaken | undefined {
  const start = text.trimStart();
  const name = quoted(basename(file));
  if (start.startsWith("-----BEGIN") || start.startsWith("ssh-")) return pem(start, name);
  if (start.startsWith("<")) {
    return told(
      "a page in HTML or XML, as of a login or of SAML metadata; a JWKS is JSON, behind the `jwks_uri` of the issuer",
    );
  }
  if (isCompact(start)) return told("a token; keys are what its issuer publishes, behind its `jwks_uri`");
  if (/^(?:token|bundle)\(spiffe:\/\//mu.test(start)) {
    return told(
      "what `spire-agent api fetch jwt` prints; save what stands below `bundle(…)` of the trust domain, or `spire-server bundle show -format spiffe`",
    );
  }
  const json = parse(text);
  if (json === undefined)
    return isBase64OfJson(start) ? told(`base64 of a JSON text; decode it: \`base64 -d ${name}\``) : undefined;
  return Array.isArray(json)
    ? list(json, name)
    : typeof json === "object" && json !== null
      ? object(json as Members, name)
      : undefined;
}

/** Where a token is wanted: what the text is instead. */
export function mistakenForToken(text: string): Mistaken | undefined {
  const start = text.trimStart();
  if (start.startsWith("-----BEGIN"))
    return told(`${pemName(start)}; a token is three parts in base64url with dots between them`);
  if (start.startsWith("<")) return told("a page in HTML or XML, where a token is wanted");
  const json = parse(start);
  if (typeof json === "string" && isCompact(json)) return told("a token in quotes; leave them off");
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const members = json as Members;
  const member = ["access_token", "id_token", "token"].find((one) => typeof members[one] === "string");
  if (member !== undefined)
    return told(`the answer of a token endpoint; the token is its \`${member}\`: \`jq -r .${member}\``);
  if ("keys" in members || "kty" in members) return told("a key set, where a token is wanted; keys go into `--keys`");
  if (typeof members.jwks_uri === "string")
    return told("a discovery document, where a token is wanted; what is behind its `jwks_uri` goes into `--keys`");
  if (isCertificateMap(members))
    return told("a map of certificates, where a token is wanted; the issuer's JWKS goes into `--keys`");
  return undefined;
}

/** What is said of a token that is padded; undefined for others. */
export function paddingHint(token: string): string | undefined {
  if (!/^[\w-]+={1,2}\.|\.[\w-]+={1,2}(?:\.|$)/u.test(token)) return undefined;
  return "its parts are padded with `=`, which tokens are not (RFC 7515 §2). AWS's load balancer pads `x-amzn-oidc-data` and signs it so, so that no reader of JWTs can take it: take `x-amzn-oidc-accesstoken`; others have to take the `=` off before they sign";
}

type Members = Readonly<Record<string, unknown>>;

const told = (what: string): Mistaken => ({ message: `this is ${what}` });

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@%+=-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isCompact = (text: string): boolean => /^(?:bearer\s+)?eyJ[\w-]*={0,2}(?:\.[\w-]*={0,2}){2,4}\s*$/iu.test(text);

function isBase64OfJson(text: string): boolean {
  if (!/^[A-Za-z0-9+/_\s-]+={0,2}\s*$/u.test(text)) return false;
  return typeof parse(Buffer.from(text, "base64").toString("utf8")) === "object";
}

const isText = (value: unknown): value is string => typeof value === "string";
const isMap = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function isCertificateMap(members: Members): boolean {
  const values = Object.values(members);
  return values.length > 0 && values.every((value) => isText(value) && value.trimStart().startsWith("-----BEGIN"));
}

function pemName(text: string): string {
  const label = /^-----BEGIN ([A-Z0-9 ]+)-----/u.exec(text)?.[1] ?? "";
  if (label.includes("PRIVATE")) return "a private key in PEM";
  if (label.includes("CERTIFICATE")) return "a certificate in PEM";
  return label.includes("PUBLIC") ? "a public key in PEM" : "a PEM file";
}

function pem(text: string, name: string): Mistaken {
  const what = text.startsWith("ssh-") ? "a public key of OpenSSH" : pemName(text);
  if (what.includes("private")) {
    const message = `this is ${what}: who can read it can sign tokens, and a policy holds no secrets; make a JWKS of its public half, and replace the key if this file was shared`;
    return { message, isSecret: true };
  }
  if (text.startsWith("ssh-"))
    return told(
      `${what}, not a JWKS; \`ssh-keygen -e -m PKCS8 -f ${name}\` makes a PEM of it, which node makes a JWKS of`,
    );
  const file = name.replace(/^'|'$/gu, "").replaceAll("'\\''", "");
  const script = `console.log(JSON.stringify({keys:[require("crypto").createPublicKey(require("fs").readFileSync(process.argv[1])).export({format:"jwk"})]}))`;
  return told(
    `${what}, not a JWKS; convert it: \`node -e '${script}' ${name} > ${quoted(`${file.replace(/\.[^.]*$/u, "")}.converted.jwks.json`)}\``,
  );
}

function list(values: readonly unknown[], name: string): Mistaken | undefined {
  if (values.length > 0 && values.every((value) => isMap(value) && "kty" in value)) {
    return told(`a list of keys; put it into a set: \`{"keys": […]}\`, such as \`jq '{keys: .}' ${name}\``);
  }
  const bundles = values.find((value) => isMap(value) && isMap(value.bundles)) as { bundles: Members } | undefined;
  return bundles === undefined ? undefined : trustDomains(bundles.bundles, `.[].bundles`, name);
}

function object(members: Members, name: string): Mistaken | undefined {
  if ("keys" in members) return undefined;
  if (isText(members.jwks_uri)) {
    const url = members.jwks_uri;
    return told(
      `a discovery document (OpenID Connect, RFC 8414), not the keys; they are behind its \`jwks_uri\`: \`curl -fsSo ${name} ${quoted(url)}\`, or have them fetched: \`keys: { url: ${url}, cluster: … }\``,
    );
  }
  if (isText(members.kty)) {
    return told(
      `a single key; put it into a set: \`{"keys": [{"kty": "${members.kty}", …}]}\`, such as \`jq '{keys: [.]}' ${name}\``,
    );
  }
  if (isCertificateMap(members)) {
    return told(
      "a map of certificates by key ID, as Firebase and Google publish beside their JWKS, not a JWKS; take the JWKS: for Firebase https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com, for Google https://www.googleapis.com/oauth2/v3/certs",
    );
  }
  for (const [member, path] of [
    ["bundles", ".bundles"],
    ["trust_domains", ".trust_domains"],
  ] as const) {
    const inner = members[member];
    if (isMap(inner)) return trustDomains(inner, path, name);
  }
  return trustDomains(members, ".", name);
}

/** Bundles by trust domain: as objects, or as base64 of JSON, which `spire-agent api fetch jwt -output json` prints. */
function trustDomains(members: Members, path: string, name: string): Mistaken | undefined {
  const entries = Object.entries(members);
  const isBundle = (value: unknown): boolean =>
    (isMap(value) && "keys" in value) || (isText(value) && isBase64OfJson(value));
  if (entries.length === 0 || !entries.every(([, value]) => isBundle(value))) return undefined;
  const domain = entries[0]![0];
  const decode = isText(entries[0]![1]) ? " | @base64d | fromjson" : "";
  const at = path === "." ? `.["${domain}"]` : `${path}["${domain}"]`;
  return told(
    `a map of trust domains (as \`spire-agent api fetch jwt\` has it), each with a bundle of its own; take one: \`jq '${at}${decode}' ${name}\``,
  );
}
