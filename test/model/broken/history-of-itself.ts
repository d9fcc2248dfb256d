// The server with a history that goes up to the version it is asked to end before: to the key itself that it is sealed to.
import { KeyHistory } from "../../../src/server/object/key-history.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const { page } = KeyHistory.prototype;

KeyHistory.prototype.page = function ({ keyVersion, before }, ...rest) {
  return page.call(this, { keyVersion, before: before + 1 }, ...rest);
};
