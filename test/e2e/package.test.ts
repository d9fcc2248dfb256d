import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/node/server.ts";

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
import { DomainOperator, type DomainRow, OperatorError } from "device-domain-server/operator";

const [origin, directory, token] = ARGUMENTS;
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

const operator = new DomainOperator(origin, { token });
const { maxMembership }: { maxMembership: number | null } = await operator.domain("den").changeSettings({ maxMembership: 5 });
const rows: DomainRow[] = [];
for await (const row of operator.domains({ prefix: "den" })) rows.push(row);
const changes: string[] = [];
for await (const { changes: each } of operator.domain("den").log({ order: "oldest" })) {
  for (const change of each) if (change.type === "device-left") changes.push(change.deviceId);
}
try {
  await operator.domain("nobody").overview();
} catch (error) {
  const refused = error instanceof OperatorError && error.error === "DOMAIN_NOT_FOUND" ? error.status : null;
  console.log([maxMembership, rows.length, changes.length, refused].join());
}
`;

describe("the package", () => {
  it("brings the libraries and the command line, what they need, and nothing of the server", () => {
    expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
      "commander",
      "device-domain-server",
      "jose",
    ]);
    // An audit reads the log as the server wrote it, by the same pure rules.
    const ofTheLog = /^dist\/(domain(\/(log-entry|log-replay|events)\..*)?|protocol(\/.*)?)$/;
    const parts = /^(dist(\/(client|licence|operator|cli)(\/.*)?)?|README.md|LICENSE|package.json)$/;
    expect(packed.filter((name) => !parts.test(name) && !ofTheLog.test(name))).toEqual([]);
  });

  it("has libraries that import jose alone, and Node only where that is said", () => {
    const modules = packed.filter((name) => /^dist\/(client|licence|operator)\/.*\.js$/.test(name));
    expect(modules.length).toBeGreaterThan(10);
    for (const name of modules) {
      const text = readFileSync(join(folder, "node_modules", "device-domain-server", name), "utf8");
      const imported = [...text.matchAll(/ from "([^"]+)"/g)].map(([, specifier]) => specifier as string);
      const allowed = /file-(store|lock)\.js$/.test(name) ? /^(\.|node:)/ : /^(\.|jose$)/;
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
    const { stdout } = await run(
      process.execPath,
      ["program.ts", server.url, join(folder, "devices"), server.adminToken],
      {
        cwd: folder,
      },
    );
    expect(stdout).toBe("true,1,a secret,den,left,true\ntrue,2,a secret,den,left,true\n5,1,2,404\n");
  });

  it.each([
    ["bundler", "esnext"],
    ["nodenext", "nodenext"],
  ])("has types that hold for moduleResolution %s, with DOM and without Node", async (moduleResolution, module) => {
    const program = PROGRAM.replace("ARGUMENTS", '["https://host", "devices", "token"] as [string, string, string]');
    const wrong = [
      "await new FileStore('').load(7);",
      "await operator.domain('den').changeSettings({ maxMembership: '5' });",
      "for await (const row of operator.domain('den').members()) row.machineGuid = 7;",
      "const { nothing } = await operator.domain('den').overview();",
      "for await (const { changes } of operator.domain('den').log()) changes[0]?.type === 'nothing';",
    ].map((line) => `// @ts-expect-error: it has types, all the way down\n${line}\n`);
    writeFileSync(join(folder, "types.ts"), `${program}\n${wrong.join("")}`);
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2022", lib: ["es2022", "dom"], types: [] },
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
    const { stdout } = await run(process.execPath, [TSC, "--project", folder]).catch((error) => error);
    expect(stdout).toBe("");
  });
});
