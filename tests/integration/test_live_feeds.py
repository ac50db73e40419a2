"""Live feeds: held by one process, written with provenance, true about being stale."""

import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest
from django.conf import settings
from django.db import connection

from apps.audit import selectors as audit
from apps.core import live
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.plugs import load_plug
from apps.market import selectors, services
from apps.market.kernel.columns import Columns, no_actions
from apps.market.kernel.liveness import SETTLED
from apps.market.kernel.periods import EARLIEST, LATEST
from apps.market.models import Batch, LiveFeed, Revision, Series
from apps.market.providers.base import Fetched, Listing
from apps.market.services.live import holding, running, writing
from apps.market.store import read_bars
from apps.ops.models import Alert
from apps.trading.management.commands.stream import Stream
from tests.servers import vendor
from tests.servers.alpaca_server import KEY, AlpacaServer, minute_bar, serving
from tests.servers.bybit_server import BybitServer

MINUTE = 60_000_000
START = 1_709_823_600_000_000  # a Thursday in March 2024, 10:00 in New York
PRICES = (170.0, 171.0, 172.0, 173.0, 174.0, 175.0)
QUICK = running.Rhythm(take=0.05, beat=0.1, second_fill=0.3, join=60, patience=0.02)
REST = "/api/v1"
PATIENCE = 180


class Clock:
    """The time of the lab in these tests."""

    def __init__(self, micros):
        self.micros = micros

    def __call__(self):
        return datetime.fromtimestamp(self.micros / 1e6, UTC)


def columns(prices, start=START):
    """Minutes as REST tells them, the same figures as those of ``minute_bar``."""
    close = np.array(prices, np.float64)
    ts = start + np.arange(len(close), dtype=np.int64) * MINUTE
    return Columns(ts, close, close + 0.5, close - 0.5, close, np.full(len(close), 1200.0))


def told(at, price, kind="b"):
    return minute_bar("AAPL", START + at * MINUTE, price, kind)


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture
def clock():
    return Clock(START + 6 * MINUTE + 5_000_000)


@pytest.fixture
def play(live_db, monkeypatch, actor, team, clock):
    """Serve Alpaca, enter a key, make a feed; return what the test needs to play."""
    with ExitStack() as stack:

        def begin(messages, cuts=(), rest=PRICES, refusal=None):
            server = AlpacaServer()
            server.stored["AAPL", "1m"] = columns(rest)
            stack.enter_context(vendor.running(server))
            stream = stack.enter_context(serving(messages, cuts, refusal))
            options = {"base_url": server.url, "trading_url": server.url}
            line = {
                **settings.MARKET_PROVIDERS["alpaca"],
                "OPTIONS": {**options, "stream_url": stream.address},
            }
            monkeypatch.setitem(settings.MARKET_PROVIDERS, "alpaca", line)
            load_plug.cache_clear()
            admin = actor("admin")
            services.save_provider_key(actor=admin, provider="alpaca", key=KEY, now=clock())
            make_feed(admin, clock())
            stage = Stage(team, server, stream, clock)
            stack.callback(stage.feeds.stop)
            return stage

        yield begin
    load_plug.cache_clear()


def make_feed(actor, now, **changes):
    wanted = {"name": "us", "provider": "alpaca", "section": "us-equities", "symbols": ["AAPL"]}
    return services.create_live_feed(actor=actor, now=now, **{**wanted, **changes})


class Stage:
    def __init__(self, team, server, stream, clock):
        self.team, self.server, self.stream, self.clock = team, server, stream, clock
        self.feeds = services.LiveFeeds("one", now=clock, rhythm=QUICK)

    def run(self):
        self.feeds.look()
        return self

    @property
    def row(self):
        return LiveFeed.objects.get()

    @property
    def view(self):
        return selectors.get_live_feed(team_id=self.team.pk, name="us", now=self.clock())

    def closes(self):
        row = Series.objects.filter(instrument__symbol="AAPL", timeframe="1m").first()
        if row is None:
            return {}
        bars = read_bars([row.pk], EARLIEST, LATEST)[row.pk]
        return {
            int(ts - START) // MINUTE: price for ts, price in zip(bars.ts, bars.close, strict=True)
        }

    def events(self, topic, kind):
        found = live.client().xrange(f"live:t{self.team.pk}:{topic}")
        told = [orjson.loads(fields[b"b"]) for _, fields in found]
        return [one["data"] for one in told if one["kind"] == kind]

    def trail(self):
        found = audit.list_events(team_id=self.team.pk, subject="live-feed:us")
        return [event.action for event in found][::-1]


