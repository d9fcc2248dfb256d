import { RefusedHere } from "../console/failures.ts";
import { OperatorError, PagedList } from "../operator/index.ts";
import { type CallOptions, OperatorConnection, type OperatorRequest } from "../operator/operator-connection.ts";
import type { Session } from "./owner-session.ts";

/** An issuer at which owners sign in. */
export type SignInIssuer = Readonly<{ issuer: string; clientId: string; scope: string; audience: string }>;

/** A device as the owner of its domain sees it. */
export type OwnedDevice = Readonly<{
  handle: string;
  deviceId: string;
  name: string | null;
  joinedAt: string;
  lastRenewedOn: string;
}>;

/** How many devices there are, and how many there may be; null for any number. */
export type DeviceCount = Readonly<{ memberCount: number; maxMembership: number | null }>;

type DevicePage = DeviceCount & Readonly<{ devices: readonly OwnedDevice[]; nextCursor: string | null }>;

const NO_DEVICES: DevicePage = { memberCount: 0, maxMembership: null, devices: [], nextCursor: null };

/** The issuers at which owners of this server's domains sign in. */
export async function signInIssuers({ signal }: CallOptions): Promise<readonly SignInIssuer[]> {
  const server = new OperatorConnection(location.origin, { retries: 0 });
  return (await server.ask<{ issuers: readonly SignInIssuer[] }>({ path: ["sign-in"] }, { signal })).issuers;
}

/** The server as the owner of a domain reaches it. */
export class OwnerServer {
  readonly #server: OperatorConnection;
  readonly #endsAt: number | null;
  readonly #onEnd: () => void;

  /** @param onEnd told when the session has ended */
  constructor({ token, endsAt }: Session, onEnd: () => void) {
    this.#server = new OperatorConnection(location.origin, { token, retries: 0 });
    this.#endsAt = endsAt;
    this.#onEnd = onEnd;
  }

  /** The domain of the owner who is signed in. */
  async ownDomain(call: CallOptions): Promise<string> {
    try {
      return (await this.#ask<{ domain: string }>({ path: ["own-domain"] }, call)).domain;
    } catch (error) {
      if (!isError(error, "NOT_FOUND")) throw error;
      throw new RefusedHere("Domain unknown", "Open the full link that your service gave you.");
    }
  }

  /** The devices of a domain; none if nobody joined it yet. @param onCount told how many there are, with each page */
  devices(domain: string, onCount: (count: DeviceCount) => void): PagedList<OwnedDevice> {
    return new PagedList(async (query, call) => {
      const { devices, nextCursor, ...count } = await this.#page(domain, query, call);
      onCount(count);
      return { items: devices, nextCursor };
    });
  }

  async rename(domain: string, { handle }: OwnedDevice, name: string): Promise<void> {
    try {
      await this.#ask({ method: "PATCH", path: ["domains", domain, "devices", handle], body: { name } });
    } catch (error) {
      if (isError(error, "NOT_FOUND")) throw new RefusedHere("The device is gone", "It was removed meanwhile.");
      if (!isError(error, "INVALID_REQUEST")) throw error;
      throw new RefusedHere("Invalid device name", `It ${error.fields[0]?.detail ?? "is refused"}.`);
    }
  }

  async remove(domain: string, { handle }: OwnedDevice): Promise<void> {
    try {
      await this.#ask({ method: "DELETE", path: ["domains", domain, "devices", handle] });
    } catch (error) {
      // It left meanwhile, or an earlier removal took effect whose response was lost.
      if (!isError(error, "NOT_FOUND")) throw error;
    }
  }

  /** Removes all devices but one; all, without one. */
  async removeAll(domain: string, except: string | undefined): Promise<void> {
    await this.#ask({ method: "DELETE", path: ["domains", domain, "devices"], query: { except } });
  }

  async #page(domain: string, query: OperatorRequest["query"], call: CallOptions): Promise<DevicePage> {
    try {
      return await this.#ask<DevicePage>({ path: ["domains", domain, "devices"], query: query ?? {} }, call);
    } catch (error) {
      if (isError(error, "DOMAIN_NOT_FOUND")) return NO_DEVICES;
      if (!isError(error, "NOT_FOUND")) throw error;
      throw new RefusedHere("These devices have no owner", "Ask your service how they are managed.");
    }
  }

  async #ask<Answer>(request: OperatorRequest, call: CallOptions = {}): Promise<Answer> {
    try {
      return await this.#server.ask<Answer>(request, call);
    } catch (error) {
      if (!isError(error, "DOM_AUTHENTICATION_REQUIRED")) throw error;
      if (this.#endsAt !== null && this.#endsAt <= Date.now()) this.#onEnd();
      const detail = error.detail ?? "Your sign-in has ended, or they belong to somebody else.";
      throw new RefusedHere("You cannot manage these devices", detail);
    }
  }
}

function isError(thrown: unknown, name: OperatorError["error"]): thrown is OperatorError {
  return thrown instanceof OperatorError && thrown.error === name;
}
