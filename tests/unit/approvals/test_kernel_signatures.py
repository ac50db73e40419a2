"""What a signature proves, by the vectors of RFC 6238 and a passkey in software."""

import base64
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from apps.approvals.kernel import signatures
from apps.approvals.kernel.signatures import PASSKEY, TOTP, Bad

# RFC 6238, appendix B, SHA-1: the last six of its eight digits.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
DIGEST = sha256(b"a proposal").hexdigest()


def at(seconds):
    return datetime.fromtimestamp(seconds, tz=UTC)


@pytest.mark.parametrize("seconds", sorted(VECTORS))
def test_codes_are_those_of_the_rfc(seconds):
    assert signatures.totp_code(SECRET, seconds // 30) == VECTORS[seconds]
    assert signatures.totp_counter(SECRET, VECTORS[seconds], at(seconds), -1) == seconds // 30


def test_a_code_is_good_for_its_half_minute_and_the_next_and_once():
    code, counter = VECTORS[1234567890], 1234567890 // 30
    start = counter * 30
    assert signatures.totp_counter(SECRET, code, at(start + 59), -1) == counter
    for seconds in (start - 1, start + 60):
        with pytest.raises(Bad, match="not the one of now"):
            signatures.totp_counter(SECRET, code, at(seconds), -1)
    for after in (counter, counter + 1):
        with pytest.raises(Bad, match="used already"):
            signatures.totp_counter(SECRET, code, at(start), after)
    assert signatures.totp_counter(SECRET, f"{code[:3]} {code[3:]}", at(start), counter - 1)


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "0" * 60])
def test_other_texts_are_no_codes(typed):
    with pytest.raises(Bad):
        signatures.totp_counter(SECRET, typed, at(59), -1)


def test_to_approve_a_passkey_signs_the_digest_itself():
    assert signatures.challenge_of(DIGEST, "approve").hex() == DIGEST
    assert signatures.challenge_of(DIGEST, "reject").hex() != DIGEST


@pytest.mark.parametrize(
    ("kind", "stage", "accepted"),
    [
        ("promotion", "live", (PASSKEY,)),
        ("promotion", "paper", (TOTP, PASSKEY)),
        ("resume", "", (TOTP, PASSKEY)),
    ],
)
def test_a_code_is_not_enough_for_live_unless_the_policy_says_so(kind, stage, accepted):
    assert signatures.accepted(signatures.DEFAULT_POLICY, kind, stage) == accepted
    lowered = {**signatures.DEFAULT_POLICY, "promotion.live": TOTP}
    assert signatures.accepted(lowered, "promotion", "live") == (TOTP, PASSKEY)
    assert signatures.accepted({"default": TOTP, kind: PASSKEY}, kind, stage) == (PASSKEY,)


@pytest.mark.parametrize(
    ("origin", "allow_http", "home"),
    [
        ("https://lab.example", False, True),
        ("https://a.lab.example:8443", False, True),
        ("http://lab.example", False, False),
        ("http://lab.example:8000", True, True),
        ("https://lab.example.evil", True, False),
        ("https://evillab.example", True, False),
        ("https://example", True, False),
        ("android:apk-key-hash:x", True, False),
        ("https://[", True, False),
        ("", True, False),
    ],
)
def test_a_signature_is_made_at_home(origin, allow_http, home):
    party = sha256(b"lab.example").digest()
    assert signatures.is_at_home(origin, party, allow_http=allow_http) is home


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"id": "AA"},
        {"id": "AA", "clientDataJSON": "AA", "authenticatorData": "AA", "signature": 7},
        {"id": "AA", "clientDataJSON": "A" * 5000, "authenticatorData": "AA", "signature": "AA"},
        {"id": "A!", "clientDataJSON": "AA", "authenticatorData": "AA", "signature": "AA"},
    ],
)
def test_a_broken_answer_is_refused(sent):
    with pytest.raises(Bad):
        signatures.read_assertion(sent)


def test_an_answer_is_read_nested_as_browsers_have_it():
    inner = {"clientDataJSON": "AQ", "authenticatorData": "Ag", "signature": "Aw"}
    made = signatures.read_assertion({"id": "AA", "response": inner})
    assert (made.credential_id, made.client_data, made.signature) == (b"\0", b"\1", b"\3")
