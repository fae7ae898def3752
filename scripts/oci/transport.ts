/** Requests to a registry: tried again while that may help, and told in words when it does not. */
import { setTimeout as sleep } from "node:timers/promises";
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
}

/** How long to wait between tries. */
export type Wait = (milliseconds: number) => Promise<unknown>;

const tries_max = 5;
const first_wait_ms = 500;
/** A registry may ask for more patience than a person has. */
const wait_max_ms = 30_000;
/** For one try; a large layer on a slow line takes minutes. */
const try_timeout_ms = 600_000;

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
    const next = redirectOf(answer, sent.method);
    if (next === undefined || left === 0) return answer;
    const target = new URL(next, at);
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

/** Sends a request to one server, as often as it takes. */
async function sendOnce(
  { href, protocol, host }: URL,
  { method, headers = {}, body }: Sent,
  wait: Wait,
): Promise<Response> {
  if (protocol !== "https:" && !(protocol === "http:" && isLoopback(host)))
    throw new RegistryError(`${href} is no https: what is sent there could be read and changed on its way`);
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === tries_max;
    let pause = first_wait_ms * 2 ** (attempt - 1);
    try {
      const answer = await fetch(href, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal: AbortSignal.timeout(try_timeout_ms),
      });
      if (isLast || !may_pass(answer.status)) return answer;
      const seconds = Number(answer.headers.get("retry-after") ?? "");
      if (seconds > 0) pause = Math.min(seconds * 1000, wait_max_ms);
      await answer.arrayBuffer().catch(() => undefined);
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
  const text = await answer.text().catch(() => "");
  let said = "";
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    said = (errors ?? []).map(({ code, message }) => [code, message].filter(Boolean).join(": ")).join("; ");
  } catch {
    // Anything but JSON is for people with a browser.
  }
  return said === "" ? `${answer.status}` : `${answer.status} (${said})`;
}
