import { type JWTVerifyGetKey, jwtVerify } from "jose";
import { SERVER_TIME_TYPE } from "../protocol/token-types.ts";

/**
 * The time that the domain authority signed for a request it refused, in milliseconds since the Unix epoch; null if it
 * did not sign this, for this request.
 *
 * @param jti the request's
 */
export async function readServerTime(
  statement: string,
  jti: string,
  issuer: string,
  keys: JWTVerifyGetKey,
): Promise<number | null> {
  try {
    const options = { algorithms: ["ES256"], typ: SERVER_TIME_TYPE, issuer, requiredClaims: ["iat", "jti"] };
    const { payload } = await jwtVerify(statement, keys, options);
    return payload.jti === jti ? (payload.iat as number) * 1000 : null;
  } catch {
    return null;
  }
}
