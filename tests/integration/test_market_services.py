"""Ingestion, uploads, universes and feeds as people use them."""

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from apps.core import jobs
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.models import Job
from apps.market import selectors, services
from apps.market.kernel.columns import Columns
from apps.market.models import Dataset, FeedSession, IngestRun, Universe
from apps.market.providers.sample import SampleProvider
from apps.market.services.ingests import running
from tests.factories.market import columns


def bars_of_dataset(name):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM market_bar b JOIN market_series s ON s.id = b.series_id"
            " JOIN market_instrument i ON i.id = s.instrument_id"
            " JOIN market_dataset d ON d.id = i.dataset_id WHERE d.name = %s",
            [name],
        )
        return cursor.fetchone()[0]


def events(team_id, action):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM audit.audit_event WHERE team_id = %s AND action = %s",
            [team_id, action],
        )
        return cursor.fetchone()[0]


def ingest(actor, now, **changes):
    wanted = {
        "provider": "sample",
        "section": "sp500",
        "symbols": ["AAPL", "MSFT", "JNJ", "XOM", "JPM", "TRMB", "GNRC"],
        "dataset": "my-stocks",
    }
    return services.start_ingest(actor=actor, now=now, **{**wanted, **changes})


def progress_of(job):
    Job.objects.filter(pk=job.pk).update(status="running", attempt=1)
    return jobs.Progress(job.pk, job.team_id, 1, job.payload)


def test_an_ingestion_fills_the_teams_own_dataset(actor, now, db):
    run, job = ingest(actor(), now)
    assert (job.queue, job.task, job.status) == ("io", "market.ingest", "queued")
    result = services.run_ingest(progress_of(job))
    assert (result["symbols"], result["failed"]) == (7, 0)
    assert result["rows_added"] == bars_of_dataset("my-stocks") > 20_000
    job.refresh_from_db()
    assert (job.done, job.total) == (7, 7)
    assert [events(run.team_id, f"ingest.{what}") for what in ("started", "finished")] == [1, 1]
    universe = selectors.get_universe(team_id=run.team_id, name="my-stocks")
    assert len(universe.symbols) == 7
    panel = selectors.read_panel(team_id=run.team_id, universe=universe)
    assert panel.n_assets == 7


def test_a_killed_ingestion_goes_on_where_it_stopped(actor, now, db, monkeypatch):
    run, job = ingest(actor(), now)
    fetch, asked = SampleProvider.fetch, []

    def dies_at_the_seventh(self, task):
        asked.append(task.symbol)
        if len(asked) == 7:
            raise KeyboardInterrupt
        return fetch(self, task)

    monkeypatch.setattr(SampleProvider, "fetch", dies_at_the_seventh)
    monkeypatch.setattr(running, "CHUNK_SYMBOLS", 5)
    with pytest.raises(KeyboardInterrupt):
        services.run_ingest(progress_of(job))
    assert run.tasks.filter(status="done").count() == 5
    kept = bars_of_dataset("my-stocks")
    assert kept > 0
    result = services.run_ingest(progress_of(job))
    assert asked[7:] == ["TRMB", "GNRC"]
    assert result["symbols"] == 7
    assert bars_of_dataset("my-stocks") == result["rows_added"] > kept


def test_a_repeated_ingestion_adds_nothing_twice(actor, now, db):
    mine = actor()
    _, job = ingest(mine, now)
    first = services.run_ingest(progress_of(job))
    _, job = ingest(mine, now)
    again = services.run_ingest(progress_of(job))
    assert first["rows_added"] > 0
    assert (again["tasks"], again["rows_received"]) == (0, 0)
    _, job = ingest(mine, now, mode="full")
    whole = services.run_ingest(progress_of(job))
    assert whole["rows_received"] == first["rows_received"]
    assert (whole["rows_added"], whole["rows_changed"]) == (0, 0)
    assert Universe.objects.filter(name="my-stocks").count() == 1


def test_a_poisoned_symbol_never_stops_a_run_and_can_be_tried_again(actor, now, db, monkeypatch):
    fetch = SampleProvider.fetch

    def poisoned(self, task):
        if task.symbol == "MSFT":
            raise Invalid("MSFT has no bars to read.", code="provider.answer")
        return fetch(self, task)

    mine = actor()
    run, job = ingest(mine, now)
    monkeypatch.setattr(SampleProvider, "fetch", poisoned)
    result = services.run_ingest(progress_of(job))
    assert (result["symbols"], result["failed"]) == (6, 1)
    told = selectors.ingest_dict(selectors.get_ingest(team_id=run.team_id, ingest_id=run.pk))
    assert told["failed"] == {"MSFT@1d": "MSFT has no bars to read."}
    assert told["tasks"] == {"all": 7, "done": 6, "failed": 1, "open": 0}
    with pytest.raises(Conflict):
        services.retry_ingest(actor=mine, ingest_id=run.pk, now=now)
    Job.objects.filter(pk=job.pk).update(status="done")
    monkeypatch.setattr(SampleProvider, "fetch", fetch)
    _, job = services.retry_ingest(actor=mine, ingest_id=run.pk, now=now)
    assert services.run_ingest(progress_of(job))["symbols"] == 7


