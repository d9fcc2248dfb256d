import { generateKeyPairSync } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../../test/model/connection.ts";

/** The ways in which a newcomer asks for keys. */
export const FORMS = ["newest", "newest, sealed", "all", "all, sealed"] as const;
export type Form = (typeof FORMS)[number];

/** The body of a response to a newcomer, in bytes. */
export type ResponseSizes = Readonly<Record<Form, number>>;

const KILOBYTE = 1024;
/** The largest response that a newcomer may get, in bytes. */
const BOUNDS: ResponseSizes = {
  newest: 2.5 * KILOBYTE,
  "newest, sealed": 2.5 * KILOBYTE,
  all: 100 * KILOBYTE,
  "all, sealed": 100 * KILOBYTE,
};

/** How often a request is sent again that the server refused for the moment. */
const RETRIES = 20;
const RETRY_MILLISECONDS = 250;

/** Has one new device join for each form. @returns the sizes of the responses */
export async function newcomerSizes(connection: Connection, domain: string): Promise<ResponseSizes> {
  const sizes: Partial<Record<Form, number>> = {};
  for (const form of FORMS) sizes[form] = Buffer.byteLength(await join(connection, domain, form));
  return sizes as ResponseSizes;
}

/** Has a new device join. @returns the body of the response */
export function join(connection: Connection, domain: string, form: Form): Promise<string> {
  const members = {
    machineGuid: crypto.randomUUID(),
    credentials: form.startsWith("newest") ? "newest" : "all",
    ...(form.endsWith("sealed") ? { encryptionKey: newSealingKey() } : {}),
  };
  return send(connection, `/domains/${domain}/register`, members);
}

/** Sends a request of a device until it is granted. @returns the body of the response */
export async function send(connection: Connection, path: string, members: object): Promise<string> {
  const body = JSON.stringify(members);
  for (let retry = 0; ; retry++) {
    const response = await connection.ask("POST", path, { "content-type": "application/json" }, body);
    if (response.status < 300) return response.body;
    if (response.status !== 503 || retry >= RETRIES) throw new Error(`${path}: ${response.status} ${response.body}`);
    await delay(RETRY_MILLISECONDS);
  }
}

/** In words, the responses that are larger than they may be. */
export function oversized(sizes: ResponseSizes, when: string): readonly string[] {
  return FORMS.filter((form) => sizes[form] > BOUNDS[form]).map(
    (form) => `${when}, a newcomer that asks for ${form} gets ${sizes[form]} bytes, more than ${BOUNDS[form]}`,
  );
}

function newSealingKey(): object {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
}
