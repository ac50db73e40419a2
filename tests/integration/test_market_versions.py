"""What was known when: actions, figures, members, renames and universes as of a time.

Worked by hand: ACME opens and closes at 100, 100, 50, 50, 55 on five days, a split on the third.
Bought at the second open and held, two new shares for one give 2 x 55 / 100 = 1.1 times the
cash, four give 2.2 times.
"""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from apps.audit import selectors as audit
from apps.backtests import selectors as backtests
from apps.backtests import services as runs
from apps.core import jobs, tenancy
from apps.core.errors import Denied, Invalid, NotFound
from apps.core.models import Job
from apps.dashboard.selectors import blast_radius
from apps.market import selectors, services, store
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.models import (
    Action,
    ActionHistory,
    Batch,
    Dataset,
    Instrument,
    MembershipHistory,
    Reader,
    RenameHistory,
    Revision,
    Series,
)
from tests.conftest import NOW
from tests.factories.market import sample_table

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=False)]
DAY = timedelta(days=1)
DAYS = np.datetime64("2024-01-02") + np.arange(5)
CLOSES = np.array([100.0, 100.0, 50.0, 50.0, 55.0])
API = "/api/v1"


def csv(**columns):
    return pd.DataFrame(columns).to_csv(index=False).encode()


def bars(symbol="ACME", closes=CLOSES):
    same = dict.fromkeys(("open", "high", "low", "close"), closes)
    return csv(symbol=symbol, ts=DAYS, **same, volume=1000)


def split(ratio, on="2024-01-04"):
    return f"ticker,ex_date,type,amount\nACME,{on},split,{ratio}\n".encode()


@pytest.fixture
def mine(actor, db):
    return actor()


@pytest.fixture
def send(mine):
    """Store a file for the team at a time."""

    def upload(content, at, name="file.csv", **wanted):
        sent = SimpleUploadedFile(name, content)
        asked = services.Upload(sent=sent, **{"dataset": "own", **wanted})
        result, job = services.store_upload(actor=mine, upload=asked, now=at)
        assert job is None
        return result

    return upload


def backtest(actor, at, **changes):
    body = {
        "strategy": "buy_and_hold",
        "instruments": ["own:ACME"],
        "timeframe": "1d",
        "price_mode": "split",
        "benchmark": "none",
        **changes,
    }
    run, job = runs.create_backtest(actor=actor, request=body, now=at)
    assert jobs.execute(str(job.pk), runs.run_backtest, worker="w", now=lambda: at) == "done"
    return backtests.get_run(run.pk, actor.team)


def work(task, function, now):
    for job in Job.objects.filter(kind="rerun", task=task, status="queued"):
        assert jobs.execute(str(job.pk), function, worker="w", now=lambda: now) == "done"


def instrument(symbol="ACME"):
    return Instrument.objects.get(symbol=symbol, dataset__team__isnull=False)


@pytest.fixture
def corrected(send):
    """The split was told as 2 for 1, and a day later as 4 for 1."""
    send(bars(), NOW)
    send(split(2), NOW)
    return send(split(4), NOW + DAY)["batch"]


def test_a_run_as_of_before_a_correction_is_the_run_made_then(
    send, mine, django_capture_on_commit_callbacks
):
    """FAULTS 57: what became known later does not reach a run as of before."""
    send(bars(), NOW)
    send(split(2), NOW)
    made_then, raw = backtest(mine, NOW), backtest(mine, NOW, price_mode="raw")
    assert made_then.total_return == pytest.approx(0.1, abs=1e-12)
    with django_capture_on_commit_callbacks(execute=True):
        batch = send(split(4), NOW + DAY)["batch"]
    later = NOW + 2 * DAY
    pinned = backtest(mine, later, as_of=NOW.isoformat())
    fresh = backtest(mine, later)
    assert pinned.data_digest == made_then.data_digest != fresh.data_digest
    assert pinned.total_return == made_then.total_return
    assert pinned.result["metrics"] == made_then.result["metrics"]
    assert fresh.total_return == pytest.approx(1.2, abs=1e-12)
    assert len({made_then.digest, pinned.digest, fresh.digest}) == 3
    # Who read the split in is found and computed once more: adjusted prices hold it, and of raw
    # ones the shares held are split.
    work("backtests.rerun_readers", runs.rerun_readers, later)
    work("backtests.rerun", runs.run_reruns, later)
    found = blast_radius(team_id=mine.team, batch_id=batch)
    assert found["revision"].changed == {"split": 1}
    assert {run["id"] for run in found["runs"]} == {str(made_then.pk), str(raw.pk)}
    for run in found["runs"]:
        assert run["change"]["total_return"] == pytest.approx(1.1, abs=1e-12)


