import type { JWK } from "jose";
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
   * The statement that this key version is the one to encrypt to.
   *
   * @param keyVersion null while there is none
   * @param issuer its `iss`
   * @param now milliseconds since the Unix epoch
   */
  of(keyVersion: number | null, issuer: string, now: number): Promise<string> {
    // Not of the revision: a join must not have everybody fetch the key set again.
    const id = `${keyVersion} ${issuer}`;
    if (this.#last?.id !== id || Math.abs(now - this.#last.issuedAt) >= REUSE_MILLISECONDS) {
      const statement = this.#sign(keyVersion, issuer, now);
      this.#last = { id, issuedAt: now, statement };
      statement.catch(() => {
        this.#last = null;
      });
    }
    return this.#last.statement;
  }

  /** Forgets the last one: the domain was deleted. */
  forget(): void {
    this.#last = null;
  }

  #sign(keyVersion: number | null, issuer: string, issuedAt: number): Promise<string> {
    const { row, name: domain } = this.#storage;
    const [key] = keyVersion === null ? [] : this.#storage.keys(keyVersion - 1, keyVersion);
    const claims = {
      revision: row?.revision,
      epoch: row?.epoch,
      key_version: keyVersion,
      ...(key ? { cnf: { jwk: JSON.parse(key.publicJwk) } } : {}),
    };
    const about = { issuer, domain, issuedAt, lifetimeSeconds: LIFETIME_SECONDS };
    return signStatement(KEY_STATEMENT_TYPE, claims, about, this.#authorityKey);
  }
}
