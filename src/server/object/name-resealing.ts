import type { JWK } from "jose";
import type { Membership } from "../../domain/types.ts";
import { isSealedAnew, openDeviceName, sealDeviceName } from "../crypto/device-names.ts";
import { log } from "../worker-log.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";

/** How many members are looked at in one turn, which is the most that one commit changes. */
const MEMBERS_AT_A_TIME = 500;

type Named = { machineGuid: string; sealedName: string | null };
/** A device whose name was sealed with another key, and the same name sealed anew. */
type Resealed = Readonly<{ machineGuid: string; before: string; sealedName: string }>;

/**
 * Seals the names of devices with the first of the key-encryption keys that were sealed with another one. A name that does
 * not open stays as it is.
 *
 * @param committed called in the transaction of each commit
 */
export async function resealNames(
  storage: DomainStorage,
  keys: readonly [JWK, ...JWK[]],
  committed: (now: number) => void,
): Promise<void> {
  let lost = 0;
  for (let after = ""; ; ) {
    const members = storage.sql
      .exec<Named>(
        `select machine_guid as machineGuid, sealed_name as sealedName from domain_membership
          where machine_guid > ? order by machine_guid limit ?`,
        after,
        MEMBERS_AT_A_TIME,
      )
      .toArray();
    const stale = members.filter(({ sealedName }) => sealedName !== null && !isSealedAnew(sealedName, keys));
    const resealed = (await Promise.all(stale.map((each) => reseal(storage.name, each, keys)))).flat();
    lost += stale.length - resealed.length;
    write(storage, resealed, keys[0].kid as string, committed);
    const last = members.at(-1);
    if (!last) break;
    after = last.machineGuid;
    // There may be many, and devices wait.
    await scheduler.wait(0);
  }
  if (lost > 0) log("error", "names of devices do not open", { domain: storage.name, names: lost });
}

async function reseal(domain: string, { machineGuid, sealedName }: Named, keys: readonly JWK[]): Promise<Resealed[]> {
  const place = { domain, machineGuid };
  const name = await openDeviceName(sealedName, place, keys);
  if (sealedName === null || name === null) return [];
  return [{ machineGuid, before: sealedName, sealedName: await sealDeviceName(name, place, keys) }];
}

/** Writes names in one commit: those that nobody changed meanwhile. */
function write(
  storage: DomainStorage,
  all: readonly Resealed[],
  keyEncryptionKid: string,
  committed: (now: number) => void,
): void {
  const now = Date.now();
  storage.transaction(() => {
    const before = storage.stateWith(all.map(({ machineGuid }) => machineGuid));
    const names = all.filter((each) => before.members.get(each.machineGuid)?.sealedName === each.before);
    // None is left of a domain that was deleted meanwhile.
    if (names.length === 0) return;
    const members = new Map(before.members);
    for (const { machineGuid, sealedName } of names) {
      members.set(machineGuid, { ...(before.members.get(machineGuid) as Membership), sealedName });
    }
    const event = { type: "names-resealed", keyEncryptionKid, names: names.length } as const;
    const state = { ...before, members, revision: before.revision + 1 };
    storage.commit(before, { state, events: [event], records: new Map() }, [], now);
    committed(now);
  });
}
