/*
 * A device in C, written from docs/protocol.md: joins, renews, leaves, and opens secrets of its domain.
 *
 *     device FILE join URL      FILE keeps the device; URL is the domain's
 *     device FILE renew | leave | show
 *     device FILE open SECRET
 *
 * It frees no memory: it does one thing and ends.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "objects.h"

#define TRIES 5
#define TOLERANCE 300

static const char *file;
static json_t *state;
static double clock_offset;
/* How many tries of the latest request got no response. */
static int lost_tries;

static void set(const char *name, json_t *value) { json_object_set_new(state, name, value); }

/* Seconds since the Unix epoch. */
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec + time.tv_nsec / 1e9 + clock_offset;
}

/* A UUID of version 4. */
static char *uuid(void) {
  unsigned char b[16];
  if (getrandom(b, 16, 0) != 16) fail("no randomness");
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  return format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
                b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Writes the state so that it survives a power cut. */
static void save(void) {
  char *draft = format("%s.new", file), *json = json_dumps(state, 0);
  ssize_t length = strlen(json);
  int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, json, length) != length || fsync(fd) || close(fd) || rename(draft, file)) {
    fail("the state cannot be kept");
  }
}

static size_t collect(char *data, size_t size, size_t count, void *body) {
  *(char **)body = format("%s%.*s", *(char **)body, (int)(size * count), data);
  return size * count;
}

/* Sends one request. Returns its status; 0 if it got no response, so that nobody knows whether the server acted. */
static long exchange(const char *url, const char *posted, json_t **answer) {
  CURL *curl = curl_easy_init();
  char *body = "";
  long status = 0;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  if (posted) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, posted);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, curl_slist_append(NULL, "content-type: application/jose"));
  }
  if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  *answer = json_loads(body, 0, NULL);
  return *answer && status != 429 && !(status >= 502 && status <= 504) ? status : 0;
}

/* Waits after a failed try, at random: devices that failed together must not come back together. */
static void pause_after(int try) { usleep(rand() % (500000 << try)); }

static json_t *get(const char *url) {
  json_t *answer;
  for (int try = 1; try <= TRIES; try++) {
    long status = exchange(url, NULL, &answer);
    if (status == 200) return answer;
    if (status != 0) fail(text(answer, "error"));
    pause_after(try);
  }
  fail("no response: try again later");
}

/* The origin of the domain's URL. */
static char *origin(void) {
  const char *url = text(state, "url"), *host = strstr(url, "://");
  if (!host) fail("the URL is not that of a domain");
  return format("%.*s", (int)(strcspn(host + 3, "/") + (host + 3 - url)), url);
}

/* The claims of a statement of the domain authority. The key that signs the first one is pinned. */
static json_t *verified(const char *statement, const char *typ) {
  json_t *pins = json_object_get(state, "pins"), *header = header_of(statement), *each;
  json_t *keys = json_object_get(get(format("%s/.well-known/jwks.json", origin())), "keys");
  size_t i;
  json_array_foreach(keys, i, each) {
    json_t *claims = is(each, "kid", text(header, "kid")) ? verified_by(each, statement, typ) : NULL;
    if (!claims || !is(claims, "iss", origin())) continue;
    if (json_object_size(pins) == 0) json_object_set_new(pins, thumbprint(each), json_true());
    if (json_object_get(pins, thumbprint(each))) return claims;
  }
  fail("a statement is signed by no trusted key, or for another server");
}

/* The claims of a domain token that is in force in this domain. */
static json_t *domain_token(const char *token) {
  json_t *claims = verified(token, "domain-token+jwt");
  if (!is(claims, "sub", strrchr(text(state, "url"), '/') + 1)) fail("a domain token is of another domain");
  if (number(claims, "exp") < now() - TOLERANCE || number(claims, "iat") > now() + TOLERANCE) {
    fail("a domain token is not in force");
  }
  return claims;
}

/* Checks the credentials of a response, whose versions are below a bound, and adds them to the state. */
static void keep(const json_t *answer, const json_t *opener, json_int_t below) {
  json_t *listed = json_object_get(answer, "credentials"), *kept = json_object(), *each, *key;
  size_t i, j, length;
  char *opened = decrypted(text(answer, "sealedKeys"), opener, "jwk-set+json", &length);
  json_t *private_keys = json_object_get(json_loadb(opened, length, 0, NULL), "keys");
  if (json_array_size(private_keys) != json_array_size(listed)) fail("there is not one private key for each token");
  json_array_foreach(listed, i, each) {
    json_t *claims = domain_token(text(each, "token"));
    json_t *public = core(json_object_get(json_object_get(claims, "cnf"), "jwk"), 0);
    json_int_t version = number(claims, "key_version");
    const char *kid = thumbprint(public);
    if (version < 1 || version >= below || version != number(each, "keyVersion")) fail("a token is of another version");
    json_array_foreach(private_keys, j, key) {
      if (!is(key, "kid", kid) || !is_pair(core(key, 1), public)) continue;
      json_object_set_new(kept, kid, json_pack("{s:I, s:o}", "keyVersion", version, "privateKey", core(key, 1)));
    }
    if (!json_object_get(kept, kid)) fail("a private key is not that of its token");
  }
  json_object_update(json_object_get(state, "credentials"), kept);
}

