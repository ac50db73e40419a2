"""Sweeps over workers: every combination once, whoever dies; the figures are those of runs."""

import pytest

from apps.backtests import selectors, services
from apps.backtests.models import Sweep, SweepChunk, Trial
from apps.core import jobs
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.models import Job

REQUEST = {
    "strategy": "sma_crossover",
    "instruments": ["AAPL", "MSFT"],
    "timeframe": "1d",
    "start": "2012-01-03",
    "end": "2014-12-31",
    "cash": 50_000,
    "costs": {"fee_bps": 5, "slippage_bps": 2},
}
SPACE = {"fast": [5, 10, 40], "slow": {"low": 20, "high": 100, "step": 20}}


@pytest.fixture
def made(actor, now, sample, db):
    """Store a sweep."""

    def make(space=SPACE, request=REQUEST, **changes):
        return services.create_sweep(
            actor=actor(), request=request, space=space, now=now, **changes
        )

    return make


@pytest.fixture
def worked(now):
    """Let a worker do a lane."""

    def work(job):
        status = jobs.execute(str(job.pk), services.run_sweep, worker="w", now=lambda: now)
        return status, Job.objects.get(pk=job.pk)

    return work


def test_every_combination_is_computed_once_as_a_run_would(made, worked, actor, now):
    sweep, lanes = made()
    assert len(lanes) == 2
    for lane in lanes:
        assert worked(lane)[0] == "done"
    detail = selectors.sweep_detail(Sweep.objects.get(pk=sweep.pk))
    assert detail["status"] == "done"
    assert detail["trials"] == 15
    # 40 against 20 and against 40 is no crossover.
    assert (detail["done"], detail["refused"], detail["failed"]) == (13, 2, 0)
    rows = list(selectors.list_trials(sweep).order_by("number"))
    assert [row.number for row in rows] == list(range(15))
    assert rows[0].params == {"fast": 5, "slow": 20}
    assert rows[14].params == {"fast": 40, "slow": 100}
    refused = [row for row in rows if row.status == Trial.Status.REFUSED]
    assert {row.error["code"] for row in refused} == {"params.out_of_range"}
    best = detail["best"]
    assert best["sharpe"] == max(row.sharpe for row in rows if row.sharpe is not None)

    run, job = services.run_trial(actor=actor(), sweep_id=sweep.pk, number=best["number"], now=now)
    jobs.execute(str(job.pk), services.run_backtest, worker="w", now=lambda: now)
    run.refresh_from_db()
    for name in ("sharpe", "cagr", "total_return", "max_drawdown", "equity_final", "trades"):
        assert getattr(run, name) == best[name]
    assert run.data_digest == detail["data_digest"]


def test_it_is_on_record_and_counts_its_trials(made, worked, team):
    from apps.audit.selectors import list_events

    sweep, lanes = made(space={"slow": [20, 50]}, lanes=1)
    worked(lanes[0])
    actions = [event.action for event in list_events(team_id=team.pk, subject=f"sweep:{sweep.pk}")]
    assert {"sweep.created", "sweep.finished"} <= set(actions)
    assert selectors.trials_of_strategy(team_id=team.pk, strategy="sma_crossover") == 2


