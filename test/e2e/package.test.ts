import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";

const run = promisify(execFile);
const TSC = join(process.cwd(), "node_modules", "typescript", "bin", "tsc");

let folder: string;
let server: TestServer;
let packed: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "device-domain-package-"));
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["pack", "--pack-destination", folder, ...quiet]);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", tarball, "--prefer-offline", ...quiet], { cwd: folder });
  packed = readdirSync(join(folder, "node_modules", "device-domain-server"), { recursive: true }).map(String);
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const PROGRAM = `
import { DeviceDomain, DeviceDomainError, type DeviceStore, MemoryStore } from "device-domain-server/client";
import { FileStore } from "device-domain-server/client/file-store";
import { encryptToDomain, verifyDomainToken } from "device-domain-server/licence";

const [origin, directory] = ARGUMENTS;
const url = \`\${origin}/domains/den\`;
const stores: DeviceStore[] = [new MemoryStore(), new FileStore(directory)];
for (const store of stores) {
  const device = await DeviceDomain.open(url, { store, retries: 2 });
  const { newMember, keyVersion }: { newMember: boolean; keyVersion: number } = await device.join();
  const secret: string = await encryptToDomain(url, "a secret");
  const opened: Uint8Array = await device.decrypt(secret, { signal: AbortSignal.timeout(60_000) });
  const { sub } = await verifyDomainToken(device.domainToken ?? "", { authority: origin, domain: "den" });
  await device.leave();
  try {
    await device.renew();
  } catch (error) {
    const refused = error instanceof DeviceDomainError && error.error === "NOT_A_MEMBER";
    console.log([newMember, keyVersion, new TextDecoder().decode(opened), sub, device.status, refused].join());
  }
}
`;

describe("the package", () => {
  it("brings both halves and the command line, what they need, and nothing of the server", () => {
    expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
      "commander",
      "device-domain-server",
      "jose",
    ]);
    // An audit reads the log as the server wrote it, by the same pure rules.
    const ofTheLog = /^dist\/(domain(\/(log-entry|log-replay|events)\..*)?|protocol(\/.*)?)$/;
    const parts = /^(dist(\/(client|licence|cli)(\/.*)?)?|README.md|LICENSE|package.json)$/;
    expect(packed.filter((name) => !parts.test(name) && !ofTheLog.test(name))).toEqual([]);
  });

  it("has libraries that import jose alone, and Node only where that is said", () => {
    const modules = packed.filter((name) => /^dist\/(client|licence)\/.*\.js$/.test(name));
    expect(modules.length).toBeGreaterThan(10);
    for (const name of modules) {
      const text = readFileSync(join(folder, "node_modules", "device-domain-server", name), "utf8");
      const imported = [...text.matchAll(/ from "([^"]+)"/g)].map(([, specifier]) => specifier as string);
      const allowed = name.endsWith("file-store.js") ? /^(\.|node:)/ : /^(\.|jose$)/;
      expect(
        imported.filter((specifier) => !allowed.test(specifier)),
        name,
      ).toEqual([]);
    }
  });

  it("has a command that runs", async () => {
    const { stdout } = await run("npx", ["--no-install", "device-domain", "--help"], { cwd: folder });
    expect(stdout).toContain("device-domain");
  });

  it("works against a running server", async () => {
    const program = PROGRAM.replace("ARGUMENTS", "process.argv.slice(2)");
    writeFileSync(join(folder, "program.ts"), program);
    const { stdout } = await run(process.execPath, ["program.ts", server.url, join(folder, "devices")], {
      cwd: folder,
    });
    expect(stdout).toBe("true,1,a secret,den,left,true\ntrue,2,a secret,den,left,true\n");
  });

  it.each([
    ["bundler", "esnext"],
    ["nodenext", "nodenext"],
  ])("has types that hold for moduleResolution %s, with DOM and without Node", async (moduleResolution, module) => {
    const program = PROGRAM.replace("ARGUMENTS", '["https://host", "devices"] as [string, string]');
    const wrong = "// @ts-expect-error: it has types, all the way down\nawait new FileStore('').load(7);\n";
    writeFileSync(join(folder, "types.ts"), `${program}\n${wrong}`);
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2022", lib: ["es2022", "dom"], types: [] },
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
    const { stdout } = await run(process.execPath, [TSC, "--project", folder]).catch((error) => error);
    expect(stdout).toBe("");
  });
});
