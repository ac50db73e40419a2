"""A real worker ends batches that hang at its hard limit; the others stand."""

import time

import pytest

from apps.core import clock
from apps.core.models import Job
from apps.strategies import selectors, services
from apps.strategies.models import Signal
from apps.strategies.services import alerts
from tests.servers import hanging

WAIT = 150


@pytest.fixture
def scans(live_db, sample, actor, settings):
    """Two scans, each with a strategy that hangs and one in a batch of its own that does not."""
    settings.STRATEGY_LIBRARY = {**settings.STRATEGY_LIBRARY, **hanging.LIBRARY}
    return {
        name: services.create_scan(
            actor=actor("researcher"),
            universe="crypto-perps",
            strategies=[name, "pairs"],
            now=clock.now(),
        )[0].pk
        for name in ("endless", "deaf")
    }


def test_batches_that_hang_are_ended_and_the_others_stand(scans, live_db, team, tmp_path):
    mine = Job.objects.filter(team=team)
    with hanging.worker(live_db, tmp_path) as log:
        until = time.monotonic() + WAIT
        while any(selectors.get_scan(pk, team.pk).status == "refreshing" for pk in scans.values()):
            assert time.monotonic() < until, log.read_text()[-4000:]
            time.sleep(0.2)
    found = {name: selectors.get_scan(pk, team.pk) for name, pk in scans.items()}
    said = {name: [error["code"] for error in one.errors] for name, one in found.items()}
    # One listened when it was told; the other had to be killed.
    assert said == {"endless": ["scan.time_limit"], "deaf": ["job.time_limit"]}
    assert {one.status for one in found.values()} == {"partial"}
    assert {(one.done, one.batches) for one in found.values()} == {(2, 2)}
    assert f"after {hanging.SECONDS} seconds" in found["deaf"].errors[0]["message"]
    killed = mine.get(status="failed", error__code="job.time_limit")
    took = (killed.finished_at - killed.started_at).total_seconds()
    assert took >= hanging.SECONDS
    read = Signal.objects.filter(team=team)
    assert set(read.values_list("scan_id", "strategy").distinct()) == {
        (pk, "pairs") for pk in scans.values()
    }
    assert alerts.finish_scans(now=clock.now()) == 2
    assert alerts.finish_scans(now=clock.now()) == 0
