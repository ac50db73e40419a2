"""Panels as of a time, and kept in files: no bar is read twice, nothing stale or broken served."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from apps.backtests import services as backtests
from apps.backtests.models import Run
from apps.core import jobs
from apps.core.errors import Invalid
from apps.market import selectors, services, store
from apps.market.kernel.bars import FIELDS
from apps.market.kernel.periods import micros
from apps.market.models import Action, Batch, Dataset, Instrument, Reader, Series
from apps.market.store import panel_cache
from tests.conftest import NOW
from tests.factories.market import columns

pytestmark = pytest.mark.store
DAY = timedelta(days=1)
SYMBOLS = ("AAA", "BBB")
# Looks into the tables of bars, and into the chunks that TimescaleDB keeps them in.
SCANS = """
SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) FROM pg_stat_xact_user_tables
WHERE relid IN (
    SELECT unnest(ARRAY[
        'market_bar'::regclass::oid, 'market_bar_minute'::regclass, 'market_bar_history'::regclass
    ])
    UNION SELECT inhrelid FROM pg_inherits
    WHERE inhparent IN (
        'market_bar'::regclass, 'market_bar_minute'::regclass, 'market_bar_history'::regclass
    )
)
"""


@pytest.fixture
def kept(settings, tmp_path):
    """A cache of this test's own."""
    settings.PANEL_CACHE = tmp_path / "panels"
    settings.PANEL_CACHE_MB = 64
    return settings.PANEL_CACHE


@pytest.fixture
def dataset(team):
    made = Dataset.objects.create(
        team=team, name="mine", title="Mine", source="t", calendar="24/7", created_at=NOW
    )
    for symbol in SYMBOLS:
        instrument = Instrument.objects.create(dataset=made, symbol=symbol)
        Series.objects.create(instrument=instrument, timeframe="1d")
    write(made, closes(), NOW)
    return made


def closes():
    steps = np.random.default_rng(5).normal(0, 0.02, (len(SYMBOLS), 300))
    return 50 * np.exp(np.cumsum(steps, axis=1))


def write(dataset, values, at):
    """Write closes of both instruments as a batch of a time."""
    batch = Batch.objects.create(
        dataset=dataset, provider="t", source="t", sha256="", created_at=at, created_by="t"
    )
    rows = Series.objects.filter(instrument__dataset=dataset).order_by("instrument__symbol")
    blocks = [(row.pk, columns(close)) for row, close in zip(rows, values, strict=True)]
    return store.write_bars(
        team_id=dataset.team_id, dataset_id=dataset.pk, batch_id=batch.pk, blocks=blocks, now=at
    )


def revise(dataset, at=NOW + 2 * DAY):
    values = closes()
    values[0, 150] *= 1.01
    return write(dataset, values, at)


def read(dataset, **changes):
    asked = {"instruments": list(SYMBOLS), "price_mode": "raw", "cached": True} | changes
    return selectors.read_panel(team_id=dataset.team_id, **asked)


def scans():
    """How often this transaction has looked into the tables of bars."""
    with connection.cursor() as cursor:
        cursor.execute(SCANS)
        return int(cursor.fetchone()[0])


def test_a_second_read_asks_no_bars_of_the_database(kept, dataset):
    plain = read(dataset, cached=False)
    first = read(dataset)
    before = scans()
    assert before > 0
    again = read(dataset)
    assert scans() == before
    assert first.digest == again.digest == plain.digest == replace(again, known_digest="").digest
    for name in ("ts", *FIELDS):
        assert np.array_equal(getattr(again, name), getattr(plain, name), equal_nan=True), name
    assert again.series_ids == plain.series_ids
    again.close[0, 0] = 1.0
    assert read(dataset).close[0, 0] == plain.close[0, 0], "a reader writes into its own copy"