def test_the_same_on_the_bundled_data(sample, send, mine, client_as, api_as):
    table = sample_table("sp500_daily")
    apple = table[(table["symbol"] == "AAPL") & (table["ts"] >= "2012-01-01")]
    apple = apple[apple["ts"] < "2015-01-01"]
    apple = apple[["symbol", "ts", "open", "high", "low", "close", "volume"]].copy()
    send(apple.to_csv(index=False).encode(), NOW, price_mode="raw")
    asked = {"instruments": ["own:AAPL"], "price_mode": "raw", "end": "2013-06-05"}
    made_then = backtest(mine, NOW, **asked)
    day = apple["ts"].dt.strftime("%Y-%m-%d") == "2013-06-05"
    apple.loc[day, "close"] *= 0.97
    apple.loc[day, "low"] = apple.loc[day, ["low", "close"]].min(axis=1)
    send(apple.to_csv(index=False).encode(), NOW + DAY, price_mode="raw")
    pinned = backtest(mine, NOW + 2 * DAY, as_of="2026-01-05", **asked)
    fresh = backtest(mine, NOW + 2 * DAY, **asked)
    assert pinned.result["metrics"] == made_then.result["metrics"]
    assert pinned.data_digest == made_then.data_digest
    assert fresh.equity_final == pytest.approx(0.97 * made_then.equity_final, rel=1e-9)
    told = api_as("viewer").get(f"{API}/backtests/{pinned.pk}").json()
    assert told["request"]["as_of"] == "2026-01-05"
    page = client_as("viewer").get(f"/research/{pinned.pk}/").content.decode()
    assert "as known on 2026-01-05" in page


def test_prices_are_adjusted_by_what_was_known(corrected, mine):
    asked = {"team_id": mine.team, "instruments": ["own:ACME"], "price_mode": "split"}
    for cached in (False, True, True):
        then = selectors.read_panel(as_of=NOW, cached=cached, **asked)
        now = selectors.read_panel(cached=cached, **asked)
        assert then.close[:, 0].tolist() == [50.0, 50.0, 50.0, 50.0, 55.0]
        assert now.close[:, 0].tolist() == [25.0, 25.0, 50.0, 50.0, 55.0]


def test_dividends_are_paid_as_they_were_known(send, mine):
    """0.50 on a close of 50 on the third day makes earlier prices 1 / 1.01 of themselves."""
    send(bars(closes=np.full(5, 50.0)), NOW)
    content = b"ticker,ex_date,dividend\nACME,2024-01-04,%s\n"
    send(content % b"0.50", NOW + DAY)
    send(content % b"1.00", NOW + 2 * DAY)
    asked = {"team_id": mine.team, "instruments": ["own:ACME"]}
    firsts = [selectors.read_panel(as_of=NOW + day * DAY, **asked).close[0, 0] for day in range(3)]
    assert firsts == pytest.approx([50.0, 50.0 / 1.01, 50.0 / 1.02])
    kinds = Revision.objects.values_list("kind", "bars", "first_at__date", "last_at__date")
    assert list(kinds.order_by("pk")) == [
        ("dividend", 1, date(2024, 1, 4), date(2024, 1, 4)),  # late: who read across the day
        ("dividend", 1, date(2024, 1, 2), date(2024, 1, 3)),  # changed: all bars before it
    ]


