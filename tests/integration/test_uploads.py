"""What files may hold, and where it goes: bars, actions, figures, members, renames."""

import gzip
import io
import uuid
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core import jobs
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.models import Job
from apps.market import selectors, services, store
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.models import (
    Action,
    Dataset,
    Instrument,
    Membership,
    Quarantined,
    Rename,
    Revision,
    Series,
    Universe,
)
from tests.factories import hostile as h

pytestmark = pytest.mark.store
REST = "/api/v1"


@pytest.fixture
def send(actor, db, now):
    """Store a file for the team; return what the service says."""
    mine = actor()

    def upload(content, name="bars.csv", at=now, **wanted):
        wanted = {"dataset": "up", **wanted}
        sent = SimpleUploadedFile(name, content)
        result, job = services.store_upload(
            actor=mine, upload=services.Upload(sent=sent, **wanted), now=at
        )
        assert job is None
        return result

    upload.team = mine.team
    return upload


def own(model, way="dataset"):
    """What belongs to a team: the shared sample may have been loaded by another test."""
    return model.objects.filter(**{f"{way}__team__isnull": False})


def actions():
    return own(Action, "instrument__dataset")


def frame(**columns):
    return pd.DataFrame(columns).to_csv(index=False).encode()


def bars_of(symbol, timeframe="1d", as_of=None):
    key = own(Series, "instrument__dataset").get(instrument__symbol=symbol, timeframe=timeframe).pk
    return store.read_bars([key], EARLIEST, LATEST, as_of=as_of)[key]


def figures_of(symbol, kind):
    key = own(Instrument).get(symbol=symbol).pk
    return store.read_metric([key], kind, EARLIEST, LATEST)[key]


def days(count, start="2024-01-01"):
    return np.datetime64(start) + np.arange(count)


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-02",
        "2024-01-02T00:00:00Z",
        "2024-01-02 00:00:00+00:00",
        "2024/01/02",
        "20240102",
        "02.01.2024",
        "1704153600",
        "1704153600000",
        "1704153600000000",
        "1704153600.0",
        "2024-01-02T01:00:00.000000+01:00",
    ],
)
def test_times_are_read_however_they_are_written(send, written):
    send(h.HEADER.encode() + f"ACME,{written},10,11,9,10.5,100\n".encode(), timeframe="1d")
    assert bars_of("ACME").ts.tolist() == [1_704_153_600_000_000]


def test_a_time_that_two_shapes_fit_is_refused(send):
    with pytest.raises(Invalid, match=r"row 1, column ts.*01/02/2024"):
        send(h.csv(["ACME,01/02/2024,10,11,9,10.5,100"]))


@pytest.mark.parametrize(
    ("step", "timeframe"),
    [("1m", "1m"), ("15m", "15m"), ("1h", "1h"), ("4h", "4h"), ("1D", "1d"), ("7D", "1w")],
)
def test_the_timeframe_is_found_out(send, step, timeframe):
    length = np.timedelta64(int(step[:-1]), step[-1])
    times = np.datetime64("2024-01-01T00:00") + np.arange(40) * length
    content = frame(symbol="A", ts=times, open=1.0, high=1.0, low=1.0, close=1.0, volume=1)
    assert send(content)["timeframes"] == [timeframe]


def test_each_symbol_has_the_timeframe_of_its_bars(send):
    hours = np.datetime64("2024-01-01T00:00") + np.arange(60) * np.timedelta64(1, "h")
    rows = h.rows(30, "DAY") + [f"HOUR,{at}Z,1,1,1,1,1" for at in hours]
    assert send(h.csv(rows).replace(b":00Z", b":00:00Z"))["timeframes"] == ["1d", "1h"]
    names = Universe.objects.filter(team_id=send.team).values_list("name", "timeframe")
    assert set(names) == {("up", "1d"), ("up-1h", "1h")}


def test_times_of_the_close_are_moved_to_the_open(send):
    send(h.csv(), stamp="close")
    assert bars_of("ACME").ts[0] == h.np.datetime64("2023-12-31", "us").astype(int)


def test_rows_in_any_order_and_repeated_are_stored_once(send):
    lines = h.rows()
    shuffled = [lines[at] for at in np.random.default_rng(5).permutation(60)] + lines[:7]
    result = send(h.csv(shuffled))
    assert result["rows_added"] == 60
    assert any("7 rows repeat" in note for note in result["tables"][0]["notes"])
    assert np.all(np.diff(bars_of("ACME").ts) > 0)


