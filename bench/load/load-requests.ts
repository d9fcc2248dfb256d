import { randomUUID } from "node:crypto";
import { newDevice, sign } from "../../test/support/devices.ts";
import { memberGuid, SERVER_URL, type Traffic } from "./jobs.ts";

/** A request to be sent with POST. */
type Request = Readonly<{ path: string; headers: Readonly<Record<string, string>>; body: string }>;

/** Where requests come from: one after the other, told of each answer if they want to know. */
export type RequestSource = Readonly<{ next: () => Request; answered?: (body: string) => void }>;

/** Makes ready the requests of some traffic; what takes long, such as signing, is done before this resolves. */
export async function requestSource(traffic: Traffic, amount: number): Promise<RequestSource> {
  let count = 0;
  switch (traffic.kind) {
    case "joins":
      return { next: () => register(traffic.domain, randomUUID(), { credentials: traffic.credentials }) };
    case "renewals": {
      const { domain, members, afterKeyVersion } = traffic;
      return { next: () => register(domain, memberInTurn(count++, members), { afterKeyVersion }) };
    }
    case "mix":
      return mix(traffic.domain, traffic.members);
    case "spread": {
      const { prefix, domains = Number.POSITIVE_INFINITY } = traffic;
      return { next: () => register(`${prefix}-${count++ % domains}`, randomUUID()) };
    }
    case "signed": {
      const signed = await Promise.all(Array.from({ length: amount }, () => signedJoin(traffic.domain)));
      return { next: () => signed.pop() as Request };
    }
    case "certificates": {
      const request = { CN: "device", hosts: [""], names: [{ O: "bench" }], key: { algo: "ecdsa", size: 256 } };
      return { next: () => json("/api/v1/cfssl/newcert", { request }) };
    }
  }
}

function mix(domain: string, members: number): RequestSource {
  let [count, renewals, leaves, keyVersion] = [0, 0, 0, 1];
  return {
    next: () => {
      const place = count++ % 100;
      // A device that leaves does not renew.
      if (place === 50) return json(`/domains/${domain}/deregister`, { machineGuid: memberGuid(members + leaves++) });
      if (place % 11 === 5) return register(domain, randomUUID());
      // A device renews holding the newest key that any device had seen by then.
      return register(domain, memberInTurn(renewals++, members), { afterKeyVersion: keyVersion });
    },
    answered: (body) => {
      const seen = /"keyVersion":(\d+)/.exec(body)?.[1];
      keyVersion = Math.max(keyVersion, Number(seen ?? 0));
    },
  };
}

/** Members in an order in which neighbours are far apart. */
function memberInTurn(turn: number, members: number): string {
  return memberGuid((turn * 7_919) % members);
}

function register(domain: string, machineGuid: string, more: object = {}): Request {
  return json(`/domains/${domain}/register`, { machineGuid, ...more });
}

/** A new device's signed request to join, with a key to seal the domain's keys to. */
async function signedJoin(domain: string): Promise<Request> {
  const [device, { publicJwk: encryptionKey }] = await Promise.all([newDevice(), newDevice()]);
  const path = `/domains/${domain}/register`;
  const body = await sign(device, `${SERVER_URL}${path}`, { encryptionKey });
  return { path, headers: { "content-type": "application/jose" }, body };
}

function json(path: string, body: object): Request {
  return { path, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