def test_a_dividend_that_comes_with_its_day_is_news_and_no_revision(send, mine):
    send(bars()[: bars().rindex(b"ACME,2024-01-06")], NOW)
    run = backtest(mine, NOW)
    both = csv(
        symbol="ACME",
        ts=DAYS,
        **dict.fromkeys(("open", "high", "low", "close"), CLOSES),
        volume=1000,
        dividend=[0, 0, 0, 0, 0.5],
    )
    send(both, NOW + DAY, price_mode="raw")
    assert Action.objects.filter(instrument=instrument()).count() == 1
    assert not Revision.objects.exists()
    assert Reader.objects.get(subject=f"backtest:{run.pk}").reads == [
        "bars",
        "split",
        "dividend",
    ]


def test_three_versions_of_a_split_each_hold_their_time(corrected, send, mine):
    send(split(8), NOW + 2 * DAY)
    send(split(8), NOW + 3 * DAY)
    rows = ActionHistory.objects.filter(instrument=instrument()).order_by("known_at")
    assert [(row.value, row.known_at, row.superseded_at) for row in rows] == [
        (2.0, NOW, NOW + DAY),
        (4.0, NOW + DAY, NOW + 2 * DAY),
    ]
    values = [
        [
            line["value"]
            for line in selectors.list_actions(
                team_id=mine.team, symbol="ACME", as_of=NOW + hours * DAY
            )
        ]
        for hours in (-0.5, 0, 0.5, 1, 1.5, 2, 9)
    ]
    assert values == [[], [2.0], [2.0], [4.0], [4.0], [8.0], [8.0]]


def test_a_batch_that_corrects_itself_leaves_no_trace(send):
    send(bars(), NOW)
    send(split(2), NOW)
    send(split(4), NOW)
    assert not ActionHistory.objects.exists()
    assert Action.objects.get(instrument=instrument()).value == 4.0


def test_withdrawn_splits_are_gone_and_still_known_as_of_before(corrected, mine, api_as, now):
    later = NOW + 2 * DAY
    asked = {"symbol": "ACME", "kind": "split", "on": [date(2024, 1, 4)]}
    with pytest.raises(Invalid, match="Say why"):
        services.withdraw_actions(actor=mine, note=" ", now=later, **asked)
    batch, gone = services.withdraw_actions(actor=mine, note="never was", now=later, **asked)
    assert gone == 1
    assert not Action.objects.filter(instrument=instrument()).exists()
    panel = {"team_id": mine.team, "instruments": ["own:ACME"], "price_mode": "split"}
    assert selectors.read_panel(**panel).close[0, 0] == 100.0
    assert selectors.read_panel(as_of=NOW + DAY, **panel).close[0, 0] == 25.0
    revised = api_as("viewer").get(f"{API}/revisions/{batch.pk}/bars").json()
    assert [
        (line["symbol"], line["value_before"], line["value_after"]) for line in revised["actions"]
    ] == [("ACME", 4.0, None)]
    with pytest.raises(NotFound, match="no split"):
        services.withdraw_actions(actor=mine, note="again", now=later, **asked)
    told = audit.list_events(team_id=mine.team, action="actions.withdrawn")
    assert [event["subject"] if isinstance(event, dict) else event.subject for event in told] == [
        f"batch:{batch.pk}"
    ]


def test_shared_splits_are_not_withdrawn(sample, mine):
    row = Action.objects.filter(instrument__dataset__team=None).select_related("instrument")[0]
    with pytest.raises(Denied):
        services.withdraw_actions(
            actor=mine,
            symbol=row.instrument.symbol,
            dataset=row.instrument.dataset.name,
            kind=row.kind,
            on=[row.on],
            note="mine now",
            now=NOW,
        )