def whole(prices=PRICES, **other):
    return {**dict(enumerate(prices)), **{int(at[1:]): price for at, price in other.items()}}


def of_team(stage):
    """The team's batches: others may have loaded what is shared."""
    return Batch.objects.filter(dataset__team_id=stage.row.team_id)


def test_a_cut_stream_ends_with_the_same_bars_as_an_undisturbed_one(play):
    """FAULTS: the socket drops, bars come twice, late, corrected, and one from the future."""
    corrected = list(PRICES)
    corrected[1] = 171.25
    stage = play(
        [
            *(told(at, PRICES[at]) for at in (0, 1, 2)),
            # Nobody listens to 3 and 4; then 5 comes, twice, and an old one again.
            *(told(at, PRICES[at]) for at in (5, 5, 1)),
            told(1, 171.25, kind="u"),
            told(1, PRICES[1]),
            told(6, 999.0),  # not over: stamped by its close, or by a clock that runs ahead
        ],
        cuts=(3,),
        rest=corrected,
    ).run()
    until(lambda: stage.stream.sent == 9 and stage.row.refused >= 1, "all messages")
    until(lambda: len(stage.closes()) == 6, "six bars")
    until(lambda: stage.closes()[1] == 171.25, "the correction")
    assert stage.closes() == whole(p1=171.25)
    assert stage.row.connects == stage.stream.connections == 2
    sources = set(of_team(stage).values_list("source", flat=True))
    assert {source.rsplit(", ", 1)[1] for source in sources} == {"stream", "backfill"}
    assert all("Alpaca market data, feed iex" in source for source in sources)
    told_closes = stage.events("feed.us", "market.bars.closed")
    assert told_closes[-1]["closes"].keys() == {"AAPL"}
    until(lambda: stage.view.state == "live", "a live feed")
    assert stage.view.may_be_trusted
    panel = selectors.read_panel(
        team_id=stage.team.pk,
        timeframe="1m",
        universe=selectors.get_universe(team_id=stage.team.pk, name="live-us"),
    )
    assert panel.close[:, 0].tolist() == [170.0, 171.25, 172.0, 173.0, 174.0, 175.0]


def test_a_correction_keeps_the_old_bar_and_notes_a_revision(play):
    stage = play([told(0, PRICES[0])], rest=()).run()
    until(lambda: stage.closes() == {0: 170.0}, "the first bar")
    stage.stream.messages.append(told(0, 170.5, kind="u"))
    until(lambda: stage.closes() == {0: 170.5}, "the correction")
    assert stage.row.changed == 1
    (revision,) = Revision.objects.all()
    assert revision.bars == 1
    # An echo of the bar before it was corrected changes nothing.
    stage.stream.messages.append(told(0, 170.0))
    until(lambda: stage.row.refused == 1, "the echo")
    assert stage.closes() == {0: 170.5}


def test_a_frozen_price_makes_the_feed_stale_and_a_moving_one_live_again(play):
    """FAULTS 58: the same price for ten minutes."""
    flat = [{**told(at, 170.0), "h": 170.0, "l": 170.0} for at in range(10)]
    stage = play(flat, rest=())
    stage.clock.micros = START + 10 * MINUTE + 5_000_000
    stage.run()
    until(lambda: stage.view.state == "stale", "a stale feed")
    assert stage.view.note == "one price for 10 minutes: AAPL"
    assert not stage.view.may_be_trusted
    (alert,) = stage.events("alerts", "market.feed.stale")
    assert alert["feed"] == "us"
    stored = Alert.objects.get(team=stage.team, kind="feed.bad")
    assert (stored.subject, stored.severity) == ("live-feed:us", "critical")
    assert "one price for 10 minutes" in stored.title
    stage.clock.micros += MINUTE
    stage.stream.messages.append(told(10, 171.0))
    until(lambda: stage.view.state == "live", "a live feed")
    assert stage.trail()[-2:] == ["feed.stale", "feed.recovered"]
    stored.refresh_from_db()
    assert stored.ended_at is not None


