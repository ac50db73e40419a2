"""The scanner in the real database: batches, signals with parts of scores, limits, REST."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from apps.audit.selectors import list_events
from apps.core import jobs, tenancy
from apps.core.errors import Denied, NotFound
from apps.core.models import Job
from apps.strategies import selectors, services, tasks
from apps.strategies.models import Scan, Signal
from apps.strategies.services import scans

pytestmark = pytest.mark.django_db
JSON = "application/json"
SOME = ["geometric_breakout", "donchian_breakout", "institutional_breakout", "pairs"]


@pytest.fixture
def scan(sample, actor, now):
    who = actor("researcher")

    def make(universe="crypto-perps", strategies=SOME):
        return services.create_scan(actor=who, universe=universe, strategies=strategies, now=now)

    return make


def work(row):
    """Do what the workers would: the scan's job, then its batches."""
    for job in Job.objects.filter(subject=f"scan:{row.pk}", kind="scan"):
        jobs.execute(str(job.pk), services.start_scan, worker="test")
    for job in Job.objects.filter(subject=f"scan:{row.pk}", kind="scan_batch"):
        jobs.execute(str(job.pk), services.run_scan_batch, worker="test")


def test_a_scan_asks_every_strategy_about_every_symbol(scan, team):
    row, job = scan()
    assert job.status == "queued"
    assert selectors.get_scan(row.pk, team.pk).status == "refreshing"
    work(row)
    found = selectors.get_scan(row.pk, team.pk)
    assert (found.status, found.done, found.progress) == ("done", 2, 1.0), found.errors
    read = list(selectors.list_readings(team_id=team.pk, scan_id=row.pk))
    assert len(read) == len(SOME) * len(row.symbols)
    assert {one.side for one in read} <= {-1, 0, 1}
    assert any(one.side for one in read)
    assert {one.refusal for one in read} == {""}
    trail = list_events(team_id=team.pk, subject=f"scan:{row.pk}")
    assert [event.action for event in trail].count("scan.batch_stored") == 2


def test_scores_are_stored_with_their_parts_and_what_is_missing(scan, team):
    row, _ = scan(strategies=["geometric_breakout", "institutional_breakout"])
    work(row)
    for one in selectors.list_readings(team_id=team.pk, scan_id=row.pk):
        assert set(one.components) == {"geometry", "momentum", "flow", "sentiment", "bonus"}
        assert one.score == pytest.approx(min(sum(one.components.values()), 100.0), abs=1e-3)
        # Nobody has stored open interest or ratios of the sample; funding ends with the bars.
        assert {"open_interest", "long_short_ratio"} <= set(one.missing)
        assert one.components["flow"] == 0.0
    states = {one.state for one in Signal.objects.filter(strategy="institutional_breakout")}
    assert states <= {"IDLE", "WAITING_RETEST", "IN_TRADE"}
    assert states


def test_a_universe_goes_in_batches_of_ten(scan, team):
    row, _ = scan("sp500-sample", ["donchian_breakout", "momentum_12_1"])
    job = Job.objects.get(subject=f"scan:{row.pk}", kind="scan")
    jobs.execute(str(job.pk), services.start_scan, worker="test")
    parts = list(Job.objects.filter(subject=f"scan:{row.pk}", kind="scan_batch"))
    alone = [p.payload for p in parts if p.payload["strategies"] == ["donchian_breakout"]]
    assert [len(part["symbols"]) for part in alone] == [10] * 14
    assert len(parts) == 15
    across = next(p.payload for p in parts if p.payload["strategies"] == ["momentum_12_1"])
    assert len(across["symbols"]) == 140
    # The lab started it again: nothing is queued twice.
    Job.objects.filter(pk=job.pk).update(status="queued")
    jobs.execute(str(job.pk), services.start_scan, worker="test")
    assert Job.objects.filter(subject=f"scan:{row.pk}", kind="scan_batch").count() == 15


def test_a_batch_done_twice_stores_the_same(scan, team):
    row, _ = scan(strategies=["donchian_breakout"])
    work(row)
    before = list(Signal.objects.order_by("id").values_list("id", "side", "signal_at"))
    Job.objects.filter(kind="scan_batch").update(status="queued")
    work(row)
    assert list(Signal.objects.order_by("id").values_list("id", "side", "signal_at")) == before


def test_the_worker_ends_a_batch_after_thirty_seconds(settings):
    # That it does: test_scanner_limits.
    assert settings.SCAN_BATCH_SECONDS == 30
    assert tasks.scan_batch.time_limit == 30
    assert tasks.scan_batch.soft_time_limit == 26


def test_a_batch_that_takes_too_long_is_told_and_the_others_stand(scan, team, monkeypatch):
    row, _ = scan(strategies=["donchian_breakout", "pairs"])
    plain = scans.readings

    def slow(strategy, params, panel):
        if strategy.spec.name == "pairs" and panel.n_bars > 400:
            raise SoftTimeLimitExceeded
        return plain(strategy, params, panel)

    monkeypatch.setattr(scans, "readings", slow)
    work(row)
    found = selectors.get_scan(row.pk, team.pk)
    assert (found.status, found.done, found.batches) == ("partial", 2, 2)
    assert [error["code"] for error in found.errors] == ["scan.time_limit"]
    assert {one.strategy for one in Signal.objects.all()} == {"donchian_breakout"}


