import { createServer } from "node:net";
import { give } from "./arguments.ts";

/** The port in the variable PORT, or this one. Ends the program if it is none, or somebody listens there. */
export async function freePort(standard: number): Promise<number> {
  const text = process.env.PORT ?? String(standard);
  const port = Number(text);
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) give(`PORT is "${text}", which is no port number.`);
  if (!(await isFree(port))) {
    give(`Port ${port} is in use: stop what listens there, or choose another, as in PORT=${port + 1}.`);
  }
  return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "localhost", () => probe.close(() => resolve(true)));
  });
}
