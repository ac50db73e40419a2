"""What is news of a scan: each change once, whatever scores and refusals do in between."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.strategies.kernel.alerting import (
    MOST_LINES,
    Mark,
    Read,
    Wanted,
    body_of,
    decide,
    title_of,
)
from apps.strategies.kernel.scanning import Consensus

START = datetime(2026, 1, 5, tzinfo=UTC)
ANY = Wanted()


def at(bar):
    return START + timedelta(hours=bar)


def read(bar, side, *, since=0, score=None, **more):
    fields = {"strategy": "swing", "symbol": "AAPL", **more}
    return Read(side=side, bar_at=at(bar), signal_at=at(since), score=score, **fields)


def agree(long=1, short=0, symbol="AAPL"):
    return {symbol: Consensus(symbol, long, short, 13)}


def play(wanted, rows):
    """Which bars are told when scans follow one another."""
    marks, told = {}, []
    for row in rows:
        sides = agree(int(row.side > 0), int(row.side < 0))
        found = decide(wanted, [row], sides, marks)
        marks |= found.marks
        told += [(one.side, one.bar_at) for one in found.news]
    return told


def test_a_signal_is_told_once_while_it_holds():
    rows = [read(bar, 1, since=1) for bar in range(1, 6)]
    assert play(ANY, rows) == [(1, at(1))]


def test_a_change_of_side_is_told():
    sides = [(1, 1), (-1, 2), (-1, 2), (1, 4)]
    rows = [read(bar, side, since=since) for bar, (side, since) in enumerate(sides, start=1)]
    assert play(ANY, rows) == [(1, at(1)), (-1, at(2)), (1, at(4))]


def test_a_signal_that_ended_and_came_back_is_told_again():
    rows = [read(1, 1, since=1), read(2, 0, since=2), read(3, 1, since=3)]
    assert play(ANY, rows) == [(1, at(1)), (1, at(3))]


def test_one_that_ended_and_came_back_between_two_scans_is_told_again():
    assert play(ANY, [read(1, 1, since=1), read(9, 1, since=8)]) == [(1, at(1)), (1, at(9))]


def test_a_turn_before_the_window_moves_with_it_and_is_no_news():
    rows = [read(100 + bar, 1, since=bar) for bar in range(5)]
    assert play(ANY, rows) == [(1, at(100))]


def test_a_score_that_dips_and_returns_is_no_change():
    rows = [read(bar, 1, score=score) for bar, score in enumerate([50, 71, 69, 72], start=1)]
    assert play(Wanted(min_score=70), rows) == [(1, at(2))]


def test_without_a_score_a_rule_with_one_is_not_met():
    assert play(Wanted(min_score=0), [read(1, 1)]) == []


def test_what_could_not_be_computed_changes_nothing():
    gone = Read("swing", "AAPL", 0, at(2), refusal="inputs.missing")
    assert play(ANY, [read(1, 1, since=1), gone, read(3, 1, since=1)]) == [(1, at(1))]


def test_an_older_bar_is_not_listened_to():
    assert play(ANY, [read(5, 1, since=5), read(4, -1, since=4), read(6, 1, since=5)]) == [
        (1, at(5))
    ]


def test_consensus_is_of_the_signals_own_side():
    row = read(1, -1)
    assert decide(Wanted(min_agree=3), [row], agree(5, 2), {}).news == []
    assert decide(Wanted(min_agree=3), [row], agree(1, 3), {}).news == [row]


def test_strategies_not_asked_for_are_left_alone():
    row = read(1, 1)
    assert decide(Wanted(strategies=frozenset({"pairs"})), [row], agree(), {}) == decide(
        ANY, [], {}, {}
    )


@given(
    st.lists(
        st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([None, 40.0, 80.0])), max_size=40
    )
)
def test_no_two_alike_follow_without_a_change_between(looks):
    """Against a plain reading: a side is told at most once in each unbroken run of it."""
    since, rows, before = 0, [], 0
    for bar, (side, score) in enumerate(looks, start=1):
        since, before = (bar if side != before else since), side
        rows.append(read(bar, side, since=since, score=score))
    told = {moment for _, moment in play(Wanted(min_score=70), rows)}
    runs = []
    for row in rows:
        if not runs or runs[-1][-1].side != row.side:
            runs.append([])
        runs[-1].append(row)
    expected = set()
    for run in runs:
        high = [row.bar_at for row in run if row.side and row.score == 80.0]
        expected |= set(high[:1])
    assert told == expected


def test_words_of_a_message():
    row = read(1, 1, score=72.4, price=1234.5, components={"geometry": 32.0, "momentum": 20.4})
    assert title_of("u", [row]) == "AAPL long: swing"
    assert body_of([row], agree(3, 1)) == (
        "AAPL long by swing; score 72 (geometry 32, momentum 20); 3 long, 1 short of 13; "
        "close 1,234.5; bar closed 2026-01-05 01:00 UTC"
    )
    many = [read(1, 1, symbol=f"S{n}") for n in range(MOST_LINES + 4)]
    assert title_of("crypto", many) == f"{MOST_LINES + 4} signals in crypto"
    assert body_of(many, {}).splitlines()[-1] == "and 4 more, see the scanner"
    # Telegram takes 4,096 signs; long names must fit.
    long = [
        read(1, -1, symbol="S" * 20, score=100.0, components=dict.fromkeys("abcde", 40.0))
        for _ in range(MOST_LINES)
    ]
    assert len(body_of(long, agree(symbol="S" * 20))) < 4096


@pytest.mark.parametrize("side", [0, 1])
def test_marks_are_kept_only_of_what_was_told(side):
    found = decide(ANY, [read(1, side)], agree(), {})
    assert found.marks == ({("swing", "AAPL"): Mark(1, at(1))} if side else {})
