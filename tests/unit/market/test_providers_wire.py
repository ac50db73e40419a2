"""Answers of a vendor that no contract provokes."""

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.core.kernel.limits import Limit
from apps.market.providers import answers, wire
from apps.market.providers.base import Task
from apps.market.providers.pacing import Pacer, Timing
from tests.factories.market import DAY, MONDAY, columns
from tests.servers.vendor import VendorServer, running


class Large(VendorServer):
    def __init__(self):
        super().__init__()
        self.routes = {"GET /large": "large"}

    def allowed(self, call):  # noqa: ARG002
        return True

    def large(self, call):  # noqa: ARG002
        return ["x" * 100] * 2000


def test_an_answer_larger_than_any_should_be_is_cut_off(monkeypatch):
    monkeypatch.setattr(wire, "MAX_BYTES", 50_000)
    with running(Large()) as server:
        pacer = Pacer("vendor", (Limit(9, 1.0),), {}, Timing())
        with pytest.raises(Invalid) as caught:
            wire.Wire(server.url, pacer).get("/large")
    assert caught.value.code == "provider.answer"


def test_bars_sent_twice_are_kept_once_and_different_ones_refused():
    task = Task("x", "AAPL", "1d")
    once = columns([10.0, 11.0, 12.0])
    twice = once.take([2, 0, 1, 1])
    assert answers.closed(twice, task, "vendor").close.tolist() == [10.0, 11.0, 12.0]
    other = once.take([0, 1, 1])
    other.close[2] = 99.0
    with pytest.raises(Invalid, match="two different bars"):
        answers.closed(other, task, "vendor")


def test_only_bars_that_are_over_are_kept():
    bars = columns([10.0, 11.0, 12.0])
    task = Task("x", "AAPL", "1d", since=MONDAY + DAY, until=MONDAY + 3 * DAY - 1)
    assert answers.closed(bars, task, "vendor").close.tolist() == [11.0]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-08 09:30:00", "2024-03-08T14:30"),  # winter in New York
        ("2024-03-11 09:30:00", "2024-03-11T13:30"),  # the Monday after clocks went forward
        ("2024-11-01 15:30:00", "2024-11-01T19:30"),
        ("2024-11-04 15:30:00", "2024-11-04T20:30"),
    ],
)
def test_wall_clocks_of_new_york_become_utc(text, utc):
    found = answers.local_times([text], "America/New_York")
    assert found[0] == np.datetime64(utc, "us").astype(np.int64)


@pytest.mark.parametrize("answer", [{}, None, "text", [1], [{"a": 1}, 2]])
def test_what_is_no_list_of_rows_is_refused(answer):
    with pytest.raises(Invalid):
        answers.rows_of(answer, "vendor")
