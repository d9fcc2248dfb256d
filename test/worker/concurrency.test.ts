import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  rows,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { faultyDatabase, setWriterDatabase } from "../support/worker/faulty-database.ts";
import { executeAsBatch, joins } from "../support/worker/objects.ts";

const guids = (count: number) => Array.from({ length: count }, newGuid);
const statuses = (answers: readonly { status: number }[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

describe("200 requests at once", () => {
  it("from 200 machines to a newborn domain: 200 members, one key, few commits", async () => {
    const domain = newDomain();
    const answers = await Promise.all(guids(200).map((guid) => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(200);
    expect(new Set(answers.map(({ body }) => body.keyVersion))).toEqual(new Set([1]));
    expect(new Set(answers.map(({ body }) => body.credentials[0].privateKey.d)).size).toBe(1);
    const { members, keys, log } = await rows(domain);
    expect(members).toHaveLength(200);
    expect(keys).toHaveLength(1);
    // How many depends on how fast the machine is; without batches they are 200.
    expect(log.length).toBeLessThan(100);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });

  it("from one machine: one membership and one 201", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const answers = await Promise.all(Array.from({ length: 200 }, () => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(1);
    expect(statuses(answers, 200)).toBe(199);
    expect((await rows(domain)).members).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });

  it("from 200 machines to a domain with a maximum of 50: 50 get in, 150 do not", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 50 });
    const answers = await Promise.all(guids(200).map((guid) => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(50);
    expect(answers.filter(({ body }) => body.code === 502)).toHaveLength(150);
    expect((await rows(domain)).members).toHaveLength(50);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });

  it("to leave, from one machine: one 200, the others denied", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const answers = await Promise.all(Array.from({ length: 200 }, () => deregister(domain, guid)));
    expect(statuses(answers, 200)).toBe(1);
    expect(statuses(answers, 403)).toBe(199);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });
});

describe("a batch", () => {
  it("takes as many statements however many devices are in it, in the object and in the database", async () => {
    const [one, many] = [await statementsOf(1), await statementsOf(500)];
    expect(many).toEqual(one);
    expect(one.object).toBeGreaterThan(1);
    expect(one.database).toBeGreaterThan(1);
  });
});

/** The statements that it takes to commit a batch of so many joins, and to copy it. */
async function statementsOf(count: number) {
  const domain = newDomain();
  await register(domain, newGuid());
  await expectCopied(domain);
  const [committed, copied] = [watchCommits(), [] as number[]];
  await setWriterDatabase(
    faultyDatabase(env.DB, (sql, run) => {
      copied.push(sql.length);
      return run();
    }),
  );
  // The first one goes alone, the others gather behind it.
  await executeAsBatch(domain, joins(newGuid()), ...guids(count).map((guid) => joins(guid)));
  await expectCopied(domain);
  vi.restoreAllMocks();
  await setWriterDatabase();
  expect((await rows(domain)).log).toHaveLength(3);
  expect(committed).toHaveLength(2);
  return { object: committed[1], database: copied.at(-1) };
}

/** How many statements each commit from now on takes, from its load on. */
function watchCommits(): readonly number[] {
  const commits: number[] = [];
  const { transaction, commit } = DomainStorage.prototype;
  const { get } = Object.getOwnPropertyDescriptor(DomainStorage.prototype, "sql") as { get(): SqlStorage };
  let [statements, isCommit] = [0, false];
  vi.spyOn(DomainStorage.prototype, "sql", "get").mockImplementation(function (this: DomainStorage) {
    const sql = get.call(this);
    const exec: SqlStorage["exec"] = (...statement) => {
      statements++;
      return sql.exec(...statement);
    };
    return new Proxy(sql, { get: (_, name) => (name === "exec" ? exec : Reflect.get(sql, name)) });
  });
  vi.spyOn(DomainStorage.prototype, "commit").mockImplementation(function (this: DomainStorage, ...args) {
    isCommit = true;
    return commit.apply(this, args);
  });
  vi.spyOn(DomainStorage.prototype, "transaction").mockImplementation(function (
    this: DomainStorage,
    work: () => unknown,
  ) {
    const before = statements;
    const result = transaction.call(this, work);
    if (isCommit) commits.push(statements - before);
    isCommit = false;
    return result;
  } as typeof transaction);
  return commits;
}
