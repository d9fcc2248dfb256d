// A program that holds a device until its input ends: node holding-device.ts URL DIRECTORY
import { once } from "node:events";
import { FileStore } from "../../../src/client/file-store.ts";

const [url, directory] = process.argv.slice(2) as [string, string];

await new FileStore(directory).exclusively(url, undefined, async () => {
  process.stdout.write("held");
  process.stdin.resume();
  await once(process.stdin, "end");
});
