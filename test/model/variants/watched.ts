// The server as it is deployed, and a word in the log of every rejection that nobody handled: the runtime says nothing.
export { DomainCoordinator, default } from "../../../src/index.ts";

addEventListener("unhandledrejection", ({ reason }) => console.error(`nobody handled a rejection: ${reason}`));
