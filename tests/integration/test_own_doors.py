"""Texts of users through every door: where they ran is on record, bad ones are stopped by line."""

import json
from decimal import Decimal

import pytest
from django.conf import settings

from apps.audit.selectors import list_events
from apps.backtests import selectors as runs
from apps.backtests import services as backtests
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Conflict
from apps.core.models import Job
from apps.strategies import selectors, services
from apps.strategies.models import Signal
from apps.strategies.sandbox import walking
from apps.strategies.sandbox.base import Status
from apps.strategies.sandbox.bubblewrap import Bubblewrap
from apps.strategies.services.isolation import check_isolation
from apps.strategies.tasks import check_sandbox
from apps.trading import services as desk
from apps.trading.models import Deployment, Halt
from tests.factories import trading
from tests.integration.test_own_strategies import (
    REQUEST,
    TEXT,
    Json,
    _held,  # noqa: F401 a fixture
    approved,  # noqa: F401 a fixture
    computed,
    saved,  # noqa: F401 a fixture
)

pytestmark = pytest.mark.django_db
# Name, text, code and line.
BAD = [
    ("raises", "def targets(panel, params):\n    return {}['x']\n", "raised", 2),
    ("grows", "def targets(panel, params):\n    return b'x' * 2**40\n", "memory_limit", 2),
    ("forks", "import os\ndef targets(panel, params):\n    os.fork()\n", "forbidden", 3),
    ("prints", "def targets(panel, params):\n    while 1:\n        print('x' * 999)\n",
     "output_limit", 3),
    ("shapes", "def targets(panel, params):\n    return panel.close[1:]\n", "bad_answer", 2),
    ("infinite", "def targets(panel, params):\n    return panel.close / 0\n", "bad_answer", 2),
    ("words", "def targets(panel, params):\n    return {'buy': 1}\n", "bad_answer", 2),
    ("peeks", "def targets(panel, params):\n    return panel.close / panel.close[-1] / 9\n",
     "looks_ahead", 2),
]  # fmt: skip


@pytest.fixture
def nowhere(monkeypatch):
    """A machine where no tier holds."""
    monkeypatch.setattr(Bubblewrap, "status", lambda *_, **__: Status("", "no fences here"))


def scanned(row):
    for kind, work in (("scan", services.start_scan), ("scan_batch", services.run_scan_batch)):
        for job in Job.objects.filter(subject=f"scan:{row.pk}", kind=kind):
            jobs.execute(str(job.pk), work, worker="test")


def test_run_job_and_trail_say_in_which_tier_it_ran(approved, actor, api_as, team, now, sample):  # noqa: F811
    version = approved()
    run, job = backtests.create_backtest(
        actor=actor(), request={**REQUEST, "strategy": str(version.id)}, now=now
    )
    status, job, run = computed(run, job, now)
    assert status == "done", job.error
    held = selectors.sandbox_status()
    shown = Json(api_as("viewer")).get(f"/api/v1/backtests/{run.pk}").json()["sandbox"]
    assert (shown["tier"], shown["guard"]) == (held.tier, held.guard)
    assert shown["uid"] == held.uid != 0
    assert shown["processes"] == 2
    assert 2 <= shown["replayed"] < shown["closes"]
    assert shown["cpu_seconds"] > 0.0
    assert job.result["sandbox"] == shown == run.result["sandbox"]
    trail = list_events(team_id=team.pk, subject=f"backtest:{run.pk}", action="backtest.finished")
    assert json.loads(trail[0].body)["sandbox"] == shown


def test_where_nothing_holds_jobs_end_blocked(approved, actor, now, sample, nowhere):  # noqa: F811
    version = approved()
    request = {**REQUEST, "strategy": str(version.id)}
    run, job = backtests.create_backtest(actor=actor(), request=request, now=now)
    status, job, run = computed(run, job, now)
    assert (status, job.error["code"]) == ("blocked_no_isolation", "sandbox.unavailable")
    assert "no fences here" in job.error["message"]
    assert runs.run_detail(run)["status"] == "blocked_no_isolation"
    sweep, lanes = backtests.create_sweep(
        actor=actor(), request={**request, "params": {}}, space={"fast": [5, 10]}, now=now, lanes=1
    )
    assert jobs.execute(str(lanes[0].pk), backtests.run_sweep, worker="w") == status
    sweep.refresh_from_db()
    assert (sweep.status, sweep.error["code"]) == ("failed", "sandbox.unavailable")
    row, _ = services.create_scan(
        actor=actor(), universe="crypto-perps", strategies=["own_crossover"], now=now
    )
    scanned(row)
    batches = Job.objects.filter(subject=f"scan:{row.pk}", kind="scan_batch")
    assert [one.status for one in batches] == ["blocked_no_isolation"]


