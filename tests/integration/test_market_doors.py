"""The REST interface and the pages of market, through the whole stack."""

import json

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core.models import Job
from apps.market import selectors
from apps.market.models import Dataset, Series
from tests.factories.market import columns, sample_table
from tests.integration.test_market_services import broken, csv_of

REST = "/api/v1"


def test_two_hundred_instruments_come_as_one_page(sample, api_as):
    client = api_as("viewer")
    answer = client.get(f"{REST}/instruments?limit=200")
    assert answer.status_code == 200
    body = answer.json()
    assert body["next"] is None
    assert len(body["items"]) == 140 + 14 + 5 + 5 + 4 + 7
    aapl = next(item for item in body["items"] if item["symbol"] == "AAPL")
    assert aapl["name"] == "Apple Inc."
    assert aapl["series"][0]["rows"] == 3600
    assert aapl["series"][0]["timeframe"] == "1d"


def test_the_cursor_walks_every_instrument_once(sample, api_as):
    client, seen, cursor = api_as("viewer"), [], ""
    while cursor is not None:
        body = client.get(f"{REST}/instruments?limit=50&cursor={cursor}").json()
        seen += [(item["symbol"], item["id"]) for item in body["items"]]
        cursor = body["next"]
    assert len(seen) == len(set(seen)) == 175
    assert client.get(f"{REST}/instruments?cursor=!!").json()["code"] == "page.cursor"
    assert client.get(f"{REST}/instruments?limit=500").status_code == 422


def test_instruments_are_filtered(sample, api_as):
    client = api_as("viewer")
    found = client.get(f"{REST}/instruments?dataset=crypto-bybit").json()["items"]
    assert [item["symbol"] for item in found] == ["BTC", "DOGE", "ETH", "HYPE", "SOL"]
    found = client.get(f"{REST}/instruments?search=micros").json()["items"]
    assert {"MSFT"} <= {item["symbol"] for item in found}


def test_another_teams_instruments_are_not_listed(sample, api_as, other_team, now):
    hidden = Dataset.objects.create(team=other_team, name="x", title="", source="", created_at=now)
    hidden.instruments.create(symbol="SECRET")
    client = api_as("viewer")
    assert client.get(f"{REST}/instruments?search=SECRET").json()["items"] == []
    assert client.get(f"{REST}/instruments/SECRET").status_code == 404


def test_an_instrument_shows_actions_health_and_provenance(sample, api_as):
    body = api_as("viewer").get(f"{REST}/instruments/AAPL?dataset=sp500").json()
    splits = {item["on"]: item["value"] for item in body["actions"] if item["kind"] == "split"}
    assert splits["2020-08-31"] == 4.0
    assert body["batches"][0]["rows"] == 3600
    assert len(body["batches"][0]["sha256"]) == 64
    assert body["licence"] == "MIT"
    assert body["series"][0]["health"]["score"] == 100


def test_bars_by_cursor_and_as_arrays_are_the_files_own(sample, api_as):
    client = api_as("viewer")
    address = f"{REST}/bars?symbol=sp500:AAPL&start=2020-01-01&end=2020-12-31"
    table = sample_table("sp500_daily")
    rows = table[(table["symbol"] == "AAPL") & (table["ts"].dt.year == 2020)]
    arrays = client.get(f"{address}&format=arrays").json()
    assert arrays["close"] == rows["close"].tolist()
    paged, cursor = [], ""
    while cursor is not None:
        body = client.get(f"{address}&limit=100&cursor={cursor}").json()
        paged += body["items"]
        cursor = body["next"]
    assert [row["close"] for row in paged] == rows["close"].tolist()
    assert paged[0]["ts"] == "2020-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("symbol=AAPLE", 404, "symbol.unknown"),
        ("", 422, "panel.no_symbols"),
        ("symbol=AAPL&start=2020-02-01&end=2020-01-01", 422, "dates.reversed"),
        ("symbol=AAPL&start=", 422, "dates.unreadable"),
        ("symbol=AAPL&timeframe=13m", 422, "timeframe.unknown"),
        ("symbol=AAPL&price_mode=x", 422, "price_mode.unknown"),
        ("symbol=AAPL&format=x", 422, "invalid.fields"),
    ],
)
def test_bad_questions_are_problems(sample, api_as, query, status, code):
    answer = api_as("viewer").get(f"{REST}/bars?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"].startswith("application/problem+json")


