"""The search syntax of runs: how it reads, what it refuses, and where it points."""

from datetime import UTC, datetime

import pytest

from apps.backtests.kernel.queries import And, Compare, Flag, Name, Not, Or, Words, fits, parse
from apps.core.errors import Invalid

ISSUE = (
    'sharpe > 1.2 and strategy = "sma_cross" and params.fast >= 10 and tag:candidate '
    'and created > 2026-01-01 and not archived or "free words"'
)
RUN = {
    "title": "SMA crossover 10/30", "strategy": "sma_cross", "universe": "sp500", "study": None,
    "status": "done", "by": "user:7", "fill": "next_open", "engine_version": "1",
    "digest": "abcdef", "data_digest": "012345", "labels": ["first look"],
    "created_at": datetime(2026, 3, 1, 12, tzinfo=UTC), "finished_at": None,
    "sharpe": 1.4, "cagr": 0.1, "total_return": 0.5, "max_drawdown": 0.2, "equity_final": 15e4,
    "trades": 12, "deflated_sharpe": None, "metrics": {"sortino": 2.0},
    "params": {"fast": 10, "kind": "close", "both": True, "far": "10"},
    "tags": {"candidate": "", "stage": "paper"}, "archived": False, "locked": True,
}  # fmt: skip


def test_the_search_of_the_issue_is_read():
    found = parse(ISSUE)
    assert isinstance(found, Or)
    assert isinstance(found.parts[0], And)
    assert len(found.parts[0].parts) == 6
    assert found.parts[0].parts[5] == Not(Flag("archived"))
    assert found.parts[1] == Words("free words")
    assert fits(found, RUN)


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("crossover", True), ("CROSSOVER sharpe>1", True), ("candidate", True), ("paper", True),
        ('"first look"', True), ("abcd", True), ("bcde", False), ("nothing", False),
        ("sortino >= 2", True), ("metrics.sortino < 2", False), ("drawdown = 20%", True),
        ("params.fast = 10", True), ('params.fast = "10"', False), ('params.far = "10"', True),
        ("params.far > 5", False), ("params.kind ~ LOS", True), ("params.both = true", True),
        ("params.fast != 10", False), ("params.none != 10", True), ("params.none = 10", False),
        ("not params.none > 1", True), ("params.none is empty", True), ("study is set", False),
        ("tag:stage", True), ("tag:stage=paper", True), ("tag:stage!=paper", False),
        ("tags.stage in (live, paper)", True), ("tags.stage ~ ap", True), ("tag:none", False),
        ("strategy in (a, 'sma_cross')", True), ("strategy not in (a, b)", True),
        ("created = 2026-03-01", True), ("created > 2026-03-01", True),
        ("created < 2026-03-01T12:00", False), ("finished > 2020-01-01", False),
        ("finished is empty", True), ("dsr > 0", False), ("not dsr > 0", True),
        ("locked and not archived", True), ("locked or archived", True), ("archived", False),
        ("(sharpe > 2 or trades = 12) and status:done", True), ("digest = abc", True),
        ("sharpe > 2 or trades = 12 and status = failed", False), ("label = 'first look'", True),
        ("not not locked", True), ("by ~ 7", True), ("title !~ sma", False),
    ],
)  # fmt: skip
def test_a_search_is_true_of_a_run(text, is_so):
    assert fits(parse(text), RUN) is is_so


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("sharp > 1", 1, "did you mean sharpe"), ("sharpe >", 9, "a value is expected"),
        ("(a or b", 8, ") or another"), ("strategy > 3", 10, "it is text"),
        ('"abc', 1, "close the quotation"), ("sharpe = abc", 10, "a number is expected"),
        ("sharpe > 1 and", 15, "not the end"), ("created = 2026-13-01", 11, "a date"),
        ("sharpe in ()", 12, "a value"), ("in", 1, "not 'in'"), ("sharpe = = 1", 10, "a value"),
        ("params.fast > x", 15, "a number"), ("params. = 1", 1, "after params"),
        ("tag: ", 6, "the key of a tag"), ("sharpe ~ 1", 8, "it is a number"),
        ("sharpe is 3", 11, "set or empty"), ("a ) b", 3, "and, or, or the end"),
        ("sharpe > 1e999", 10, "a number"), ("title = \0", 9, "can't be read"),
    ],
)  # fmt: skip
def test_a_refusal_points_at_its_column(text, column, told):
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert caught.value.details["column"] == column
    assert told in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["x" * 2001, "(" * 21 + "a" + ")" * 21, "a " * 101, f"study in ({','.join(['x'] * 201)})"],
)
def test_a_search_that_is_too_large_is_refused(text):
    with pytest.raises(Invalid, match=r"at most|more than"):
        parse(text)


def test_nothing_asked_is_no_search():
    assert parse("") is parse("  \n ") is None


def test_opposites_are_read_as_negations():
    assert parse("sharpe != 1") == Not(parse("sharpe = 1"))
    assert parse("tag:a") == Not(Compare(Name("tags", "a"), "empty"))
