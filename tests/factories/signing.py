"""Signatures of people in tests: a passkey in software, and one-time codes."""

import base64
import hashlib
import itertools
import json
import os

HOST = "localhost"
PRESENT_AND_VERIFIED = 0x05
WITH_KEY = 0x40
COUNT = itertools.count(1)


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Passkey:
    """An authenticator that keeps its key in memory: registers with allauth, signs challenges."""

    def __init__(self, user_id, *, host=HOST):
        from allauth.mfa.models import Authenticator
        from cryptography.hazmat.primitives.asymmetric import ec
        from fido2.cose import ES256

        self.host, self.id, self.count = host, os.urandom(16), 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cose = ES256.from_cryptography_key(self.key.public_key())
        data = {"name": "software", "credential": self.registration()}
        self.row = Authenticator.objects.create(user_id=user_id, type="webauthn", data=data)

    def client_data(self, kind, challenge, **changes):
        told = {
            "type": f"webauthn.{kind}",
            "challenge": text(challenge),
            "origin": f"https://{self.host}",
            "crossOrigin": False,
        }
        return json.dumps({**told, **changes}).encode()

    def state(self, flags, count, rest=b""):
        return (
            hashlib.sha256(self.host.encode()).digest()
            + bytes([flags])
            + count.to_bytes(4, "big")
            + rest
        )

    def registration(self):
        from fido2 import cbor

        key = cbor.encode(dict(self.cose))
        made = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        state = self.state(PRESENT_AND_VERIFIED | WITH_KEY, 0, made)
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": state})
        client = self.client_data("create", b"challenge")
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "response": {"clientDataJSON": text(client), "attestationObject": text(attested)},
            "clientExtensionResults": {},
        }

    def sign(self, challenge, *, flags=PRESENT_AND_VERIFIED, count=None, **changes):
        """What a browser sends after signing a challenge."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        self.count = self.count + 1 if count is None else count
        client = self.client_data("get", challenge, **changes)
        state = self.state(flags, self.count)
        message = state + hashlib.sha256(client).digest()
        return {
            "kind": "passkey",
            "id": text(self.id),
            "clientDataJSON": text(client),
            "authenticatorData": text(state),
            "signature": text(self.key.sign(message, ec.ECDSA(hashes.SHA256()))),
        }


_keys = {}


def passkey_of(user_id):
    """The passkey of a person, made at the first call of a test."""
    from allauth.mfa.models import Authenticator

    known = _keys.get(user_id)
    if known is None or not Authenticator.objects.filter(pk=known.row.pk).exists():
        known = _keys[user_id] = Passkey(user_id)
    return known


def sign(who, digest, decision="approve"):
    """The signature of an actor under a decision on the content with this digest."""
    from apps.approvals.kernel.signatures import challenge_of

    kind = decision if decision in ("approve", "reject") else "approve"
    return passkey_of(who.user_id).sign(challenge_of(digest, kind))


def decide(who, proposal, now, decision="approve", **changes):
    """Decide as a person does: by passkey, with words, on what was read."""
    from apps.approvals import services

    arguments = {
        "decision": decision,
        "rationale": "It held out of sample and survives the costs.",
        "seen_digest": proposal.digest,
        "signature": sign(who, proposal.digest, decision) if who.user_id else None,
    }
    return services.decide(actor=who, proposal_id=proposal.pk, now=now, **{**arguments, **changes})


def vote(who, shown, decision="approve", **changes):
    """The body of ``POST /proposals/{id}/decisions`` for a proposal as REST shows it."""
    body = {
        "decision": decision,
        "rationale": "It held out of sample and survives the costs.",
        "seen_digest": shown["digest"],
        "signature": sign(who, shown["digest"], decision),
    }
    return {**body, **changes}


def make_totp(user_id):
    """Give a person an authenticator app; returns its secret."""
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.contrib.auth import get_user_model

    secret = generate_totp_secret()
    TOTP.activate(get_user_model().objects.get(pk=user_id), secret)
    return secret


def code_at(secret, now):
    """The one-time code of a moment."""
    from apps.approvals.kernel.signatures import PERIOD, totp_code

    return totp_code(secret, int(now.timestamp()) // PERIOD)
