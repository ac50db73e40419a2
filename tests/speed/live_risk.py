"""Live risk: from the commit of a bar's step to the message on a browser's socket.

A site, a stream process and this one, each of its own, on one database: here a bar is handed out
and the accounts on it are stepped, the stream process measures, the site delivers over a real
websocket. There is no peer. Every message is held against what REST tells of the same state.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal

import numpy as np

from tests.speed.site import ROOT, filled_database, site

POSITIONS, CHANGES, PAUSE, GOAL_MS = 20, 60, 0.3, 1000.0
FIGURES, CALLS = 50, 200
PATIENCE = 30.0


@contextlib.contextmanager
def streaming(environment):
    """A stream process whose feeds stand still: it tells live risk."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "stream"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def prepared():
    """A feed that moves when told to, and an account on it that holds twenty stocks."""
    from apps.accounts.models import Team
    from apps.core import clock
    from apps.core.actors import system
    from apps.market.models import FeedSession
    from apps.trading import services
    from tests.factories import trading

    FeedSession.objects.update(status="paused")
    team, now = Team.objects.order_by("pk").first(), clock.now()
    feed = trading.make_feed(now, name="live-risk-speed")
    FeedSession.objects.filter(pk=feed.pk).update(seconds_per_bar=3600.0)
    account = trading.make_account(team, now, feed=feed.name)
    trading.advance(feed, now)
    feed_symbols = sorted(set(_priced(feed)))[:POSITIONS]
    for symbol in feed_symbols:
        services.place_order(
            actor=system("bench", team.pk),
            account_id=account.pk,
            symbol=symbol,
            side="buy",
            quantity=Decimal(20),
            now=clock.now(),
        )
    trading.advance(feed, clock.now())
    return team, feed, account


def _priced(feed):
    from apps.market.selectors import feed_state, read_panel

    state = feed_state(feed.name)
    panel = read_panel(
        team_id=None,
        timeframe=state.timeframe,
        start=state.start_at,
        end=state.position_at,
        instruments=state.symbols,
        price_mode=state.price_mode,
        dataset=state.dataset,
    )
    whole = np.isfinite(panel.close[-260:]).all(axis=0)
    return [symbol for symbol, is_whole in zip(panel.symbols, whole, strict=True) if is_whole]


def cookie_of(team):
    """The session of somebody of the team."""
    from django.test import Client

    from apps.accounts.models import Membership

    client = Client()
    member = Membership.objects.filter(team=team).select_related("user").first()
    client.force_login(member.user, backend="django.contrib.auth.backends.ModelBackend")
    return f"sessionid={client.cookies['sessionid'].value}"


def live_risk():
    """p99 of sixty changes of twenty positions, over a real websocket."""
    with filled_database() as (environment, token):
        os.environ.update({**environment, "DJANGO_SETTINGS_MODULE": "quantsite.settings"})
        import django

        django.setup()
        team, feed, account = prepared()
        application = "quantsite.asgi:application"
        with site(environment, application, "/health") as port, streaming(environment):
            waits, checked = measured(port, token, cookie_of(team), feed, account)
    p50, p99 = (float(np.percentile(waits, q)) for q in (50, 99))
    figures = figures_ms()
    return {
        "name": "live_risk",
        "value": round(p99, 1),
        "unit": "ms from commit to socket, p99",
        "p50": round(p50, 1),
        "peer": None,
        "peer_value": None,
        "ratio": round(GOAL_MS / p99, 2),
        "goal": 1.0,
        "checked": f"{checked} messages equal to REST, {len(waits)} changes",
        "figures_50_positions_ms": figures,
    }


def measured(port, token, cookie, feed, account):
    """Milliseconds of each change; how many messages equalled the answer of REST."""
    from websockets.sync.client import connect

    from apps.core import clock
    from apps.risk.services import live
    from tests.factories import trading

    left, leave = [], live._leave

    def timed(field):
        left.append(time.perf_counter())
        leave(field)

    live._leave = timed
    address, topic = f"localhost:{port}", f"account.{account.pk}"
    headers = {"Cookie": cookie}
    waits, checked = [], 0
    with connect(
        f"ws://{address}/ws/live", origin=f"http://{address}", additional_headers=headers
    ) as socket:
        socket.send(json.dumps({"op": "subscribe", "topic": topic}))
        for _ in range(CHANGES):
            before = len(left)
            trading.advance(feed, clock.now())
            account.refresh_from_db()
            book, at = heard(socket, account.last_bar_at)
            waits.append((at - left[before]) * 1e3)
            told = rest(address, token, account)
            checked += told["digest"] == book["digest"] and told["levels"] == book["levels"]
            time.sleep(PAUSE)
    assert checked == CHANGES, f"only {checked} messages equal REST"
    # The first changes load what is loaded on first use.
    return waits[5:], checked


def heard(socket, bar_at):
    """The book of a bar, and when its message came."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        message = json.loads(socket.recv(timeout=PATIENCE))
        at = time.perf_counter()
        if message.get("kind") == "risk.live.changed":
            book = message["data"]["book"]
            if book["as_of"] and book["as_of"][:19] == bar_at.isoformat()[:19]:
                return book, at
    raise AssertionError(f"nothing was told of {bar_at}")


def rest(address, token, account):
    url = f"http://{address}/api/v1/risk/live?subject=account:{account.pk}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["books"][0]


def figures_ms():
    """Milliseconds of the figures alone, 50 positions, a new price each time, by model; median."""
    from apps.risk.kernel.live import History, live_figures
    from apps.risk.kernel.tail_parts import MODELS

    rng = np.random.default_rng(1)
    names = tuple(f"S{i:02d}" for i in range(FIGURES))
    common = rng.standard_t(5, size=(250, 1)) * 0.008
    history = History(names, common + rng.normal(0, 0.008, (250, FIGURES)))
    held = dict(zip(names, rng.uniform(1, 5, FIGURES).tolist(), strict=True))
    found = {}
    for model in MODELS:
        taken = []
        for n in range(CALLS // 10):
            prices = dict.fromkeys(names, 100.0 + n)
            began = time.perf_counter()
            live_figures(held, prices, history, model=model, equity=2e4)
            taken.append((time.perf_counter() - began) * 1e3)
        found[model] = round(float(np.median(taken)), 2)
    return found
