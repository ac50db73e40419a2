"""How a vendor's refusals become errors, and how long they say to wait."""

from datetime import UTC, datetime

import pytest

from apps.core.errors import Denied, Invalid, NotFound, Unavailable
from apps.core.kernel.limits import Limit, LocalGate
from apps.market.providers.pacing import Pacer, Timing, retry_seconds, scrub

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = {"api_key": "a-key-of-somebody", "secret": ""}


def pacer(gate=None, slept=None):
    timing = Timing(now=lambda: NOW, sleep=(slept or []).append, gate=gate or LocalGate())
    return Pacer("vendor", (Limit(300, 60.0), Limit(5, 1.0)), KEY, timing)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Mon, 05 Jan 2026 12:00:30 GMT", 30.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        ("-3", 0.0),
        ("9e99", 86_400.0),
        ("inf", 86_400.0),
        ("nan", 5.0),
        ("soon", 5.0),
        ("", 5.0),
        (None, 5.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_seconds(text, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (401, "Invalid API KEY", Denied, "provider.auth"),
        (403, "forbidden", Denied, "provider.auth"),
        (403, "not available under your current subscription", Invalid, "provider.plan"),
        (402, "premium", Invalid, "provider.plan"),
        (400, "bad parameter", Invalid, "provider.refused"),
        (404, "no such thing", NotFound, "symbol.unknown"),
        (429, "slow down", Unavailable, "provider.limited"),
        (500, "oops", Unavailable, "provider.down"),
        (302, "", Unavailable, "provider.down"),
    ],
)
def test_a_status_becomes_an_error_that_knows_whether_trying_again_helps(status, said, kind, code):
    error = pacer().refusal(status, f"{said} a-key-of-somebody")
    assert type(error) is kind
    assert error.code == code
    assert "a-key-of-somebody" not in error.message


def test_without_a_word_on_waiting_the_shortest_window_is_waited():
    assert pacer().refusal(429).retry_after == 1.0


def test_after_a_429_nobody_asks_for_a_while():
    gate, slept = LocalGate(), []
    pacer(gate).refusal(429, retry_after="400")
    with pytest.raises(Unavailable) as caught:
        pacer(gate, slept).wait()
    assert caught.value.retry_after == 400.0
    assert slept == []


def test_words_of_a_vendor_are_short_and_without_the_key():
    assert scrub("the key\n a-key-of-somebody  is bad " + "x" * 400, KEY).startswith(
        "the key … is"
    )
    assert len(scrub("x" * 400, KEY)) == 200


def test_a_pacer_tells_no_key():
    assert "a-key-of-somebody" not in repr(pacer())