def test_universes_over_rest(sample, api_as):
    client = api_as("researcher")
    names = [item["name"] for item in client.get(f"{REST}/universes").json()["items"]]
    assert names == [
        "crypto-perps",
        "crypto-perps-bybit",
        "fx-majors",
        "long-history",
        "sp500-sample",
    ]
    body = client.get(f"{REST}/universes/sp500-sample").json()
    assert len(body["symbols"]) == 140
    assert body["health"]["score"] > 99
    assert "April 2021" in body["survivorship"]
    made = client.post(
        f"{REST}/universes",
        data={"name": "two", "symbols": ["AAPL", "KO"], "survivorship": "Picked by hand."},
        content_type="application/json",
    )
    assert made.status_code == 201
    assert made.json()["version"] == 1
    assert client.get(f"{REST}/universes/nothing").status_code == 404


def test_an_ingestion_over_rest_is_a_job(sample, api_as):
    client = api_as("researcher")
    body = {"section": "sp500", "symbols": ["AAPL", "KO"], "dataset": "mine"}
    answer = client.post(f"{REST}/ingests", data=body, content_type="application/json")
    assert answer.status_code == 202
    started = answer.json()
    assert started["job"]["status"] == "queued"
    assert Job.objects.get(pk=started["job"]["id"]).queue == "io"
    shown = client.get(f"{REST}/ingests/{started['id']}").json()
    assert (shown["dataset"], shown["status"], shown["done"]) == ("mine", "queued", 0)
    assert len(client.get(f"{REST}/ingests").json()["items"]) == 1
    refused = api_as("viewer").post(f"{REST}/ingests", data=body, content_type="application/json")
    assert refused.status_code == 403


def test_another_teams_ingestion_is_not_found(sample, api_as, other_team):
    body = {"section": "sp500", "symbols": ["AAPL"]}
    mine = api_as("researcher").post(f"{REST}/ingests", data=body, content_type="application/json")
    theirs = api_as("researcher", of=other_team)
    assert theirs.get(f"{REST}/ingests/{mine.json()['id']}").status_code == 404


def file_of(content, name="bars.csv"):
    return SimpleUploadedFile(name, content, content_type="text/csv")


def test_uploads_over_rest(sample, api_as):
    client = api_as("researcher")
    good = csv_of(columns(np.linspace(10, 12, 30)))
    seen = client.post(f"{REST}/uploads/preview", {"dataset": "up", "file": file_of(good)})
    assert seen.json()["rows"] == 30
    assert not Dataset.objects.filter(name="up").exists()
    stored = client.post(f"{REST}/uploads", {"dataset": "up", "file": file_of(good)})
    assert (stored.status_code, stored.json()["rows_added"]) == (201, 30)
    bad = client.post(f"{REST}/uploads", {"dataset": "no", "file": file_of(broken(7, 5, "NaN"))})
    assert bad.status_code == 422
    assert "row 7, column close" in bad.json()["detail"]
    assert not Dataset.objects.filter(name="no").exists()


def test_feeds_over_rest(sample, api_as):
    names = [feed["name"] for feed in api_as("viewer").get(f"{REST}/feeds").json()]
    assert names == ["crypto-hourly", "sp500-daily"]
    admin = api_as("admin")
    paused = admin.post(f"{REST}/feeds/sp500-daily/pause")
    assert paused.json()["status"] == "paused"
    restarted = admin.post(
        f"{REST}/feeds/sp500-daily/restart",
        data={"seconds_per_bar": 0.001},
        content_type="application/json",
    )
    assert restarted.json()["code"] == "feed.speed"
    assert api_as("trader").post(f"{REST}/feeds/sp500-daily/resume").status_code == 403
    assert admin.get(f"{REST}/feeds/moon").status_code == 404


def test_every_page_of_the_data_room_opens(sample, client_as):
    client = client_as("researcher")
    for page, words in [
        ("/data/", "sp500-sample"),
        ("/data/universes/sp500-sample/", "Who is missing"),
        ("/data/universes/long-history/", "1\u2009588"),
        ("/data/instruments/AAPL/?dataset=sp500", "2020-08-31"),
        ("/data/instruments/TRMB/health/", "2007-02-26"),
        ("/data/instruments/BTC/", "crypto-binance"),
        ("/data/instruments/SMB/", "only figures"),
        ("/data/ingest/", "What to fetch"),
        ("/data/upload/", "Store it"),
    ]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert words in answer.content.decode(), page
    assert client.get("/data/instruments/AAPLE/").status_code == 404


