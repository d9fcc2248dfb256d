import type { JWK } from "jose";
import { currentKeyVersion } from "../../domain/rollover.ts";
import { KEY_STATEMENT_TYPE } from "../../protocol/token-types.ts";
import type { Config } from "../config.ts";
import { signStatement } from "../crypto/signed-statements.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";

/** A statement is handed out again for this long, and holds for so many seconds after it was signed. */
const REUSE_MILLISECONDS = 60 * 1000;
const LIFETIME_SECONDS = 5 * 60;

/**
 * Signed statements of the key to encrypt to. Claims: `revision`, and the `epoch` it is counted from; `key_version`, null
 * while a rollover is due; `cnf.jwk`, the key.
 */
export class KeyStatement {
  readonly #storage: DomainStorage;
  readonly #authorityKey: JWK;
  #last: Readonly<{ id: string; issuedAt: number; statement: Promise<string> }> | null = null;

  constructor(storage: DomainStorage, { domainAuthorityKeys }: Pick<Config, "domainAuthorityKeys">) {
    this.#storage = storage;
    this.#authorityKey = domainAuthorityKeys[0];
  }

  /**
   * The statement of this moment, and the version it states.
   *
   * @param issuer its `iss`
   * @param now milliseconds since the Unix epoch
   */
  async at(issuer: string, now: number): Promise<Readonly<{ currentKeyVersion: number | null; statement: string }>> {
    const state = this.#storage.domainState;
    const keyVersion = currentKeyVersion(state, now);
    // Not of the revision: a join must not have everybody fetch the key set again.
    const id = `${keyVersion} ${issuer}`;
    if (this.#last?.id !== id || Math.abs(now - this.#last.issuedAt) >= REUSE_MILLISECONDS) {
      const [key] = keyVersion === null ? [] : this.#storage.keys(keyVersion - 1, keyVersion);
      const claims = {
        revision: state.revision,
        epoch: this.#storage.row?.epoch,
        key_version: keyVersion,
        ...(key ? { cnf: { jwk: JSON.parse(key.publicJwk) } } : {}),
      };
      const about = { issuer, domain: this.#storage.name, issuedAt: now, lifetimeSeconds: LIFETIME_SECONDS };
      this.#last = {
        id,
        issuedAt: now,
        statement: signStatement(KEY_STATEMENT_TYPE, claims, about, this.#authorityKey),
      };
    }
    return { currentKeyVersion: keyVersion, statement: await this.#last.statement };
  }
}
