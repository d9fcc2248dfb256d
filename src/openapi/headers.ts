import * as z from "zod";
import type {} from "zod-openapi";
import { EXAMPLE } from "./example-values.ts";

/** The headers of responses, by their names in lower case. */
export const HEADERS = {
  "x-request-id": z.uuid().meta({
    header: { id: "RequestId" },
    description: "Names this request in the server's log.",
    example: EXAMPLE.requestId,
  }),
  date: z.string().meta({
    header: { id: "Date" },
    description:
      "The server's clock. It is not signed: devices correct theirs by `serverTime` of the problem document.",
    example: "Mon, 23 Nov 2026 16:33:59 GMT",
  }),
  "cache-control": z.enum(["no-store", "no-cache"]).meta({
    header: { id: "CacheControl" },
    description: "`no-cache` for key sets, which must be revalidated each time. `no-store` for other responses.",
    example: "no-store",
  }),
  etag: z.string().meta({
    header: { id: "ETag" },
    description: "Send it as `If-None-Match`, and get 304 while nothing has changed.",
    example: EXAMPLE.etag,
  }),
  "retry-after": z
    .int()
    .min(1)
    .meta({
      header: { id: "RetryAfter" },
      description: "After how many seconds to ask again.",
      example: 1,
    }),
  "www-authenticate": z.string().meta({
    header: { id: "WwwAuthenticate" },
    description: "What would help: a `Bearer` token, or a request signed with a device key (`Device-Request`).",
    example: "Bearer",
  }),
  allow: z.string().meta({
    header: { id: "Allow" },
    description: "The methods there are at this address.",
    example: "GET",
  }),
} as const;

/** The name of a header of responses. */
export type HeaderName = keyof typeof HEADERS;

/** The headers of a response: those that all responses have, and these. */
export function headers(...names: readonly HeaderName[]) {
  const all = ["x-request-id", "date", "cache-control", ...names] as const;
  return z.object(Object.fromEntries(all.map((name) => [name, HEADERS[name]])));
}

/** The headers of a response that any cache may keep for a while. */
export const cacheableHeaders = headers("etag").extend({
  "cache-control": z
    .string()
    .regex(/^public, max-age=\d+$/)
    .meta({
      header: { id: "PublicCacheControl" },
      description: "Any cache may keep the response for this many seconds: an hour, or a tenth of a token's lifetime.",
      example: "public, max-age=3600",
    }),
});
