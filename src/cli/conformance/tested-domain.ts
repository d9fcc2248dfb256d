import { expectReply, type Members, type Reply } from "./expectations.ts";
import { type Claims, type SigningDevice, signed } from "./signing-device.ts";
import type { Request, TestedServer } from "./tested-server.ts";

type Action = "register" | "deregister";

/** A domain of the tested server. It remembers who joined. */
export class TestedDomain {
  readonly name: string;
  readonly #server: TestedServer;
  readonly #unsigned = new Set<string>();
  readonly #signing = new Map<string, SigningDevice>();

  constructor(server: TestedServer, name: string) {
    this.#server = server;
    this.name = name;
  }

  /** Its path on the server, with something below it. */
  path(below = ""): string {
    return `/domains/${encodeURIComponent(this.name)}${below}`;
  }

  /** Asks for something below it. */
  ask(below = "", request: Request = {}): Promise<Reply> {
    return this.#server.ask(this.path(below), request);
  }

  async register(machineGuid: string, members: Members = {}, headers: Record<string, string> = {}): Promise<Reply> {
    const reply = await this.#post("register", { machineGuid, ...members }, headers);
    if (reply.status < 300) this.#unsigned.add(machineGuid);
    return reply;
  }

  /** Has a device join that nobody knows yet. @returns its machine GUID and the response */
  async join(members: Members = {}): Promise<{ machineGuid: string; reply: Reply }> {
    const machineGuid = crypto.randomUUID();
    return { machineGuid, reply: expectReply(await this.register(machineGuid, members), 201) };
  }

  async deregister(machineGuid: string, members: Members = {}, headers: Record<string, string> = {}): Promise<Reply> {
    const reply = await this.#post("deregister", { machineGuid, ...members }, headers);
    if (reply.body.deregistered === true) this.#unsigned.delete(machineGuid);
    return reply;
  }

  /** Has a member leave. */
  async leave(machineGuid: string): Promise<Reply> {
    return expectReply(await this.deregister(machineGuid), 200, { allowed: true, deregistered: true });
  }

  /** Sends a device's request, signed. @param claims overrule those of a right request */
  async sign(device: SigningDevice, action: Action, claims: Claims = {}, header: Members = {}): Promise<Reply> {
    const reply = await this.post(action, await signed(device, this.urlOf(action), claims, header));
    if (action === "register" && reply.status < 300) this.#signing.set(device.machineGuid, device);
    return reply;
  }

  /** Sends a signed request as it is. */
  post(action: Action, jws: string, headers: Record<string, string> = {}): Promise<Reply> {
    const type = { "content-type": "application/jose" };
    return this.ask(`/${action}`, { method: "POST", body: jws, headers: { ...type, ...headers } });
  }

  /** The absolute URL of a request, its `aud`. */
  urlOf(action: Action): string {
    return `${this.#server.origin}${this.path(`/${action}`)}`;
  }

  /** The version of the key to encrypt to; null while a rollover is due. */
  async currentKeyVersion(): Promise<unknown> {
    return expectReply(await this.ask("/keys"), 200).body.currentKeyVersion;
  }

  /** Sends an operator's request about it. */
  operate(below: string, request: Request = {}): Promise<Reply> {
    return this.#server.operate(`/admin${this.path(below)}`, request);
  }

  /** Replaces its settings. */
  configure(settings: object): Promise<Reply> {
    return this.operate("", { method: "PUT", body: settings });
  }

  /** Deletes it, or has its members leave. @returns whether it is gone */
  async remove(): Promise<boolean> {
    if (this.#server.has("admin token")) {
      const { status } = await this.operate(`?confirm=${encodeURIComponent(this.name)}`, { method: "DELETE" });
      return status < 300 || status === 404;
    }
    for (const machineGuid of [...this.#unsigned]) await this.deregister(machineGuid);
    // No leave counts that was signed before the join, and some clocks ran ahead.
    const iat = Date.now() / 1000 + 290;
    for (const device of this.#signing.values()) await this.sign(device, "deregister", { iat });
    return (await this.ask()).status === 404;
  }

  #post(action: Action, body: object, headers: Record<string, string>): Promise<Reply> {
    return this.ask(`/${action}`, { method: "POST", body, headers });
  }
}