def test_what_can_not_be_computed_is_told_by_symbol(scan, team):
    row, _ = scan("fx-majors", ["legacy_trend", "donchian_breakout"])
    work(row)
    assert selectors.get_scan(row.pk, team.pk).status == "done"
    row, _ = scan("crypto-perps", ["legacy_trend"])
    Scan.objects.filter(pk=row.pk).update(symbols=[*row.symbols[:1]])
    work(Scan.objects.get(pk=row.pk))
    assert selectors.list_readings(team_id=team.pk, scan_id=row.pk).count() == 1


def test_consensus_counts_longs_and_shorts_of_those_that_could_tell(scan, team):
    row, _ = scan()
    work(row)
    found = {one.symbol: one for one in selectors.list_consensus(team_id=team.pk, scan_id=row.pk)}
    assert set(found) == set(row.symbols)
    for symbol, one in found.items():
        sides = [r.side for r in Signal.objects.filter(symbol=symbol)]
        assert (one.long, one.short) == (sides.count(1), sides.count(-1))
        assert one.lean == (one.long - one.short) / len(SOME)


def test_unknown_names_strangers_and_readers_are_refused(scan, actor, now, other_team):
    for universe, names in (("moon", []), ("crypto-perps", ["martingale"])):
        with pytest.raises(NotFound):
            scan(universe, names)
    viewer = actor("viewer")
    with pytest.raises(Denied):
        services.create_scan(actor=viewer, universe="crypto-perps", strategies=[], now=now)
    row, _ = scan()
    with pytest.raises(NotFound):
        selectors.get_scan(row.pk, other_team.pk)


def test_signals_are_read_over_rest(sample, api_as, team):
    rest = api_as("researcher")
    answer = rest.post("/api/v1/scans", {"universe": "crypto-perps"}, content_type=JSON)
    assert answer.status_code == 202, answer.content
    made = answer.json()
    assert made["job"]["kind"] == "scan"
    row = Scan.objects.get(pk=made["id"])
    assert "buy_and_hold" not in row.strategies
    assert len(row.strategies) == 13
    work(row)
    shown = rest.get(f"/api/v1/scans/{row.pk}").json()
    assert (shown["status"], shown["progress"]) == ("done", 1.0), shown["errors"]
    assert rest.get("/api/v1/scans?universe=crypto-perps").json()["items"][0] == shown
    page = rest.get("/api/v1/signals/recent?limit=5").json()
    assert len(page["items"]) == 5
    assert page["next"]
    turns = [one["signal_at"] for one in page["items"]]
    assert turns == sorted(turns, reverse=True)
    first = page["items"][0]
    assert first["side"] in {-1, 1}
    only = rest.get(f"/api/v1/signals/recent?strategy={first['strategy']}").json()["items"]
    assert {one["strategy"] for one in only} == {first["strategy"]}
    scored = rest.get("/api/v1/signals/recent?min_score=0").json()["items"]
    assert all(one["components"] for one in scored)
    consensus = rest.get(f"/api/v1/scans/{row.pk}/consensus").json()
    assert {one["symbol"] for one in consensus} == set(row.symbols)
    read = rest.get(f"/api/v1/scans/{row.pk}/readings?limit=200").json()["items"]
    assert len(read) == 13 * len(row.symbols)
    assert rest.get("/api/v1/scans/999999").json()["code"] == "scan.not_found"
    bad = rest.post("/api/v1/scans", {"universe": "moon"}, content_type=JSON)
    assert (bad.status_code, bad.json()["code"]) == (404, "universe.unknown")


def test_the_page_shows_signals_consensus_and_history(scan, client_as, team):
    client = client_as("researcher")
    empty = client.get("/strategies/scanner/")
    assert (empty.status_code, b"No scan yet" in empty.content) == (200, True)
    row, _ = scan(strategies=["geometric_breakout", "donchian_breakout"])
    waiting = client.get("/strategies/scanner/").content.decode()
    assert 'data-status="refreshing"' in waiting
    work(row)
    page = client.get(f"/strategies/scanner/?scan={row.pk}").content.decode()
    assert 'data-status="done"' in page
    assert "donchian_breakout" in page
    assert "1 of 1" in page
    wanted = selectors.list_signals(team_id=team.pk, scan_id=row.pk)
    scored = [one for one in wanted if one.score is not None]
    for one in scored:
        assert f'popovertarget="parts-{one.pk}"' in page
        for name, value in one.components.items():
            assert f">{value:.1f}<" in page, name
    only = client.get(f"/strategies/scanner/?scan={row.pk}&strategy=donchian_breakout&side=short")
    shorts = wanted.filter(strategy="donchian_breakout", side=-1).count()
    assert only.content.count(b'scope="row">', only.content.index(b"</form>")) >= shorts
    best = client.get(f"/strategies/scanner/?scan={row.pk}&sort=-score&min_score=x&side=up")
    assert best.status_code == 200
    assert client.get("/strategies/scanner/?scan=999999").status_code == 404


def test_the_database_shows_signals_to_their_team_alone(scan, team, other_team):
    row, _ = scan(strategies=["donchian_breakout"])
    work(row)
    with tenancy.team(team.pk):
        assert Signal.objects.count() == len(row.symbols)
    with tenancy.team(other_team.pk):
        assert not Signal.objects.exists()
        assert not Scan.objects.exists()
