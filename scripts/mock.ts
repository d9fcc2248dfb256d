// `npm run mock`: a server for authors of clients. It fails as the name of the domain asks.

import { startMockServer } from "./mock/mock-server.ts";
import { EFFECTS } from "./mock/script.ts";
import { chosenPort } from "./ports.ts";
import { scriptOptions } from "./script-options.ts";

const HELP = `A domain's name says what happens to its requests: after a first "~", words that "~" separates.

  EFFECT:OPERATION[:WHICH]   an operation is register, deregister, keys, history, rollover or domain;
                             which of them: 2, 1-3 or 2-end; the first if left out
  clock:SECONDS              the server's clock is ahead by so much; behind, with a minus
  limit:MEMBERS              the domain takes no more members
  device-key                 the domain takes signed requests alone

  Effects:
${Object.entries(EFFECTS)
  .map(([name, text]) => `    ${name.padEnd(10)} ${text}`)
  .join("\n")}

  Such as /domains/test-1~lost:deregister~503:register:1-3

The port is 8790, or that in the variable PORT.`;

scriptOptions("mock", "Serves in memory, and fails as the name of the domain asks.", [], HELP);
const { url, adminToken, stop } = await startMockServer(await chosenPort(8790));
console.log(`The mock server is at ${url}; its admin token is ${adminToken}.\n\n${HELP}`);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => stop().then(() => process.exit()));
