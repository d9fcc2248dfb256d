// The server with a history whose private keys are not those of its tokens.
import { generateDomainKeyPair } from "../../../src/server/crypto/key-pairs.ts";
import { KeyHistory } from "../../../src/server/object/key-history.ts";
import { Keyring } from "../../../src/server/object/keyring.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const { page } = KeyHistory.prototype;
const { unwrap } = Keyring.prototype;
/** The keys of a page are read at the moment it is asked for. */
let isAskedForPage = false;

Keyring.prototype.unwrap = async function (stored) {
  const isForPage = isAskedForPage;
  const right = await unwrap.call(this, stored);
  return isForPage ? { ...right, privateJwk: (await generateDomainKeyPair(stored.keyVersion)).privateJwk } : right;
};

KeyHistory.prototype.page = function (...asked) {
  isAskedForPage = true;
  const answer = page.apply(this, asked);
  isAskedForPage = false;
  return answer;
};
