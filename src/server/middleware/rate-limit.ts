import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { type AppEnv, domainName } from "../http/context.ts";
import { Problem } from "../http/problems.ts";
import { errorFields, log } from "../log.ts";

/**
 * Lets through as many requests as one client address may make, and as are served for one domain. Not for leaving: who
 * is a member must always be able to go.
 */
export const limited = createMiddleware<AppEnv>(async (c, next) => {
  const address = clientAddress(c);
  const { ADDRESS_LIMIT, DOMAIN_LIMIT } = c.env as Partial<Env>;
  const [byAddress, byDomain] = await Promise.all([
    within(address === null ? undefined : ADDRESS_LIMIT, address),
    within(DOMAIN_LIMIT, domainName(c)),
  ]);
  if (!byAddress) throw new Problem("RATE_LIMITED", { reason: "by address" });
  if (!byDomain) throw new Problem("RATE_LIMITED", { reason: "by domain" });
  await next();
});

/**
 * What stands for a client's address where requests are counted: the network of an IPv6 address, for one subscriber has
 * all of it. Null for this very machine, where local clients and tests are.
 */
export function clientAddress(c: Context<AppEnv>): string | null {
  const address = c.req.header("cf-connecting-ip");
  if (address === undefined || address === "::1" || address.startsWith("127.")) return null;
  return address.includes(":") ? network(address) : address;
}

/** The first 64 bits of an IPv6 address. @see RFC 4291, IP Version 6 Addressing Architecture, sections 2.2 and 2.5.4 */
function network(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  return [...groups, ...Array<string>(zeros).fill("0"), ...rest].slice(0, 4).join(":").toLowerCase();
}

/** Whether a limit leaves room for one more; so it does if it cannot say. */
async function within(limit: RateLimit | undefined, key: string | null): Promise<boolean> {
  if (limit === undefined || key === null) return true;
  try {
    return (await limit.limit({ key })).success;
  } catch (error) {
    log("warn", "a rate limit could not be asked", errorFields(error));
    return true;
  }
}
