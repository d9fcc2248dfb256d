import { newDevice } from "../../test/support/devices.ts";
import type { Connection } from "../../test/support/node/connection.ts";
import { send } from "../population.ts";

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

/** Has one new device join for each form. @returns the sizes of the responses */
export async function newcomerSizes(connection: Connection, domain: string): Promise<ResponseSizes> {
  const sizes: Partial<Record<Form, number>> = {};
  for (const form of FORMS) sizes[form] = Buffer.byteLength(await join(connection, domain, form));
  return sizes as ResponseSizes;
}

/** Has a new device join. @returns the body of the response */
export async function join(connection: Connection, domain: string, form: Form): Promise<string> {
  return send(connection, domain, "register", {
    machineGuid: crypto.randomUUID(),
    credentials: form.startsWith("newest") ? "newest" : "all",
    ...(form.endsWith("sealed") ? { encryptionKey: (await newDevice()).publicJwk } : {}),
  });
}

/** In words, the responses that are larger than they may be. */
export function oversized(sizes: ResponseSizes, when: string): readonly string[] {
  return FORMS.filter((form) => sizes[form] > BOUNDS[form]).map(
    (form) => `${when}, a newcomer that asks for ${form} gets ${sizes[form]} bytes, more than ${BOUNDS[form]}`,
  );
}
