import { setTimeout as delay } from "node:timers/promises";
import { Connection } from "../../test/support/node/connection.ts";
import { send } from "../population.ts";
import { LicenceServer, type Place, urlOf } from "./licences.ts";
import { FORMS, type Form, join, oversized, type ResponseSizes } from "./newcomers.ts";

/** A newcomer joins this long after the one before was answered. */
const NEWCOMER_MILLISECONDS = 400;

/** How an attack goes. */
export type AttackPlan = Readonly<{
  /** How many devices of the attacker join and leave at the same time, each in turn. */
  devices: number;
  /** Whether the attack goes on after so many requests. */
  goesOn: (requests: number) => boolean;
}>;

/** The result of an attack. */
export type AttackOutcome = Readonly<{
  devices: number;
  /** The attacker's requests. */
  requests: number;
  perSecond: number;
  /** How many key versions were made meanwhile. */
  keyVersions: number;
  licences: Pick<LicenceServer, "issued" | "refusedTries" | "milliseconds" | "failures">;
  /** The largest that newcomers got meanwhile. */
  largestResponses: ResponseSizes;
  /** In words, all that failed and must not. */
  failures: readonly string[];
}>;

/** Has an attacker join and leave a domain without end, while licences are encrypted to it and newcomers join. */
export async function attack(place: Place, { devices, goesOn }: AttackPlan): Promise<AttackOutcome> {
  const licences = new LicenceServer(place);
  const firstVersion = await keyVersionOf(place);
  const start = performance.now();
  let requests = 0;
  let isRunning = true;
  let end = start;
  const joinAndLeave = async () => {
    const connection = new Connection(place.origin);
    const machineGuid = crypto.randomUUID();
    for (; goesOn(requests); requests += 2) {
      await send(connection, place.domain, "register", { machineGuid });
      await send(connection, place.domain, "deregister", { machineGuid });
    }
    connection.close();
  };
  const attacker = Promise.all(Array.from({ length: devices }, joinAndLeave)).finally(() => {
    isRunning = false;
    end = performance.now();
  });
  const [largestResponses] = await Promise.all([
    arrive(place, () => isRunning),
    licences.work(() => isRunning),
    attacker,
  ]);
  const seconds = (end - start) / 1000;
  return {
    devices,
    requests,
    perSecond: requests / seconds,
    keyVersions: (await keyVersionOf(place)) - firstVersion,
    licences,
    largestResponses,
    failures: [
      ...licences.failures,
      ...(await licences.unopened()),
      ...oversized(largestResponses, `with an attacker of ${devices} devices`),
    ],
  };
}

/** Has newcomers join, one after the other, at least one in each form. @returns the largest responses */
async function arrive({ origin, domain }: Place, goesOn: () => boolean): Promise<ResponseSizes> {
  const connection = new Connection(origin);
  const largest = { newest: 0, "newest, sealed": 0, all: 0, "all, sealed": 0 };
  for (let count = 0; count < FORMS.length || goesOn(); count++) {
    const form = FORMS[count % FORMS.length] as Form;
    largest[form] = Math.max(largest[form], Buffer.byteLength(await join(connection, domain, form)));
    // So few that the growth of the storage is the attacker's.
    await delay(NEWCOMER_MILLISECONDS);
  }
  connection.close();
  return largest;
}

async function keyVersionOf(place: Place): Promise<number> {
  const response = await fetch(urlOf(place));
  return ((await response.json()) as { keyVersion: number }).keyVersion;
}
