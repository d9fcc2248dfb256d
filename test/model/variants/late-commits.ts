// The server on a disk that is late with every commit: an object's queue fills up.
import { onSlowDisk } from "./slow-disk.ts";

export { DatabaseWriter, DeviceBans, Door, default } from "./watched.ts";

/** Longer than it takes a crowd to arrive. */
const LATE_MILLISECONDS = 6_000;

/** A domain's object on a late disk. */
export const DomainObject = onSlowDisk(() => scheduler.wait(LATE_MILLISECONDS));
