import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const PROMETHEUS = "/usr/bin/prometheus";
const PROMTOOL = "/usr/bin/promtool";

/** Families as they are named in alert rules. */
const NAMES = /device_domain_[a-z_]+/g;

describe.skipIf(!existsSync(PROMETHEUS))("a real Prometheus", () => {
  let server: TestServer;
  let prometheus: ChildProcess;
  let url: string;
  const dir = mkdtempSync(join(tmpdir(), "prometheus-"));

  /** The value of a query's only sample; null for none. */
  async function query(text: string): Promise<number | null> {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}`);
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result[0] ? Number(data.result[0].value[1]) : null;
  }

  beforeAll(async () => {
    server = await startServer();
    const config = {
      global: { scrape_interval: "1s" },
      rule_files: [join(process.cwd(), "docs/alerts.yml")],
      scrape_configs: [
        {
          job_name: "device-domains",
          metrics_path: "/admin/metrics",
          authorization: { credentials: server.adminToken },
          static_configs: [{ targets: [new URL(server.url).host] }],
        },
      ],
    };
    // JSON is YAML.
    const file = join(dir, "prometheus.yml");
    writeFileSync(file, JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    url = `http://${address}`;
    const options = [`--config.file=${file}`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=${address}`];
    prometheus = spawn(PROMETHEUS, options, { stdio: "ignore" });
    await vi.waitFor(async () => expect((await fetch(`${url}/-/ready`)).status).toBe(200), {
      timeout: 60_000,
      interval: 200,
    });
  });

  afterAll(async () => {
    prometheus.kill();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it("scrapes what devices did", async () => {
    for (let count = 0; count < 4; count++) {
      const answer = await fetch(`${server.url}/domains/scraped/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ machineGuid: crypto.randomUUID() }),
      });
      expect(answer.status).toBe(201);
    }
    await vi.waitFor(async () => expect(await query("device_domain_joins_total")).toBe(4), {
      timeout: 60_000,
      interval: 500,
    });
    expect(await query('up{job="device-domains"}')).toBe(1);
    expect(await query("device_domain_rollovers_total")).toBe(1);
    expect(await query("histogram_quantile(0.5, device_domain_database_write_seconds_bucket)")).toBeGreaterThan(0);
  });

  it("knows the metrics that the alert rules name, and takes the rules", async () => {
    const answer = await fetch(`${server.url}/admin/metrics`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
    });
    const families = [...(await answer.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    const named = readFileSync("docs/alerts.yml", "utf8").match(NAMES) ?? [];
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(families).toContain(name.replace(/_(total|bucket|sum|count)$/, ""));
    expect(execFileSync(PROMTOOL, ["check", "rules", "docs/alerts.yml"], { encoding: "utf8" })).toContain("SUCCESS");
    const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { health: string }[] }[] };
    };
    expect(data.groups[0]?.rules.length).toBeGreaterThan(4);
  });
});
