// `npm run protocol` writes what docs/protocol.md comes with: the JSON Schema of its messages, and the test vectors. The keys
// of the vectors stay, once made; signatures and ciphertexts are new each time.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { protocolSchema } from "./protocol-schema.ts";
import { scriptOptions } from "./script-options.ts";
import { newVectorKeys, type VectorKeys } from "./vectors/vector-keys.ts";
import { newVectors } from "./vectors/vectors.ts";

const VECTORS = "docs/vectors";

scriptOptions("protocol", "Writes the JSON Schema and the test vectors of the protocol into docs/.");

const file = join(VECTORS, "keys.json");
const keys = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as VectorKeys) : await newVectorKeys();
write("docs/protocol.schema.json", protocolSchema());
for (const [name, vectors] of Object.entries(await newVectors(keys))) write(join(VECTORS, name), vectors);

function write(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
