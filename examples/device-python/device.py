#!/usr/bin/python3
"""A device in Python, written from docs/protocol.md: joins, renews, leaves, and opens secrets of its domain.

    device.py FILE join URL      FILE keeps the device; URL is the domain's
    device.py FILE renew | leave | show
    device.py FILE open < SECRET

Needs Debian's python3-jwcrypto and python3-requests.
"""

import json
import math
import os
import random
import sys
import time
import urllib.parse
import uuid

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwe, jwk, jws
from jwcrypto.common import JWException, base64url_decode

import storage
from authority import Authority, Untrusted, public_key
from exchange import NoResponse, Refusal, answer_of

TRIES = 5
SEALING = ["ECDH-ES+A256KW", "A256GCM"]
REMOVED = {"DOM_LIMIT_REACHED", "DEVICE_BANNED", "DOMAIN_NOT_FOUND"}


class Device:
    """A device and its file. Whatever a request may bring about is stored before it is sent."""

    def __init__(self, file, url=None):
        self.file = file
        if os.path.exists(file):
            with open(file, encoding="utf-8") as text:
                self.state = json.load(text)
        else:
            keys = {name: json.loads(jwk.JWK.generate(kty="EC", crv="P-256").export()) for name in ("signing", "sealing")}
            guid = str(uuid.uuid4())
            self.state = {"url": url, "machineGuid": guid, "status": "new", "keys": keys, "credentials": [], "pins": [],
                          "leave": None, "signedAt": 0, "unansweredAt": 0}
            self.save()
        address = urllib.parse.urlsplit(self.state["url"])
        self.domain = urllib.parse.unquote(address.path.rsplit("/", 1)[-1])
        self.authority = Authority("%s://%s" % (address.scheme, address.netloc), self.state["pins"])
        self.clock_offset = 0
        # How many tries of the latest request got no response.
        self.lost_tries = 0

    def save(self, **members):
        """Keeps the state, with changes."""
        self.state.update(members)
        storage.replace(self.file, self.state)

    def now(self):
        return time.time() + self.clock_offset

    def register(self):
        """Joins or renews. Returns whether the device is a new member."""
        if self.state["status"] == "leaving":
            raise SystemExit("A leave was begun: finish it with leave.")
        answer = self._register()
        [newest] = self._checked(answer["credentials"], answer["sealedKeys"], self.state["keys"]["sealing"])
        if newest["keyVersion"] != answer["keyVersion"]:
            raise Untrusted("it does not bring the newest key")
        held = [each for each in self.state["credentials"] if each["kid"] != newest["kid"]]
        self.save(status="member", credentials=held + [newest], pins=sorted(self.authority.pins), unansweredAt=0)
        return answer["newMember"]

    def leave(self):
        """Leaves. Interrupted at any point, it is called again."""
        before = {name: self.state[name] for name in ("status", "leave")}
        if before["status"] == "left":
            return
        jti = self.state["leave"] or str(uuid.uuid4())
        self.save(status="leaving", leave=jti)
        try:
            answer = self._ask("deregister", {}, jti)
            if answer.get("deregistered") is not True:
                raise Untrusted("it does not say that the device left")
        except Refusal as refusal:
            if refusal.error != "DEREG_DENIED":
                # It did not happen, unless the server failed or an earlier try had no response.
                if refusal.status < 500 and self.lost_tries == 0:
                    self.save(**before)
                raise
            if self.now() < self.state["unansweredAt"] + 600:
                # A registration may yet arrive. What is signed before a leave that took effect does so no more.
                self._register()
                self.save(unansweredAt=0)
                self.leave()
                return
        self.save(status="left", leave=None, credentials=[])

    def open(self, secret):
        """The plaintext of a secret of the domain."""
        header = header_of_jwe(secret)
        if self._held(header["kid"]) is None:
            self._fetch_older(header)
        credential = self._held(header["kid"])
        if credential is None:
            raise SystemExit("The device does not hold the key: it is retired, newer, or another domain's.")
        return decrypt(secret, credential["privateKey"])[1]

    def _held(self, kid):
        return next((each for each in self.state["credentials"] if each["kid"] == kid), None)

    def _register(self):
        key = json.loads(jwk.JWK(**self.state["keys"]["sealing"]).export_public())
        sealing = {name: key[name] for name in ("kty", "crv", "x", "y")}
        try:
            answer = self._ask("register", {"credentials": "newest", "encryptionKey": sealing}, None)
        except Refusal as refusal:
            if self.state["status"] == "member" and refusal.error in REMOVED:
                self.save(status="removed")
            raise
        if answer.get("domain") != self.domain or answer.get("machineGuid") != self.state["machineGuid"]:
            raise Untrusted("it is for another device")
        return answer

    def _fetch_older(self, header):
        """Asks the history for the page with a key, and keeps the page."""
        newest = self.state["credentials"][-1] if self.state["credentials"] else None
        version = header.get("key_version")
        if version is None:
            listed = self._get("/keys?kid=" + urllib.parse.quote(header["kid"]))["keys"]
            version = listed[0]["key_version"]
        if newest is None or version >= newest["keyVersion"]:
            return
        before = min(newest["keyVersion"], math.ceil(version / 100) * 100 + 1)
        page = self._get("/keys/%d/history?before=%d" % (newest["keyVersion"], before))
        if page["domain"] != self.domain or page["keyVersion"] != newest["keyVersion"]:
            raise Untrusted("it is not the history that was asked for")
        older = self._checked(page["credentials"], page["sealedKeys"], newest["privateKey"])
        if any(each["keyVersion"] >= newest["keyVersion"] for each in older):
            raise Untrusted("its keys are not older")
        held = {each["kid"]: each for each in older + self.state["credentials"]}
        self.save(credentials=sorted(held.values(), key=lambda each: each["keyVersion"]))

    def _checked(self, credentials, sealed_keys, opener):
        """The credentials of a response, each with the private key of its domain token."""
        header, plaintext = decrypt(sealed_keys, opener)
        if header.get("cty") != "jwk-set+json":
            raise Untrusted("the sealed keys are no JWK Set")
        private_keys = {each["kid"]: each for each in json.loads(plaintext)["keys"]}
        if len(private_keys) != len(credentials):
            raise Untrusted("there is not one private key for each token")
        checked = []
        for each in credentials:
            claims = self.authority.verify(each["token"], "domain-token+jwt", self.now(), domain=self.domain)
            key = public_key(claims["cnf"]["jwk"])
            private = private_keys.get(key.thumbprint())
            if claims["key_version"] != each["keyVersion"] or private is None or not is_pair(private, key):
                raise Untrusted("a private key is not that of its token")
            kept = {name: private[name] for name in ("kty", "crv", "x", "y", "d")}
            checked.append({"keyVersion": each["keyVersion"], "kid": key.thumbprint(), "token": each["token"], "privateKey": kept})
        return checked

    def _ask(self, action, members, jti):
        """Sends a signed request, again as long as it gets no response. Without `jti`, each try has a new one."""
        url = "%s/%s" % (self.state["url"], action)
        corrected = False
        self.lost_tries = 0
        for attempt in range(1, TRIES + 1):
            try:
                return self._try(url, action, members, jti or str(uuid.uuid4()))
            except Refusal as refusal:
                # A wrong clock is set right by the time that the authority signed for this request, once.
                if corrected or refusal.server_time is None:
                    raise
                self.clock_offset = self.authority.server_time(refusal.server_time, self.last_jti) - time.time()
                self.save(signedAt=0)
                corrected = True
            except NoResponse:
                self.lost_tries += 1
                if attempt == TRIES:
                    raise
                time.sleep(random.random() * 2 ** (attempt - 1))

    def _try(self, url, action, members, jti):
        signed_at = max(self.now(), self.state["signedAt"] + 0.001)
        self.save(signedAt=signed_at, **({"unansweredAt": signed_at} if action == "register" else {}))
        self.last_jti = jti
        key = jwk.JWK(**self.state["keys"]["signing"])
        payload = {"machineGuid": self.state["machineGuid"], **members, "aud": url, "iat": signed_at, "jti": jti}
        token = jws.JWS(json.dumps(payload))
        token.add_signature(key, protected=json.dumps(
            {"alg": "ES256", "typ": "device-request+jwt", "jwk": json.loads(key.export_public())}))
        return answer_of(lambda: requests.post(url, data=token.serialize(compact=True), timeout=30,
                                               headers={"content-type": "application/jose"}, allow_redirects=False))

    def _get(self, path):
        return answer_of(lambda: requests.get(self.state["url"] + path, timeout=30, allow_redirects=False))


