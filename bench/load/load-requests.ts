import { randomUUID } from "node:crypto";
import type { Traffic } from "./jobs.ts";
import { memberGuid } from "./member-guids.ts";
import { signedJoin } from "./signed-joins.ts";

/** A request to be sent with POST. */
export type Request = Readonly<{ path: string; contentType: string; body: string }>;

/** Where requests come from: one after the other, told of each answer if they want to know. */
export type RequestSource = Readonly<{ next: () => Request; answered?: (body: string) => void }>;

/** Makes ready the requests of some traffic; what takes long, such as signing, is done before this returns. */
export function requestSource(traffic: Traffic, amount: number): RequestSource {
  switch (traffic.kind) {
    case "joins": {
      const { domain, credentials } = traffic;
      return { next: () => json(registerPath(domain), { machineGuid: randomUUID(), credentials }) };
    }
    case "renewals": {
      const member = memberInTurn(traffic.members);
      return { next: () => register(traffic.domain, member(), traffic.afterKeyVersion) };
    }
    case "mix":
      return mix(traffic.domain, traffic.members);
    case "spread": {
      let count = 0;
      return { next: () => join(`${traffic.prefix}-${count++ % traffic.domains}`) };
    }
    case "newborn": {
      let count = 0;
      return { next: () => join(`${traffic.prefix}-${count++}`) };
    }
    case "signed": {
      const signed = Array.from({ length: amount }, () => signedJoin(registerPath(traffic.domain)));
      return { next: () => signed.pop() as Request };
    }
    case "certificates": {
      const request = { CN: "device", hosts: [""], names: [{ O: "bench" }], key: { algo: "ecdsa", size: 256 } };
      return { next: () => json("/api/v1/cfssl/newcert", { request }) };
    }
  }
}

function mix(domain: string, members: number): RequestSource {
  const member = memberInTurn(members);
  let count = 0;
  let keyVersion = 1;
  let leaver = 0;
  return {
    next: () => {
      const place = count++ % 100;
      // A device that leaves does not renew.
      if (place === 50) return json(`/domains/${domain}/deregister`, { machineGuid: memberGuid(members + leaver++) });
      if (place % 11 === 5) return join(domain);
      // A device renews holding the newest key that any device had seen by then.
      return register(domain, member(), keyVersion);
    },
    answered: (body) => {
      const seen = /"keyVersion":(\d+)/.exec(body)?.[1];
      keyVersion = Math.max(keyVersion, Number(seen ?? 0));
    },
  };
}

/** Members in an order in which neighbours are far apart. */
function memberInTurn(members: number): () => string {
  let index = 0;
  return () => {
    index = (index + 7_919) % members;
    return memberGuid(index);
  };
}

function join(domain: string): Request {
  return register(domain, randomUUID(), 0);
}

function register(domain: string, machineGuid: string, afterKeyVersion: number): Request {
  return json(registerPath(domain), afterKeyVersion === 0 ? { machineGuid } : { machineGuid, afterKeyVersion });
}

function registerPath(domain: string): string {
  return `/domains/${domain}/register`;
}

function json(path: string, body: object): Request {
  return { path, contentType: "application/json", body: JSON.stringify(body) };
}
