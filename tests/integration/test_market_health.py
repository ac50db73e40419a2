"""Health of stored bars: judged, said, kept out, repaired, told; by service, REST and page."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import psycopg
import pytest
from django.db import transaction

from apps.audit import selectors as audit
from apps.core import tenancy
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.market import selectors, services, store
from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import EARLIEST, LATEST, micros, moment_of
from apps.market.models import (
    Batch,
    Checkup,
    Dataset,
    IngestRun,
    Quarantined,
    Series,
    Universe,
)
from apps.market.providers.base import Fetched, Listing
from apps.market.services.absorb import absorb
from apps.ops.models import Alert
from tests.factories.market import DAY, columns

pytestmark = [pytest.mark.django_db, pytest.mark.store]
SYMBOL = "TEST"


@pytest.fixture
def own(team, now):
    """A dataset of the team, around the clock."""
    return Dataset.objects.create(
        team=team, name="own", title="Own", source="tests", calendar="24/7", created_at=now
    )


@pytest.fixture
def closes():
    """Two hundred days that move a little."""
    moves = np.random.default_rng(7).normal(0, 0.01, 200)
    return 100 * np.exp(np.cumsum(moves))


def bring(dataset, bars, now, *, symbol=SYMBOL, provider="tests", judged=True):
    batch = Batch.objects.create(
        dataset=dataset,
        provider=provider,
        source="tests",
        sha256="0" * 64,
        created_at=now,
        created_by="tests",
    )
    fetched = [Fetched(Listing(symbol), bars)]
    with transaction.atomic():
        absorb(
            dataset=dataset, batch=batch, timeframe="1d", fetched=fetched, now=now, judged=judged
        )
    return batch


def with_value(bars, row, **values):
    changed = {
        name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")
    }
    for name, value in values.items():
        changed[name][row] = value
    return Columns(bars.ts, **changed)


def series_of(dataset, symbol=SYMBOL):
    return Series.objects.get(instrument__dataset=dataset, instrument__symbol=symbol)


def stored(dataset):
    pk = series_of(dataset).pk
    return store.read_bars([pk], EARLIEST, LATEST)[pk]


def universe_of(dataset, team, now, symbols=(SYMBOL,)):
    return Universe.objects.create(
        team=team,
        dataset=dataset,
        name="mine",
        timeframe="1d",
        symbols=list(symbols),
        survivorship="None.",
        created_at=now,
        created_by="tests",
    )


def spiked(closes, row=100):
    closes = closes.copy()
    closes[row] *= 1.5
    return columns(closes)


# --- Judged ------------------------------------------------------------------------------------


def test_the_bundled_defects_are_found_without_being_told(sample, team):
    found = {
        (item["symbol"], item["kind"], item["at"][:10])
        for item in selectors.list_findings(team_id=team.pk, name="sp500-sample")
    }
    assert ("TRMB", "filled", "2007-02-23") in found
    assert ("TRMB", "split_missing", "2007-02-26") in found
    assert ("GNRC", "split_without_move", "2010-02-12") in found
    clean = {symbol for symbol, *_ in found} & {"AAPL", "MSFT", "JNJ"}
    assert clean == set()


def test_bars_are_judged_when_a_batch_is_in_or_later_by_the_clock(own, closes, now):
    bring(own, spiked(closes), now, judged=False)
    assert series_of(own).checked_at is None
    assert services.recheck_due(now=now)["series"] == 1
    row = series_of(own)
    assert row.checked_at == now
    assert row.health["counts"] == {"spike": 1}
    assert row.instrument.__class__.objects.get(pk=row.instrument_id).card is not None
    assert services.recheck_due(now=now)["series"] == 0


def test_a_whole_market_is_read_in_chunks(own, closes, now, monkeypatch):
    for number in range(5):
        bring(own, columns(closes), now, symbol=f"S{number}", judged=False)
    monkeypatch.setattr("apps.market.services.judging.CHUNK_BARS", 450)
    seen = []
    ids = list(Series.objects.filter(instrument__dataset=own).values_list("pk", flat=True))
    done = services.recheck(series_ids=ids, now=now, tell=lambda *told: seen.append(told))
    assert done == 5
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_series_that_ends_before_its_peers_is_stale(own, closes, now):
    bring(own, columns(closes), now, symbol="LONG")
    bring(own, columns(closes[:150]), now)
    health = series_of(own).health
    assert health["counts"] == {"stale": 1}
    assert health["findings"][0]["bars"] == 50


def test_a_last_bar_that_another_dataset_contradicts_is_found(own, team, closes, now):
    other = Dataset.objects.create(
        team=team, name="other", title="O", source="s", calendar="24/7", created_at=now
    )
    bars = columns(closes)
    bring(other, bars, now)
    cut = with_value(bars, -1, close=bars.low[-1], volume=50.0)
    bring(own, cut, now)
    (finding,) = series_of(own).health["findings"]
    assert finding["kind"] == "unfinished"
    assert "other agrees on 199 bars before" in finding["note"]


def test_the_same_coin_under_another_name_contradicts_a_last_bar(own, team, closes, now):
    other = Dataset.objects.create(
        team=team, name="perps", title="P", source="s", calendar="24/7", created_at=now
    )
    bars = columns(closes)
    bring(other, bars, now, symbol="ABCUSDT")
    cut = with_value(bars, -1, close=bars.low[-1], volume=900.0)
    bring(own, cut, now, symbol="BINANCE:ABC")
    series = Series.objects.get(instrument__dataset=own)
    assert [finding["kind"] for finding in series.health["findings"]] == ["unfinished"]
    # Another coin whose bars merely look alike is none.
    bring(own, with_value(cut, -2, close=bars.low[-2]), now, symbol="XYZ")
    series = Series.objects.get(instrument__dataset=own, instrument__symbol="XYZ")
    assert "unfinished" not in series.health["counts"]


def test_a_rename_away_splits_a_series(own, closes, now):
    from apps.market.models import Rename

    Rename.objects.create(dataset=own, before=SYMBOL, after="NEW", on=date(2024, 3, 1))
    bring(own, columns(closes), now)
    assert series_of(own).health["counts"] == {"ticker_reuse": 1}


# --- Said --------------------------------------------------------------------------------------


def finding_at(dataset, row=100):
    return moment_of(int(stored(dataset).ts[row]))


def test_an_acknowledged_finding_stays_listed_and_weighs_nothing(own, actor, closes, now):
    bring(own, spiked(closes), now)
    before = selectors.instrument_health(team_id=own.team_id, symbol=SYMBOL)
    assert before["score"] == 98.0
    services.acknowledge(
        actor=actor("researcher"),
        symbol=SYMBOL,
        kind="spike",
        at=finding_at(own),
        note="A bid that was withdrawn.",
        now=now,
    )
    after = selectors.instrument_health(team_id=own.team_id, symbol=SYMBOL)
    assert (after["score"], after["counts"]) == (100.0, {})
    assert [(item["state"], item["said"]) for item in after["findings"]] == [
        ("acknowledged", "A bid that was withdrawn.")
    ]
    (event,) = audit.list_events(team_id=own.team_id, action="finding.acknowledged")
    assert json.loads(event.body)["note"] == "A bid that was withdrawn."


def test_what_is_not_found_or_not_explained_is_not_acknowledged(own, actor, closes, now):
    bring(own, spiked(closes), now)
    known = {"actor": actor("researcher"), "symbol": SYMBOL, "at": finding_at(own), "now": now}
    with pytest.raises(Invalid, match="the note is empty"):
        services.acknowledge(kind="spike", note=" ", **known)
    with pytest.raises(NotFound, match="no finding 'frozen'"):
        services.acknowledge(kind="frozen", note="x", **known)
    with pytest.raises(Denied):
        services.acknowledge(kind="spike", note="x", **{**known, "actor": actor("viewer")})


def test_what_one_team_says_is_not_said_for_another(sample, team, other_team, actor, now):
    line = next(
        item
        for item in selectors.list_findings(team_id=team.pk, name="sp500-sample")
        if item["symbol"] == "GNRC"
    )
    with tenancy.team(team.pk):
        services.acknowledge(
            actor=actor("researcher"),
            symbol="GNRC",
            kind=line["kind"],
            at=datetime.fromisoformat(line["at"]),
            note="The conversion at the listing.",
            now=now,
        )
        mine = selectors.instrument_health(team_id=team.pk, symbol="GNRC")
    with tenancy.team(other_team.pk):
        theirs = selectors.instrument_health(team_id=other_team.pk, symbol="GNRC")
    assert mine["score"] == theirs["score"] + 5


# --- Kept out ----------------------------------------------------------------------------------


def damaged():
    """A good bar, then one of each defect, then a good one."""
    bars = columns(np.full(9, 10.0))
    bars = with_value(bars, 1, close=np.nan)
    bars = with_value(bars, 2, high=np.inf)
    bars = with_value(bars, 3, low=-1.0)
    bars = with_value(bars, 4, high=9.0)
    bars = with_value(bars, 5, open=1e308, high=1e308)
    bars = with_value(bars, 6, volume=-5.0)
    ts = bars.ts.copy()
    ts[7] = ts[0]
    bars = with_value(bars, 7, close=10.5, high=10.5)
    return Columns(ts, bars.open, bars.high, bars.low, bars.close, bars.volume)


def keep_out(own, now, bars=None):
    fetched = [Fetched(Listing(SYMBOL), bars if bars is not None else damaged())]
    return services.keep_out(
        dataset=own, provider="tests", timeframe="1d", fetched=fetched, now=now
    )


def test_defective_bars_are_kept_out_and_the_good_rest_is_stored(own, now):
    (good,) = keep_out(own, now)
    bring(own, good.bars, now)
    assert len(stored(own)) == 2
    rows = {row.ts: row for row in Quarantined.objects.filter(dataset=own)}
    assert sorted(row.reason for row in rows.values()) == [
        "duplicate",
        "high_low",
        "not_finite",
        "not_finite",
        "not_positive",
        "not_positive",
        "out_of_range",
    ]
    first = damaged().ts[0]
    assert rows[moment_of(int(first) + DAY)].values["close"] == "nan"
    keep_out(own, now)
    assert Quarantined.objects.filter(dataset=own).count() == 7


def test_a_bar_is_released_with_corrected_figures_under_a_batch_of_its_own(own, actor, now):
    (good,) = keep_out(own, now)
    bring(own, good.bars, now)
    row = Quarantined.objects.get(dataset=own, reason="high_low")
    known = {"actor": actor("researcher"), "quarantined_id": row.pk, "now": now}
    with pytest.raises(Invalid, match="can't be released"):
        services.release(note="as it is", **known)
    with pytest.raises(Invalid, match="the note is empty"):
        services.release(note="", **known)
    done = services.release(note="High of the exchange's file.", values={"high": 11.0}, **known)
    assert (done.status, done.batch.provider) == ("released", "quarantine")
    bars = stored(own)
    assert bars.high[bars.ts == micros(row.ts)].tolist() == [11.0]
    assert series_of(own).rows == 3
    (event,) = audit.list_events(team_id=own.team_id, action="quarantine.released")
    assert json.loads(event.body)["received"]["high"] == "9.0"
    with pytest.raises(Conflict, match="already"):
        services.drop(note="again", **known)


def test_a_dropped_bar_stays_on_record(own, actor, now):
    keep_out(own, now)
    row = Quarantined.objects.filter(dataset=own).first()
    done = services.drop(
        actor=actor("researcher"), quarantined_id=row.pk, note="Nonsense.", now=now
    )
    assert (done.status, done.note, done.decided_at) == ("dropped", "Nonsense.", now)
    assert not Series.objects.filter(instrument__dataset=own).exists()


def test_another_teams_quarantine_is_not_found(own, actor, other_team, now):
    keep_out(own, now)
    row = Quarantined.objects.filter(dataset=own).first()
    with pytest.raises(NotFound):
        services.drop(
            actor=actor("researcher", other_team), quarantined_id=row.pk, note="x", now=now
        )


def test_a_stored_bar_is_taken_out_kept_as_of_before_and_put_back(own, actor, closes, now):
    bring(own, spiked(closes), now)
    later = now + timedelta(hours=1)
    at, who = finding_at(own), actor("researcher")
    (row,) = services.withdraw(actor=who, symbol=SYMBOL, at=[at], note="A wrong print.", now=later)
    series = series_of(own)
    assert (series.rows, series.health["missing"], series.health["counts"]) == (199, 1, {})
    known = store.read_bars([series.pk], EARLIEST, LATEST, as_of=now)[series.pk]
    assert len(known) == 200
    batch = Batch.objects.get(provider="quarantine", dataset=own)
    changes = selectors.revision_bars(team_id=own.team_id, batch_id=batch.pk)
    assert [(bar["ts"], bar["after"]) for bar in changes["bars"]] == [(at, None)]
    back = {"close": 100.0, "high": 200.0, "low": 50.0}
    services.release(
        actor=who,
        quarantined_id=row.pk,
        note="The close of the exchange.",
        values=back,
        now=later + timedelta(hours=1),
    )
    assert stored(own).close[100] == 100.0


def test_shared_bars_are_not_taken_out_by_a_team(sample, actor, now):
    with pytest.raises(Denied, match="shared"):
        services.withdraw(
            actor=actor("researcher"),
            symbol="AAPL",
            at=[datetime(2020, 3, 9, tzinfo=UTC)],
            note="x",
            now=now,
        )


BAD_BARS = [
    ("nan", "nan", "nan", "nan", "1"),
    ("1", "inf", "1", "1", "1"),
    ("1", "1", "-inf", "1", "1"),
    ("-1", "1", "-1", "1", "1"),
    ("0", "1", "0", "1", "1"),
    ("2", "1", "1", "1", "1"),
    ("1", "1", "2", "1", "1"),
    ("1", "1", "1", "1", "nan"),
    ("1", "1", "1", "1", "inf"),
    ("1", "1", "1", "1", "-1"),
    ("1", "1e309", "1", "1", "1"),
]


@pytest.mark.parametrize("table", ["market_bar", "market_bar_minute"])
@pytest.mark.parametrize("figures", BAD_BARS)
def test_the_table_itself_refuses_defective_bars(live_db, figures, table):
    """As the role of the application, past every line of our code."""
    insert = (
        f"INSERT INTO {table} (series_id, ts, open, high, low, close, volume, batch_id)"
        " VALUES (1, now(), %s::float8, %s::float8, %s::float8, %s::float8, %s::float8, 1)"
    )
    refusals = (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange)
    with psycopg.connect(live_db.dsn("app"), autocommit=True) as raw, pytest.raises(refusals):
        raw.execute(insert, figures)


# --- Universes, alerts, repair ------------------------------------------------------------------


def test_a_fall_of_a_universe_is_noted_and_told(own, team, closes, now):
    bring(own, columns(closes), now)
    row = universe_of(own, team, now)
    assert services.check_up(universe=row, now=now).score == 100.0
    assert services.check_up(universe=row, now=now + timedelta(minutes=5)) is None
    assert selectors.list_fallen(now=now) == []
    later = now + timedelta(hours=1)
    bring(own, with_value(spiked(closes), 150, high=1e6), later)
    bad = {"spike": 2}
    Series.objects.filter(instrument__dataset=own).update(
        health={**series_of(own).health, "counts": bad, "score": 96.0}
    )
    assert services.check_up(universe=row, now=later).score == 96.0
    (fallen,) = selectors.list_fallen(now=later)
    assert (fallen["name"], fallen["before"], fallen["score"]) == ("mine", 100.0, 96.0)
    (event,) = audit.list_events(team_id=team.pk, action="health.fell")
    assert json.loads(event.body) == {"universe": "mine", "before": 100.0, "score": 96.0}
    assert Checkup.objects.filter(universe=row).count() == 2


def test_critical_findings_raise_an_alert_that_ends_with_them(own, team, closes, now):
    bring(own, columns(closes), now)
    row, series = universe_of(own, team, now), Series.objects.filter(instrument__dataset=own)
    told = {**series_of(own).health, "score": 80.0}
    for day, counts in enumerate(({"spike": 2}, {"price_unit": 1, "spike": 2}, {"spike": 1})):
        series.update(health={**told, "counts": counts})
        services.check_up(universe=row, now=now + timedelta(days=day))
        alerts = Alert.objects.filter(team=team, kind="health.critical")
        assert alerts.count() == min(day, 1)
    (alert,) = alerts
    assert (alert.subject, alert.severity) == ("universe:mine", "critical")
    assert "price unit (1)" in alert.title
    assert "spike" not in alert.title
    assert (alert.raised_at, alert.ended_at) == (
        now + timedelta(days=1),
        now + timedelta(days=2),
    )


def test_the_monitor_of_the_lab_tells_of_fallen_universes(own, team, closes, now):
    from apps.ops.selectors import check_data

    row = universe_of(own, team, now)
    for hours, score in ((2, 100.0), (1, 90.0)):
        Checkup.objects.create(
            universe=row, at=now - timedelta(hours=hours), score=score, coverage=1, findings=0
        )
    state = check_data(now)
    assert state.status == "degraded"
    assert "1 universe" in state.summary


def test_a_hole_is_asked_for_where_the_rest_came_from(own, team, closes, now):
    bring(own, columns(closes), now)
    series = series_of(own)
    assert "uploaded" in selectors.repair_source(team_id=team.pk, series=series).reason
    IngestRun.objects.create(
        team=team,
        dataset=own,
        provider="sample",
        request={"section": "crypto-binance", "timeframe": "1d"},
        created_at=now,
        created_by="tests",
    )
    source = selectors.repair_source(team_id=team.pk, series=series)
    assert (source.provider, source.section, source.reason) == ("sample", "crypto-binance", "")


# --- REST and pages ------------------------------------------------------------------------------


def test_rest_from_map_to_bars(sample, api_as):
    client = api_as("viewer")
    health = client.get("/api/v1/universes/long-history/health").json()
    assert health["score"] < 100
    assert {line["symbol"] for line in health["symbols"]} >= {"QQQ", "AAPL"}
    figure = client.get("/api/v1/universes/long-history/health/map").json()
    cells = figure["data"][0]
    row = cells["z"][cells["y"].index("QQQ")]
    assert row[cells["x"].index("2007-06")] == 0.0
    assert row[cells["x"].index("2003-06")] == 1.0
    assert cells["z"][cells["y"].index("GOOG")][0] is None
    listed = client.get("/api/v1/universes/sp500-sample/health/findings?kind=split_missing")
    assert "TRMB" in {item["symbol"] for item in listed.json()["items"]}
    series = client.get("/api/v1/instruments/QQQ/health?dataset=long-history").json()
    assert series["gaps"][0]["bars"] == 1588
    at = "2011-03-23T00:00:00Z"
    bars = client.get(f"/api/v1/instruments/QQQ/health/bars?dataset=long-history&at={at}").json()
    assert [bar["ts"] for bar in bars["bars"] if bar["marked"]] == [at]
    drawn = client.get(f"/api/v1/instruments/QQQ/health/figure?dataset=long-history&at={at}")
    assert drawn.json()["layout"]["shapes"][0]["x0"] == "2011-03-23"
    whence = client.get("/api/v1/instruments/AAPL/provenance?dataset=sp500").json()
    assert [part["provider"] for part in whence] == ["sample"]
    assert client.post("/api/v1/universes/long-history/health/check").status_code == 403


def test_rest_of_quarantine_and_revisions(own, team, closes, now, api_as):
    bring(own, spiked(closes), now)
    at = finding_at(own).isoformat()
    client = api_as("researcher")
    asked = {"symbol": SYMBOL, "dataset": "own", "at": [at], "note": "A wrong print."}
    made = client.post("/api/v1/quarantine", asked, content_type="application/json")
    assert made.status_code == 201
    (row,) = made.json()
    listed = client.get("/api/v1/quarantine?status=open").json()["items"]
    assert [item["id"] for item in listed] == [row["id"]]
    assert client.get("/api/v1/quarantine?status=odd").status_code == 422
    (revision,) = client.get("/api/v1/revisions").json()["items"]
    assert (revision["bars"], revision["provider"]) == (1, "quarantine")
    bars = client.get(f"/api/v1/revisions/{revision['batch_id']}/bars").json()["bars"]
    assert bars[0]["after"] is None
    url = f"/api/v1/quarantine/{row['id']}/drop"
    done = client.post(url, {"note": "It stays out."}, content_type="application/json")
    assert done.json()["status"] == "dropped"
    viewer = api_as("viewer")
    refused = viewer.post(url, {"note": "x"}, content_type="application/json")
    assert refused.status_code == 403


def test_pages_show_it_and_forms_act(own, team, closes, now, client_as):
    bring(own, spiked(closes), now)
    universe_of(own, team, now)
    client = client_as("researcher")
    assert b"Gap map" in client.get("/data/?universe=mine").content
    page = client.get("/data/universes/mine/").content.decode()
    assert "taken back by the next bar" in page
    where = f"/data/instruments/{SYMBOL}/health/"
    page = client.get(f"{where}?dataset=own").content.decode()
    assert "It is a real event" in page
    at = finding_at(own).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"dataset": "own", "timeframe": "1d", "at": at, "kind": "spike", "note": "A bid."}
    answer = client.post(f"{where}say", {**said, "act": "acknowledge"}, follow=True)
    assert "A bid." in answer.content.decode()
    client.post(f"{where}say", {**said, "act": "withdraw"})
    assert "A bid." in client.get("/data/quarantine/").content.decode()
    row = Quarantined.objects.get(dataset=own)
    form = {"act": "release", "note": "It was right.", "close": "101", "high": "300", "low": "1"}
    client.post(f"/data/quarantine/{row.pk}/", form)
    row.refresh_from_db()
    assert row.status == "released"
    listed = client.get("/data/revisions/").content.decode()
    batch = Batch.objects.get(provider="quarantine", source__startswith="withdrawn")
    assert f"/data/revisions/{batch.pk}/" in listed
    assert "taken out" in client.get(f"/data/revisions/{batch.pk}/").content.decode()
    assert client.post("/data/universes/mine/check", follow=True).status_code == 200


def test_a_check_runs_as_a_job(own, team, actor, closes, now):
    from apps.core import jobs
    from apps.core.models import Job

    bring(own, columns(closes), now, judged=False)
    universe_of(own, team, now)
    job = services.start_recheck(actor=actor("researcher"), universe="mine", now=now)
    jobs.execute(job.pk, services.run_recheck, worker="tests")
    job = Job.objects.get(pk=job.pk)
    assert (job.status, job.result) == ("done", {"series": 1, "score": 100.0})
    with pytest.raises(Denied):
        services.start_recheck(actor=actor("viewer"), universe="mine", now=now)


class Careless:
    """A provider whose answer holds a bar that may not be stored."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def fetch(self, task):
        fetched = self.real.fetch(task)
        return replace(fetched, bars=with_value(fetched.bars, 10, low=-1.0))


def test_an_ingestion_keeps_bad_bars_out_and_stores_the_rest(team, actor, now, monkeypatch):
    from apps.core import jobs
    from apps.core.plugs import load_plug

    careless = Careless(load_plug("MARKET_PROVIDERS", "sample"))
    monkeypatch.setattr("apps.market.services.ingests.running.provider_for", lambda **_: careless)
    run, job = services.start_ingest(
        actor=actor("researcher"),
        provider="sample",
        section="fx",
        symbols=["EURUSD"],
        dataset="careless",
        now=now,
    )
    jobs.execute(job.pk, services.run_ingest, worker="tests")
    (row,) = Quarantined.objects.filter(dataset=run.dataset)
    assert (row.reason, row.symbol, row.provider) == ("not_positive", "EURUSD", "sample")
    series = series_of(run.dataset, "EURUSD")
    assert series.rows > 1000
    assert series.health["missing"] >= 1
