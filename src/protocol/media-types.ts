/** A device's signed request (RFC 7515, section 9.2.1). */
export const SIGNED_REQUEST_MEDIA_TYPE = "application/jose";
/** An error (RFC 9457). */
export const PROBLEM_MEDIA_TYPE = "application/problem+json";
/** A change of settings (RFC 7396). */
export const MERGE_PATCH_MEDIA_TYPE = "application/merge-patch+json";
/** The `cty` of sealed keys: a JWK Set in a JWE (RFC 7517, section 8.5.2). */
export const JWK_SET_CONTENT_TYPE = "jwk-set+json";