@pytest.fixture
def funded(send, mine):
    """Three rates of funding, of which the second is corrected a day later."""
    hours = np.datetime64("2024-01-01T00", "h") + 8 * np.arange(3)
    hourly = np.datetime64("2024-01-01T00", "h") + np.arange(24)
    closes = np.full(24, 100.0)
    same = dict.fromkeys(("open", "high", "low", "close"), closes)
    send(csv(symbol="BTC", ts=hourly, **same, volume=1.0), NOW, calendar="24/7")
    send(csv(symbol="BTC", ts=hours, funding=[0.001, 0.002, 0.003]), NOW)
    panel = selectors.read_panel(
        team_id=mine.team,
        instruments=["own:BTC"],
        timeframe="1h",
        inputs=["funding"],
        price_mode="raw",
    )
    plain = selectors.read_panel(
        team_id=mine.team, instruments=["own:BTC"], timeframe="1h", price_mode="raw"
    )
    for name, seen in (("with", panel), ("without", plain)):
        services.register_reader(
            subject=f"search:{name}", digest=seen.digest, now=NOW, team_id=mine.team, panel=seen
        )
    batch = send(csv(symbol="BTC", ts=hours, funding=[0.001, 0.005, 0.003]), NOW + DAY)["batch"]
    return panel, batch


def test_funding_is_read_as_it_was_known(funded, mine, api_as):
    panel, _ = funded
    asked = {
        "team_id": mine.team,
        "instruments": ["own:BTC"],
        "timeframe": "1h",
        "inputs": ["funding"],
        "price_mode": "raw",
    }
    now, then = selectors.read_panel(**asked), selectors.read_panel(as_of=NOW, **asked)
    assert then.digest == panel.digest != now.digest
    assert [panel.extras["funding"][8, 0], now.extras["funding"][8, 0]] == [0.002, 0.005]
    figures = {"team_id": mine.team, "dataset": "own", "kind": "funding"}
    assert selectors.read_figures(**figures)["BTC"][1].tolist() == [0.001, 0.005, 0.003]
    assert selectors.read_figures(as_of=NOW, **figures)["BTC"][1].tolist() == [0.001, 0.002, 0.003]
    client, query = api_as("viewer"), {"symbol": "BTC", "kind": "funding"}
    rows = client.get(f"{API}/metrics", query | {"as_of": "2026-01-05"}).json()["items"]
    assert [row["value"] for row in rows] == [0.001, 0.002, 0.003]
    assert client.get(f"{API}/metrics", query | {"as_of": "2025-01-05"}).json()["items"] == []
    wrong = client.get(f"{API}/metrics", query | {"kind": "weather"})
    assert wrong.status_code == 422
    assert "there are funding" in wrong.json()["detail"]


def test_a_revision_of_funding_is_listed_with_who_read_funding(funded, mine, client_as, api_as):
    _, batch = funded
    found = selectors.get_revision(team_id=mine.team, batch_id=batch)
    assert found.changed == {"funding": 1}
    readers = selectors.readers_of(team_id=mine.team, revision=found)
    assert [reader.key for reader in readers] == ["with"]
    revised = api_as("viewer").get(f"{API}/revisions/{batch}/bars").json()
    assert [(line["before"], line["after"]) for line in revised["figures"]] == [(0.002, 0.005)]
    listed = api_as("viewer").get(f"{API}/revisions").json()["items"]
    assert [line["changed"] for line in listed] == [{"funding": 1}]
    page = client_as("viewer").get(f"/data/revisions/{batch}/").content.decode()
    assert 'id="changed-figures"' in page
    assert "1 funding" in page


