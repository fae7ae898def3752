/** Requests to a registry: tried again while that may help, and told in words when it does not. */
import { setTimeout as sleep } from "node:timers/promises";
import { printable } from "../common/screen.ts";
import { isLoopback } from "./reference.ts";

/** A push that failed: the message says what, where and what to do. */
export class RegistryError extends Error {
  /** Whether the server does not speak TLS. */
  readonly isWithoutTls: boolean;

  constructor(message: string, { isWithoutTls = false } = {}) {
    super(message);
    this.name = "RegistryError";
    this.isWithoutTls = isWithoutTls;
  }
}

/** What is sent. */
export interface Sent {
  method: string;
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array;
  /** Whether the body is for this server alone: then no redirect is followed. */
  isSecret?: boolean;
}

/** How long to wait between tries. */
export type Wait = (milliseconds: number) => Promise<unknown>;

const tries_max = 5;
const first_wait_ms = 500;
/** A registry may ask for more patience than a person has. */
const wait_max_ms = 30_000;
/** For one try that brings something: a large layer on a slow line takes minutes. */
const upload_timeout_ms = 600_000;
/** For one that only asks. */
const question_timeout_ms = 60_000;
/** No answer that is read is longer: manifests have at most 4 MiB (distribution-spec, "Pushing Manifests"). */
const answer_bytes_max = 4 << 20;

const redirects_max = 5;

const may_pass = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Sends a request, up to five times where the network fails or the server says that it cannot now (408, 429, 5xx). Redirects are
 * followed, without credentials to another server, and over TLS alone.
 * @returns the answer, whatever its status
 * @throws RegistryError where no answer came
 */
export async function send(url: string, sent: Sent, wait: Wait = sleep): Promise<Response> {
  let [at, headers] = [new URL(url), sent.headers ?? {}];
  for (let left = redirects_max; ; left--) {
    const answer = await sendOnce(at, { ...sent, headers }, wait);
    const next = sent.isSecret === true ? undefined : redirectOf(answer, sent.method);
    if (next === undefined || left === 0) return answer;
    await discard(answer);
    const target = urlFrom(next, at);
    if (at.protocol === "https:") refusePlain(target);
    if (target.origin !== at.origin) {
      const { authorization: _, ...others } = headers;
      headers = others;
    }
    at = target;
  }
}

/** Where an answer sends the request on, without it becoming another one. */
function redirectOf({ status, headers }: Response, method: string): string | undefined {
  const isRead = method === "GET" || method === "HEAD";
  const isRedirect = status === 307 || status === 308 || (isRead && [301, 302, 303].includes(status));
  return isRedirect ? (headers.get("location") ?? undefined) : undefined;
}

/**
 * An address that a server gave, as seen from its own.
 * @throws RegistryError where it is none
 */
export function urlFrom(text: string, base: URL | string): URL {
  if (!URL.canParse(text, String(base))) throw new RegistryError(`${new URL(base).host} leads to what is no address`);
  return new URL(text, base);
}

/** Refuses an address to which a server leads that speaks TLS itself. Throws RegistryError. */
export function refusePlain({ protocol, href }: URL): void {
  if (protocol !== "https:") throw plainText(href);
}

function plainText(href: string): RegistryError {
  return new RegistryError(`${printable(href)} is no https: what is sent there could be read and changed on its way`);
}

/** Sends a request to one server, as often as it takes. */
async function sendOnce(
  { href, protocol, host }: URL,
  { method, headers = {}, body }: Sent,
  wait: Wait,
): Promise<Response> {
  if (protocol !== "https:" && !(protocol === "http:" && isLoopback(host))) throw plainText(href);
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === tries_max;
    let pause = first_wait_ms * 2 ** (attempt - 1);
    try {
      const answer = await fetch(href, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal: AbortSignal.timeout(body === undefined ? question_timeout_ms : upload_timeout_ms),
      });
      if (isLast || !may_pass(answer.status)) return answer;
      const seconds = Number(answer.headers.get("retry-after") ?? "");
      if (seconds > 0) pause = Math.min(seconds * 1000, wait_max_ms);
      await discard(answer);
    } catch (error) {
      const { words, isLasting, isWithoutTls } = problemOf(error, host);
      if (isLast || isLasting) throw new RegistryError(words, { isWithoutTls });
    }
    // Clients that failed together should not come again together.
    await wait(pause * (0.75 + Math.random() / 2));
  }
}

/** Codes of OpenSSL's that say that a certificate is not trusted. */
const untrusted = /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_UNTRUSTED/u;
/** Codes that say that what answered was no TLS. */
const without_tls = ["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG", "EPROTO"];

/** Why no answer came. Lasting: another try would fare no better. */
interface NetworkProblem {
  words: string;
  isLasting: boolean;
  isWithoutTls?: boolean;
}

function problemOf(error: unknown, host: string): NetworkProblem {
  const { code = "", message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  const lasting = (words: string): NetworkProblem => ({ words, isLasting: true });
  if (code === "ENOTFOUND") return lasting(`there is no host ${host}: look at the name before the first slash`);
  if (untrusted.test(code)) {
    return lasting(
      `the certificate of ${host} is of no authority that is trusted here (${code}): put the authority's PEM file into NODE_EXTRA_CA_CERTS`,
    );
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "CERT_HAS_EXPIRED")
    return lasting(`the certificate of ${host} is not good: ${message}`);
  if (without_tls.includes(code)) {
    const words = `${host} does not speak TLS (${code}): plain HTTP is spoken with registries on this machine alone`;
    return { words, isLasting: true, isWithoutTls: true };
  }
  if (code === "ECONNREFUSED")
    return { words: `nothing listens at ${host}: is the registry running, and is the port right?`, isLasting: false };
  return { words: `no answer from ${host}: ${message || code || String(error)}`, isLasting: false };
}

/** What an answer says of itself: its status, and the errors in its body as the distribution specification has them. */
export async function answerWords(answer: Response): Promise<string> {
  // Anything but JSON is for people with a browser.
  const { errors } = (await readJson(answer)) as { errors?: unknown };
  const said = (Array.isArray(errors) ? errors : [])
    .slice(0, shown_errors)
    .map((error: { code?: unknown; message?: unknown } | null) =>
      [error?.code, error?.message].filter((word) => typeof word === "string" && word !== "").join(": "),
    )
    .filter((words) => words !== "")
    .join("; ");
  return said === "" ? `${answer.status}` : `${answer.status} (${printable(said.slice(0, shown_characters))})`;
}

/** So much of what a registry says is for people. */
const shown_errors = 5;
const shown_characters = 1_000;

/** The object in an answer; one without members where there is none, or the answer is longer than any should be. */
export async function readJson(answer: Response): Promise<object> {
  try {
    const value: unknown = JSON.parse(Buffer.concat(await readParts(answer)).toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

async function readParts({ body }: Response): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  let left = answer_bytes_max;
  // To leave the loop ends the answer.
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    left -= part.length;
    if (left < 0) return [];
    parts.push(part);
  }
  return parts;
}

/** Ends an answer that nobody reads. */
async function discard({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => undefined);
}
