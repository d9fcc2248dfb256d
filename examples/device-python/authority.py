"""The statements of a domain authority, verified: docs/protocol.md, sections "Domain authority" and "Domain tokens"."""

import json
import time

import requests
from jwcrypto import jwk, jws
from jwcrypto.common import JWException


class Untrusted(Exception):
    """A response that does not hold up: nothing of it counts."""


def public_key(members):
    """The public EC P-256 key of a JWK, without metadata."""
    if not isinstance(members, dict) or members.get("kty") != "EC" or members.get("crv") != "P-256" or "d" in members:
        raise Untrusted("a key is not an EC P-256 public key")
    try:
        return jwk.JWK(**{name: members[name] for name in ("kty", "crv", "x", "y")})
    except (KeyError, ValueError, JWException) as error:
        raise Untrusted("a key cannot be read") from error


def header_of(statement):
    """The protected header of a JWS, not verified yet."""
    token = jws.JWS()
    try:
        token.deserialize(statement)
        return token.jose_header
    except (JWException, ValueError, TypeError) as error:
        raise Untrusted("a statement is no JWS") from error


class Authority:
    """The keys that sign for a server: all published ones before the first use, then the pinned and their successor."""

    def __init__(self, origin, pins=()):
        self.origin = origin
        self.pins = set(pins)
        self.published = {}
        self.successors = set()

    def verify(self, statement, typ, now=None, tolerance=300, domain=None):
        """The claims of a statement. `iss` must be the origin; `now` is in seconds."""
        claims = self._claims(statement, typ, self._trusted_key(header_of(statement).get("kid")))
        now = time.time() if now is None else now
        if claims.get("iss") != self.origin or (domain is not None and claims.get("sub") != domain):
            raise Untrusted("a statement is of another server or domain")
        if claims["exp"] <= now - tolerance or claims["iat"] > now + tolerance:
            raise Untrusted("a statement is not in force")
        return claims

    def server_time(self, statement, jti):
        """The time that was signed for the request `jti`, in seconds."""
        claims = self._claims(statement, "server-time+jwt", self._trusted_key(header_of(statement).get("kid")))
        if claims.get("iss") != self.origin or claims.get("jti") != jti:
            raise Untrusted("the server's time is for another request")
        return claims["iat"]

    def _trusted_key(self, kid):
        if self._find(kid) is None:
            self._fetch()
        key = self._find(kid)
        if key is None:
            raise Untrusted("a statement is signed by no trusted key")
        return key

    def _find(self, kid):
        key = self.published.get(kid)
        if key is None:
            return None
        thumbprint = key.thumbprint()
        if not self.pins:
            self.pins.add(thumbprint)
        return key if thumbprint in self.pins or thumbprint in self.successors else None

    def _fetch(self):
        response = requests.get(self.origin + "/.well-known/jwks.json", timeout=30, allow_redirects=False)
        response.raise_for_status()
        key_set = response.json()
        self.published = {each["kid"]: public_key(each) for each in key_set["keys"]}
        for rotation in key_set.get("rotations", []):
            former = self.published.get(header_of(rotation).get("kid"))
            if former is None or former.thumbprint() not in self.pins:
                continue
            claims = self._claims(rotation, "authority-rotation+jwt", former)
            if claims["exp"] > time.time():
                self.successors.add(public_key(claims["cnf"]["jwk"]).thumbprint())

    @staticmethod
    def _claims(statement, typ, key):
        token = jws.JWS()
        token.allowed_algs = ["ES256"]
        try:
            token.deserialize(statement, key)
        except (JWException, ValueError) as error:
            raise Untrusted("a signature does not hold") from error
        if token.jose_header.get("typ") != typ:
            raise Untrusted("a statement is of another type")
        return json.loads(token.payload)