def test_a_silent_stream_is_stale_while_the_exchange_is_open(play):
    stage = play([told(5, PRICES[5])]).run()
    until(lambda: stage.view.state == "live", "a live feed")
    stage.clock.micros += 4 * MINUTE
    until(lambda: stage.view.note == "no bars: AAPL", "a stale feed")
    assert stage.view.state == "stale"


def test_what_nobody_holds_any_more_is_told_as_stale(play):
    stage = play([told(5, PRICES[5])]).run()
    until(lambda: stage.view.state == "live", "a live feed")
    stage.feeds.stop()
    LiveFeed.objects.update(state="live", lease_until=stage.clock() - timedelta(seconds=1))
    assert stage.view.state == "stale"
    assert "No process holds" in stage.view.note


def test_a_wrong_key_ends_the_feed_and_is_noted_on_the_key(play):
    stage = play([], refusal=("sign-in", 402, "auth failed")).run()
    until(lambda: stage.view.state == "failed", "the end")
    view = stage.view
    assert not view.is_on
    assert "does not take the key" in view.note
    assert not [value for value in KEY.values() if value in view.note]

    def key():
        vendors = selectors.list_vendors(team_id=stage.team.pk, now=stage.clock())
        return {one.name: one.key for one in vendors}["alpaca"]

    until(lambda: key().status == "refused", "the note on the key")
    assert stage.trail()[-1] == "feed.failed"
    assert stage.events("alerts", "market.feed.failed")


def test_a_second_connection_of_the_account_is_waited_for(play):
    stage = play([told(5, PRICES[5])], refusal=("sign-in", 406, "connection limit exceeded"))
    stage.run()
    until(lambda: stage.view.state == "reconnecting" and stage.view.note, "the refusal")
    assert "connection limit" in stage.view.note
    stage.stream.refusal = None
    until(lambda: stage.view.state == "live", "a live feed")
    until(lambda: stage.closes() == whole(), "all bars")


def test_people_stop_and_start_a_feed(play, actor):
    stage = play([told(5, PRICES[5])]).run()
    until(lambda: stage.view.state == "live", "a live feed")
    admin = actor("admin")
    services.stop_live_feed(actor=admin, name="us", now=stage.clock())
    until(lambda: stage.view.state == "stopped", "a stopped feed")
    until(lambda: not any(each.is_alive() for each in stage.feeds.runners.values()), "its end")
    stage.feeds.look()
    assert stage.feeds.runners == {}
    with pytest.raises(Conflict):
        services.stop_live_feed(actor=admin, name="us", now=stage.clock())
    services.start_live_feed(actor=admin, name="us", now=stage.clock())
    stage.feeds.look()
    until(lambda: stage.view.state == "live", "a live feed")
    assert stage.row.token == 2


def test_two_processes_never_hold_one_feed(play):
    stage = play([told(5, PRICES[5])])
    others = [services.LiveFeeds(f"p{n}", now=stage.clock, rhythm=QUICK) for n in range(3)]
    gate = threading.Barrier(len(others))

    def look(feeds):
        gate.wait()
        try:
            feeds.look()
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=(feeds,)) for feeds in others]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert sum(len(feeds.runners) for feeds in others) == 1
        until(lambda: stage.closes() == whole(), "all bars")
        assert (stage.row.token, stage.stream.connections) == (1, 1)
    finally:
        for feeds in others:
            feeds.stop()


