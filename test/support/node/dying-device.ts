// A program that is killed in the middle of a leave: node dying-device.ts URL DIRECTORY before|after|preparing
import { DeviceDomain } from "../../../src/client/device-domain.ts";
import { FileStore } from "../../../src/client/file-store.ts";

const [url, directory, moment] = process.argv.slice(2) as [string, string, "before" | "after" | "preparing"];

const device = await DeviceDomain.open(url, {
  store: new FileStore(directory),
  fetch: async (input, init) => {
    if (moment === "preparing") return fetch(input, init);
    // Killed before the server hears of the leave, or when the server has answered.
    if (moment === "after") await fetch(input, init);
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => {});
  },
});
const die = async () => void process.kill(process.pid, "SIGKILL");
await device.leave(moment === "preparing" ? { beforeLeaving: die } : {});