def test_figures_without_bars_are_revised_too(send, mine):
    when = np.datetime64("2024-01-31") + np.arange(2)
    send(csv(date=when, mkt=[0.01, 0.02]), NOW)
    batch = send(csv(date=when, mkt=[0.01, 0.03]), NOW + DAY)["batch"]
    found = selectors.get_revision(team_id=mine.team, batch_id=batch)
    assert sum(found.changed.values()) == 1
    assert not Revision.objects.get(batch_id=batch).series
    assert selectors.readers_of(team_id=mine.team, revision=found) == []


def members(*lines):
    return ("symbol,joined,left\n" + "".join(f"{line}\n" for line in lines)).encode()


def test_members_of_an_index_are_those_known_then(send, mine, api_as):
    send(members("AAA,2010-01-01,", "BBB,2012-01-01,"), NOW, name="idx.csv")
    send(members("AAA,2010-01-01,2015-01-01", "BBB,2012-01-01,"), NOW + DAY, name="idx.csv")
    index = selectors.list_indices(team_id=mine.team)[0]["name"]
    asked = {"team_id": mine.team, "index": index, "on": date(2016, 1, 1)}
    assert selectors.members_on(**asked) == ["BBB"]
    assert selectors.members_on(as_of=NOW, **asked) == ["AAA", "BBB"]
    assert MembershipHistory.objects.count() == 1
    with pytest.raises(NotFound, match="as known at"):
        selectors.members_on(as_of=NOW - DAY, **asked)
    rest = api_as("viewer").get(
        f"{API}/indices/{index}/members", {"on": "2016-01-01", "as_of": "2026-01-05"}
    )
    assert rest.json()["symbols"] == ["AAA", "BBB"]


def test_members_that_a_provider_no_longer_names_are_withdrawn_not_lost(mine):
    dataset = Dataset.objects.create(
        team_id=mine.team, name="idx", title="t", source="t", created_at=NOW
    )
    first = [
        store.Spell("AAA", date(2010, 1, 1), None),
        store.Spell("BBB", None, date(2011, 1, 1)),
    ]
    for at, spells in ((NOW, first), (NOW + DAY, first[:1])):
        batch = make_batch(dataset, at)
        said = {
            "dataset_id": dataset.pk,
            "batch_id": batch.pk,
            "index": "idx",
            "source": "fmp",
            "now": at,
        }
        gone = store.withdraw_members(but=spells, **said)
        store.write_members(spells=spells, only_own=True, **said)
    assert gone == 1
    asked = {"team_id": mine.team, "index": "idx", "on": date(2010, 6, 1)}
    assert selectors.members_on(**asked) == ["AAA"]
    assert selectors.members_on(as_of=NOW, **asked) == ["AAA", "BBB"]


def make_batch(dataset, at):
    return Batch.objects.create(
        dataset=dataset, provider="t", source="t", sha256="", created_at=at, created_by="t"
    )


def test_renames_are_those_known_then(mine, api_as):
    dataset = Dataset.objects.create(
        team_id=mine.team, name="idx", title="t", source="t", created_at=NOW
    )
    for at, after in ((NOW, "METV"), (NOW + DAY, "META")):
        ticker = store.Ticker("FB", after, date(2022, 6, 9))
        batch = make_batch(dataset, at)
        store.write_renames(dataset_id=dataset.pk, batch_id=batch.pk, tickers=[ticker], now=at)
    asked = {"team_id": mine.team, "symbol": "META", "on": date(2020, 1, 1), "dataset": "idx"}
    assert selectors.symbol_on(**asked) == "FB"
    assert selectors.symbol_on(as_of=NOW, **asked) == "META"
    assert RenameHistory.objects.get().after == "METV"
    rows = api_as("viewer").get(f"{API}/renames", {"symbol": "FB", "as_of": "2026-01-05"}).json()
    assert [row["after"] for row in rows] == ["METV"]


