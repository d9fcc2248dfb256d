// The server as it is deployed, and a word in the log of every rejection that nobody handled: the runtime says nothing.
export { DomainObject, default } from "../../../src/server/index.ts";

addEventListener("unhandledrejection", ({ reason }) => console.error(`nobody handled a rejection: ${reason}`));