/* Sends a signed request, again as long as it gets no response. Without `jti`, each try has a new one. */
static long ask(const char *action, json_t *members, const char *jti, json_t **answer) {
  char *url = format("%s/%s", text(state, "url"), action);
  json_t *key = json_object_get(json_object_get(state, "keys"), "signing");
  int corrected = lost_tries = 0;
  for (int try = 1; try <= TRIES; try++) {
    double signed_at = fmax(now(), json_real_value(json_object_get(state, "signedAt")) + 0.001);
    const char *id = jti ? jti : uuid();
    set("signedAt", json_real(signed_at));
    save();
    json_t *payload = json_pack("{s:s, s:s, s:f, s:s}", "machineGuid", text(state, "machineGuid"), "aud", url, "iat",
                                signed_at, "jti", id);
    json_object_update(payload, members);
    long status = exchange(url, signed_request(payload, key), answer);
    const char *server_time = text(*answer, "serverTime");
    if (status == 0) {
      lost_tries++;
      pause_after(try);
    } else if (corrected || !*server_time) {
      return status;
    } else {
      /* A wrong clock is set right by the time that the authority signed for this request, once. */
      json_t *claims = verified(server_time, "server-time+jwt");
      if (!is(claims, "jti", id)) fail("the server's time is for another request");
      clock_offset += number(claims, "iat") - now();
      set("signedAt", json_real(0));
      corrected = 1;
    }
  }
  fail("no response: try again later");
}

static void join(void) {
  json_t *sealing = json_object_get(json_object_get(state, "keys"), "sealing"), *answer;
  if (is(state, "status", "leaving")) fail("a leave was begun: finish it with leave");
  json_t *members = json_pack("{s:s, s:o}", "credentials", "newest", "encryptionKey", core(sealing, 0));
  if (ask("register", members, NULL, &answer) >= 400) fail(text(answer, "error"));
  if (!is(answer, "machineGuid", text(state, "machineGuid"))) fail("the response is for another device");
  json_int_t version = number(answer, "keyVersion");
  keep(answer, sealing, version + 1);
  set("status", json_string("member"));
  save();
  printf("%s %d\n", json_is_true(json_object_get(answer, "newMember")) ? "joined" : "renewed", (int)version);
}

static void leave(void) {
  json_t *answer, *before = json_incref(json_object_get(state, "status"));
  if (!is(state, "status", "leaving")) set("leave", json_string(uuid()));
  set("status", json_string("leaving"));
  long status = ask("deregister", json_object(), text(state, "leave"), &answer);
  if (status >= 400 && !is(answer, "error", "DEREG_DENIED")) {
    /* It did not happen, unless the server failed or an earlier try had no response. */
    if (status < 500 && !lost_tries) {
      set("status", before);
      save();
    }
    fail(text(answer, "error"));
  }
  if (status < 400 && !json_is_true(json_object_get(answer, "deregistered"))) {
    fail("the response does not say that the device left");
  }
  set("status", json_string("left"));
  set("credentials", json_object());
  save();
  printf("left\n");
}

/* The newest credential; NULL if there is none. */
static json_t *newest(void) {
  json_t *each, *found = NULL;
  const char *kid;
  json_object_foreach(json_object_get(state, "credentials"), kid, each) {
    if (!found || number(each, "keyVersion") > number(found, "keyVersion")) found = each;
  }
  return found;
}

static void open_secret(const char *secret) {
  json_t *header = header_of(secret), *credentials = json_object_get(state, "credentials"), *last = newest();
  json_int_t version = number(header, "key_version"), opener = number(last, "keyVersion");
  if (!json_object_get(credentials, text(header, "kid")) && version > 0 && version < opener) {
    json_int_t end = (version + 99) / 100 * 100 + 1, before = end < opener ? end : opener;
    json_t *page = get(format("%s/keys/%d/history?before=%d", text(state, "url"), (int)opener, (int)before));
    keep(page, json_object_get(last, "privateKey"), opener);
    save();
  }
  json_t *held = json_object_get(credentials, text(header, "kid"));
  if (!held) fail("the device does not hold the key: it is retired, newer, or another domain's");
  size_t length;
  char *plaintext = decrypted(secret, json_object_get(held, "privateKey"), "", &length);
  if (fwrite(plaintext, 1, length, stdout) != length || fflush(stdout)) fail("the secret cannot be written");
}

int main(int count, char **arguments) {
  const char *command = count > 2 ? arguments[2] : "";
  if (count < 3) fail("usage: device FILE join URL | renew | leave | show | open SECRET");
  srand(getpid());
  file = arguments[1];
  state = json_load_file(file, 0, NULL);
  if (!state) {
    if (count < 4 || strcmp(command, "join")) fail("join first");
    state = json_pack("{s:s, s:s, s:s, s:f, s:{}, s:{}, s:{s:o, s:o}}", "url", arguments[3], "machineGuid", uuid(),
                      "status", "new", "signedAt", 0.0, "pins", "credentials", "keys", "signing", new_key(), "sealing",
                      new_key());
    save();
  }
  if (!strcmp(command, "join") || !strcmp(command, "renew")) join();
  else if (!strcmp(command, "leave")) leave();
  else if (!strcmp(command, "open") && count > 3) open_secret(arguments[3]);
  else printf("%s %d\n", text(state, "status"), (int)json_object_size(json_object_get(state, "credentials")));
  return 0;
}
