"""A decision carries a signature made at that moment; without one that holds nothing happens."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from apps.accounts.models import Membership
from apps.approvals import services
from apps.approvals.errors import BadSignature
from apps.approvals.models import Decision
from apps.audit import selectors as audit
from apps.core.actors import system
from apps.core.errors import TooMany
from tests.factories import signing

DIGEST = "a" * 64
WHY = "It held out of sample and survives the costs."

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_follows(settings):
    settings.DECISION_EFFECTS = {}
    settings.EVIDENCE_SOURCES = {}


@pytest.fixture
def propose(actor, now):
    def make(**changes):
        arguments = {
            "kind": "promotion",
            "subject": "version:1",
            "title": "Momentum to paper",
            "digest": DIGEST,
            "evidence": {
                "trades": 120,
                "paper_days": 40,
                "probe_passed": True,
                "deflated_sharpe": 0.99,
            },
            "rationale": WHY,
            "target_stage": "paper",
            "now": now,
        }
        return services.propose(actor=actor("researcher"), **{**arguments, **changes})

    return make


def refused(who, proposal, now, expected, decision="approve", **signature):
    signed = {"signature": signature or None}
    with pytest.raises(BadSignature) as caught:
        signing.decide(who, proposal, now, decision, **signed)
    assert caught.value.code == expected
    assert Decision.objects.count() == 0
    return caught.value.message


def test_a_passkey_signs_the_digest_itself_and_all_of_it_is_kept(propose, actor, team, now):
    proposal, who = propose(), actor("validator")
    assert signing.decide(who, proposal, now).status == "approved"
    (row,) = Decision.objects.all()
    assert row.signature["kind"] == "passkey"
    event = audit.list_events(team_id=team.pk, action="proposal.vote.approve").get()
    assert event.content["signature"] == row.signature
    # Anybody can check it without the lab, by what is kept.
    from hashlib import sha256

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from fido2 import cbor

    from apps.approvals.kernel.signatures import from_base64url as raw

    kept = {name: raw(row.signature[name]) for name in row.signature.keys() - {"kind", "count"}}
    key = cbor.decode(kept["public_key"])
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()
    )
    message = kept["authenticator_data"] + sha256(kept["client_data"]).digest()
    numbers.public_key().verify(kept["signature"], message, ec.ECDSA(hashes.SHA256()))
    assert signing.text(bytes.fromhex(proposal.digest)).encode() in kept["client_data"]


def test_without_a_signature_nothing_is_decided_and_the_trail_knows(propose, actor, team, now):
    proposal, who = propose(), actor("validator")
    assert "Sign your decision" in refused(who, proposal, now, "signature.missing")
    refused(who, proposal, now, "signature.kind", kind="fax")
    refused(who, proposal, now, "signature.bad", "reject", kind="totp", code="123456")
    events = audit.list_events(team_id=team.pk, action="proposal.unsigned")
    assert [row.content["code"] for row in events][::-1] == [
        "signature.missing",
        "signature.kind",
        "signature.bad",
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"flags": 0x04},
        {"flags": 0x01},
        {"count": 0},
        {"origin": "https://evil.example"},
        {"origin": "http://localhost"},
        {"crossOrigin": True},
        {"type": "webauthn.create"},
        {"signed": b"x" * 32},
    ],
    ids=lambda fault: "-".join(f"{k}={v}" for k, v in fault.items()),
)
def test_a_passkeys_answer_with_a_fault_is_refused(fault, propose, actor, now):
    proposal, who = propose(), actor("validator")
    key = signing.passkey_of(who.user_id)
    key.row.data["sign_count"] = 3
    key.row.save()
    key.count = 3
    given = {"signed": bytes.fromhex(proposal.digest), **fault}
    made = key.sign(given.pop("signed"), **given)
    refused(who, proposal, now, "signature.bad", **made)


def test_a_signature_is_of_one_person_one_proposal_one_decision(propose, actor, now):
    first, second, who = propose(), propose(subject="version:2"), actor("validator")
    for_other = signing.sign(who, second.digest)
    refused(who, first, now, "signature.bad", **for_other)
    to_approve = signing.sign(who, first.digest)
    refused(who, first, now, "signature.bad", "reject", **to_approve)
    of_other = signing.sign(actor("validator"), first.digest)
    refused(who, first, now, "signature.bad", **of_other)
    forged = {**signing.sign(who, first.digest), "signature": signing.text(b"0" * 70)}
    refused(who, first, now, "signature.bad", **forged)


def test_the_same_words_proposed_again_need_another_signature(propose, actor, now):
    who, author = actor("validator"), actor("researcher")
    first = services.propose(
        actor=author, kind="model", subject="model:1", title="A model", digest=DIGEST,
        evidence={}, rationale=WHY, now=now,
    )  # fmt: skip
    signed = signing.sign(who, first.digest)
    services.withdraw(actor=author, proposal_id=first.pk, now=now)
    again = services.propose(
        actor=author, kind="model", subject="model:1", title="A model", digest=DIGEST,
        evidence={}, rationale=WHY, now=now,
    )  # fmt: skip
    assert again.digest != first.digest
    refused(who, again, now, "signature.bad", **signed)


def test_a_passkey_counts_and_a_copy_of_it_is_seen(propose, actor, now):
    who = actor("validator")
    key = signing.passkey_of(who.user_id)
    signing.decide(who, propose(), now)
    second = propose(subject="version:2")
    copied = key.sign(bytes.fromhex(second.digest), count=1)
    with pytest.raises(BadSignature, match="used before, or the passkey was copied"):
        signing.decide(who, second, now, signature=copied)


def test_a_code_signs_once(propose, actor, now):
    who = actor("validator")
    secret = signing.make_totp(who.user_id)
    code = {"kind": "totp", "code": signing.code_at(secret, now)}
    assert signing.decide(who, propose(), now, signature=code).status == "approved"
    second = propose(subject="version:2")
    with pytest.raises(BadSignature, match="used already"):
        signing.decide(who, second, now, signature=code)
    later = now + timedelta(seconds=30)
    fresh = {"kind": "totp", "code": signing.code_at(secret, later)}
    assert signing.decide(who, second, later, signature=fresh).status == "approved"


def test_a_code_that_opened_a_session_signs_nothing(propose, actor, now):
    who = actor("validator")
    secret = signing.make_totp(who.user_id)
    code = signing.code_at(secret, now)
    row = Authenticator.objects.get(user_id=who.user_id)
    assert row.wrap()._mark_code_used(code)
    with pytest.raises(BadSignature, match="used to sign in"):
        signing.decide(who, propose(), now, signature={"kind": "totp", "code": code})


def test_guessing_is_slowed(propose, actor, now):
    proposal, who = propose(), actor("validator")
    secret = signing.make_totp(who.user_id)
    right = signing.code_at(secret, now)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(5):
        refused(who, proposal, now, "signature.bad", kind="totp", code=wrong)
    with pytest.raises(TooMany) as caught:
        signing.decide(who, proposal, now, signature={"kind": "totp", "code": right})
    assert caught.value.code == "signature.too_many"


def test_live_takes_a_passkey_until_the_policy_is_lowered_on_record(propose, actor, team, now):
    proposal, who = propose(target_stage="live"), actor("risk_manager")
    code = {"kind": "totp", "code": signing.code_at(signing.make_totp(who.user_id), now)}
    assert "takes a passkey" in refused(who, proposal, now, "signature.too_weak", **code)
    services.set_setting(
        actor=system("tests", team.pk),
        key="approvals.signatures",
        value={"default": "totp"},
        now=now,
    )
    assert signing.decide(who, proposal, now, signature=code).status == "approved"


def test_how_to_sign_over_rest(propose, api_as, now):
    proposal, validator = propose(), api_as("validator")
    place = f"/api/v1/proposals/{proposal.pk}/signing"
    bare = validator.get(place).json()
    assert (bare["accepted"], bare["passkeys"], bare["is_able"]) == (
        ["totp", "passkey"],
        [],
        False,
    )
    key = signing.passkey_of(validator.actor.user_id)
    found = validator.get(place).json()
    assert (found["passkeys"], found["is_able"]) == ([signing.text(key.id)], True)
    assert found["challenges"]["approve"] == signing.text(bytes.fromhex(proposal.digest))


# The database holds four eyes whatever the services do.


def vote_by_hand(proposal, decider, **changes):
    from apps.approvals.models import Decision

    fields = {
        "team_id": proposal.team_id,
        "proposal": proposal,
        "decider": decider,
        "role": "validator",
        "decision": "approve",
        "rationale": WHY,
        "seen_digest": proposal.digest,
        "created_at": proposal.created_at,
        "event_id": proposal.event_id,
    }
    with transaction.atomic():
        return Decision.objects.create(**{**fields, **changes})


def test_the_database_refuses_votes_that_are_none(propose, actor, other_team, now):
    from tests.factories import people

    who = actor("validator")
    proposal = propose(editors=[who.name])
    stranger = people.make_actor(other_team, "validator")
    gone = actor("validator")
    Membership.objects.filter(user_id=gone.user_id).delete()
    for decider, changes in (
        (proposal.author, {}),
        (who.name, {}),
        (stranger.name, {}),
        (gone.name, {}),
        ("system:decisions", {}),
        (actor("validator").name, {"seen_digest": "b" * 64}),
        (stranger.name, {"team_id": other_team.pk}),
    ):
        with pytest.raises((ProgrammingError, DatabaseError)):
            vote_by_hand(proposal, decider, **changes)
    assert vote_by_hand(proposal, actor("validator").name).pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM approvals_decision")
        assert cursor.fetchone()[0] == 1