def test_a_cancelled_ingestion_stops_between_batches(actor, now, db):
    mine = actor()
    run, job = ingest(mine, now)
    progress = progress_of(job)
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    with pytest.raises(jobs.Cancelled):
        services.run_ingest(progress)
    assert run.tasks.filter(status="open").count() == 7


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"symbols": ["AAPLX"]}, NotFound, "did you mean"),
        ({"section": "moon"}, NotFound, "it has sp500"),
        ({"provider": "nobody"}, NotFound, "known are"),
        ({"start": "2020-02-01", "end": "2020-01-01"}, Invalid, "reversed"),
        ({"timeframe": "3d"}, Invalid, "choose one of"),
        ({"dataset": "../etc"}, Invalid, "no name for a dataset"),
    ],
)
def test_bad_ingestions_are_refused_at_once(actor, now, db, changes, error, words):
    with pytest.raises(error, match=words):
        ingest(actor(), now, **changes)
    assert IngestRun.objects.count() == 0


@pytest.mark.parametrize("role", ["viewer", "trader", "auditor"])
def test_who_may_not_write_data_is_refused(actor, now, db, role):
    with pytest.raises(Denied, match=r"data\.write"):
        ingest(actor(role), now)
    with pytest.raises(Denied, match=r"data\.write"):
        services.store_upload(actor=actor(role), upload=upload(b"x"), now=now)


def csv_of(bars: Columns, symbol="ACME"):
    lines = ["symbol,date,open,high,low,close,volume"]
    for row in zip(*(getattr(bars, n) for n in Columns.__slots__), strict=True):
        when = np.datetime64(int(row[0]), "us").astype("M8[D]")
        lines.append(f"{symbol},{when}," + ",".join(str(float(value)) for value in row[1:]))
    return "\n".join(lines).encode()


def upload(content, name="bars.csv", **changes):
    wanted = {"sent": SimpleUploadedFile(name, content), "dataset": "uploaded"}
    return services.Upload(**{**wanted, **changes})


def store(actor, content, now, **changes):
    result, job = services.store_upload(actor=actor, upload=upload(content, **changes), now=now)
    assert job is None
    return result


def test_an_upload_is_stored_with_its_digest(actor, now, db):
    mine = actor()
    bars = columns(np.linspace(10, 12, 20))
    result = store(mine, csv_of(bars), now)
    assert (result["rows_added"], result["symbols"]) == (20, ["ACME"])
    panel = selectors.read_panel(
        team_id=mine.team_id, instruments=["uploaded:ACME"], price_mode="raw"
    )
    assert np.array_equal(panel.close[:, 0], bars.close)
    assert events(mine.team_id, "bars.uploaded") == 1
    again = store(mine, csv_of(bars), now)
    assert again["rows_added"] == 0


def broken(line, column, value):
    lines = csv_of(columns(np.linspace(10, 12, 20))).decode().split("\n")
    cells = lines[line].split(",")
    cells[column] = value
    lines[line] = ",".join(cells)
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("content", "row", "column"),
    [
        (broken(7, 5, "NaN"), 7, "close"),
        (broken(3, 2, ""), 3, "open"),
        (broken(4, 3, "inf"), 4, "high"),
        (broken(9, 4, "-1.0"), 9, "low"),
        (broken(5, 6, "-3"), 5, "volume"),
        (broken(6, 5, "twelve"), 6, "close"),
        (broken(8, 1, "2024-01-07"), 8, "ts"),
        (broken(8, 1, "2024-01-01"), 8, "ts"),
        (broken(2, 1, "yesterday"), 2, "ts"),
    ],
)
def test_a_bad_upload_is_refused_by_row_and_column_with_nothing_stored(
    actor, now, db, content, row, column
):
    with pytest.raises(Invalid) as caught:
        store(actor(), content, now)
    assert f"row {row}, column {column}" in caught.value.message
    assert caught.value.details["row"] == row
    assert caught.value.code == "upload.values"
    assert not Dataset.objects.filter(name="uploaded").exists()
    assert bars_of_dataset("uploaded") == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content": b""}, "empty"),
        ({"content": b"\x00\xff\x00garbage"}, "binary"),
        ({"content": b"a,b\n1,2"}, "lacks what bars"),
        ({"timeframe": "1w"}, "too soon for 1w"),
        ({"timeframe": "9d"}, "choose one of"),
        ({"calendar": "MARS"}, "choose XNYS"),
        ({"dataset": "No Name"}, "no name for a dataset"),
    ],
)
def test_uploads_that_cannot_be_read_say_why(actor, now, db, changes, words):
    content = csv_of(columns([1.0, 2.0, 3.0]))
    with pytest.raises(Invalid, match=words):
        store(actor(), changes.pop("content", content), now, **changes)


