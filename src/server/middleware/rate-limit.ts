import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { expandIPv6 } from "hono/utils/ipaddr";
import { Problem } from "../http/problems.ts";
import { type AppEnv, domainName } from "../http/request-context.ts";
import { isWithin } from "../rate-limiting.ts";

/**
 * Lets through as many requests as one client address may make. The address is asked first: what it refuses costs nobody
 * else anything.
 */
export const limitedByAddress = createMiddleware<AppEnv>(async (c, next) => {
  const excess = await addressExcess(c);
  if (excess) throw excess;
  await next();
});

/** Lets through as many reads as one client address may make, and as are served of one domain. */
export const limitedReads = createMiddleware<AppEnv>(async (c, next) => {
  const excess = await addressExcess(c);
  if (excess) throw excess;
  const { DOMAIN_LIMIT } = c.env as Partial<Env>;
  // A budget of its own: joins, which the domain's object counts, cannot spend it.
  if (!(await isWithin(DOMAIN_LIMIT, `reads ${domainName(c)}`)))
    throw new Problem("RATE_LIMITED", { reason: "by domain" });
  await next();
});

/**
 * Counts a request of an owner, by the token's subject: nobody else can spend what an owner may ask.
 *
 * @throws Problem `RATE_LIMITED` if it is one too many
 */
export async function limitOwner(c: Context<AppEnv>, subjectHash: string): Promise<void> {
  const { DOMAIN_LIMIT } = c.env as Partial<Env>;
  if (!(await isWithin(DOMAIN_LIMIT, `owner ${subjectHash}`)))
    throw new Problem("RATE_LIMITED", { reason: "by token subject" });
}

/** Counts a request against its client address. @returns the refusal if it is one too many */
export async function addressExcess(c: Context<AppEnv>): Promise<Problem | null> {
  const { ADDRESS_LIMIT, NETWORK_LIMIT } = c.env as Partial<Env>;
  const [address, network] = clientAddresses(c);
  if (!(await isWithin(ADDRESS_LIMIT, address))) return new Problem("RATE_LIMITED", { reason: "by address" });
  if (!(await isWithin(NETWORK_LIMIT, network))) return new Problem("RATE_LIMITED", { reason: "by network" });
  return null;
}

/**
 * The names under which a client's requests are counted: its address, and the network around it, which has a limit 16 times
 * as high. One subscriber has all of an IPv6 /64, and may have a /48. Null for this very machine, where local clients and
 * tests are, and for the network of an IPv4 address.
 */
export function clientAddresses(c: Context<AppEnv>): readonly [address: string | null, network: string | null] {
  const address = c.req.header("cf-connecting-ip");
  if (address === undefined || address === "::1" || address.startsWith("127.")) return [null, null];
  return address.includes(":") ? [prefix(address, 4), `${prefix(address, 3)}::/48`] : [address, null];
}

/**
 * The first groups of 16 bits of an IPv6 address.
 *
 * @see RFC 4291, IP Version 6 Addressing Architecture, sections 2.2 and 2.5.4
 */
function prefix(address: string, length: number): string {
  return expandIPv6(address.toLowerCase()).split(":").slice(0, length).join(":");
}