def header_of_jwe(secret):
    """The header of a JWE, not verified yet: it says which key opens it."""
    try:
        header = json.loads(base64url_decode(secret.split(".", 1)[0]))
        header["kid"]
        return header
    except (ValueError, TypeError, KeyError) as error:
        raise Untrusted("the secret is no JWE of a domain") from error


def decrypt(sealed, private_key):
    """The header and the plaintext of a JWE, by the one way that the protocol has."""
    token = jwe.JWE(algs=SEALING)
    try:
        token.deserialize(sealed, jwk.JWK(**private_key))
    except (JWException, ValueError) as error:
        raise Untrusted("something sealed does not open") from error
    return token.jose_header, token.payload


def is_pair(private, public):
    """Whether `d` of a private JWK belongs to a public key."""
    number = int.from_bytes(base64url_decode(private["d"]), "big")
    numbers = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
    stated = json.loads(public.export_public())
    return all(int.from_bytes(base64url_decode(stated[name]), "big") == getattr(numbers, name) for name in ("x", "y"))


def main(file, command, url=None):
    device = Device(file, url)
    if command in ("join", "renew"):
        new = device.register()
        print("%s %d" % ("joined" if new else "renewed", device.state["credentials"][-1]["keyVersion"]))
    elif command == "leave":
        device.leave()
        print("left")
    elif command == "open":
        sys.stdout.buffer.write(device.open(sys.stdin.read().strip()))
    else:
        print("%s %s" % (device.state["status"], [each["keyVersion"] for each in device.state["credentials"]]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Refusal, NoResponse, Untrusted) as problem:
        sys.exit("%s: %s" % (type(problem).__name__, problem))