def test_a_late_revision_keeps_the_bar_as_it_was_known(send, now):
    """Cases 50 and 57: the same again adds nothing, a change keeps what was read before."""
    send(h.csv())
    assert send(h.csv())["rows_added"] == 0
    later = now + timedelta(days=3)
    changed = send(h.with_cell(5, "close", "10.75"), at=later)
    assert (changed["rows_added"], changed["rows_changed"]) == (0, 1)
    assert bars_of("ACME").close[4] == 10.75
    assert bars_of("ACME", as_of=now + timedelta(days=1)).close[4] == 10.5
    assert own(Revision, "batch__dataset").get().bars == 1


def test_few_impossible_bars_are_set_aside_and_told(send):
    """Case 49: negative price, high below low and negative volume are never stored."""
    lines = h.rows(300)
    lines[10] = lines[10].replace(",9.0,", ",-9.0,")
    lines[20] = lines[20].replace(",11.0,", ",8.0,")
    lines[30] = lines[30].replace(",100", ",-100")
    result = send(h.csv(lines))
    assert (result["rows_added"], result["quarantined"]) == (297, 3)
    kept = own(Quarantined).order_by("ts").values_list("reason", "message")
    assert [reason for reason, _ in kept] == ["price", "high", "volume"]
    assert "row 11 of bars.csv" in kept[0][1]
    with pytest.raises(Invalid, match=r"row 11, column low: found -9\.0"):
        send(h.csv(lines), defects="refuse", dataset="strict")


def test_many_impossible_bars_mean_mistaken_columns(send):
    swapped = h.csv().replace(b"high,low", b"low,high")
    with pytest.raises(Invalid, match="row 1, column high"):
        send(swapped)
    right = {"low": "high", "high": "low"}
    assert send(swapped, columns=right)["rows_added"] == 60


def test_roles_of_columns_are_proposed_shown_and_changed(team, db, now):
    content = frame(
        **{"Date": days(40), "1. open": 1.0, "2. high": 2.0, "3. low": 1.0, "4. close": 1.5},
        **{"Adj Close": 1.4, "note": "x", "Stock Splits": 0.0, "Dividends": 0.0},
    )  # fmt: skip
    asked = services.Upload(
        dataset="up", sent=SimpleUploadedFile("AAPL.csv", content), columns={"note": "omit"}
    )
    table = services.preview_upload(team_id=team.pk, upload=asked, now=now)["tables"][0]
    assert {c["name"]: c["role"] for c in table["columns"]} == {
        "Date": "ts",
        "1. open": "open",
        "2. high": "high",
        "3. low": "low",
        "4. close": "close",
        "Adj Close": "adj_close",
        "note": "omit",
        "Stock Splits": "split",
        "Dividends": "dividend",
    }
    assert table["symbols"][0]["symbol"] == "AAPL"
    assert "figures adj_close" in table["goes_to"]
    assert any("no volume" in note for note in table["notes"])
    assert not Dataset.objects.filter(name="up").exists()


def test_actions_beside_raw_bars_are_stored_with_their_factors(send):
    close = np.array([10.0, 10.0, 10.0, 5.0, 5.0, 4.5] * 7)[:41]
    dividend, split = np.zeros(41), np.ones(41)
    split[3], dividend[5] = 2.0, 0.5
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    send(frame(symbol="A", ts=days(41), **prices, volume=1, dividend=dividend, split=split))
    found = {a.kind: a for a in actions()}
    assert (found["split"].on, found["split"].value, found["split"].factor) == (
        date(2024, 1, 4), 2.0, 0.5
    )  # fmt: skip
    assert found["dividend"].factor == pytest.approx(1 / (1 + 0.5 / 4.5))
    send(
        frame(symbol="B", ts=days(41), **prices, volume=1, dividend=dividend, split=split),
        price_mode="split",
    )
    assert [a.kind for a in actions().filter(instrument__symbol="B")] == ["dividend"]


def test_a_list_of_actions_takes_its_factors_from_the_bars(send):
    send(h.csv())
    content = (
        b"ticker,ex_date,type,amount\nACME,2024-01-10,dividend,1.05\nACME,2024-01-20,split,2\n"
    )
    assert send(content, "actions.csv")["actions"] == 2
    dividend = actions().get(kind="dividend")
    assert dividend.factor == pytest.approx(1 / 1.1)
    with pytest.raises(Invalid, match=r"row 1, column kind.*'merger'"):
        send(content.replace(b"dividend", b"merger"), "actions.csv")


