"""Figures, times and small drawings as pages write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.template import Context, Template

from apps.core.templatetags import lab

THIN = "\u2009"
MINUS = "\u2212"


@pytest.mark.parametrize(
    ("value", "places", "written"),
    [
        (1234567.891, 2, f"1{THIN}234{THIN}567.89"),
        (-0.5, 1, f"{MINUS}0.5"),
        (-0.001, 2, "0.00"),
        (Decimal("100000.005"), 3, f"100{THIN}000.005"),
        (12, 0, "12"),
        ("7.25", 1, "7.2"),
        (None, 2, "\u2013"),
        (float("nan"), 2, "\u2013"),
        (float("inf"), 2, "\u2013"),
        ("", 2, "\u2013"),
        (True, 0, "\u2013"),
    ],
)
def test_number_is_written_in_the_house_style(value, places, written):
    assert lab.number(value, places) == written


def test_sign_is_written_and_zero_has_none():
    assert [lab.signed(x, 2) for x in (1, -1, 0)] == ["+1.00", f"{MINUS}1.00", "0.00"]
    assert lab.signed_percent(-0.0213, 1) == f"{MINUS}2.1{THIN}%"
    assert lab.money(1234.5, "EUR") == f"1{THIN}234.50\u00a0EUR"


def test_change_names_its_class():
    assert [lab.updown(x) for x in (3, -3, 0, None)] == ["up", "down", "flat", "flat"]


def test_times_are_written_in_utc():
    at = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
    assert "2026-01-05 12:30<" in lab.utc(at)
    assert 'datetime="2026-01-05T12:30:00+00:00"' in lab.utc(at)
    assert lab.utc(None) == "\u2013"


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (timedelta(seconds=0), "now"),
        (timedelta(seconds=42), f"42{THIN}s ago"),
        (timedelta(minutes=90), f"1{THIN}h ago"),
        (timedelta(days=-3), f"in 3{THIN}d"),
    ],
)
def test_age_is_told_in_its_largest_unit(span, written):
    assert lab.in_words(span) == written


def test_duration():
    assert lab.duration(3725) == f"1{THIN}h 2{THIN}min"
    assert lab.duration(70) == f"1{THIN}min 10{THIN}s"
    assert lab.duration(None) == "\u2013"


def test_digest_is_shortened_without_the_hash_name():
    assert lab.short("sha256:0123456789abcdef") == "0123456789"
    assert lab.short("") == "\u2013"


def test_state_has_a_tone_and_an_icon():
    states = ["done", "failed", "open", "running", "queued"]
    assert [lab.tone(s) for s in states] == ["ok", "bad", "person", "busy", "idle"]
    assert len({lab.tone_icon(lab.tone(s)) for s in states}) == len(states)


def test_heat_steps_grow_to_both_sides():
    steps = [lab.heat(x, 0.1) for x in (-0.2, -0.05, -0.001, 0, 0.001, 0.05, 0.2)]
    assert steps == ["n5", "n3", "n1", "", "p1", "p3", "p5"]


def test_sparkline_spans_its_box_and_tells_the_ends():
    drawn = lab.sparkline([1.0, 3.0, 2.0])
    assert 'd="M0.0 27.0 L36.0 1.0 L72.0 14.0"' in drawn
    assert 'class="spark up"' in drawn
    assert "from 1.00 to 2.00" in drawn
    assert "no history yet" in lab.sparkline([1.0, None])


def test_labels_are_escaped():
    assert "<b>" not in lab.sparkline([1, 2], label="<b>")
    assert "<b>" not in lab.gap_bar([{"start": 0, "end": 1, "label": "<b>"}], label="<b>")


def test_missing_figure_says_why():
    page = Template('{% load lab %}{% figure None 2 reason="no trades yet" %}')
    assert 'title="no trades yet"' in page.render(Context())


def test_permission_is_asked_of_sets_and_actors():
    assert lab.may(frozenset({"trading.halt"}), "trading.halt")
    assert not lab.may(frozenset(), "trading.halt")
    assert not lab.may(None, "trading.halt")


def test_diff_marks_what_came_and_went():
    kinds = [line["kind"] for line in lab.diff_lines("a\nb\n", "a\nc\n")]
    assert kinds == ["same", "del", "add"]


def test_preferences_take_only_known_values(rf):
    request = rf.get("/")
    request.COOKIES = {"theme": "light", "rail": '"><script>'}
    context = Context({"request": request})
    assert lab.preference(context, "theme") == "light"
    assert lab.preference(context, "rail") == "open"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
    ],
    ids=["firefox", "edge", "safari", "curl", "none"],
)
def test_a_browser_is_said_as_people_do(agent, said):
    assert lab.browser(agent) == said
