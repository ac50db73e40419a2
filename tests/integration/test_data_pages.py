"""Pages of data beyond bars: figures drawn, members and renames, many bars decided at once."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core.errors import Denied, Invalid, NotFound
from apps.market import selectors, services
from apps.market.models import Quarantined

pytestmark = pytest.mark.store
REST = "/api/v1"
YIELDS = b"date,2Y,10Y\n2024-01-02,0.0433,0.0395\n2024-01-03,0.0431,0.0391\n"
INTEREST = (
    b"venue,symbol,ts,oi_usd\nbinance,BTC,2024-01-02T00:00:00Z,5e9\n"
    b"binance,BTC,2024-01-02T01:00:00Z,5.1e9\n"
)


def bars(symbol, days=60, bad=()):
    rows = ["symbol,date,open,high,low,close,volume"]
    for day in range(days):
        high, low = (9, 11) if day in bad else (11, 9)
        rows.append(f"{symbol},2024-{day // 28 + 1:02d}-{day % 28 + 1:02d},10,{high},{low},10,5")
    return "\n".join(rows).encode()


@pytest.fixture
def send(actor, db, now):
    mine = actor()

    def upload(content, name="up.csv", **wanted):
        sent = SimpleUploadedFile(name, content)
        asked = services.Upload(sent=sent, **{"dataset": "up", **wanted})
        return services.store_upload(actor=mine, upload=asked, now=now)[0]

    upload.actor = mine
    return upload


def test_figures_are_drawn_and_shown_on_the_page(send, client_as, api_as):
    send(YIELDS)
    page = client_as("viewer").get("/data/instruments/10Y/?dataset=up").content.decode()
    assert "metrics/figure?dataset=up&amp;kind=yield" in page
    assert "Prices</h2>" not in page
    figure = api_as("viewer").get(f"{REST}/instruments/10Y/metrics/figure?kind=yield").json()
    assert figure["data"][0]["y"] == [0.0395, 0.0391]
    assert figure["data"][0]["x"] == ["2024-01-02", "2024-01-03"]
    unknown = api_as("viewer").get(f"{REST}/instruments/10Y/metrics/figure?kind=funding")
    assert unknown.status_code == 422
    assert "yield" in unknown.json()["detail"]


def test_open_interest_in_dollars_is_open_interest(send, api_as):
    stored = send(INTEREST)
    assert "oi_usd is stored as open_interest; it is in dollars." in stored["tables"][0]["notes"]
    client = api_as("viewer")
    figure = client.get(f"{REST}/instruments/BINANCE:BTC/metrics/figure?kind=open_interest")
    assert figure.json()["data"][0]["y"] == [5e9, 5.1e9]


def test_bars_of_a_venue_are_found_under_their_symbol(send, api_as):
    content = bars("BTC").replace(b"symbol,", b"venue,symbol,").replace(b"BTC,", b"bybit,BTC,")
    stored = send(content)
    assert stored["symbols"] == ["BYBIT:BTC"]
    assert stored["universes"] == ["up"]
    client = api_as("viewer")
    figure = client.get(f"{REST}/instruments/BYBIT:BTC/figure?dataset=up&timeframe=1d")
    assert figure.status_code == 200
    panel = selectors.read_panel(
        team_id=send.actor.team, timeframe="1d", start=None, end=None, universe="up"
    )
    assert panel.symbols == ("BYBIT:BTC",)


def test_headers_that_are_figures_are_no_names(send):
    broken = b"symbol,ts,revenues,2014,Unnamed: 7\nA,2024-01-02,5,7,9\n"
    stored = send(broken)
    assert stored["figures"] == 1
    assert "Columns left out: 2014, Unnamed: 7." in stored["tables"][0]["notes"]


@pytest.mark.parametrize(("first", "said"), [(31, True), (30, False)])
def test_times_of_closes_are_noticed(first, said, send):
    """New York in January: 14:30 to 21:00 UTC."""
    rows = ["symbol,ts,open,high,low,close,volume"]
    for day in (8, 9, 10):
        for minute in range(390):
            hour, left = divmod(14 * 60 + first + minute, 60)
            rows.append(f"A,2024-01-{day:02d}T{hour}:{left:02d}:00Z,1,1,1,1,1")
    notes = " ".join(send("\n".join(rows).encode(), calendar="XNYS")["tables"][0]["notes"])
    assert ("look like the close of bars" in notes) is said


def test_members_and_renames_come_by_pasting(client_as, now, db):
    client = client_as("researcher")
    text = "symbol,joined,left\nOLD,2010-01-01,2015-01-01\nNEW,2015-01-01,\n"
    form = {"pasted": text, "dataset": "ref", "kind": "members", "index": "big", "act": "store"}
    assert "is stored in" in client.post("/data/upload/send", form).content.decode()
    renames = "before,after,on\nFB,META,2022-06-09\n"
    form = {"pasted": renames, "dataset": "ref", "kind": "renames", "act": "store"}
    assert "is stored in" in client.post("/data/upload/send", form).content.decode()
    page = client.get("/data/reference/?index=big&on=2012-01-01&symbol=meta").content.decode()
    assert "OLD" in page
    assert "NEW" not in page
    assert "2022-06-09" in page
    assert "505" not in client.get("/data/reference/?index=none&on=nonsense").content.decode()


def test_nothing_pasted_and_no_file_is_told(client_as, db):
    answer = client_as("researcher").post("/data/upload/send", {"dataset": "x", "act": "check"})
    assert "Choose a file, or paste rows." in answer.content.decode()


def test_members_are_asked_for_on_the_page(client_as, db):
    client = client_as("researcher")
    asked = {"provider": "sample", "index": "sp500"}
    page = client.post("/data/reference/members", asked, follow=True).content.decode()
    assert "does not know who belonged to an index" in page
    page = client.post("/data/reference/members", {}, follow=True).content.decode()
    assert "Name the index" in page


def test_all_open_bars_of_a_dataset_are_left_out_at_once(send, actor, client_as, now):
    send(bars("AAA", bad=(7,)))
    send(bars("BBB", bad=(9,)), dataset="other")
    page = client_as("researcher").post(
        "/data/quarantine/drop", {"dataset": "up", "note": "swapped"}, follow=True
    )
    assert "1 bars are left out for good" in page.content.decode()
    mine = Quarantined.objects.filter(dataset__team_id=send.actor.team)
    assert set(mine.values_list("symbol", "status")) == {("AAA", "dropped"), ("BBB", "open")}
    for note, error in ((" ", Invalid), ("why", NotFound)):
        with pytest.raises(error):
            services.drop_all(actor=send.actor, dataset="up", note=note, now=now)
    with pytest.raises(Denied):
        services.drop_all(actor=actor("viewer"), dataset="other", note="why", now=now)
    assert selectors.quarantine_counts(team_id=send.actor.team) == {"dropped": 1, "open": 1}


def test_another_teams_bars_stay_in_quarantine(send, actor, other_team, now):
    send(bars("AAA", bad=(7,)))
    with pytest.raises(NotFound):
        services.drop_all(
            actor=actor("researcher", of=other_team), dataset="up", note="not mine", now=now
        )
