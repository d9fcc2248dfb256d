#include "objects.h"

#include <jose/b64.h>
#include <jose/jwe.h>
#include <jose/jwk.h>
#include <jose/jws.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const JWS[] = {"protected", "payload", "signature", NULL};
static const char *const JWE[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag", NULL};

void fail(const char *reason) {
  fprintf(stderr, "%s\n", reason);
  exit(1);
}

char *format(const char *pattern, ...) {
  va_list values;
  char *result;
  va_start(values, pattern);
  if (vasprintf(&result, pattern, values) < 0) fail("out of memory");
  va_end(values);
  return result;
}

const char *text(const json_t *object, const char *name) {
  const char *value = json_string_value(json_object_get(object, name));
  return value ? value : "";
}

json_int_t number(const json_t *object, const char *name) {
  return json_integer_value(json_object_get(object, name));
}

int is(const json_t *object, const char *name, const char *value) {
  return strcmp(text(object, name), value) == 0;
}

json_t *new_key(void) {
  json_t *jwk = json_pack("{s:s, s:s}", "kty", "EC", "crv", "P-256");
  if (!jose_jwk_gen(NULL, jwk)) fail("no key can be made");
  return core(jwk, 1);
}

json_t *core(const json_t *jwk, int private) {
  if (!is(jwk, "kty", "EC") || !is(jwk, "crv", "P-256")) fail("a key is not EC P-256");
  json_t *key = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", text(jwk, "x"), "y", text(jwk, "y"));
  if (private) json_object_set_new(key, "d", json_string(text(jwk, "d")));
  return key;
}

const char *thumbprint(const json_t *jwk) {
  return json_string_value(jose_jwk_thp(NULL, core(jwk, 0), "S256"));
}

/* An agreement with a third key comes to the same secret both ways. */
int is_pair(const json_t *private, const json_t *public) {
  json_t *third = new_key();
  json_t *one = jose_jwk_exc(NULL, private, core(third, 0));
  json_t *other = jose_jwk_exc(NULL, third, public);
  return one && other && jose_jwk_eql(NULL, one, other) && is(private, "x", text(public, "x")) &&
         is(private, "y", text(public, "y"));
}

/* A compact serialization as the object that the library takes. */
static json_t *parted(const char *compact, const char *const *names) {
  json_t *object = json_object();
  char *rest = strdup(compact);
  for (; *names; names++) {
    char *part = strsep(&rest, ".");
    if (!part) fail("a compact serialization lacks a part");
    json_object_set_new(object, *names, json_string(part));
  }
  if (rest) fail("a compact serialization has too many parts");
  return object;
}

char *signed_request(const json_t *payload, const json_t *key) {
  json_t *jws = json_pack("{s:o}", "payload", jose_b64_enc_dump(payload));
  json_t *header = json_pack("{s:s, s:s, s:o}", "alg", "ES256", "typ", "device-request+jwt", "jwk", core(key, 0));
  if (!jose_jws_sig(NULL, jws, json_pack("{s:o}", "protected", header), key)) fail("the request cannot be signed");
  return format("%s.%s.%s", text(jws, "protected"), text(jws, "payload"), text(jws, "signature"));
}

json_t *header_of(const char *compact) {
  json_t *header = jose_b64_dec_load(json_string(strsep(&(char *){strdup(compact)}, ".")));
  if (!header) fail("something is no JWS or JWE");
  return header;
}

json_t *verified_by(const json_t *key, const char *compact, const char *typ) {
  json_t *jws = parted(compact, JWS), *header = header_of(compact);
  if (!is(header, "alg", "ES256") || !is(header, "typ", typ)) fail("a statement is of another kind");
  if (!jose_jws_ver(NULL, jws, NULL, core(key, 0), true)) return NULL;
  return jose_b64_dec_load(json_object_get(jws, "payload"));
}

char *decrypted(const char *compact, const json_t *key, const char *cty, size_t *length) {
  json_t *jwe = parted(compact, JWE), *header = header_of(compact);
  if (!is(header, "alg", "ECDH-ES+A256KW") || !is(header, "enc", "A256GCM") || !is(header, "cty", cty)) {
    fail("a JWE is of another kind");
  }
  *length = 0;
  char *plaintext = jose_jwe_dec(NULL, jwe, NULL, key, length);
  if (!plaintext) fail("a JWE does not open");
  return plaintext;
}
