/** Tokens that stand for those of the log: of an issuer that the engine is told to believe, with the scopes that the log has. */
import { algorithm_es256 } from "../../assembly/crypto/algorithms.ts";
import { mintToken } from "../policytest/mint.ts";

/** The `iss` of these tokens. */
export const good_issuer = "replay:good";
export const stand_in_algorithm = "ES256";

/** Scopes as RFC 6749 §3.3 has them; a token with others, or with more, may not be made again. */
const plain_scopes = /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/u;
const scopes_max = 2000;
/** So many tokens are kept: they differ in their scopes alone. */
const tokens_max = 1000;

export class StandInTokens {
  readonly #tokens = new Map<string, string>();

  /** Whether a token can be made with these scopes. */
  has(scopes: string): boolean {
    return scopes !== "" && scopes.length <= scopes_max && plain_scopes.test(scopes);
  }

  /** A token with these scopes, signed by a key of ours. */
  of(scopes: string): string {
    let token = this.#tokens.get(scopes);
    if (token === undefined) {
      const claims = { scope: scopes, iat: null, exp: 99_999_999_999 };
      const issuer = { iss: good_issuer, audiences: [], algorithms: [algorithm_es256], lifetimeSeconds: 0 };
      token = mintToken({ issuer: "", header: {}, claims }, issuer, 0);
      if (this.#tokens.size >= tokens_max) this.#tokens.clear();
      this.#tokens.set(scopes, token);
    }
    return token;
  }
}
