// The literal Worker: the reference logic written step by step, to measure against. It speaks the same wire contract
// and takes from src/ what both need alike: reading and checking requests, writing problems, the cryptography. What it does
// not take is what is under measurement: the object with its storage, and the copy.
export { DomainObject } from "./domain-object.ts";
export { DatabaseWriter, DeviceBans } from "./idle-objects.ts";
export { app as default } from "./routes.ts";
