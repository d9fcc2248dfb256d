import type { ErrorName } from "../protocol/error-names.ts";

/** The meaning and the remedy of each error, in sentences. */
type Explanation = Readonly<{ happened: string; todo: string }>;

/** Every error explained: what its page at `/problems/` says, and the API's description. */
export const EXPLANATIONS: Readonly<Record<ErrorName, Explanation>> = {
  DOM_AUTHENTICATION_REQUIRED: {
    happened:
      "This domain serves only devices that show a valid auth token of a trusted issuer. The request had none, or one that is expired, of another auth namespace or subject, for another domain, or not meant for this server.",
    todo: "Read “detail”, if there is one. Get a new token from the identity provider of this domain, and send it as “Authorization: Bearer”. Nothing was changed.",
  },
  DOM_LIMIT_REACHED: {
    happened:
      "As many devices are members of this domain as its operator allows. Those that are members are served as before.",
    todo: "Have another device leave first, or ask the operator for a higher maximum. Asking again changes nothing.",
  },
  DEVICE_KEY_REQUIRED: {
    happened:
      "This domain serves only requests that are signed with a key of the device's own. This one was not signed.",
    todo: "Send the request signed, as “Content-Type: application/jose”.",
  },
  DEVICE_PROOF_INVALID: {
    happened:
      "The request does not prove that the device made it now. It is signed with another key than that of the membership or the token, or not at all. Or its address or time is wrong, or it was used before.",
    todo: "Read “detail”. If the response has “serverTime”, the device's clock is wrong: verify this JWS of the server, and correct the clock by its “iat”. Do not use the “Date” header, which is not signed. Then sign a new request with the key that the device joined with.",
  },
  DEVICE_BANNED: {
    happened: "An operator keeps this device out of the domain, or of all domains, by its machine GUID or by its key.",
    todo: "Ask the operator. Asking the server again changes nothing.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    happened: "The idempotency key is on record for another request than this one.",
    todo: "Repeat a request exactly as it was, or give each new one a new key.",
  },
  DEREG_DENIED: {
    happened: "The device is not a member of this domain, so that it cannot leave it. It may have left already.",
    todo: "Nothing: there is no membership to end. To learn whether a leave whose answer was lost took effect, repeat it under the same idempotency key.",
  },
  INVALID_REQUEST: {
    happened: "The request is not as the API describes it.",
    todo: "Correct each field that “errors” names. The same request would be refused again.",
  },
  DOMAIN_EXISTS: {
    happened: "A new domain was asked for, by “If-None-Match: *”, and one of this name exists. It was not changed.",
    todo: "Choose another name. To change the domain that exists, send “PATCH”, or “PUT” without “If-None-Match”.",
  },
  DOMAIN_NOT_FOUND: {
    happened:
      "No domain of this name exists. Asking never creates one: the first registration does, or an operator's settings.",
    todo: "Check the name; case matters.",
  },
  NOT_FOUND: {
    happened:
      "The address does not exist, or it names a device or a key version that does not exist, or the owner of a domain that has none.",
    todo: "Check the address against the API's description at /docs. A device that is gone from a list needs nothing more.",
  },
  ADMIN_AUTHENTICATION_REQUIRED: {
    happened: "Everything under /admin is for operators. The request had no valid credential of one.",
    todo: "Send the admin token, or a token of an issuer that operators come from, as “Authorization: Bearer”; or come through Cloudflare Access.",
  },
  ADMIN_SCOPE_REQUIRED: {
    happened: "The credential is an operator's, but what was asked for is beyond what it allows.",
    todo: "Get a token with the scope that “WWW-Authenticate” names.",
  },
  RATE_LIMITED: {
    happened:
      "More requests came from one address or network than are served in a minute, or more reads or joins of one domain. This one was not carried out.",
    todo: "Ask again after the seconds in “Retry-After”. A member can always leave.",
  },
  OVERLOADED: {
    happened: "More is being asked than can be done at the moment. The request was not carried out.",
    todo: "Ask again after the seconds in “Retry-After”, and a little later each further time.",
  },
  TEMPORARILY_UNAVAILABLE: {
    happened:
      "Something that this request needs, such as the database or an issuer's keys, cannot be reached at the moment.",
    todo: "Ask again after the seconds in “Retry-After”, and a little later each further time.",
  },
  INTERNAL_ERROR: {
    happened: "The server failed in a way that nobody foresaw. Its log has the cause.",
    todo: "Tell the operator the “x-request-id” of the response.",
  },
};