def test_columns_can_be_mapped_and_one_symbol_given(team, now, db):
    bars = columns([10.0, 11.0, 12.0])
    text = csv_of(bars).decode().replace("symbol,date,open", "junk,When,O")
    preview = services.preview_upload(
        team_id=team.pk,
        upload=upload(text.encode(), mapping={"ts": "When", "open": "O"}, symbol="XYZ"),
        now=now,
    )
    assert preview["rows"] == 3
    table = preview["tables"][0]
    assert table["symbols"][0]["symbol"] == "XYZ"
    assert table["head"][2]["close"] == 12.0


def test_universes_are_versioned_and_need_a_word_on_survivorship(sample, actor, now, db):
    mine = actor()
    wanted = {"name": "tech", "symbols": ["AAPL", "MSFT"], "timeframe": "1d"}
    with pytest.raises(Invalid, match="who is missing"):
        services.create_universe(actor=mine, now=now, survivorship=" ", **wanted)
    for version in (1, 2):
        made = services.create_universe(actor=mine, now=now, survivorship="Picked.", **wanted)
        assert made.version == version
    panel = selectors.read_panel(team_id=mine.team_id, universe="tech", start="2020-01-01")
    assert (panel.survivorship, panel.n_assets) == ("Picked.", 2)


def test_a_feed_hands_out_one_bar_after_the_other(sample, now, db):
    feed = selectors.feed_state("crypto-hourly")
    first = services.advance_feed(session_id=feed.id, now=now)
    second = services.advance_feed(session_id=feed.id, now=now)
    assert second.opened_at - first.opened_at == first.closed_at - first.opened_at
    expected = selectors.read_panel(
        team_id=None, universe="crypto-perps", start=second.opened_at, end=second.opened_at
    )
    assert np.array_equal(second.close, expected.close[0], equal_nan=True)
    assert np.isnan(first.close[first.symbols.index("HYPE")])
    state = selectors.feed_state("crypto-hourly")
    assert (state.position_at, state.bars_done) == (second.opened_at, 2)


def test_a_feed_pauses_ends_and_starts_anew(sample, actor, now, db):
    admin = actor("admin")
    name = "sp500-daily"
    feed = selectors.feed_state(name)
    services.pause_feed(actor=admin, name=name, now=now)
    assert services.advance_feed(session_id=feed.id, now=now) is None
    with pytest.raises(Conflict):
        services.pause_feed(actor=admin, name=name, now=now)
    services.resume_feed(actor=admin, name=name, now=now)
    last = (
        Universe.objects.get(pk=feed.universe_id).dataset.instruments.first().series.get().last_at
    )
    FeedSession.objects.filter(pk=feed.id).update(position_at=last)
    assert services.advance_feed(session_id=feed.id, now=now) is None
    assert selectors.feed_state(name).status == "ended"
    assert feed.id not in {state.id for state in selectors.list_running_feeds()}
    state = services.restart_feed(actor=admin, name=name, now=now, seconds_per_bar=0.5)
    assert (state.status, state.bars_done, state.epoch) == ("running", 0, feed.epoch + 1)
    batch = services.advance_feed(session_id=feed.id, now=now)
    assert batch.opened_at == feed.start_at
    with pytest.raises(Denied):
        services.restart_feed(actor=actor("viewer"), name=name, now=now)


def test_a_shared_feed_is_steered_by_the_first_team_alone(
    sample, actor, team, other_team, now, db
):
    name = "sp500-daily"
    before = selectors.feed_state(name)
    stranger = actor("admin", of=other_team)
    for act in (services.pause_feed, services.resume_feed, services.restart_feed):
        with pytest.raises(Denied, match=team.name) as caught:
            act(actor=stranger, name=name, now=now)
        assert caught.value.code == "feed.shared"
    assert selectors.feed_state(name) == before
    services.pause_feed(actor=actor("admin"), name=name, now=now)
    with pytest.raises(Denied):
        services.resume_feed(actor=stranger, name=name, now=now)
    assert selectors.feed_state(name).status == "paused"


def test_a_split_in_the_feed_is_no_loss(sample, now, db):
    """AAPL split 4 for 1 on 2020-08-31."""
    feed = selectors.feed_state("sp500-daily")
    at = services.feeds.datetime(2020, 8, 27, tzinfo=services.feeds.UTC)
    FeedSession.objects.filter(pk=feed.id).update(position_at=at)
    before, after = (services.advance_feed(session_id=feed.id, now=now) for _ in range(2))
    column = before.symbols.index("AAPL")
    assert after.opened_at.day == 31
    assert abs(after.close[column] / before.close[column] - 1) < 0.05


def test_shared_datasets_are_the_labs_own(actor, now, db):
    with pytest.raises(Denied, match="lab itself"):
        services.load_sample(actor=actor("researcher"), now=now)


def test_readers_are_registered_once(db, now, team):
    for _ in range(2):
        services.register_reader(subject="backtest:1", digest="ab", now=now, team_id=team.pk)
    assert len(selectors.list_readers(team_id=team.pk, digest="ab")) == 1
