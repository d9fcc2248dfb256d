import { Connection, ConnectionLostError, type RawAnswer } from "../support/node/connection.ts";
import { seededRandom } from "../support/node/seeded-random.ts";
import { uncopied } from "./copies.ts";
import { contradictions } from "./invariants.ts";
import { secretIn } from "./log-scan.ts";
import type { Outcome } from "./outcome.ts";
import type { ModelServer } from "./server.ts";
import { bytesOf, spoilt } from "./spoilt-requests.ts";
import { type Parts, validRequests } from "./valid-requests.ts";

const CONNECTIONS = 32;
const BATCH = 1_000;
const BATCHES_OF_DOMAINS = 5;
/** Bodies above it are refused before they are read, and the connection with them. */
const MAX_BODY_BYTES = 64 * 1024;
const NO_SECRETS = ["6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77", "00000000-0000-0000-0000-000000000000"];
const REQUEST_ID = /"requestId":"[0-9a-f-]{36}"/g;
/** A signed time is no secret. */
const SERVER_TIME = /"serverTime":"[\w.-]+"/;
const GUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

type Sent = Readonly<{ parts: Parts; bytes: Buffer; answer: RawAnswer | null }>;

/**
 * Sends the server requests that are wrong in every way: it must never fail, never say or log a secret, and never
 * change anything for a request that it refused. What it refused is sent again, all together, and must leave the
 * objects as they were.
 */
export async function tryInputs(server: ModelServer, inputs: number, seed: number): Promise<Outcome> {
  const random = seededRandom(String(seed));
  const host = new URL(server.origin).host;
  const connections = Array.from({ length: CONNECTIONS }, () => new Connection(server.origin));
  const broke: string[] = [];
  let [tried, granted, compared, batches] = [0, 0, 0, 0];
  let valid: readonly Parts[] = [];
  while (tried < inputs && broke.length === 0) {
    // Domains grow with what is granted by chance, and answers with them: now and then others take their place.
    if (batches % BATCHES_OF_DOMAINS === 0) valid = await validRequests(server, batches);
    const batch = Array.from({ length: Math.min(BATCH, inputs - tried) }, () => {
      const parts = spoilt(random.pick(valid), random);
      return { parts, bytes: bytesOf(parts, host, random) };
    });
    const begin = Date.now();
    const first = await send(connections, batch);
    const refused = first.filter(({ answer }) => answer && answer.status >= 400);
    broke.push(...first.flatMap((sent) => faults(sent, server)), ...changedByRefused(server, begin, refused));
    let sentAgain = 0;
    for (let rest = refused, isDone = false; !isDone && broke.length === 0; ) {
      const before = server.objects.fingerprint();
      const again = await send(connections, rest);
      sentAgain += again.length;
      broke.push(...again.flatMap((sent) => faults(sent, server)));
      rest = again.filter(({ answer }) => answer && answer.status >= 400);
      // Some may be granted now, by what others did since; then those that are not are sent once more.
      isDone = again.every(({ answer }) => answer === null || answer.status >= 400);
      if (isDone) compared += again.length;
      if (isDone && server.objects.fingerprint() !== before) broke.push("refused requests changed an object");
    }
    tried += first.length + sentAgain;
    batches++;
    granted += first.length - refused.length;
  }
  for (const connection of connections) connection.close();
  for (const domain of server.objects.domains()) {
    broke.push(...contradictions(server.objects.domain(domain)).map((each) => `${domain}: ${each}`));
  }
  if (broke.length === 0) broke.push(...(await uncopied(server)));
  const figures = `${granted} granted, ${compared} sent again with the objects compared, seed ${seed}`;
  return { tried, broke: broke.slice(0, 20), figures };
}

async function send(
  connections: readonly Connection[],
  batch: readonly Pick<Sent, "parts" | "bytes">[],
): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let at = next++; at < batch.length; at = next++) {
        const { parts, bytes } = batch[at] as Sent;
        const answer = await connection.send(bytes).catch((error) => {
          if (error instanceof ConnectionLostError) return null;
          throw error;
        });
        sent.push({ parts, bytes, answer });
      }
    }),
  );
  return sent;
}

/** The faults of an answer. */
function faults({ parts, bytes, answer }: Sent, { adminToken }: ModelServer): readonly string[] {
  const told = (what: string) => [
    `${what}: ${bytes.subarray(0, 600)}\n-> ${answer?.status} ${answer?.body.slice(0, 600)}`,
  ];
  if (!answer) return (parts.body?.length ?? 0) > MAX_BODY_BYTES / 4 ? [] : told("no answer");
  // 503 with a reason is no failure of the server; nothing here gives it one.
  // What began before a domain was deleted is refused with 503: only the domain that is deleted here may answer so.
  const isOvertaken = answer.status === 503 && /-doomed(?![^/?])/.test(parts.path) && "retry-after" in answer.headers;
  if (answer.status >= 500 && answer.headers["x-request-id"] !== undefined && !isOvertaken) {
    return told("the server failed");
  }
  // What was sent may come back, also out of a signed request; one GUID stands in an error message as
  // an example, and one is sent as the reason of bans.
  const segments = (parts.body ?? "").split(".").map((segment) => Buffer.from(segment, "base64url").toString());
  const known = [bytes.toString("latin1"), ...segments, ...NO_SECRETS].join("\n").toLowerCase();
  const body = answer.body.replaceAll(REQUEST_ID, "");
  const strange = (body.match(GUID) ?? []).filter((guid) => !known.includes(guid.toLowerCase()));
  if (strange.length > 0) return told(`GUIDs that nobody sent (${strange})`);
  // Operators are shown handles of devices together with the error of a full domain.
  if (answer.status >= 400 && !body.includes('"leastRecentlyRenewed"')) {
    const secret = secretIn(body.replaceAll(GUID, "").replace(SERVER_TIME, ""), adminToken);
    if (secret) return told(`a refusal with ${secret}`);
  }
  const givesKeys = parts.path.endsWith("/register");
  if (answer.status < 400 && !givesKeys && /"d":/.test(answer.body)) return told("a private key");
  return answer.body.includes(adminToken) ? told("the admin token") : [];
}

/** The changes in the log that belong to requests that were refused. */
function changedByRefused(server: ModelServer, begin: number, refused: readonly Sent[]): readonly string[] {
  const ids = new Map(refused.map((sent) => [sent.answer?.headers["x-request-id"], sent]));
  return server.objects.domains().flatMap((domain) => {
    const changes = server.objects.log(domain, begin).flatMap((row) => row.changes);
    return changes.flatMap(({ requestId, type, deviceId }, index) => {
      // What nobody asked for by itself, such as the key made for a join, names no request.
      const culprit = typeof requestId === "string" ? ids.get(requestId) : undefined;
      if (!culprit) return [];
      // A ban that another request lifted before it was answered is answered as not found.
      const later = changes.slice(index + 1);
      const lifted = later.some((change) => change.type === "device-unbanned" && change.deviceId === deviceId);
      if (type.startsWith("device-") && culprit.answer?.status === 404 && isBan(culprit) && lifted) return [];
      return [`refused, and yet ${type}: ${culprit.bytes}`];
    });
  });
}

function isBan({ parts }: Sent): boolean {
  return parts.method === "PUT" && parts.path.includes("/bans/");
}
