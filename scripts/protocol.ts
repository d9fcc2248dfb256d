// `npm run protocol` writes the JSON Schema of docs/protocol.md, and with --vectors its test vectors, too. The keys of the
// vectors stay, once made; signatures and ciphertexts are new each time.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { protocolSchema } from "./protocol-schema.ts";
import { scriptOptions } from "./script-options.ts";
import { newVectorKeys, type VectorKeys } from "./vectors/vector-keys.ts";
import { newVectors } from "./vectors/vectors.ts";

const VECTORS = "docs/vectors";

const { vectors } = scriptOptions<{ vectors: boolean }>(
  "protocol",
  "Writes the JSON Schema of the protocol into docs/.",
  [["--vectors", "make the test vectors anew, too", false]],
);

write("docs/protocol.schema.json", protocolSchema());
if (vectors) {
  const file = join(VECTORS, "keys.json");
  const keys = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as VectorKeys) : await newVectorKeys();
  for (const [name, content] of Object.entries(await newVectors(keys))) write(join(VECTORS, name), content);
}

function write(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
