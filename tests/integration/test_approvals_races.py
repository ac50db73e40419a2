"""Six at once at one proposal: double vote, self vote, approve against reject, edit meanwhile."""

import pytest

from tests.factories.racing import Table

RACES = 150


@pytest.fixture(autouse=True)
def _nothing_follows(settings):
    settings.DECISION_EFFECTS = {}


def test_races_violate_nothing(live_db, team, now):
    table = Table(team, now)
    try:
        found = {n: table.race(n) for n in range(RACES)}
    finally:
        table.close()
    assert {n: words for n, words in found.items() if words} == {}
