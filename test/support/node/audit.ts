import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { run } from "../../../src/cli/program.ts";

/** Runs `device-domain audit` on a domain of a server. @returns its exit code, and what it found or complained of */
export async function audit(
  { url, adminToken }: Readonly<{ url: string; adminToken: string }>,
  domain: string,
  ...options: string[]
) {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const code = await run({
    arguments: ["--json", "audit", `${url}/domains/${domain}`, "--admin-token", adminToken, ...options],
    environment: {},
    input: new PassThrough(),
    output,
    errors,
  });
  output.end();
  errors.end();
  const [said, complained] = [await text(output), await text(errors)];
  // An audit that takes long says before that it waits.
  const complaint = complained.trimEnd().split("\n").at(-1) as string;
  return { code, found: JSON.parse(code === 0 ? said : complaint) };
}
