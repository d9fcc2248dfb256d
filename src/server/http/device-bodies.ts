import type { Context } from "hono";
import type * as z from "zod";
import type { DeviceProof } from "../../domain/types.ts";
import { SIGNED_REQUEST_MEDIA_TYPE } from "../../protocol/media-types.ts";
import { SERVER_TIME_TYPE } from "../../protocol/token-types.ts";
import { verifyDeviceRequest } from "../auth/device-requests.ts";
import { configOf } from "../config.ts";
import { signStatement } from "../crypto/signed-statements.ts";
import { span } from "../spans.ts";
import { bodyText, checked, mediaType, parsedJson } from "./bodies.ts";
import { refusalProblem } from "./problems.ts";
import { type AppEnv, serverUrl } from "./request-context.ts";

/**
 * Reads a device's request, which may be signed or not: the same members either way.
 *
 * @throws Problem `INVALID_REQUEST` or `DEVICE_PROOF_INVALID`
 */
export async function deviceBody<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<{ body: z.output<Schema>; proof: DeviceProof | null }> {
  const signed = mediaType(c, ["application/json", SIGNED_REQUEST_MEDIA_TYPE]) === SIGNED_REQUEST_MEDIA_TYPE;
  const text = await bodyText(c);
  if (!signed) return { body: checked(schema, parsedJson(text)), proof: null };

  const { pathname, search } = new URL(c.req.url);
  const audience = `${serverUrl(c)}${pathname}${search}`;
  const result = await span("verify signature", () => verifyDeviceRequest(text.trim(), audience, Date.now()));
  if ("refusal" in result) {
    const { refusal, untimelyJti } = result;
    throw refusalProblem(refusal, untimelyJti === undefined ? {} : { serverTime: await serverTime(c, untimelyJti) });
  }
  const { payload, proof } = result.request;
  return { body: checked(schema, payload), proof };
}

/** The time, signed for the request with this `jti`: a device sets its clock by nothing else. */
function serverTime(c: Context<AppEnv>, jti: string): Promise<string> {
  const about = { issuer: serverUrl(c), issuedAt: Date.now() };
  return signStatement(SERVER_TIME_TYPE, { jti }, about, configOf(c.env).domainAuthorityKeys[0]);
}