def test_a_universe_is_the_version_known_then(send, mine, api_as):
    send(bars("ACME"), NOW)
    send(bars("BETA"), NOW)
    for at, symbols in ((NOW, ["ACME"]), (NOW + DAY, ["ACME", "BETA"])):
        services.create_universe(
            actor=mine,
            name="mine",
            dataset="own",
            timeframe="1d",
            symbols=symbols,
            survivorship="picked by hand for a test",
            now=at,
        )
    asked = {"team_id": mine.team, "universe": "mine", "price_mode": "raw"}
    assert selectors.read_panel(**asked).symbols == ("ACME", "BETA")
    assert selectors.read_panel(as_of=NOW, **asked).symbols == ("ACME",)
    with pytest.raises(NotFound, match="did not exist on 2026-01-04"):
        selectors.read_panel(as_of=NOW - DAY, **asked)
    rest = api_as("viewer").get(f"{API}/universes/mine", {"as_of": "2026-01-05"}).json()
    assert rest["symbols"] == ["ACME"]


def test_doors_show_an_instrument_as_it_was_known(corrected, client_as, api_as):
    client = api_as("viewer")
    for as_of, ratio in (("2026-01-05", 2.0), ("2026-01-06", 4.0)):
        query = {"symbol": "ACME", "as_of": as_of}
        assert [line["value"] for line in client.get(f"{API}/actions", query).json()] == [ratio]
        detail = client.get(f"{API}/instruments/ACME", {"as_of": as_of}).json()
        assert [line["value"] for line in detail["actions"]] == [ratio]
        drawn = client.get(f"{API}/instruments/ACME/figure", {"as_of": as_of}).json()
        assert drawn["data"][0]["close"][0] == 100.0 / ratio
        page = client_as("viewer").get(f"/data/instruments/ACME/?as_of={as_of}")
        assert f"at the end of {as_of}" in page.content.decode()
    page = client_as("viewer").get("/data/instruments/ACME/?as_of=once")
    assert page.status_code == 200


def test_histories_are_not_reached_from_another_team(corrected, funded, other_team, mine):
    mine_row, coin = instrument(), instrument("BTC")
    batch = Batch.objects.filter(dataset__team_id=mine.team).latest("pk")
    with tenancy.team(other_team.pk):
        assert not ActionHistory.objects.exists()
        assert store.read_factors([mine_row.pk], ["split"], NOW) == []
        with pytest.raises(Denied, match="can't be read"):
            store.read_metric([coin.pk], "funding", EARLIEST, LATEST, as_of=NOW)
        with pytest.raises(Denied, match="can't be read"):
            store.figures_changed(batch.pk, [coin.pk])
        with pytest.raises(Denied, match="can't be read"):
            store.actions_changed(corrected, [mine_row.pk])
        with pytest.raises(Denied, match="can't be written"):
            store.withdraw_actions(
                instrument_id=mine_row.pk,
                kind="split",
                on=[date(2024, 1, 4)],
                batch_id=batch.pk,
                now=NOW,
            )
        with pytest.raises(Denied):
            store.write_members(
                dataset_id=mine_row.dataset_id,
                batch_id=batch.pk,
                index="idx",
                source="t",
                spells=[store.Spell("X", None, None)],
                now=NOW,
            )
        with pytest.raises(NotFound):
            selectors.list_actions(team_id=other_team.pk, symbol="ACME", dataset="own")
    assert ActionHistory.objects.filter(instrument=mine_row).exists()


def test_stamps_follow_what_is_known_now(corrected, send, mine):
    """The cache of panels: a new version makes a new stamp, the same again none."""
    row = Series.objects.get(instrument=instrument(), timeframe="1d")
    send(split(4), NOW + 2 * DAY)
    before = row.stamp
    row.refresh_from_db()
    assert row.stamp == before
    send(split(8), NOW + 3 * DAY)
    row.refresh_from_db()
    assert row.stamp != before


def test_the_history_of_figures_is_kept_by_the_database(funded):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT value, superseded_by, superseded_at FROM market_metric_history"
            " WHERE superseded_by = %s",
            [funded[1]],
        )
        assert cursor.fetchall() == [(0.002, funded[1], NOW + DAY)]
