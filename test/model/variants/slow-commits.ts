// The server on a disk that takes its time over each row: then the disk is what limits an object, and its queue must
// refuse what comes on top.
import { onSlowDisk } from "./slow-disk.ts";

export { DatabaseWriter, DeviceBans, Door, default } from "./watched.ts";

const COMMIT_MILLISECONDS = 5;
const EVENT_MILLISECONDS = 5;

/** The disk does one thing after the other, whichever object it is for. */
let last: Promise<unknown> = Promise.resolve();

/** A domain's object on a slow disk. */
export const DomainObject = onSlowDisk((events) => {
  last = last.then(() => scheduler.wait(COMMIT_MILLISECONDS + events * EVENT_MILLISECONDS));
  return last;
});
