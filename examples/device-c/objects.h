/* JWKs, JWSs and JWEs as docs/protocol.md has them. What fails ends the program. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <jansson.h>

/* Ends the program with a reason. */
void fail(const char *reason) __attribute__((noreturn));

/* A new text. */
char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* A member of an object: empty, or 0, if there is none. */
const char *text(const json_t *object, const char *name);
json_int_t number(const json_t *object, const char *name);
int is(const json_t *object, const char *name, const char *value);

/* A new private key, EC P-256. */
json_t *new_key(void);

/* The core members of an EC P-256 key; with `d` if it is private. */
json_t *core(const json_t *jwk, int private);

/* The RFC 7638 thumbprint. */
const char *thumbprint(const json_t *jwk);

/* Whether a private key belongs to a public one. */
int is_pair(const json_t *private, const json_t *public);

/* A compact JWS of a payload, `typ` device-request+jwt, with the key in its header. */
char *signed_request(const json_t *payload, const json_t *key);

/* The header of a compact JWS or JWE, which is not verified yet. */
json_t *header_of(const char *compact);

/* The payload of a compact JWS of this type; NULL if the key did not sign it. */
json_t *verified_by(const json_t *key, const char *jws, const char *typ);

/* The plaintext of a compact JWE of this content type, by the one way that the protocol has. It may hold any bytes. */
char *decrypted(const char *jwe, const json_t *key, const char *cty, size_t *length);

#endif