def test_who_lost_a_feed_writes_no_more(play):
    stage = play([])
    first = holding.claim(feed_id=stage.row.pk, holder="one", now=stage.clock())
    assert holding.claim(feed_id=stage.row.pk, holder="two", now=stage.clock()) is None
    later = stage.clock() + holding.LEASE
    second = holding.claim(feed_id=stage.row.pk, holder="two", now=later)
    assert second.token == first.token + 1
    section = load_plug("MARKET_PROVIDERS", "alpaca").section("us-equities")
    heard = [
        writing.Heard(Fetched(Listing("AAPL"), columns(PRICES), no_actions()), "stream", SETTLED)
    ]
    with pytest.raises(holding.LostFeed):
        writing.store_heard(first, section=section, heard=heard, now=later)
    with pytest.raises(holding.LostFeed):
        holding.keep(first, state="live", note="", stale=(), connects=0, refused=0, now=later)
    holding.let_go(first, now=later)
    assert stage.row.holder == "two"
    assert (stage.closes(), of_team(stage).count()) == ({}, 0)
    writing.store_heard(second, section=section, heard=heard, now=later)
    assert stage.closes() == whole()


def test_a_database_that_was_away_costs_no_bar(play, monkeypatch):
    stage = play([told(at, PRICES[at]) for at in range(6)], rest=())
    calls, write = [], running.store_heard

    def away(held, **what):
        calls.append(1)
        if len(calls) <= 2:
            raise running.OperationalError("the database is starting up")
        return write(held, **what)

    monkeypatch.setattr(running, "store_heard", away)
    stage.feeds.rhythm = running.Rhythm(0.05, 0.1, 0.3, database=0.05)
    stage.run()
    until(lambda: stage.closes() == whole(), "all bars")
    assert len(calls) >= 3


def point_bybit_at(server, monkeypatch):
    options = {"venue": "bybit", "base_url": server.url}
    line = {**settings.MARKET_PROVIDERS["bybit"], "OPTIONS": options}
    monkeypatch.setitem(settings.MARKET_PROVIDERS, "bybit", line)
    load_plug.cache_clear()


def test_crypto_is_polled_and_a_failed_round_leaves_no_gap(live_db, monkeypatch, actor, team):
    with vendor.running(BybitServer("", "perpetuals")) as server:
        point_bybit_at(server, monkeypatch)
        truth = server.truth["BTCUSDT", "1h"]
        clock = Clock(int(truth.bars.ts[-20]) + 5_000_000)
        make_feed(
            actor("admin"),
            clock(),
            name="perps",
            provider="bybit",
            section="perpetuals",
            symbols=["BTCUSDT"],
            timeframe="1h",
        )
        monkeypatch.setattr(running.Poll, "run", rounds)
        feeds = services.LiveFeeds("one", now=clock, rhythm=QUICK)
        feeds.look()
        try:
            row = Series.objects.filter(instrument__symbol="BTCUSDT", timeframe="1h")

            def newest():
                return row.exists() and int(row.get().last_at.timestamp()) * 1_000_000

            until(lambda: newest() == truth.bars.ts[-21], "the first round")
            server.fault = "503"
            clock.micros = int(truth.bars.ts[-10]) + 5_000_000
            until(lambda: LiveFeed.objects.get().state == "reconnecting", "the fault to show")
            server.fault = ""
            until(lambda: newest() == truth.bars.ts[-11], "the gap")
        finally:
            feeds.stop()
            load_plug.cache_clear()
        pk = row.get().pk
        bars = read_bars([pk], EARLIEST, LATEST)[pk]
        kept = truth.bars.take(np.isin(truth.bars.ts, bars.ts))
        assert np.array_equal(np.diff(bars.ts), np.full(len(bars) - 1, 3_600_000_000))
        assert np.array_equal(bars.close, kept.close)
        figures = selectors.read_figures(
            team_id=team.pk, dataset="bybit-perpetuals", kind="funding"
        )
        assert len(figures["BTCUSDT"][0])


