import type { LogChange } from "../../src/domain/log-entry.ts";
import type { LogRow } from "./object-files.ts";

/** Which key is the newest, whether a rollover is required, and from when on it is due, going by the log. */
export class RolloverRules {
  keyVersion = 0;
  isRequired = true;
  /** In milliseconds since the Unix epoch, as are all times. */
  notBefore = 0;
  keyMadeAt = 0;
  #intervalMilliseconds = 0;

  /** Whether a registration at a time makes a key. */
  isDue(time: number): boolean {
    return this.isRequired && time >= this.notBefore;
  }

  /** The version to encrypt to at a time; null for none. */
  currentAt(time: number): number | null {
    return this.isDue(time) || this.keyVersion === 0 ? null : this.keyVersion;
  }

  get #postponed(): number {
    return this.keyMadeAt + this.#intervalMilliseconds;
  }

  take(change: LogChange, time: number): void {
    switch (change.type) {
      case "domain-created":
        this.keyVersion = Number(change.keyVersion ?? 0);
        break;
      case "device-left":
        if (!this.isRequired) this.notBefore = this.#postponed;
        this.isRequired = true;
        break;
      case "device-evicted":
      case "rollover-required":
        this.isRequired = true;
        this.notBefore = 0;
        break;
      case "key-made":
        this.keyVersion = Number(change.keyVersion);
        this.isRequired = false;
        this.keyMadeAt = time;
        break;
      case "settings-changed": {
        const { rolloverIntervalSeconds } = change.settings as { rolloverIntervalSeconds: number | null };
        this.#intervalMilliseconds = (rolloverIntervalSeconds ?? 0) * 1_000;
        this.notBefore = Math.min(this.notBefore, this.#postponed);
      }
    }
  }
}

/** The versions to encrypt to that the commit of a revision led through; null for none. */
export function currentVersions(log: readonly LogRow[], revision: number): ReadonlySet<number | null> {
  const rules = new RolloverRules();
  const versions = new Set<number | null>();
  for (const row of log.filter((each) => each.revision <= revision)) {
    for (const change of row.changes) {
      rules.take(change, row.committedAt);
      if (row.revision === revision) versions.add(rules.currentAt(row.committedAt));
    }
  }
  return versions;
}