def test_dividends_that_came_before_the_bars_get_their_factor_with_them(send):
    """Two dividends of one day are one: 0.55 and 0.5 on a close of 10.5."""
    content = b"ticker,ex_date,dividend\nACME,2024-01-10,0.55\nACME,2024-01-10,0.5\n"
    send(content, "actions.csv")
    assert actions().get().factor == 1.0
    send(h.csv())
    assert actions().get().value == pytest.approx(1.05)
    assert actions().get().factor == pytest.approx(1 / 1.1)


def test_lean_factor_files_become_actions(send):
    """Worked by hand: half of the price after a split, one in a hundred paid out."""
    content = frame(
        symbol="A",
        ts=["2020-01-10", "2020-06-30", "2050-12-31"],
        price_factor=[0.99, 1.0, 1.0],
        split_factor=[0.5, 0.5, 1.0],
        reference_price=[50.0, 80.0, 0.0],
    )
    send(content, "factors.csv")
    rows = actions().order_by("on").values_list("kind", "on", "value", "factor")
    (kind, on, value, factor), second = rows
    assert (kind, on) == ("dividend", date(2020, 1, 11))
    assert (value, factor) == (pytest.approx(0.5), pytest.approx(0.99))
    assert second == ("split", date(2020, 7, 1), 2.0, 0.5)


def test_funding_of_venues_becomes_figures(send):
    hours = np.datetime64("2024-01-01T00:00") + np.arange(9) * np.timedelta64(8, "h")
    content = frame(venue="binance", symbol="BTC", ts=hours, funding_rate=np.arange(9) / 1e4)
    result = send(content, "funding.csv")
    assert (result["figures"], result["symbols"]) == (9, ["BINANCE:BTC"])
    ts, rate = figures_of("BINANCE:BTC", "funding")
    assert rate.tolist() == (np.arange(9) / 1e4).tolist()
    assert np.diff(ts).tolist() == [8 * 3600 * 1_000_000] * 8


def test_long_and_wide_figures_are_the_same_figures(send):
    wide = frame(date=days(3), smb=[1.0, None, 3.0], hml=[4.0, 5.0, -0.0])
    send(wide, "factors.csv")
    assert figures_of("SMB", "return")[1].tolist() == [1.0, 3.0]
    long = frame(
        symbol=["SMB", "SMB"], ts=days(2), field=["return", "note_count"], value=[9.0, 2.0]
    )
    send(long, "more.csv")
    assert figures_of("SMB", "return")[1].tolist() == [9.0, 3.0]
    assert figures_of("SMB", "note_count")[1].tolist() == [2.0]
    assert not np.signbit(figures_of("HML", "return")[1][-1])


def test_closes_alone_are_figures_and_said_so(send):
    result = send(frame(symbol="A", ts=days(3), adj_close=[1.0, 2.0, 3.0]), "closes.csv")
    assert result["figures"] == 3
    assert any("these are no bars" in note for note in result["tables"][0]["notes"])
    result = send(frame(Date=days(3), AAPL=[1.0, 2.0, 3.0], MSFT=2.0), "wide.csv", metric="close")
    assert result["symbols"] == ["AAPL", "MSFT"]
    assert figures_of("AAPL", "close")[1].tolist() == [1.0, 2.0, 3.0]


def test_members_and_renames_become_reference_data(send):
    send(h.csv())
    content = (
        b"symbol,name,sector,date_added,date_removed\n"
        b"ACME,Acme Corporation,Industrials,2020-01-02,\n"
        b"GONE,Gone Inc,Energy,2001-05-01,2019-12-31\n"
    )
    assert send(content, "members.csv", index="top-2")["reference"] == 2
    assert selectors.members_on(team_id=send.team, index="top-2", on=date(2010, 1, 1)) == ["GONE"]
    assert selectors.members_on(team_id=send.team, index="top-2", on=date(2024, 1, 1)) == ["ACME"]
    assert own(Instrument).get(symbol="ACME").sector == "Industrials"
    send(b"old,new,date\nFB,META,2022-06-09\n", "renames.csv")
    assert own(Rename).get(before="FB").after == "META"
    send(
        b"permtick,date,ticker,exchange\nGOOCV,20140402,gooav,Q\nGOOCV,20140403,goocv,Q\n"
        b"GOOCV,20501231,goog,Q\n",
        "map.csv",
    )
    assert set(own(Rename).exclude(before="FB").values_list("before", "after", "on")) == {
        ("GOOAV", "GOOCV", date(2014, 4, 3)), ("GOOCV", "GOOG", date(2014, 4, 4))
    }  # fmt: skip
    assert own(Membership).count() == 2