def rounds(self, on_fetched, stopped):
    """Poll without waiting for the next bar of the real time."""
    while not stopped():
        self.ask(on_fetched, stopped)
        self.wait(0.05)


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"name": "No Name"}, Invalid, "feed.name"),
        ({"symbols": []}, Invalid, "feed.symbols"),
        ({"symbols": [f"S{n}" for n in range(101)]}, Invalid, "feed.symbols"),
        ({"provider": "sample", "section": "sp500"}, Invalid, "feed.provider"),
        ({"provider": "taapi", "section": "binance"}, Denied, "provider.no_key"),
        ({"timeframe": "5m"}, Denied, "provider.no_key"),
        ({"provider": "nobody"}, NotFound, "plug.unknown"),
    ],
)
def test_bad_feeds_are_refused(actor, now, db, changes, error, code):
    with pytest.raises(error) as caught:
        make_feed(actor("admin"), now, **changes)
    assert caught.value.code == code
    assert not LiveFeed.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "researcher", "trader"])
def test_feeds_are_for_those_who_run_the_lab(actor, now, db, role):
    with pytest.raises(Denied, match=r"ops\.manage"):
        make_feed(actor(role), now)


def test_a_streamed_feed_has_minutes_only(play, actor):
    stage = play([])
    with pytest.raises(Invalid, match="come as 1m, not 5m"):
        make_feed(actor("admin"), stage.clock(), name="other", timeframe="5m")
    with pytest.raises(Conflict):
        make_feed(actor("admin"), stage.clock())


def test_another_teams_feed_is_not_there(play, actor, other_team, now):
    play([])
    stranger = actor("admin", other_team)
    assert selectors.list_live_feeds(team_id=other_team.pk, now=now) == []
    for act in (services.stop_live_feed, services.delete_live_feed):
        with pytest.raises(NotFound):
            act(actor=stranger, name="us", now=now)


def test_feeds_over_rest(play, api_as, other_team):
    stage = play([told(5, PRICES[5])])
    admin, viewer = api_as("admin"), api_as("viewer")
    wanted = {"provider": "alpaca", "section": "us-equities", "symbols": ["AAPL", "MSFT"]}
    made = admin.post(
        f"{REST}/live-feeds", {"name": "two", **wanted}, content_type="application/json"
    )
    assert made.status_code == 201, made.json()
    assert (made.status_code, made.json()["state"]) == (201, "starting")
    assert [feed["name"] for feed in viewer.get(f"{REST}/live-feeds").json()] == ["two", "us"]
    told_one = viewer.get(f"{REST}/live-feeds/us").json()
    assert (told_one["symbols"], told_one["may_be_trusted"]) == (["AAPL"], False)
    assert viewer.post(f"{REST}/live-feeds/us/stop").status_code == 403
    assert api_as("admin", other_team).get(f"{REST}/live-feeds/us").status_code == 404
    stopped = admin.post(f"{REST}/live-feeds/two/stop").json()
    assert (stopped["is_on"], stopped["state"]) == (False, "stopped")
    assert admin.post(f"{REST}/live-feeds/two/stop").json()["code"] == "feed.status"
    assert admin.post(f"{REST}/live-feeds/two/start").json()["is_on"]
    assert admin.delete(f"{REST}/live-feeds/two").status_code == 204
    assert stage.row.name == "us"


def test_feeds_on_the_page(play, client_as):
    stage = play([told(5, PRICES[5])]).run()
    until(lambda: stage.view.state == "live", "a live feed")
    admin = client_as("admin")
    page = admin.get("/data/").content.decode()
    assert 'data-live-name="us"' in page
    assert 'value="alpaca:us-equities"' in page
    assert admin.post("/data/live-feeds/us/", {"act": "stop"}).status_code == 302
    until(lambda: stage.view.state == "stopped", "a stopped feed")
    form = {"name": "more", "source": "alpaca:us-equities", "symbols": "MSFT", "timeframe": "1m"}
    admin.post("/data/live-feeds/", form)
    assert LiveFeed.objects.get(name="more").symbols == ["MSFT"]
    admin.post("/data/live-feeds/more/", {"act": "delete"})
    assert not LiveFeed.objects.filter(name="more").exists()
    assert "New live feed" not in client_as("viewer").get("/data/").content.decode()


def test_the_stream_process_drives_live_feeds(play):
    stage = play([told(5, PRICES[5])])
    stream = Stream(lambda _: None)
    stream.live = stage.feeds
    stream.look()
    until(lambda: stage.view.state == "live", "a live feed")