def test_the_chart_is_plotly_json_with_actions(sample, client_as):
    address = "/instruments/AAPL/figure?dataset=sp500&timeframe=1d&price_mode=split&bars=250"
    figure = json.loads(client_as("viewer").get(REST + address).content)
    candles, volume, dividends, splits = figure["data"]
    assert candles["type"] == "candlestick"
    assert len(candles["x"]) == len(candles["close"]) == len(volume["y"]) == 250
    assert splits["x"] == ["2020-08-31"]
    assert dividends["name"] == "dividend"
    panel = selectors.bars_of(team_id=None, symbol="AAPL", dataset="sp500", price_mode="split")
    assert candles["close"][-1] == pytest.approx(panel.close[-1, 0])
    assert "AAPL rose" in figure["layout"]["title"]["text"]


def test_pages_start_an_ingestion_and_refuse_a_bad_one(sample, client_as):
    client = client_as("researcher")
    start = {"source": "sample:sp500", "symbols": "aapl, ko", "dataset": "by-page"}
    assert client.post("/data/ingest/start", start).status_code == 302
    page = client.get("/data/ingest/").content.decode()
    assert "by-page" in page
    assert f'data-job="{Job.objects.get().pk}"' in page
    refused = client.post("/data/ingest/start", {**start, "symbols": "AAPLE"})
    assert refused.status_code == 404
    assert "did you mean AAPL" in refused.content.decode()


def test_the_upload_page_checks_stores_and_refuses(sample, client_as):
    client = client_as("researcher")
    form = {"dataset": "by-page", "timeframe": "1d", "calendar": "XNYS"}
    good = csv_of(columns(np.linspace(10, 12, 30)))
    seen = client.post("/data/upload/send", {**form, "act": "check", "file": file_of(good)})
    assert "30 rows can be stored" in seen.content.decode()
    stored = client.post("/data/upload/send", {**form, "act": "store", "file": file_of(good)})
    assert "30 bars added" in stored.content.decode()
    bad = file_of(broken(7, 5, "NaN"))
    refused = client.post("/data/upload/send", {**form, "act": "store", "file": bad})
    assert refused.status_code == 422
    assert "row 7, column close" in refused.content.decode()
    assert client_as("viewer").get("/data/upload/").status_code == 403


def test_feeds_are_changed_by_administrators_on_the_page(sample, client_as):
    admin = client_as("admin")
    assert admin.post("/data/feeds/crypto-hourly/", {"act": "pause"}).status_code == 302
    assert selectors.feed_state("crypto-hourly").status == "paused"
    admin.post("/data/feeds/crypto-hourly/", {"act": "restart", "seconds_per_bar": "1"})
    assert selectors.feed_state("crypto-hourly").seconds_per_bar == 1
    assert (
        client_as("viewer").post("/data/feeds/crypto-hourly/", {"act": "pause"}).status_code == 403
    )


def test_the_line_of_an_instrument_is_what_the_tables_say(sample, api_as):
    """Lists are served from lines written beside the data; they must not lag behind it."""
    line = api_as("viewer").get(f"{REST}/instruments?search=AAPL&dataset=sp500").json()["items"][0]
    series = Series.objects.get(instrument_id=line["id"])
    assert line["series"][0]["rows"] == series.rows
    assert line["series"][0]["health"] == series.health["score"]
    assert line["series"][0]["last"].startswith(f"{series.last_at:%Y-%m-%dT%H:%M:%S}")
    assert (line["dataset"], line["shared"]) == ("sp500", True)


def test_a_universe_is_made_on_its_page(sample, client_as):
    client = client_as("researcher")
    assert client.get("/data/universes/new/").status_code == 200
    form = {"name": "two", "symbols": "aapl, ko", "timeframe": "1d", "survivorship": "By hand."}
    assert client.post("/data/universes/new/", form)["Location"] == "/data/universes/two/"
    assert "By hand." in client.get("/data/universes/two/").content.decode()
    refused = client.post("/data/universes/new/", {**form, "symbols": "AAPLE"})
    assert "did you mean AAPL" in refused.content.decode()
    assert client_as("viewer").get("/data/universes/new/").status_code == 403
