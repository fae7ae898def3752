/**
 * A client for the part of the distribution specification that pushing takes
 * (https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md). No library of npm's pushes images: `@sigstore/oci` attaches
 * documents to an image that is there, and needs a newer Node than we do.
 */

import { printable } from "../common/screen.ts";
import { type Blob, type Descriptor, media } from "./content.ts";
import type { Credentials, Found } from "./credentials.ts";
import { isLoopback, type Reference } from "./reference.ts";
import { answerWords, RegistryError, readJson, refusePlain, type Sent, send, urlFrom, type Wait } from "./transport.ts";

/** An index of what refers to an image. */
export interface Index {
  schemaVersion: 2;
  mediaType: string;
  manifests: Descriptor[];
}

/** A repository of a registry that images are pushed to. */
export class Registry {
  readonly #reference: Reference;
  readonly #found: Found;
  readonly #wait: Wait | undefined;
  #origin: string;
  #authorization: string | undefined;

  constructor(reference: Reference, found: Found, wait?: Wait) {
    this.#reference = reference;
    this.#origin = reference.origin;
    this.#found = found;
    this.#wait = wait;
  }

  /** Finds out that a registry answers, and shows it credentials where it asks for some. */
  async connect(): Promise<void> {
    const answer = await this.#greet();
    if (answer.status === 401 && this.#isOwn(answer)) return this.#authorize(answer);
    if (answer.status === 200) return;
    throw new RegistryError(
      `${this.#origin}/v2/ answers ${await answerWords(answer)}, as no registry does: look at the host and port`,
    );
  }

  /** Asks whether there is a registry. One on this machine may speak plain HTTP, which its first answer shows. */
  async #greet(): Promise<Response> {
    try {
      return await this.#send(`${this.#origin}/v2/`, { method: "GET" });
    } catch (error) {
      const isPlain = error instanceof RegistryError && error.isWithoutTls && isLoopback(new URL(this.#origin).host);
      if (!isPlain) throw error;
      this.#origin = this.#origin.replace(/^https/u, "http");
      return this.#send(`${this.#origin}/v2/`, { method: "GET" });
    }
  }

  /** Brings a blob there, unless it is there. */
  async putBlob({ descriptor: { digest }, bytes }: Blob): Promise<void> {
    const path = this.#path("blobs", digest);
    if ((await this.#request(path, { method: "HEAD" })).status === 200) return;
    // A registry that failed may have forgotten the upload that it began: then once more from the start.
    const isUploaded = (await this.#upload(digest, bytes)) || (await this.#upload(digest, bytes));
    if (!isUploaded) throw new RegistryError(`${this.#reference.registry} loses what is uploaded: try later`);
  }

  /** @returns whether the registry took it; else it does not know the upload any more */
  async #upload(digest: string, bytes: Uint8Array): Promise<boolean> {
    const begun = await this.#request(this.#path("blobs", "uploads/"), { method: "POST" });
    if (begun.status !== 202) throw await this.#refusal(begun, "to begin an upload");
    const location = begun.headers.get("location");
    if (location === null)
      throw new RegistryError(`${this.#reference.registry} began an upload and did not say where it goes`);
    const upload = urlFrom(location, begun.url || this.#origin);
    upload.searchParams.set("digest", digest);
    const headers = { "content-type": "application/octet-stream" };
    const done = await this.#request(upload.href, { method: "PUT", body: bytes, headers });
    if (done.status !== 201 && done.status !== 404) throw await this.#refusal(done, `to take the blob ${digest}`);
    return done.status === 201;
  }

  /** Puts a manifest. @param tag left out: it is found by its digest alone */
  async putManifest({ descriptor, bytes }: Blob, tag?: string): Promise<void> {
    const path = this.#path("manifests", tag ?? descriptor.digest);
    const headers = { "content-type": descriptor.mediaType };
    const answer = await this.#request(path, { method: "PUT", body: bytes, headers });
    if (answer.status !== 201) throw await this.#refusal(answer, `to take the manifest ${tag ?? descriptor.digest}`);
    const digest = answer.headers.get("docker-content-digest");
    if (digest !== null && digest !== descriptor.digest)
      throw new RegistryError(
        `${this.#reference.registry} stored ${printable(digest)} where ${descriptor.digest} was sent: do not use what it has`,
      );
  }

  /** What refers to a manifest; undefined where the registry has no referrers API. */
  async referrers(digest: string): Promise<Descriptor[] | undefined> {
    const answer = await this.#request(this.#path("referrers", digest), { method: "GET" });
    return answer.status === 200 ? (await indexOf(answer))?.manifests : undefined;
  }

  /** The index of a tag; undefined where there is none. */
  async index(tag: string): Promise<Index | undefined> {
    const answer = await this.#request(this.#path("manifests", tag), {
      method: "GET",
      headers: { accept: media.index },
    });
    if (answer.status === 404) return undefined;
    const index = answer.status === 200 ? await indexOf(answer) : undefined;
    if (index === undefined) throw await this.#refusal(answer, `to give the index ${tag}`);
    return index;
  }

  #path(kind: string, rest: string): string {
    return `${this.#origin}/v2/${this.#reference.name}/${kind}/${rest}`;
  }

  /** With the credentials of the registry, and once more where they have ended meanwhile. */
  async #request(url: string, sent: Sent): Promise<Response> {
    const answer = await this.#send(url, sent);
    if (answer.status !== 401 || !this.#isOwn(answer)) return answer;
    await this.#authorize(answer);
    return this.#send(url, sent);
  }

  /** Whether the registry itself has answered: one that it leads to does not say where its credentials go. */
  #isOwn({ url }: Response): boolean {
    return new URL(url).origin === this.#origin;
  }

  async #send(url: string, { method, headers, body }: Sent): Promise<Response> {
    const isOwn = new URL(url).origin === this.#origin;
    const shown: Record<string, string> = { ...headers };
    if (isOwn && this.#authorization !== undefined) shown.authorization = this.#authorization;
    return send(url, { method, headers: shown, ...(body === undefined ? {} : { body }) }, this.#wait);
  }

  /** Does what an answer of 401 asks for (distribution's Docker registry v2 authentication). */
  async #authorize(challenged: Response): Promise<void> {
    const { credentials } = this.#found;
    const [, scheme = "", parameters = ""] =
      /^\s*(\S+)\s*(.*)$/su.exec(challenged.headers.get("www-authenticate") ?? "") ?? [];
    if (scheme.toLowerCase() === "basic") {
      if (credentials?.kind !== "password") throw this.#unknown();
      this.#authorization = basic(credentials);
      return;
    }
    const realm = parameterOf(parameters, "realm");
    if (scheme.toLowerCase() !== "bearer" || realm === undefined || !URL.canParse(realm))
      throw new RegistryError(
        `${this.#reference.registry} asks for credentials in a way that is not known here: \`${printable(scheme) || "nothing"}\``,
      );
    // Plain text is for a registry on this machine, and the server of its tokens beside it.
    if (this.#origin.startsWith("https:")) refusePlain(new URL(realm));
    const { url, sent } = tokenRequest(realm, {
      service: parameterOf(parameters, "service"),
      scope: `repository:${this.#reference.name}:pull,push`,
      credentials,
    });
    const answer = await send(url, { ...sent, isSecret: credentials?.kind === "identity" }, this.#wait);
    if (answer.status === 401 || answer.status === 403)
      throw credentials === undefined ? this.#unknown() : this.#rejected(await answerWords(answer));
    const { token, access_token } = (await readJson(answer)) as { token?: unknown; access_token?: unknown };
    const shown = [token, access_token].find((text) => typeof text === "string" && /^[!-~]+$/u.test(text));
    if (answer.status !== 200 || shown === undefined) {
      const { host } = new URL(realm);
      throw new RegistryError(
        `${host}, which gives tokens for ${this.#reference.registry}, answers ${answer.status} without a token`,
      );
    }
    this.#authorization = `Bearer ${shown}`;
  }

  /** Why the registry did not do what was asked of it. */
  async #refusal(answer: Response, task: string): Promise<RegistryError> {
    const { registry, name } = this.#reference;
    const words = await answerWords(answer);
    if (answer.status === 401 || answer.status === 403)
      return this.#found.credentials === undefined ? this.#unknown() : this.#rejected(words);
    const hint =
      answer.status === 404
        ? ": some registries want a repository to be made before anything is pushed"
        : answer.status >= 500
          ? ", also when asked again: try later"
          : "";
    return new RegistryError(`${registry} refuses ${task} in ${name}: ${words}${hint}`);
  }

  #unknown(): RegistryError {
    const { registry, name } = this.#reference;
    const { source } = this.#found;
    return new RegistryError(
      `${registry} wants credentials for ${name}, and there are none in ${source}: \`docker login ${registry}\` puts them there`,
    );
  }

  #rejected(words: string): RegistryError {
    const { registry, name } = this.#reference;
    return new RegistryError(
      `${registry} refuses the credentials of ${this.#found.source} for pushing to ${name}: ${words}; log in again with \`docker login ${registry}\`, or have the account allowed to push there`,
    );
  }
}

