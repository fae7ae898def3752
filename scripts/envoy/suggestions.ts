/** Requests for people to try: the examples of a policy with what each has to show and carry to be admitted. */
import { X509Certificate } from "node:crypto";
import type { Issuer, Place, Policy } from "../policy/language/model.ts";
import { claimWith } from "../policytest/mint.ts";
import { type CallerExample, exampleCaller, trustDomainOf } from "./callers.ts";
import type { ShellToken } from "./curl.ts";
import type { MadeToken, Signer } from "./exampletokens.ts";
import type { StoredIdentity } from "./local.ts";

/** A token or a JWT-SVID that requests carry, and the shell's variable it goes into. */
export interface Credential {
  kind: "token" | "svid";
  /** The issuer's name, or the trust domain. */
  issuer: string;
  variable: string;
  /** What its rules ask for; empty for a JWT-SVID. */
  scopes: string[];
  /** The SPIFFE ID that is its `sub`, or whose certificate it is bound to; absent: it serves everybody. */
  caller?: string;
  /** What it has to have as `cnf.x5t#S256`; absent where it is bound to no certificate. */
  thumbprint?: string;
  /** Absent where no private key is there to make it with. */
  made?: MadeToken;
}

/** One request to try. */
export interface Suggestion extends CallerExample {
  /** What its connection shows; absent for no certificate. */
  identity?: StoredIdentity;
  tokens: ShellToken[];
}

/** What to try, and what to have for it. */
export interface Suggestions {
  suggestions: Suggestion[];
  credentials: Credential[];
}

/**
 * Completes the examples, and makes the tokens for them as far as there are keys.
 * @param identity gives the caller's certificate
 */
export async function suggest(
  policy: Policy,
  examples: readonly CallerExample[],
  signers: ReadonlyMap<Issuer, Signer>,
  identity: (id: string) => Promise<StoredIdentity>,
): Promise<Suggestions> {
  const wallet = new Wallet(policy, signers);
  // A token that serves everybody is there for every issuer that can sign, whether or not an example carries it.
  for (const issuer of policy.issuers) {
    if (issuer.bind === "none" && signers.has(issuer)) await wallet.token(issuer);
  }
  const suggestions: Suggestion[] = [];
  for (const example of examples) {
    const { id } = example;
    const candidates = example.issuers.map((name) => policy.issuers.find((one) => one.name === name)!);
    const issuer = candidates.find((one) => signers.has(one)) ?? candidates[0];
    const svid =
      policy.identity === "jwt-svid" && id !== null
        ? policy.svids.find(({ name }) => name === trustDomainOf(id))
        : undefined;
    const places = choosePlaces(issuer, svid);
    if (places === undefined) continue;
    const isBound = issuer?.bind === "certificate";
    const holder = (svid === undefined ? id : undefined) ?? (isBound ? (id ?? exampleCaller(policy)) : undefined);
    const shown = holder === undefined ? undefined : await identity(holder);
    const tokens: ShellToken[] = [];
    if (svid !== undefined) tokens.push({ place: places.svid!, variable: (await wallet.svid(svid, id!)).variable });
    if (issuer !== undefined) {
      const { variable } = await wallet.token(issuer, isBound ? holder : (id ?? undefined), shown);
      tokens.push({ place: places.token!, variable });
    }
    suggestions.push({ ...example, ...(shown === undefined ? {} : { identity: shown }), tokens });
  }
  return { suggestions, credentials: wallet.credentials };
}

/** The first places, as they are written, that do not get in each other's way; undefined where there are none. */
function choosePlaces(token?: Issuer, svid?: Issuer): { token?: Place; svid?: Place } | undefined {
  if (token === undefined) return svid === undefined ? {} : { svid: svid.places[0]! };
  if (svid === undefined) return { token: token.places[0]! };
  for (const ofSvid of svid.places) {
    const free = token.places.find(({ kind, name }) => kind !== ofSvid.kind || name !== ofSvid.name);
    if (free !== undefined) return { token: free, svid: ofSvid };
  }
  return undefined;
}

/** What requests carry, each made once. */
class Wallet {
  readonly credentials: Credential[] = [];

  constructor(
    private readonly policy: Policy,
    private readonly signers: ReadonlyMap<Issuer, Signer>,
  ) {}

  /** A JWT-SVID. */
  svid(domain: Issuer, caller: string): Promise<Credential> {
    return this.get(domain, "svid", { sub: caller }, { caller, scopes: [] });
  }

  /** A token with all scopes that rules ask of its issuer, bound as the issuer binds its tokens. */
  token(issuer: Issuer, caller?: string, identity?: StoredIdentity): Promise<Credential> {
    const rules = this.policy.rules.filter(({ issuers }) => issuers.includes(issuer.name));
    const scopes = [...new Set(rules.flatMap((rule) => rule.scopes))];
    const scope = scopes.length > 0 && claimWith(issuer.scopeClaims[0]!, scopes.join(" "));
    if (issuer.bind === "none" || caller === undefined)
      return this.get(issuer, "token", { sub: "example", ...scope }, { scopes });
    if (issuer.bind === "caller") return this.get(issuer, "token", { sub: caller, ...scope }, { caller, scopes });
    const thumbprint = thumbprintOf(identity!.certificatePem);
    const claims = { sub: "example", ...scope, cnf: { "x5t#S256": thumbprint } };
    return this.get(issuer, "token", claims, { caller, thumbprint, scopes });
  }

  private async get(
    issuer: Issuer,
    kind: Credential["kind"],
    claims: Parameters<Signer>[0],
    more: Pick<Credential, "caller" | "thumbprint" | "scopes">,
  ): Promise<Credential> {
    const known = this.credentials.find(
      (one) => one.kind === kind && one.issuer === issuer.name && one.caller === more.caller,
    );
    if (known !== undefined) return known;
    const made = await this.signers.get(issuer)?.(claims);
    const variable = this.variable(kind, issuer.name, more.caller);
    const credential = { kind, issuer: issuer.name, variable, ...more, ...(made === undefined ? {} : { made }) };
    this.credentials.push(credential);
    return credential;
  }

  /** A variable of the shell that nothing else goes into, such as `TOKEN_corp`, `TOKEN_corp_web` or `SVID_web`. */
  private variable(kind: Credential["kind"], issuer: string, caller?: string): string {
    const path = caller?.replace(/^spiffe:\/\/[^/]*\//u, "");
    const words = kind === "svid" ? ["SVID", path] : ["TOKEN", issuer, path];
    const name = words
      .filter((word) => word !== undefined)
      .join("_")
      .replace(/[^A-Za-z0-9_]+/gu, "_");
    for (let number = 1; ; number++) {
      const variable = number === 1 ? name : `${name}_${number}`;
      if (!this.credentials.some((one) => one.variable === variable)) return variable;
    }
  }
}

/** RFC 8705 §3.1. */
function thumbprintOf(certificatePem: string): string {
  const { fingerprint256 } = new X509Certificate(certificatePem);
  return Buffer.from(fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
}