def test_a_zip_of_files_named_after_symbols(send):
    plain = h.csv(header=h.HEADER.replace("symbol", "x"))
    content = h.zipped(
        [("prices/AAPL.csv", plain), ("prices/MSFT.csv", plain), ("__MACOSX/a", b"")]
    )
    result = send(content, "prices.zip")
    assert (result["symbols"], result["rows_added"]) == (["AAPL", "MSFT"], 120)
    assert send(gzip.compress(h.csv()), "bars.csv.gz")["rows_added"] == 60
    assert send(h.parquet(h.table(61)), "bars.parquet")["rows_added"] == 1


def test_what_no_kind_fits_is_refused_with_what_was_found(send):
    with pytest.raises(Invalid, match=r"it has animal \(text\), legs \(number\)"):
        send(frame(animal=["cat", "bird"], legs=[4, 2]), "zoo.csv")
    with pytest.raises(Invalid, match="There is no column 'Tail'"):
        send(h.csv(), columns={"Tail": "close"})
    with pytest.raises(Invalid, match="is no role"):
        send(h.csv(), columns={"open": "price"})
    gone = services.Upload(dataset="x", file_id="0" * 64)
    with pytest.raises(NotFound, match="Send it"):
        services.preview_upload(
            team_id=send.team, upload=gone, now=datetime(2026, 1, 5, tzinfo=UTC)
        )


def test_a_dataset_keeps_its_calendar(send):
    send(h.csv(), calendar="24/7")
    assert send(h.csv(h.rows(61)))["rows_added"] == 1
    with pytest.raises(Conflict, match="keeps the calendar 24/7"):
        send(h.csv(), calendar="XNYS")


def test_a_checked_file_is_stored_without_being_sent_again(api_as, db):
    client = api_as("researcher")
    file = SimpleUploadedFile("bars.csv", h.csv())
    seen = client.post(f"{REST}/uploads/preview", {"dataset": "up", "file": file}).json()
    form = {"dataset": "up", "upload": seen["upload"], "columns": '{"volume": "omit"}'}
    stored = client.post(f"{REST}/uploads", form)
    assert (stored.status_code, stored.json()["rows_added"]) == (201, 60)
    assert bars_of("ACME").volume.sum() == 0
    bad = client.post(f"{REST}/uploads", {**form, "columns": "[1]"})
    assert (bad.status_code, bad.json()["code"]) == (422, "upload.columns")


def test_another_team_finds_no_file(api_as, other_team, db):
    content = h.csv(h.rows(symbol=f"S{uuid.uuid4().hex[:12]}"))
    file = SimpleUploadedFile("bars.csv", content)
    seen = api_as("researcher").post(f"{REST}/uploads/preview", {"dataset": "up", "file": file})
    form = {"dataset": "up", "upload": seen.json()["upload"]}
    assert api_as("researcher", of=other_team).post(f"{REST}/uploads", form).status_code == 404


def test_a_large_file_is_stored_by_a_job(api_as, db, now):
    rng = np.random.default_rng(3)
    count = 30_000
    times = np.datetime64("2020-01-01T00:00") + np.arange(count) * np.timedelta64(1, "m")
    close = np.exp(np.cumsum(rng.normal(0, 1e-3, (4, count)), axis=1))
    tables = [
        pd.DataFrame({"symbol": f"S{at}", "ts": times, "close": line, "open": line})
        for at, line in enumerate(close)
    ]
    out = io.BytesIO()
    bars = pd.concat(tables).assign(high=lambda f: f.close * 1.01, low=lambda f: f.close * 0.99)
    bars.assign(volume=1.0).to_parquet(out, index=False)
    assert len(out.getvalue()) > 2**20
    file = SimpleUploadedFile("bars.parquet", out.getvalue())
    answer = api_as("researcher").post(f"{REST}/uploads", {"dataset": "up", "file": file})
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["id"])
    notes = []

    class Followed(jobs.Progress):
        def tell(self, *_, note="", **__):
            notes.append(note or _[2])

    result = services.run_upload(Followed(job.pk, job.team_id, 0, job.payload, lambda: now))
    assert (result["rows_added"], result["symbol_count"]) == (4 * count, 4)
    assert notes[0] == "reading"
    assert any("rows of bars.parquet read" in note for note in notes)
    again = services.run_upload(Followed(job.pk, job.team_id, 0, job.payload, lambda: now))
    assert again["rows_added"] == 0
    assert own(Series, "instrument__dataset").get(instrument__symbol="S0").health["score"] > 99
