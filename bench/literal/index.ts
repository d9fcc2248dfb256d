// The literal Worker: the reference logic written step by step, to measure against. It speaks the same wire contract
// and takes from src/ what both need alike: reading and checking requests, writing problems, the cryptography, the
// plain reads. What it does not take is what is under measurement: the coordinator and the store.
import { app } from "./routes.ts";

export { DomainObject } from "./domain-object.ts";

export default app;