/** How to ask for a token: with a password by GET, with a refresh token by POST, as OAuth 2 has it. */
function tokenRequest(
  realm: string,
  { service, scope, credentials }: { service: string | undefined; scope: string; credentials: Credentials | undefined },
): { url: string; sent: Sent } {
  const asked = { ...(service === undefined ? {} : { service }), scope };
  if (credentials?.kind === "identity") {
    const form = { ...asked, grant_type: "refresh_token", client_id: "sallyport", refresh_token: credentials.token };
    const body = Buffer.from(new URLSearchParams(form).toString());
    return {
      url: realm,
      sent: { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body },
    };
  }
  const url = new URL(realm);
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const headers: Record<string, string> = credentials === undefined ? {} : { authorization: basic(credentials) };
  return { url: url.href, sent: { method: "GET", headers } };
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** A parameter of a challenge (RFC 9110 §11.2), in quotes or without. */
function parameterOf(parameters: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|[\\s,])${name}=(?:"([^"]*)"|([^\\s,]+))`, "iu").exec(parameters);
  return found?.[1] ?? found?.[2];
}

/** The index in an answer; undefined where it is none. */
async function indexOf(answer: Response): Promise<Index | undefined> {
  const value = (await readJson(answer)) as Partial<Index>;
  const isIndex = Array.isArray(value.manifests) && value.manifests.every((one) => typeof one?.digest === "string");
  return isIndex ? (value as Index) : undefined;
}