def test_a_second_backtest_asks_no_bars_of_the_database(kept, dataset, actor):
    body = {
        "strategy": "sma_crossover",
        "params": {"fast": 5, "slow": 20},
        "instruments": list(SYMBOLS),
        "timeframe": "1d",
    }

    def once():
        run, job = backtests.create_backtest(actor=actor(), request=body, now=NOW)
        done = jobs.execute(str(job.pk), backtests.run_backtest, worker="w", now=lambda: NOW)
        assert done == "done"
        return Run.objects.get(pk=run.pk)

    one = once()
    before = scans()
    two = once()
    assert scans() == before
    assert one.digest == two.digest
    assert one.data_digest == two.data_digest
    reader = Reader.objects.get(subject=f"backtest:{two.pk}")
    panel = read(dataset)
    assert tuple(reader.series_ids) == panel.series_ids
    assert micros(reader.first_at) == panel.ts[0]
    assert reader.last_at - reader.first_at == 300 * DAY - timedelta(microseconds=1)
    assert reader.as_of is None


def test_what_changes_the_panel_is_read_anew(kept, dataset):
    seen = [read(dataset, price_mode="split").digest]
    revise(dataset)
    seen.append(read(dataset, price_mode="split").digest)
    instrument = Instrument.objects.get(dataset=dataset, symbol="AAA")
    Action.objects.create(
        instrument=instrument, kind="split", on="2024-03-01", value=2, factor=0.5
    )
    seen.append(read(dataset, price_mode="split").digest)
    assert seen[-1] == read(dataset, price_mode="split", cached=False).digest
    figures = store.Figures(instrument.pk, read(dataset).ts, np.ones(300))
    funding = read(dataset, price_mode="split", inputs=("funding",)).extras["funding"]
    assert np.isnan(funding).all()
    store.write_metric("funding", [figures], Batch.objects.first().pk, NOW)
    funding = read(dataset, price_mode="split", inputs=("funding",)).extras["funding"]
    assert np.array_equal(funding[:, 0], np.ones(300))
    series = Series.objects.get(instrument=instrument)
    batch = Batch.objects.filter(dataset=dataset).first()
    store.withdraw_bars(
        team_id=dataset.team_id,
        dataset_id=dataset.pk,
        series_id=series.pk,
        ts=read(dataset).ts[:1],
        batch_id=batch.pk,
        now=NOW,
    )
    seen.append(read(dataset, price_mode="split").digest)
    assert np.isnan(read(dataset).close[0, 0])
    assert len(set(seen)) == len(seen)


def test_panels_are_read_as_of_a_time(kept, dataset):
    old = read(dataset)
    revise(dataset)
    new = read(dataset)
    assert new.digest != old.digest
    for cached in (False, True, True):
        asked = {"cached": cached}
        assert read(dataset, as_of=NOW + DAY, **asked).digest == old.digest
        assert read(dataset, as_of="2026-01-06", **asked).digest == old.digest
        assert read(dataset, as_of=NOW + 2 * DAY, **asked).digest == new.digest
    with pytest.raises(Invalid, match="known at 2025"):
        read(dataset, as_of="2025-01-01")
    with pytest.raises(Invalid, match="as_of is 'once'"):
        read(dataset, as_of="once")


def test_rest_and_backtests_take_as_of(kept, dataset, api_as, actor):
    # A run on raw prices reads the actions too; that there were none is part of what it read.
    as_runs_do = {"inputs": ("split", "dividend")}
    old = read(dataset, **as_runs_do)
    revise(dataset)
    client = api_as()
    asked = {"symbol": "AAA", "format": "arrays", "start": "2024-01-01"}
    now = client.get("/api/v1/bars", asked).json()
    then = client.get("/api/v1/bars", asked | {"as_of": "2026-01-06T00:00Z"}).json()
    assert then["close"] == old.close[:, 0].tolist()
    assert now["close"] != then["close"]
    body = {"strategy": "buy_and_hold", "instruments": list(SYMBOLS), "price_mode": "raw"}
    digests = {}
    for as_of in (None, "2026-01-06", "2026-01-20"):
        asked = body | {"as_of": as_of}
        run, job = backtests.create_backtest(actor=actor(), request=asked, now=NOW)
        jobs.execute(str(job.pk), backtests.run_backtest, worker="w", now=lambda: NOW)
        found = Run.objects.get(pk=run.pk)
        assert found.request["as_of"] == as_of
        digests[as_of] = (found.data_digest, found.digest)
    assert digests["2026-01-06"][0] == old.digest
    assert digests["2026-01-20"][0] == digests[None][0] == read(dataset, **as_runs_do).digest
    assert len({digest for _, digest in digests.values()}) == 3, "the digest binds as_of"
    reader = Reader.objects.get(digest=old.digest)
    assert reader.as_of == datetime(2026, 1, 6, 23, 59, 59, 999999, UTC)