def test_scanner_asks_a_text_as_it_asks_the_library(approved, saved, actor, team, now, sample):  # noqa: F811
    approved(TEXT)
    saved(TEXT.replace("gap > 0", "gap < 0"), "own_contrary")
    with pytest.raises(Conflict) as refused:
        services.create_scan(
            actor=actor(), universe="crypto-perps", strategies=["own_contrary"], now=now
        )
    assert refused.value.code == "strategy.not_approved"
    everything = selectors.list_scanned(team.pk)
    assert [name for name in everything if not selectors.is_in_library(name)] == [
        selectors.scanned_name("own_crossover", team.pk)
    ]
    row, _ = services.create_scan(
        actor=actor(), universe="crypto-perps", now=now,
        strategies=["own_crossover", "sma_crossover"],
    )  # fmt: skip
    scanned(row)
    assert selectors.get_scan(row.pk, team.pk).errors == []
    found = {}
    for one in Signal.objects.filter(scan=row):
        assert one.refusal == "", one.reason
        found.setdefault(one.strategy, {})[one.symbol] = one.side
    assert set(found) == {"own_crossover", "sma_crossover"}
    # The library's trades by its own defaults; these texts have the same ones.
    assert set(found["own_crossover"]) == set(found["sma_crossover"]) == set(row.symbols)
    page = selectors.scanner_page(team.pk, str(row.pk))
    assert page["strategies"] == ["own_crossover", "sma_crossover"]


def test_bad_texts_are_refused_by_the_scanner_with_code_and_line(approved, actor, now, sample):  # noqa: F811
    for name, text, _, _ in BAD:
        approved(text, f"own_{name}")
    row, _ = services.create_scan(
        actor=actor(), universe="crypto-perps", now=now,
        strategies=[f"own_{name}" for name, *_ in BAD],
    )  # fmt: skip
    scanned(row)
    for name, _, code, line in BAD:
        rows = list(Signal.objects.filter(scan=row, strategy=f"own_{name}"))
        assert len(rows) == len(row.symbols)
        assert {one.refusal for one in rows} == {f"strategy.{code}"}, rows[0].reason
        assert rows[0].reason.startswith(f"Line {line} of the strategy"), rows[0].reason


def test_bad_texts_are_refused_combinations_of_a_sweep(approved, actor, now, sample):  # noqa: F811
    for name, text, code, line in [*BAD[:1], *BAD[5:]]:
        text = "PARAMETERS = {'n': {'kind': 'int', 'default': 1, 'low': 1, 'high': 9}}\n" + text
        version = approved(text, f"own_{name}")
        sweep, lanes = backtests.create_sweep(
            actor=actor(), now=now, lanes=1, space={"n": [1, 2]},
            request={**REQUEST, "params": {}, "strategy": str(version.id)},
        )  # fmt: skip
        assert jobs.execute(str(lanes[0].pk), backtests.run_sweep, worker="w") == "done"
        for row in runs.list_trials(sweep):
            # One that looks ahead may go unseen in later combinations, never in the first.
            if name == "peeks" and row.number:
                continue
            assert row.status == "refused", name
            assert row.error["code"] == f"strategy.{code}", row.error
            assert row.error["line"] == line + 1


