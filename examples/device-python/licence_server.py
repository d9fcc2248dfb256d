#!/usr/bin/python3
"""The licence server's half, written from docs/protocol.md: encrypts what it reads to the current key of a domain.

    licence_server.py FILE URL [THUMBPRINT...] < SECRET > JWE

FILE keeps the newest statement that was seen of each domain, so that no older one is believed; URL is the domain's. The
thumbprints are those of the domain authority's keys; without any, the keys that the server publishes are trusted.
"""

import json
import os
import sys
import urllib.parse

import requests
from jwcrypto import jwe

import storage
from authority import Authority, Untrusted, public_key
from exchange import NoResponse, Refusal, answer_of

TOLERANCE_SECONDS = 60


def current_key(url, authority, seen):
    """The key to encrypt to and its version; None while a rollover is due."""
    answer = answer_of(lambda: requests.get(url + "/keys", timeout=30, allow_redirects=False))
    key, version = stated_key(answer.get("statement"), url, authority, seen)
    if version != answer.get("currentKeyVersion"):
        raise Untrusted("the key set names another key than its statement")
    return key, version


def rolled_over_key(url, authority, seen):
    """The key that a rollover makes, which is due."""
    answer = answer_of(lambda: requests.post(url + "/rollover?statement=true", timeout=30, allow_redirects=False))
    key, version = stated_key(answer.get("statement"), url, authority, seen)
    if key is None or version != answer.get("keyVersion"):
        raise Untrusted("the response names another key than its statement")
    return key, version


def stated_key(statement, url, authority, seen):
    """What a statement says that holds, and that is not older than what was seen."""
    domain = urllib.parse.unquote(url.rsplit("/", 1)[-1])
    claims = authority.verify(statement, "domain-key-statement+jwt", tolerance=TOLERANCE_SECONDS, domain=domain)
    state = [claims.get("epoch", 0), claims["revision"]]
    if state < seen.get(url, [0, 0]):
        raise Untrusted("the statement is older than one that was seen")
    seen[url] = state
    version = claims["key_version"]
    return (None, None) if version is None else (public_key(claims["cnf"]["jwk"]), version)


def encrypt(url, secret, authority, seen):
    """A secret, encrypted to all members of a domain and to nobody who left."""
    key, version = current_key(url, authority, seen)
    if key is None:
        key, version = rolled_over_key(url, authority, seen)
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": key.thumbprint(), "key_version": version}
    token = jwe.JWE(secret, protected=json.dumps(header), recipient=key, algs=["ECDH-ES+A256KW", "A256GCM"])
    return token.serialize(compact=True)


def main(file, url, *thumbprints):
    seen = {}
    if os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            seen = json.load(text)
    address = urllib.parse.urlsplit(url)
    authority = Authority("%s://%s" % (address.scheme, address.netloc), thumbprints)
    encrypted = encrypt(url, sys.stdin.buffer.read(), authority, seen)
    # Saved first: once a JWE is out, no statement that is older than its own may be believed.
    storage.replace(file, seen)
    print(encrypted)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Refusal, NoResponse, Untrusted) as problem:
        sys.exit("%s: %s" % (type(problem).__name__, problem))