@pytest.mark.parametrize(
    "harm",
    [
        lambda place: (place / "figures.npy").write_bytes(b""),
        lambda place: (place / "figures.npy").write_bytes(
            (place / "figures.npy").read_bytes()[:-8]
        ),
        lambda place: flip(place / "figures.npy"),
        lambda place: flip(place / "ts.npy"),
        lambda place: (place / "facts.json").write_text("{"),
        lambda place: (place / "facts.json").write_text(json.dumps({"names": []})),
        lambda place: (place / "figures.npy").unlink(),
    ],
)
def test_a_broken_entry_is_fetched_again(kept, dataset, harm):
    whole = read(dataset)
    (place,) = kept.iterdir()
    panel_cache._checked.clear()
    harm(place)
    assert read(dataset).digest == whole.digest
    assert np.array_equal(read(dataset).close, whole.close)
    panel_cache._checked.clear()
    before = scans()
    assert np.array_equal(read(dataset).close, whole.close)
    assert scans() == before, "what was fetched again is kept again"


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_the_oldest_go_when_room_is_needed(settings, tmp_path):
    settings.PANEL_CACHE, settings.PANEL_CACHE_MB = tmp_path / "panels", 1
    laid = store.Laid(np.arange(1000), {name: np.ones((1000, 8)) for name in FIELDS}, "d")
    for number in range(5):
        store.keep_panel(f"key{number}", laid)
        Path(tmp_path / "panels" / f"key{number}").touch()
    found = [number for number in range(5) if store.find_panel(f"key{number}")]
    assert 4 in found
    assert 0 not in found
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.npy"))
    assert size <= 2**20
    huge = store.Laid(np.arange(100_000), {"open": np.ones((100_000, 2))}, "d")
    store.keep_panel("huge", huge)
    assert store.find_panel("huge") is None
    settings.PANEL_CACHE_MB = 0
    assert store.find_panel("key4") is None


def _keep_and_find(arguments):
    """Keep and look up the same keys, in a process of its own."""
    root, seed = arguments
    from django.conf import settings

    settings.PANEL_CACHE, settings.PANEL_CACHE_MB = root, 1
    found = 0
    for number in np.random.default_rng(seed).integers(0, 8, 60):
        values = np.full((1000, 4), float(number))
        store.keep_panel(f"key{number}", store.Laid(np.arange(1000), {"open": values}, "d"))
        laid = store.find_panel(f"key{number}")
        if laid is not None:
            found += 1
            assert (laid.arrays["open"] == number).all()
    return found


def test_processes_share_the_cache(tmp_path):
    work = [(tmp_path / "panels", seed) for seed in range(3)]
    with get_context("fork").Pool(3) as pool:
        found = pool.map_async(_keep_and_find, work).get(timeout=120)
    assert min(found) > 0
    left = [place.name for place in (tmp_path / "panels").iterdir()]
    assert left
    assert all(name.startswith("key") for name in left)


def test_a_write_during_the_read_is_not_kept_under_the_old_stamp(kept, dataset, monkeypatch):
    read_bars = store.read_bars

    def slow(*arguments):
        found = read_bars(*arguments)
        revise(dataset)
        return found

    monkeypatch.setattr(selectors.panels.store, "read_bars", slow)
    stale = read(dataset)
    monkeypatch.undo()
    assert not kept.exists()
    assert read(dataset).digest != stale.digest


def test_readers_without_a_panel_are_noted_as_before(team, now):
    services.register_reader(subject="backtest:1", digest="ab", now=now, team_id=team.pk)
    reader = Reader.objects.get(subject="backtest:1")
    assert (reader.series_ids, reader.first_at, reader.as_of) == ([], None, None)


def test_threads_read_the_cache_together(kept, dataset):
    whole = read(dataset)
    (place,) = kept.iterdir()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: store.find_panel(place.name), range(16)))
    assert {laid.digest for laid in found} == {whole.digest}
