import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { give } from "./script-options.ts";

/** Ports that no system gives to outgoing connections: the dynamic ones start at 32,768 or above (RFC 6335, section 6). */
const QUIET_PORTS = [10_000, 32_768] as const;

/** The port in the variable PORT, or this one. Ends the program if it is none, or somebody listens there. */
export async function chosenPort(standard: number): Promise<number> {
  const text = process.env.PORT ?? String(standard);
  const port = Number(text);
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) give(`PORT is "${text}", which is not a port number.`);
  if (!(await isFree(port, "localhost"))) {
    give(`Port ${port} is in use: stop what listens there, or choose another, as in PORT=${port + 1}.`);
  }
  return port;
}

/**
 * A port where nobody listens, drawn at random. It is not one that the system would give out: between now and the
 * moment it is listened on, a connection of another process could take that.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...QUIET_PORTS);
    if (await isFree(port)) return port;
  }
}

/** Whether nobody listens on a port of this address. */
export function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