DECIDES = """import numpy as np
def decide(view, params):
    view.memory["n"] = view.memory.get("n", 0) + 1
    if view.memory["n"] == 6:
        {wrong}
    return np.full(len(view.tradable), 0.1 * (view.memory["n"] % 2))
"""


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        ("raise KeyError('x')", "strategy.raised", 5),
        ("while True: pass", "strategy.time_limit", 5),
        ("return {'buy': 1}", "strategy.bad_answer", 5),
        ("return np.full(len(view.tradable), np.inf)", "strategy.bad_answer", 5),
    ],
)
def test_deployment_of_a_text_keeps_one_process_and_halts_at_the_line(
    approved,  # noqa: F811
    team,
    now,
    sample,
    monkeypatch,
    wrong,
    code,
    line,
):
    seconds = 8.0 if "while" in wrong else 60.0
    hasty = Bubblewrap(home=settings.SANDBOXES["default"]["OPTIONS"]["home"], seconds=seconds)
    hasty._found = selectors.sandbox()._found
    monkeypatch.setattr("apps.strategies.selectors.running.sandbox", lambda: hasty)
    version = approved(DECIDES.replace("{wrong}", wrong), "own_decides")
    feed = trading.make_feed(now)
    made = trading.make_version(team, now, str(version.id), {})
    account = trading.make_account(team, now)
    row = desk.deploy(
        actor=system("tests", team.pk), version_id=made.id, account_id=account.pk,
        allocation=Decimal(50_000), symbols=["AAPL", "MSFT"], now=now,
    )  # fmt: skip
    created = list_events(team_id=team.pk, subject=f"deployment:{row.pk}")[0]
    assert json.loads(created.body)["sandbox"]["tier"] == hasty.status().tier
    pids = set()
    for _ in range(5):
        trading.advance(feed, now, 1)
        walk = walking.KEPT.walks[f"deployment:{row.pk}"][1]
        pids.add(walk.session.popen.pid)
    # One that has used up half its seconds is followed by another; a busy machine may get there.
    assert len(pids) == 1 or seconds < 60.0
    trading.advance(feed, now, 1)
    row.refresh_from_db()
    assert row.status == Deployment.Status.HALTED
    assert code in row.note, row.note
    assert f"Line {line} of the strategy" in row.note
    assert Halt.objects.get(scope=f"deployment:{row.pk}").is_halted
    assert walk.session.is_closed
    walking.KEPT.close(f"deployment:{row.pk}")
    hasty.close()


def test_live_money_asks_for_the_first_tier(approved, team, monkeypatch):  # noqa: F811
    name = approved().name
    selectors.check_runnable(name, team.pk, live=True)
    second = Status("B", "no tier A: no user namespaces", "x", 64001)
    monkeypatch.setattr("apps.strategies.selectors.running.sandbox_status", lambda: second)
    selectors.check_runnable(name, team.pk)
    with pytest.raises(Conflict) as refused:
        selectors.check_runnable(name, team.pk, live=True)
    assert refused.value.code == "sandbox.tier"
    assert "no user namespaces" in refused.value.message


def test_canary_is_on_record_and_a_leak_blocks_every_process(now, monkeypatch, tmp_path):
    found = check_isolation(now=now)
    assert found["came_through"] == []
    event = list_events(team_id=None, subject="sandbox:default")[0]
    assert (event.action, json.loads(event.body)["tier"]) == ("sandbox.checked", found["tier"])
    assert json.loads(event.body)["guard"] == found["guard"]
    # Two processes of the lab; one finds that it holds no more, the other tries again at once.
    here, other = (Bubblewrap(home=str(tmp_path), keep_ready=False) for _ in range(2))
    tried = []

    def holds(place):
        tried.append(place)
        return Status("A" if len(tried) < 3 else "", "x")

    monkeypatch.setattr(Bubblewrap, "_try_all", holds)
    assert here.status().holds
    assert other.status().holds
    assert not here.status(fresh=True).holds
    assert not other.status().holds
    # What the other found makes this one look once more, and that is all.
    assert not here.status().holds
    assert not other.status().holds
    assert tried == [here, other, here, other, here]
    with pytest.raises(Conflict) as refused:
        other.open()
    assert refused.value.code == "sandbox.unavailable"
    monkeypatch.setattr("apps.strategies.selectors.running.sandbox", lambda: here)
    assert check_isolation(now=now)["tier"] == ""
    event = list_events(team_id=None, subject="sandbox:default")[0]
    assert event.action == "sandbox.blocked"


def test_the_task_records_what_it_found_by_itself(live_db):
    assert check_sandbox() == "A"
    event = list_events(team_id=None, subject="sandbox:default")[0]
    assert event.action == "sandbox.checked"
