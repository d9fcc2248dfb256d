import type { JWK } from "jose";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { type Overview, withoutCopy } from "../node/overviews.ts";
import type { Hold } from "./hold.ts";
import type { Site } from "./site.ts";

/** A domain that no other test uses, with what its operator and its licence server do there. */
export class TestDomain {
  readonly name = `browser-${crypto.randomUUID().slice(0, 13)}`;
  readonly url: string;
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
    this.url = `${site.url}/domains/${this.name}`;
  }

  /** Stops the next registration or leave in this domain: its request, or the answer to it. */
  hold(action: "register" | "deregister", what: "request" | "answer"): Hold {
    return this.#site.hold(`/domains/${this.name}/${action}`, what);
  }

  async overview(): Promise<Overview> {
    return withoutCopy(await this.#admin({}));
  }

  /** Sets the rules of the domain, and creates it if need be. */
  async configure(settings: object): Promise<void> {
    await this.#admin({
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(settings),
    });
  }

  /** Has new keys made, one after the other. */
  async rollOver(times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      await this.#admin(
        { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ when: "now" }) },
        "/rollover",
      );
    }
  }

  /** Has a device removed, and kept from coming back. */
  async ban(machineGuid: string, reason: string): Promise<void> {
    await this.#admin(
      { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ reason }) },
      `/bans/${machineGuid}`,
    );
  }

  /** Encrypts a secret to the domain, as a licence server does. */
  encrypt(secret: string): Promise<string> {
    return encryptToDomain(this.url, secret);
  }

  /** The domain's public keys, as anybody gets them: oldest first. */
  async publicKeys(): Promise<JWK[]> {
    const response = await fetch(`${this.url}/keys`);
    const { keys }: { keys: JWK[] } = await response.json();
    return keys;
  }

  /** The domain's private keys, as a device gets them that asks for them in the clear. */
  async privateKeys(): Promise<JWK[]> {
    const response = await fetch(`${this.url}/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ machineGuid: crypto.randomUUID() }),
    });
    const { credentials }: { credentials: { privateKey: JWK }[] } = await response.json();
    return credentials.map(({ privateKey }) => privateKey);
  }

  async #admin({ headers, ...request }: RequestInit, path = ""): Promise<object> {
    const response = await fetch(`${this.#site.url}/admin/domains/${this.name}${path}`, {
      ...request,
      headers: { ...headers, authorization: `Bearer ${this.#site.adminToken}` },
    });
    if (!response.ok) throw new Error(`The operator is refused: ${await response.text()}`);
    return response.json();
  }
}