def test_what_a_dead_worker_held_goes_to_another(made, worked, now, monkeypatch):
    from apps.backtests.services import lanes as work

    sweep, lanes = made()

    def die(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr(work, "measure", die)
    with pytest.raises(SystemExit):
        worked(lanes[0])
    monkeypatch.undo()
    assert SweepChunk.objects.filter(sweep=sweep, is_done=False).count() == 1
    Job.objects.filter(pk=lanes[0].pk).update(status=Job.Status.LOST)
    assert worked(lanes[1])[0] == "done"
    sweep.refresh_from_db()
    assert sweep.status == Sweep.Status.DONE
    assert sorted(sweep.rows.values_list("number", flat=True)) == list(range(15))


def test_two_that_hold_the_same_chunk_store_it_once(made, worked, now, monkeypatch):
    from apps.backtests.services import lanes as work

    sweep, lanes = made(space={"slow": [20, 50, 100]}, lanes=2)
    measure, seen = work.measure, []

    def slow(*args):
        found = measure(*args)
        if not seen:
            seen.append(1)
            Job.objects.filter(pk=lanes[0].pk).update(status=Job.Status.LOST)
            worked(lanes[1])
        return found

    monkeypatch.setattr(work, "measure", slow)
    worked(lanes[0])
    sweep.refresh_from_db()
    assert (sweep.done, sweep.status) == (3, "done")
    assert sweep.rows.count() == 3


def test_a_sweep_is_paused_resumed_and_cancelled(made, worked, actor, now):
    sweep, lanes = made()
    services.pause_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    for lane in lanes:
        assert worked(lane)[0] == "done"
    assert Trial.objects.filter(sweep=sweep).count() == 0
    with pytest.raises(Conflict, match="only a running one"):
        services.pause_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    services.resume_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    more = list(selectors.open_lanes(sweep))
    assert len(more) == 2
    with pytest.raises(Conflict, match="only a paused one"):
        services.resume_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    services.cancel_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    assert not selectors.open_lanes(sweep).exists()
    with pytest.raises(Conflict, match="already cancelled"):
        services.cancel_sweep(actor=actor(), sweep_id=sweep.pk, now=now)


def test_a_sweep_whose_jobs_are_lost_can_be_resumed(made, worked, actor, now):
    sweep, lanes = made(lanes=1)
    Job.objects.filter(pk=lanes[0].pk).update(status=Job.Status.LOST)
    assert selectors.sweep_detail(sweep)["stalled"]
    services.resume_sweep(actor=actor(), sweep_id=sweep.pk, now=now)
    assert worked(selectors.open_lanes(sweep).get())[0] == "done"
    sweep.refresh_from_db()
    assert sweep.status == Sweep.Status.DONE


def test_random_draws_never_come_twice_and_follow_from_the_seed(made, worked):
    space = {"fast": {"low": 2, "high": 15}, "slow": {"low": 20, "high": 60}}

    def draws(**changes):
        sweep, lanes = made(space=space, method="random", trials=30, **changes)
        for lane in lanes:
            worked(lane)
        rows = selectors.list_trials(sweep).order_by("number")
        return [(row.params["fast"], row.params["slow"]) for row in rows]

    first, again, other = draws(seed=7), draws(seed=7, lanes=1), draws(seed=8)
    assert first == again
    assert len(set(first)) == 30
    assert first != other


def test_a_bayesian_search_learns_from_what_it_tried(made, worked):
    space = {"fast": {"low": 2, "high": 40}, "slow": {"low": 50, "high": 200, "step": 10}}
    sweep, lanes = made(space=space, method="bayesian", trials=40, seed=3, lanes=1)
    assert worked(lanes[0])[0] == "done"
    rows = list(selectors.list_trials(sweep).order_by("number"))
    assert len(rows) == 40
    assert all(row.status == Trial.Status.DONE for row in rows)
    early = sorted(row.score for row in rows[:16])[8]
    late = sorted(row.score for row in rows[24:])[8]
    assert late > early


def test_revised_bars_end_a_sweep_that_began_before(made, worked):
    sweep, lanes = made()
    Sweep.objects.filter(pk=sweep.pk).update(data_digest="0" * 64)
    status, job = worked(lanes[0])
    assert status == "failed"
    assert job.error["code"] == "sweep.data_changed"
    sweep.refresh_from_db()
    assert sweep.status == Sweep.Status.FAILED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"space": {}}, "space"),
        ({"space": {"length": [1]}}, "space.length"),
        ({"space": {"fast": []}}, "space.fast"),
        ({"space": {"fast": {"low": 9, "high": 3}}}, "space.fast"),
        ({"space": {"fast": [5000]}}, "params.fast"),
        ({"space": {"fast": {"low": 1.5, "high": 9}}}, "space.fast"),
        ({"space": {"short": {"low": 0, "high": 1}}}, "space.short"),
        ({"space": {"fast": {"low": 1, "high": 1000}, "slow": {"low": 2, "high": 2000}}}, "space"),
        ({"method": "luck"}, "method"),
        ({"method": "random"}, "trials"),
        ({"method": "bayesian", "trials": 0}, "trials"),
        ({"objective": "beauty"}, "objective"),
        ({"lanes": 0}, "lanes"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_sweeps_are_refused_whole(made, changes, field):
    with pytest.raises(Invalid) as error:
        made(**changes)
    assert error.value.details["field"] == field
    assert not Sweep.objects.exists()


def test_another_teams_sweep_is_not_found(made, actor, other_team, now):
    sweep, _ = made()
    with pytest.raises(NotFound):
        services.pause_sweep(actor=actor(of=other_team), sweep_id=sweep.pk, now=now)


def send(api, path, body=None):
    return api.post(path, body or {}, content_type="application/json")


@pytest.fixture
def swept(api_as, worked, sample, db):
    """Make a sweep over REST, with a pause on the way; return the client and its address."""
    api = api_as("researcher")
    body = REQUEST | {"space": SPACE, "objective": "cagr", "lanes": 1, "title": "Two averages"}
    answer = send(api, "/api/v1/sweeps", body)
    assert answer.status_code == 202
    made = answer.json()
    assert made["job"]["status"] == "queued"
    path = f"/api/v1/sweeps/{made['id']}"
    assert api.get(path).json()["progress"] == 0
    assert send(api, f"{path}/pause").json()["status"] == "paused"
    assert send(api, f"{path}/pause").status_code == 409
    assert send(api, f"{path}/resume").json()["status"] == "running"
    for job in Job.objects.filter(subject=f"sweep:{made['id']}", status="queued"):
        worked(job)
    return api, path


def rows_of(api, path):
    first = api.get(f"{path}/trials?limit=10").json()
    rest = api.get(f"{path}/trials?limit=10&cursor={first['next']}").json()
    return first["items"] + rest["items"]


def test_a_sweep_over_rest(swept):
    api, path = swept
    detail = api.get(path).json()
    assert (detail["status"], detail["done"], detail["refused"]) == ("done", 13, 2)
    rows = rows_of(api, path)
    assert len({row["number"] for row in rows}) == 15
    known = [row["cagr"] for row in rows if row["cagr"] is not None]
    assert known == sorted(known, reverse=True)
    assert [row["status"] for row in rows[13:]] == ["refused", "refused"]
    assert api.get(f"{path}/trials?sort=beauty").status_code == 422
    ids = [one["id"] for one in api.get("/api/v1/sweeps").json()["items"]]
    assert ids == [detail["id"]]


def test_its_pictures_show_the_figures_of_its_trials(swept):
    api, path = swept
    by_pair = {(r["params"]["fast"], r["params"]["slow"]): r["cagr"] for r in rows_of(api, path)}
    heat = api.get(f"{path}/heat?x=fast&y=slow").json()["data"][0]
    assert heat["x"] == ["5", "10", "40"]
    assert heat["y"] == ["20", "40", "60", "80", "100"]
    for row, slow in zip(heat["z"], heat["y"], strict=True):
        for cell, fast in zip(row, heat["x"], strict=True):
            expected = by_pair[int(fast), int(slow)]
            assert cell == (None if expected is None else pytest.approx(expected, rel=1e-4))
    assert api.get(f"{path}/heat?x=fast&y=cash").status_code == 422
    lines = api.get(f"{path}/parallel").json()
    assert sum(line["x"].count(None) for line in lines["data"]) == 13


def test_a_combination_becomes_a_run(swept):
    api, path = swept
    made = send(api, f"{path}/trials/0/run")
    assert made.status_code == 202
    run = api.get(f"/api/v1/backtests/{made.json()['id']}").json()
    assert run["params"] == {"fast": 5, "slow": 20, "short": False}
    assert send(api, f"{path}/trials/99/run").status_code == 404


def test_a_viewer_reads_sweeps_and_starts_none(api_as, made, worked):
    sweep, _ = made(lanes=1)
    api = api_as("viewer")
    assert api.get(f"/api/v1/sweeps/{sweep.pk}").status_code == 200
    assert send(api, "/api/v1/sweeps", REQUEST | {"space": SPACE}).status_code == 403
    assert send(api, f"/api/v1/sweeps/{sweep.pk}/cancel").status_code == 403


def test_the_pages_show_a_sweep_before_during_and_after(client_as, made, worked):
    client = client_as("researcher")
    assert "No sweep yet" in client.get("/research/sweeps/").content.decode()
    assert "Sweep: try many values" in client.get("/research/new/").content.decode()
    sweep, lanes = made(lanes=1)
    before = client.get(f"/research/sweeps/{sweep.pk}/").content.decode()
    assert "Nothing computed yet" in before
    assert 'data-act="pause"' in before
    worked(lanes[0])
    after = client.get(f"/research/sweeps/{sweep.pk}/?sort=-sharpe").content.decode()
    assert 'data-act="pause"' not in after
    assert "data-heat" in after
    assert "choose a shorter fast average" in after
    assert sweep.title in client.get("/research/sweeps/").content.decode()
